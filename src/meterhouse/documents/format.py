"""The formats that an invoice can be written in, by name.

A format is a function from an invoice to bytes, the same bytes however often. What it needs is
imported when it is first used: listing the formats imports no library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from meterhouse.core.invoice import Invoice
from meterhouse.core.problem import NotFoundError


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what its files are called, and how an invoice is written in it.

    ``extra`` is what must be installed for it (``pip install 'meterhouse[pdf]'``), if anything.
    ``has_detail``: it can also list the records behind each line.
    """

    name: str
    title: str
    suffix: str
    media_type: str
    function: str
    extra: str = ""
    has_detail: bool = False

    def render(self, invoice: Invoice, *, detail: bool = False) -> bytes:
        """Write an invoice; ``detail`` adds the records behind the lines where there is room."""
        module, _, name = self.function.rpartition(".")
        write: Callable[..., bytes] = getattr(import_module(f"meterhouse.{module}"), name)
        return write(invoice, detail=detail) if self.has_detail else write(invoice)


_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMATS: Mapping[str, Format] = {
    made.name: made
    for made in (
        Format(
            "xlsx",
            "Workbook (XLSX)",
            ".xlsx",
            _XLSX_TYPE,
            "documents.workbook.render.xlsx_bytes",
            has_detail=True,
        ),
        Format(
            "json", "Canonical JSON", ".json", "application/json", "documents.canonical.json_bytes"
        ),
        Format("csv", "Lines as CSV", ".csv", "text/csv", "documents.csv_lines.csv_bytes"),
        Format("focus", "FOCUS 1.2", ".focus.csv", "text/csv", "documents.focus.focus_bytes"),
        Format("pdf", "PDF/A-3", ".pdf", "application/pdf", "documents.pdf.pdf_bytes", extra="pdf"),
        Format(
            "ubl",
            "EN 16931 as UBL 2.1",
            ".ubl.xml",
            "application/xml",
            "documents.einvoice.ubl_bytes",
            extra="einvoice",
        ),
        Format(
            "cii",
            "EN 16931 as CII",
            ".cii.xml",
            "application/xml",
            "documents.einvoice.cii_bytes",
            extra="einvoice",
        ),
        Format(
            "facturx",
            "Factur-X (PDF with CII)",
            ".facturx.pdf",
            "application/pdf",
            "documents.pdf.facturx_bytes",
            extra="pdf,einvoice",
        ),
    )
}


def format_named(name: str) -> Format:
    """Return a format. Raises ``NotFoundError``, which lists what there is.

    >>> format_named("xlsx").suffix
    '.xlsx'
    """
    found = FORMATS.get(name)
    if found is None:
        near = get_close_matches(name, FORMATS, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise NotFoundError(
            f"there is no document format {name!r}", hint=f"{meant}Use one of {', '.join(FORMATS)}."
        )
    return found
