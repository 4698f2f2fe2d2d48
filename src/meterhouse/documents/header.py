"""What the head of every document says: numbers, dates, parties, the period in its own zone."""

from __future__ import annotations

from datetime import date, datetime

from meterhouse.core.country import alpha_3
from meterhouse.core.instant import Instant, to_datetime
from meterhouse.core.invoice import Invoice, TaxTotal
from meterhouse.core.party import Party
from meterhouse.core.quantity import number_text
from meterhouse.core.timezone import local_time, zone
from meterhouse.documents.summary import title_of


def local_day(instant: Instant, timezone: str) -> date:
    """Return the day of an instant in a zone."""
    return local_time(instant, zone(timezone)).date()


def period_days(invoice: Invoice) -> tuple[date, date]:
    """Return the first and the last day of the period, both within it."""
    period = invoice.period
    last = max(period.end - 1, period.start)
    return local_day(period.start, period.timezone), local_day(last, period.timezone)


def _local_text(instant: Instant, timezone: str) -> str:
    local = local_time(instant, zone(timezone))
    return local.strftime("%Y-%m-%d %H:%M") if local.second == 0 else local.isoformat(" ")


def header_fields(invoice: Invoice) -> list[tuple[str, str | date | None]]:
    """Return the labels and values of the header, in their order."""
    period, country = invoice.period, invoice.buyer.address.country
    fields: list[tuple[str, str | date | None]] = [
        (f"{title_of(invoice)} number", invoice.number or "not yet numbered"),
        ("Status", invoice.status.value),
        ("Issue date", invoice.issue_date),
        ("Due date", invoice.due_date),
        ("Customer", invoice.customer),
        ("Country", alpha_3(country) or country),
        ("Period start", _local_text(period.start, period.timezone)),
        ("Period end (exclusive)", _local_text(period.end, period.timezone)),
        ("Time zone", period.timezone),
        ("Currency", invoice.currency),
        ("Invoicing model", invoice.invoicing_model),
    ]
    if invoice.reference:
        fields.append(("Your reference", invoice.reference))
    if invoice.corrects:
        number, issued = invoice.corrects
        fields.append(("Corrects invoice", f"{number} of {issued.isoformat()}"))
        if reason := invoice.metadata.get("reason"):
            fields.append(("Reason", reason))
    return fields


def party_lines(party: Party) -> list[str]:
    """Return the lines of an address."""
    address = party.address
    place = " ".join(filter(None, (address.postcode, address.city)))
    region = f"{address.region}, " if address.region else ""
    lines = [party.name, address.street, place, f"{region}{address.country}"]
    lines += [f"VAT {party.tax_id}"] if party.tax_id else []
    lines += [f"Reg. {party.legal_id}"] if party.legal_id else []
    lines += [party.email]
    return [line for line in lines if line.strip()]


def document_moment(invoice: Invoice) -> datetime:
    """Return the moment that files are dated with: midnight of the issue date, else the period."""
    day = invoice.issue_date or to_datetime(invoice.period.end).date()
    return datetime(day.year, day.month, day.day)


def tax_label(tax: TaxTotal) -> str:
    """Return what a tax is called: ``VAT 21 % (S)``."""
    rate = f" {number_text(tax.rate)} %" if tax.rate or not tax.reason else ""
    return f"{tax.name}{rate} ({tax.category})"
