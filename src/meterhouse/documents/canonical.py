"""The canonical JSON of an invoice as a file: what was stored, byte for byte."""

from __future__ import annotations

from meterhouse.core.invoice import Invoice
from meterhouse.core.invoice_text import invoice_text


def json_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as canonical JSON: one line, without an end of line."""
    return invoice_text(invoice).encode()
