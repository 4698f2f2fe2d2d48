"""An invoice as PDF/A-3b, to be read and printed, and as Factur-X, which has its own XML in it.

The layout is a template of typst, which gets an invoice as data: no text is ever markup. Only the
fonts of the typesetter are used, and no file is read, so the same invoice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.money import amount_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import number_text
from meterhouse.documents.einvoice import cii_bytes
from meterhouse.documents.extra import needed
from meterhouse.documents.header import document_moment, header_fields, party_lines, tax_label
from meterhouse.documents.plain_text import xml_text
from meterhouse.documents.shown_line import (
    ShownLine,
    cost_of_one,
    grouped_digits,
    parts_text,
    per_text,
    quantity_title,
    shown_lines,
    total,
    unit_cost,
)
from meterhouse.documents.summary import Group, grouped, sums_of, title_of

_TEMPLATE = Path(__file__).with_name("invoice.typ")
#: A document for people ends somewhere: the whole list is in the other formats.
_LINES_MAX = 500
_GROUPS_MAX = 100
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_XMP_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def pdf_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as PDF/A-3b."""
    with needed("pdf", "PDF files"):
        import typst
    data = json.dumps(_data(invoice), ensure_ascii=False)
    source: Any = _TEMPLATE.read_bytes()
    # The typesetter may read files below its root: there are none.
    with tempfile.TemporaryDirectory(prefix="meterhouse-pdf-") as empty:
        try:
            made = typst.compile(
                source,
                root=empty,
                ignore_system_fonts=True,
                format="pdf",
                sys_inputs={"invoice": data},
                pdf_standards=["a-3b"],
                timestamp=int(document_moment(invoice).replace(tzinfo=UTC).timestamp()),
            )
        except typst.TypstError as error:
            raise MeterhouseError(
                f"The invoice cannot be written as PDF: {error.message}",
                hint="The fonts of PDF files know Latin, Greek and Cyrillic letters. "
                "Write other names in those, or use another format.",
                code="pdf_failed",
            ) from error
    assert isinstance(made, bytes)
    return made


def facturx_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as Factur-X: the PDF with the CII XML attached."""
    xml = cii_bytes(invoice)
    made = pdf_bytes(invoice)
    with needed("einvoice", "Factur-X files"):
        from facturx import generate_from_binary
    moment = document_moment(invoice)
    joined = generate_from_binary(
        made,
        xml,
        flavor="factur-x",
        level="en16931",
        check_xsd=False,
        check_schematron=False,
        afrelationship="alternative",
        lang=_language(invoice),
        pdf_metadata={
            "author": xml_text(invoice.seller.name),
            "keywords": "Factur-X",
            "title": xml_text(_title(invoice)),
            "subject": xml_text(_title(invoice)),
        },
        xmp_compression=False,
    )
    return _dated(joined, moment, f"{invoice.id} {invoice.number}")


def _dated(pdf: bytes, moment: datetime, identity: str) -> bytes:
    """Replace the moments of making, and the id that chance made, by those of the invoice."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import ArrayObject, ByteStringObject, NameObject, TextStringObject

    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf)))
    writer.pdf_header = "%PDF-1.7"
    stamp = moment.strftime("D:%Y%m%d%H%M%S+00'00'")
    writer.add_metadata({"/CreationDate": stamp, "/ModDate": stamp})
    xmp: Any = writer.root_object["/Metadata"]
    text = xmp.get_object().get_data()
    xmp.get_object().set_data(
        _XMP_DATE.sub(moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").encode(), text)
    )
    for file in writer.root_object["/AF"]:  # pyrefly: ignore
        embedded = file.get_object()["/EF"]["/F"].get_object()
        embedded["/Params"][NameObject("/ModDate")] = TextStringObject(stamp)
    digest = hashlib.sha256(identity.encode()).digest()[:16]
    writer._ID = ArrayObject((ByteStringObject(digest), ByteStringObject(digest)))
    made = BytesIO()
    writer.write(made)
    return made.getvalue()


def _title(invoice: Invoice) -> str:
    return f"{title_of(invoice)} {invoice.number or 'draft'}"


def _language(invoice: Invoice) -> str:
    return invoice.language if _LANGUAGE.fullmatch(invoice.language) else "en"


def _data(invoice: Invoice) -> dict[str, Any]:
    lines = shown_lines(invoice)
    status = invoice.status
    is_no_bill = status in (InvoiceStatus.DRAFT, InvoiceStatus.VOID)
    said = "Amount credited" if title_of(invoice) == "Credit note" else "Amount payable"
    payable = _amount(invoice, invoice.totals.payable)
    return _clean(
        {
            "title": _title(invoice),
            "author": invoice.seller.name,
            "language": _language(invoice),
            "kind": title_of(invoice),
            "number": invoice.number or "DRAFT",
            "notice": f"This is a {status.value}: it asks for no payment." if is_no_bill else "",
            "seller": party_lines(invoice.seller),
            "buyer": party_lines(invoice.buyer),
            "details": _details(invoice),
            "currency": invoice.currency,
            "quantity": quantity_title(lines),
            "summary": _summary(invoice, lines),
            "footing": list(_footing(invoice)),
            "payable": {"label": said, "amount": f"{payable} {invoice.currency}"},
            "notes": [f"{tax_label(tax)}: {tax.reason}" for tax in invoice.taxes if tax.reason],
            "lines": [_line(invoice, shown) for shown in lines[:_LINES_MAX]] + _left(lines),
            "footer": f"{invoice.seller.name} · {_title(invoice)}",
        }
    )


def _clean(value: Any) -> Any:
    """Replace what neither XML nor PDF can hold; the template gets it as JSON."""
    if isinstance(value, str):
        return xml_text(value)
    if isinstance(value, dict):
        return {name: _clean(member) for name, member in value.items()}
    return [_clean(member) for member in value] if isinstance(value, list) else value


def _details(invoice: Invoice) -> list[list[str]]:
    shown = [
        [label, value.isoformat() if isinstance(value, date) else value]
        for label, value in header_fields(invoice)
        if value
    ]
    half = (len(shown) + 1) // 2
    # Read down the left column first, then down the right one.
    right = [*shown[half:], ["", ""]]
    return [pair for at in range(half) for pair in (shown[at], right[at])]


def _summary(invoice: Invoice, lines: list[ShownLine]) -> list[list[str]]:
    groups = grouped(lines, "component", "part")
    rows = [_summed(invoice, group) for group in groups[:_GROUPS_MAX]]
    if left := groups[_GROUPS_MAX:]:
        amount = _amount(invoice, total([group.amount for group in left]))
        rows.append([f"{len(left):,} others", "", "", "", "", "", amount])
    return rows


def _summed(invoice: Invoice, group: Group) -> list[str]:
    component, service = group.names
    cost = cost_of_one(group.amount, group.quantity)
    quantity = _number(group.quantity) if group.quantity else ""
    price = f"{_number(group.price)}{group.per}" if group.price is not None else ""
    amount = _amount(invoice, group.amount)
    return [component, service, quantity, group.unit, price, _number(cost), amount]


def _footing(invoice: Invoice) -> Iterator[dict[str, Any]]:
    sums, totals = sums_of(invoice), invoice.totals

    def row(label: str, amount: Decimal, *, note: str = "", strong: bool = False) -> dict[str, Any]:
        shown = _amount(invoice, amount)
        return {"label": label, "note": note, "amount": shown, "strong": strong}

    if sums.counted is not None:
        counted = {"label": sums.counted_as, "note": "", "strong": False}
        yield counted | {"amount": _number(sums.counted)}
    yield row("Usage and fees", sums.charges)
    optional = (
        ("Discounts", sums.discounts.copy_negate()),
        ("Over maximum", sums.maxima.copy_negate()),
        ("Minimum commitments", sums.true_ups),
        ("Adjustments", sums.adjustments),
        ("Credits", totals.credits_before_tax.copy_negate()),
    )
    for label, amount in optional:
        if amount:
            yield row(label, amount)
    yield row("Net", totals.net, strong=True)
    for tax in invoice.taxes:
        yield row(tax_label(tax), tax.amount, note=f"of {_amount(invoice, tax.base)}")
    yield row("Total", totals.total, strong=True)
    if totals.prepaid:
        yield row("Prepaid credits", totals.prepaid.copy_negate())


def _line(invoice: Invoice, shown: ShownLine) -> dict[str, Any]:
    line, charge = shown.line, shown.line.charge
    taken = [
        f"{one.name or one.kind}: {_amount(invoice, one.amount.copy_negate())}"
        for one in (*charge.reductions, *line.shares)
    ]
    metered = ""
    if shown.is_converted:
        metered = f"metered {_number(charge.quantity)} {shown.metered_unit}".strip()
    listed = ""
    if shown.list_price is not None:
        listed = f"list price {_number(shown.list_price)}{per_text(charge)}"
    parts = parts_text(line, invoice.currency_digits)
    late = f"late usage of invoice {line.corrects}" if line.corrects else ""
    said = (late, shown.told(), shown.model_name, metered, listed, parts, *taken)
    return {
        "cells": [
            line.id,
            shown.component,
            shown.service,
            shown.user,
            _number(shown.quantity) if shown.quantity else "",
            charge.unit if shown.quantity else "",
            _number(unit_cost(shown)),
            _amount(invoice, line.net),
        ],
        "calculation": "; ".join(filter(None, (*said, line.reason))),
    }


def _left(lines: list[ShownLine]) -> list[dict[str, Any]]:
    more = len(lines) - _LINES_MAX
    if more <= 0:
        return []
    return [{"cells": [], "calculation": f"and {more:,} more lines, which the other formats list"}]


def _amount(invoice: Invoice, amount: Decimal) -> str:
    return grouped_digits(amount_text(amount, invoice.currency_digits))


def _number(number: Decimal | None) -> str:
    return "" if number is None else grouped_digits(number_text(number))
