"""Making the workbook: which sheets, in which order, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from meterhouse.core.invoice import Invoice
from meterhouse.core.problem import MeterhouseError
from meterhouse.documents.header import document_moment
from meterhouse.documents.plain_text import xml_text
from meterhouse.documents.shown_line import shown_lines
from meterhouse.documents.summary import title_of
from meterhouse.documents.workbook.front import write_front
from meterhouse.documents.workbook.page import ROWS_MAX, Page, Styles
from meterhouse.documents.workbook.services import portions_of, write_services
from meterhouse.documents.workbook.tables import (
    write_adjustments,
    write_components,
    write_daily,
    write_exceptions,
    write_metadata,
    write_tokens,
    write_usage,
)

#: From so many rows on, rows go to a file as they are written, rather than being kept.
_KEPT_ROWS_MAX = 5_000


def xlsx_bytes(invoice: Invoice, *, detail: bool = False) -> bytes:
    """Write an invoice as a workbook; ``detail`` adds a row for each record behind the lines."""
    from xlsxwriter import Workbook

    if max(len(invoice.lines), len(invoice.windows)) > ROWS_MAX:
        raise MeterhouseError(
            f"The invoice has {len(invoice.lines):,} lines, and a sheet {ROWS_MAX:,} rows",
            hint="Use the format csv or json, or fewer fields in line_by.",
            code="too_many_rows",
        )
    rows = len(invoice.lines) + len(invoice.windows)
    if detail:
        rows += sum(len(line.charge.sources) for line in invoice.lines)
    big = rows > _KEPT_ROWS_MAX
    made = BytesIO()
    options = {
        # Whatever a text looks like, it is a text.
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": not big,
        "constant_memory": big,
        "default_date_format": "yyyy-mm-dd",
    }
    with Workbook(made, options) as book:
        _write(book, invoice, detail=detail)
    return made.getvalue()


def _write(book: Any, invoice: Invoice, *, detail: bool) -> None:
    title = f"{title_of(invoice)} {invoice.number or 'draft'}"
    book.set_properties(
        {
            "title": xml_text(title),
            "subject": xml_text(f"{invoice.customer}, {invoice.buyer.name}")[:255],
            "author": xml_text(invoice.seller.name),
            "company": xml_text(invoice.seller.name),
            "comments": f"Invoice {invoice.id}",
            "created": document_moment(invoice),
        }
    )
    styles = Styles(book, invoice.currency_digits, invoice.currency)
    lines = shown_lines(invoice)

    def page(name: str) -> Page:
        made = Page(book, styles, name)
        footer = f"{invoice.seller.name} · {title}"
        made.printed(landscape=name != "Invoice", footer=footer)
        return made

    front = page("Invoice")
    table = write_components(page("Components"), invoice, lines)
    write_front(front, invoice, lines, table=table, book=book)
    if portions := portions_of(lines, invoice.currency_digits):
        write_services(page("Services"), invoice, portions)
    if invoice.windows:
        write_daily(page("Daily"), invoice, lines, book=book)
    if any(shown.is_tokens for shown in lines):
        write_tokens(page("Tokens"), invoice, lines)
    write_adjustments(page("Adjustments"), invoice)
    write_exceptions(page("Exceptions"), invoice)
    write_metadata(page("Metadata"), invoice)
    if detail:
        write_usage(_usage_pages(page), invoice)


def _usage_pages(page: Any) -> Iterator[Page]:
    yield page("Usage detail")
    number = 2
    while True:
        yield page(f"Usage detail {number}")
        number += 1
