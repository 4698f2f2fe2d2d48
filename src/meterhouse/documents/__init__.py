"""An invoice as files: see README.md."""

from meterhouse.documents.format import FORMATS, Format, format_named

__all__ = ["FORMATS", "Format", "format_named"]
