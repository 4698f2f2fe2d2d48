"""The columnar executor."""
