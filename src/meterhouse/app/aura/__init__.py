"""The Aura side: uploading what components logged, and importing it into the catalogue."""
