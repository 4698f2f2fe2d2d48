"""How invoices are shown on a terminal: parties, lines, taxes and totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING

from meterhouse.cli.output import Cell, columns, note, write_pairs, write_table, write_text
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import parse_json
from meterhouse.core.money import amount_text
from meterhouse.core.timezone import local_time, zone
from meterhouse.core.told_fields import told_fields

if TYPE_CHECKING:
    from meterhouse.app.billing.ports import FileMade, ManualLine
    from meterhouse.core.charge import BillingPeriod, Charge
    from meterhouse.core.invoice import Invoice, InvoiceLine

_LINES = columns("#No", "~What", "?~Of", "#Quantity", "?Unit", "?#Unit price", "#Amount", "?Note")


def write_invoice(
    invoice: Invoice, *, manual: Sequence[ManualLine] = (), files: Sequence[FileMade] = ()
) -> None:
    """Write an invoice for people."""
    _write_head(invoice)
    if invoice.lines:
        write_text()
        write_table(_LINES, [_line(line, invoice) for line in invoice.lines])
    write_text()
    _write_totals(invoice)
    if invoice.unpriced:
        from meterhouse.app.billing.price_check import REASONS

        write_text("\nUnpriced usage, which keeps it from being issued:")
        rows: list[list[Cell]] = [
            [
                _fields(one.fields),
                one.quantity,
                REASONS.get(one.reason, one.reason),
                ", ".join(one.skus),
            ]
            for one in invoice.unpriced
        ]
        write_table(columns("Usage", "#Quantity", "Reason", "?Prices"), rows)
    if invoice.exceptions:
        write_text("\nExceptions:")
        for code, text in invoice.exceptions:
            write_text(f"  {code}: {text}")
    if manual:
        write_text("\nLines by hand:")
        hands: list[list[Cell]] = [
            [one.name, one.amount, one.reason, one.author, one.id] for one in manual
        ]
        write_table(columns("What", "#Amount", "Reason", "Author", "@Id"), hands)
    if files:
        write_text("\nFiles:")
        made: list[list[Cell]] = [[one.format, one.name, one.size, one.sha256] for one in files]
        write_table(columns("Format", "Name", "#Bytes", "?SHA-256"), made)


def _write_head(invoice: Invoice) -> None:
    kind = "Credit note" if invoice.kind.value == "credit_note" else "Invoice"
    pairs: dict[str, Cell] = {
        kind: invoice.number or "(draft)",
        "Id": invoice.id,
        "Status": invoice.status.value,
        "Seller": invoice.seller.name,
        "Customer": f"{invoice.buyer.name} ({invoice.customer})",
        "Period": f"{period_text(invoice.period)} ({invoice.period.timezone})",
        "Price book": ", ".join(f"{book.id} {book.version}" for book in invoice.books),
        "Invoicing model": invoice.invoicing_model,
    }
    if invoice.issue_date is not None:
        pairs["Issued"] = invoice.issue_date.isoformat()
    if invoice.due_date is not None:
        pairs["Due"] = invoice.due_date.isoformat()
    if invoice.corrects is not None:
        pairs["Corrects"] = f"{invoice.corrects[0]} of {invoice.corrects[1].isoformat()}"
    if invoice.requests is not None:
        pairs["Requests"] = invoice.requests
    pairs |= {
        f"Check {one.code}": f"{one.outcome.value}: {one.reason or one.text}"
        for one in invoice.checks
        if one.outcome.value != "passed"
    }
    if reason := invoice.metadata.get("reason"):
        pairs["Reason"] = reason
    write_pairs({name: value for name, value in pairs.items() if value})


def period_text(period: BillingPeriod) -> str:
    """Say a period in days of its zone, where it begins and ends at midnight."""
    place = zone(period.timezone)
    sides = [local_time(instant, place) for instant in (period.start, period.end)]
    if all(side.time() == time.min for side in sides):
        start, end = (side.date().isoformat() for side in sides)
    else:
        start, end = instant_text(period.start), instant_text(period.end)
    return f"{start} to {end}"


def _line(line: InvoiceLine, invoice: Invoice) -> list[Cell]:
    from meterhouse.documents.shown_line import named_fields

    charge = line.charge
    price = charge.list_price
    per = "" if charge.per == 1 else f" per {charge.per:f}"
    hidden = charge.kind.value == "true_up"
    notes: list[str] = [charge.kind.value.replace("_", "-")] if charge.kind.value != "usage" else []
    if charge.kind.value in ("usage", "adjustment") and charge.quantity != charge.billable:
        notes.append(f"metered {charge.quantity:f} {charge.metered_unit}".rstrip())
    notes += [f"corrects {line.corrects}"] if line.corrects else []
    notes += [line.reason] if line.author else []
    notes += [
        f"{one.name or one.kind} {_money(one.amount.copy_negate(), invoice)}"
        for one in (*charge.reductions, *line.shares)
    ]
    return [
        *(line.id, charge.name or charge.sku, _fields(named_fields(line)), *_usage(charge)),
        *(None if price is None or hidden else f"{price:f}{per}", _money(line.net, invoice)),
        "; ".join(notes),
    ]


def _usage(charge: Charge) -> tuple[Cell, Cell]:
    """Return what is charged and its unit; fees and true-ups have none."""
    counts = charge.kind.value not in ("fee", "true_up")
    return (charge.billable, charge.unit) if counts else (None, None)


def _write_totals(invoice: Invoice) -> None:
    totals = invoice.totals
    rows: list[tuple[str, Decimal]] = []
    if totals.credits_before_tax:
        rows += [
            ("Lines", totals.lines),
            ("Credits before tax", totals.credits_before_tax.copy_negate()),
        ]
    rows.append(("Net", totals.net))
    for tax in invoice.taxes:
        rate = (
            f"{tax.rate:f}".rstrip("0").rstrip(".") if "." in f"{tax.rate:f}" else f"{tax.rate:f}"
        )
        rows.append(
            (f"{tax.name} {rate} % ({tax.category}) of {_money(tax.base, invoice)}", tax.amount)
        )
    rows.append(("Total", totals.total))
    if totals.prepaid:
        rows += [("Prepaid", totals.prepaid.copy_negate()), ("To pay", totals.payable)]
    width = max(len(name) for name, _ in rows)
    amounts = [_money(amount, invoice) for _, amount in rows]
    right = max(map(len, amounts))
    for (name, _), amount in zip(rows, amounts, strict=True):
        write_text(f"{name:<{width}}  {amount:>{right}} {invoice.currency}")


def _money(amount: Decimal, invoice: Invoice) -> str:
    return amount_text(amount, invoice.currency_digits)


def _fields(fields: Mapping[str, str]) -> str:
    shown = (_plain(text) for _, text in sorted(told_fields(fields, null="null").items()))
    return ", ".join(text for text in shown if text)


def _plain(text: str) -> str:
    value = parse_json(text)
    return value if isinstance(value, str) else text


def tell_not_billed(records: int, users: int) -> None:
    """Say how much usage nobody pays for."""
    if records:
        of = "1 user" if users == 1 else f"{users} users"
        what = "1 record" if records == 1 else f"{records} records"
        note(f"not billed: {what} of {of} whom no customer has (`invoice unbilled` lists them)")
