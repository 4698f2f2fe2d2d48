"""CSV: a header line, commas, double quotes (RFC 4180); every cell is text unless declared."""
