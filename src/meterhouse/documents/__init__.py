"""An invoice as files: see README.md."""
