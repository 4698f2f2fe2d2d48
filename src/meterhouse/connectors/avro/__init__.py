"""Avro object container files: columns by Polars where it can, rows by fastavro where not."""
