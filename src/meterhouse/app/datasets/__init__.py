"""Use cases of datasets: publishing schemas, adding files, listing and finding them."""
