"""NDJSON: one JSON object a line, numbers exactly as written."""
