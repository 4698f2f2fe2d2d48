"""JSON files that are one array of objects, or one object over several lines."""
