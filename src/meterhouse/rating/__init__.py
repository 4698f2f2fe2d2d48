"""Metered records and a price book become charges: see README.md."""
