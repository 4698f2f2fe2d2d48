"""Explaining a line of an invoice: its price, its calculation, its records and what made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.app.billing.issuing import find_invoice
from meterhouse.app.billing.line_rounding import rounded_together
from meterhouse.app.billing.ports import BillableRecord, RunInput
from meterhouse.app.billing.windows import RECORDS_MAX, uncounted
from meterhouse.app.ports import Ledger
from meterhouse.app.usage_ports import KeptUsage
from meterhouse.core.aggregation import Aggregation
from meterhouse.core.charge import Charge, MeteredUsage, Reduction, Source
from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.invoice import BookUsed, Invoice, InvoiceLine
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.money import amount_text
from meterhouse.core.problem import NotFoundError
from meterhouse.core.quantity import number_text
from meterhouse.rating.counting import Counts
from meterhouse.rating.records import metered_usage

#: So many input records of a metered record are told unless more are asked for.
RECORDS_SHOWN = 20
#: So many metered records of a line are told, or as many as input records are asked for.
METERED_SHOWN = 100
Days = tuple[Instant | None, Instant | None]
#: Records hold other objects as deep as records may nest, and some levels of their own.
_NESTING_MAX = 200


@dataclass(frozen=True, slots=True)
class _Priced:
    """Which usage a line is for: whose, of which days, and without what is counted."""

    customer: str
    days: Days
    counts: Counts | None


def explain_line(
    ledger: Ledger, reference: str, line_id: str, *, records: int | None = RECORDS_SHOWN
) -> dict[str, Any]:
    """Return how a line came about: from its amount to the input of the runs that metered it.

    Of meters that keep single usage, down to the input records: the first ``records`` of each
    metered record, or all of them. Of metered records, the first hundred, or as many; how many
    there are of either is told.
    """
    head = find_invoice(ledger, reference)
    invoice = read_invoice(head.text)
    line = line_of(invoice, line_id)
    ledger.index_billable()
    sources = line.charge.sources
    told = sources if records is None else sources[: max(records, METERED_SHOWN)]
    priced = _Priced(
        invoice.customer, days_of_line(ledger, line, invoice), _counts(ledger, line, invoice)
    )
    return {
        "invoice": head.id,
        "number": head.number,
        "status": head.status.value,
        "line": line.id,
        **_amounts(line, invoice),
        "roundedTogether": rounded_together(ledger, line, invoice),
        "price": _price(ledger, line, invoice),
        "recordCount": len(sources),
        "records": [_source(ledger, source, priced, most=records) for source in told],
    }


def line_of(invoice: Invoice, line_id: str) -> InvoiceLine:
    """Return a line of an invoice by its number; ``NotFoundError`` where it has no such line."""
    line = next((line for line in invoice.lines if line.id == line_id), None)
    if line is None:
        hint = f"it has lines 1 to {len(invoice.lines)}" if invoice.lines else "it has no lines"
        raise NotFoundError(f"The invoice has no line {line_id!r}", hint=hint)
    return line


def days_of_line(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> Days:
    """Return the bounds of usage that a line is for, where prices change within its period.

    The first and the last version of a period have what is before and after it, too.
    """
    of, whole = line.charge.period, invoice.period
    if line.corrects is not None:
        heads = ledger.invoices_of(invoice.customer)
        starts = [(one.start, one.end) for one in heads if one.number == line.corrects]
        start, end = starts[0] if starts else (of.start, of.end)
    else:
        start, end = whole.start, whole.end
    return of.start if of.start > start else None, of.end if of.end < end else None


def _counts(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> Counts | None:
    """Return what the version of a line counts; ``None`` where that is nothing."""
    used = next((book for book in invoice.books if book.hash == line.book), None)
    stored = None if used is None else ledger.price_book(used.id, used.version)
    book = None if stored is None else stored.book()
    return Counts(book, customer=invoice.customer) if book is not None and book.counts else None


def _amounts(line: InvoiceLine, invoice: Invoice) -> dict[str, Any]:
    charge, digits = line.charge, invoice.currency_digits
    return {
        "name": charge.name or charge.sku,
        "kind": charge.kind.value,
        "corrects": line.corrects,
        "author": line.author,
        "reason": line.reason,
        "fields": {name: parse_json(text) for name, text in charge.fields.items()},
        "quantity": number_text(charge.quantity),
        "billable": number_text(charge.billable),
        "unit": charge.unit,
        "meteredUnit": charge.metered_unit,
        "parts": _parts(charge, digits),
        "exact": amount_text(charge.exact, digits),
        "gross": amount_text(charge.gross, digits),
        "reductions": [_reduction(one, digits) for one in (*charge.reductions, *line.shares)],
        "net": amount_text(line.net, digits),
        "currency": invoice.currency,
        "taxCategory": line.tax_category,
        "taxRate": number_text(line.tax_rate),
    }


def _parts(charge: Charge, digits: int) -> list[dict[str, Any]]:
    return [
        {
            "label": part.label,
            "quantity": number_text(part.quantity),
            "unitPrice": None if part.unit_price is None else number_text(part.unit_price),
            "flat": amount_text(part.flat, digits),
            "amount": amount_text(part.amount, digits),
        }
        for part in charge.parts
    ]


def _reduction(one: Reduction, digits: int) -> dict[str, Any]:
    return {"name": one.name, "kind": one.kind, "amount": amount_text(one.amount, digits)}


def _price(ledger: Ledger, line: InvoiceLine, invoice: Invoice) -> dict[str, Any]:
    """Return where the price stands, with what its document says of it."""
    charge = line.charge
    used = next((book for book in invoice.books if book.hash == line.book), None)
    return {
        "sku": charge.sku,
        "model": charge.model,
        "listPrice": None if charge.list_price is None else number_text(charge.list_price),
        "per": number_text(charge.per),
        "book": None if used is None else used.id,
        "version": None if used is None else used.version,
        "hash": line.book,
        "document": None if used is None else _document(ledger, used, charge.sku),
    }


def _document(ledger: Ledger, used: BookUsed, sku: str) -> Any:
    stored = ledger.price_book(used.id, used.version)
    prices = [] if stored is None else parse_json(stored.document).get("prices", [])
    return next((price for price in prices if price.get("sku") == sku), None)


def _source(ledger: Ledger, source: Source, priced: _Priced, *, most: int | None) -> dict[str, Any]:
    shown_source: dict[str, Any] = {
        "recordId": source.record_id,
        "quantity": number_text(source.quantity),
        "fields": {name: parse_json(text) for name, text in source.fields.items()},
    }
    record = ledger.billable_record(source.record_id)
    if record is None:
        return shown_source
    body = parse_json(record.text, nesting_max=_NESTING_MAX)
    usage = metered_usage(body, category=record.category or "")
    kept = _input_records(ledger, usage, meter=body["id"], source=source, priced=priced, most=most)
    found = ledger.meter(body["id"])
    unkept = found is not None and found.meter.by_event_time and not found.meter.keep_usage
    marks = {"keepUsage": False} if unkept else {}
    return shown_source | _record(ledger, record, body) | {"inputRecords": kept} | marks


def _input_records(
    ledger: Ledger,
    usage: MeteredUsage,
    *,
    meter: str,
    source: Source,
    priced: _Priced,
    most: int | None,
) -> dict[str, Any] | None:
    """Return the single records of a metered one; ``None`` where none are kept.

    Only those of the group that the line is for, that no count takes, and, unless the line is for
    all of these, of its days. ``value`` is what they come to by now. Not ``complete``: the metered
    record has more than are read.
    """
    aggregation = ledger.usage_aggregation(meter, start=usage.period.start)
    if aggregation is None:
        return None
    found = ledger.usage_of_period(meter, start=usage.period.start, limit=RECORDS_MAX + 1)
    mine = [one for one in found[:RECORDS_MAX] if _in_group(one, source.fields)]
    if priced.counts is not None:
        mine = uncounted(usage, mine, priced.counts, customer=priced.customer)
    value = _folded(aggregation, mine)
    if value != source.quantity:
        mine = [one for one in mine if _in_days(one, priced.days)]
        value = _folded(aggregation, mine)
    return {
        "count": len(mine),
        "complete": len(found) <= RECORDS_MAX,
        "value": None if value is None else number_text(value),
        "records": [_input_record(one) for one in mine[:most]],
    }


def _folded(aggregation: Aggregation, kept: Iterable[KeptUsage]) -> Decimal | None:
    value = aggregation.initial
    for one in kept:
        value = aggregation.fold(value, one.record.quantity)
    return value


def _in_days(one: KeptUsage, days: Days) -> bool:
    first, end = days
    return (first is None or one.timestamp >= first) and (end is None or one.timestamp < end)


def _in_group(one: KeptUsage, fields: Mapping[str, str]) -> bool:
    own = one.record.fields
    return all(canonical_text(own.get(name)) == text for name, text in fields.items())


def _input_record(one: KeptUsage) -> dict[str, Any]:
    return {
        "identity": one.identity,
        "timestamp": instant_text(one.timestamp),
        "value": number_text(one.record.quantity),
        "origin": None if one.origin is None else f"{one.origin[0]}:{one.origin[1]}",
    }


def _record(ledger: Ledger, record: BillableRecord, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record says of itself, the run that let it out, and the runs that fed it."""
    fed = ledger.runs_that_fed(record.record_id, start=_instant(body["periodStart"]))
    return {
        "user": record.user,
        "meter": body["id"],
        "meterType": body["meterTypeName"],
        "value": number_text(body["value"]),
        "periodStart": body["periodStart"],
        "periodEnd": body["periodEnd"],
        "adjusts": record.adjusts,
        "madeBy": None if record.run_id is None else _run(ledger, record.run_id),
        "fedBy": [
            _run(ledger, run_id) | {"inputs": [_input(one) for one in ledger.inputs_of_run(run_id)]}
            for run_id in fed
        ],
    }


def _run(ledger: Ledger, run_id: str) -> dict[str, Any]:
    run = ledger.run(run_id)
    if run is None:
        return {"run": run_id}
    return {"run": run_id, "stream": run.stream_name, "at": instant_text(run.at)}


def _input(one: RunInput) -> dict[str, Any]:
    return {"node": one.node, "name": one.name, "detail": one.detail}


def _instant(text: str) -> Instant:
    instant = parse_instant(text)
    assert instant is not None, "records are written with instants"
    return instant
