"""Datasets: their schemas, versions and names. Pure: on `core` alone."""
