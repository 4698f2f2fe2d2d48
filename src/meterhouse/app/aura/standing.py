"""What invoices there are of a month, which of its days they are of, and what is on none of them.

Theory of operation. A month is settled where invoices that stand are of all its days. They have
billed its usage only if the metered records of it end within one of them: what does not is on no
invoice, and comes to none. What came since an invoice was issued is late usage of the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from meterhouse.app.aura.completeness import query_categories
from meterhouse.app.aura.operation import Month, OperatingBusiness
from meterhouse.app.billing.periods import Days, days_of
from meterhouse.app.billing.ports import BillableRecord, InvoiceHead
from meterhouse.app.billing.usage import MeterTypes, restated
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import EXACT, ZERO, number_text


@dataclass(frozen=True, slots=True)
class Made:
    """An invoice or a draft that has days of a month."""

    head: InvoiceHead
    invoice: Invoice
    days: Days


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a month, each in the order of the ledger."""

    month: Month
    issued: tuple[Made, ...] = ()
    taken_back: tuple[Made, ...] = ()
    drafts: tuple[Made, ...] = ()

    @property
    def gaps(self) -> tuple[Days, ...]:
        """The days that no invoice which stands is of."""
        return _without(self.month.days, self.issued)

    @property
    def is_taken_back(self) -> bool:
        """Whether invoices were of all its days once, and one of them was taken back."""
        every = (*self.issued, *self.taken_back)
        return bool(self.taken_back) and not _without(self.month.days, every)


def standing_of(ledger: Ledger, business: OperatingBusiness, month: Month) -> Standing:
    """Return what there is of a month; its days count, as the zone of each price book has them."""
    first, last = month.days.around()
    found: dict[InvoiceStatus, list[Made]] = {}
    for head in ledger.invoices_of(business.customer, after=first):
        if head.start >= last:
            continue
        invoice = read_invoice(head.text)
        days = _days_of(invoice.period)
        if days.first < month.days.end and month.days.first < days.end:
            found.setdefault(head.status, []).append(Made(head, invoice, days))
    statuses = (InvoiceStatus.ISSUED, InvoiceStatus.CORRECTED, InvoiceStatus.DRAFT)
    return Standing(month, *(tuple(found.get(status, ())) for status in statuses))


def _days_of(period: BillingPeriod) -> Days:
    """Return the days of a period, whose first one another zone may have moved by some hours."""
    return days_of(replace(period, start=period.start + DAY // 2))


def _without(days: Days, made: Iterable[Made]) -> tuple[Days, ...]:
    """Return the days that none of some invoices has, in their order."""
    gaps: list[Days] = []
    first: date = days.first
    for one in sorted((one.days for one in made), key=lambda one: one.first):
        if one.first > first:
            gaps.append(Days(first, one.first))
        first = max(first, one.end)
    if first < days.end:
        gaps.append(Days(first, days.end))
    return tuple(gaps)


def gap_problems(standing: Standing, business: OperatingBusiness) -> Iterator[Problem]:
    """Yield the days that are on no invoice, though others of the month are, and how to bill them.

    What bills the last of them has all usage of the month: its meters end with it.
    """
    there = ", ".join(f"{one.head.number} is of {_shown(one.days)}" for one in standing.issued)
    for gap in standing.gaps:
        command = (
            f"meterhouse invoice draft --customer {business.customer} "
            f"--from {gap.first} --to {gap.end}"
        )
        yield Problem(
            "days",
            f"{_shown(gap)} are on no invoice ({there})",
            f"bill them by hand: `{command}`, and issue that; or take what was issued back "
            "(`meterhouse invoice credit NUMBER --reason ...`) and run again",
        )


def _shown(days: Days) -> str:
    last = date.fromordinal(days.end.toordinal() - 1)
    return f"{days.first} to {last}"


@dataclass(frozen=True, slots=True)
class Unbilled:
    """Metered usage of a month that no invoice has: never will have, or has not yet."""

    records: int = 0
    queries: Decimal = ZERO
    #: queries that came since their month was issued, and are on the next invoice
    late: Decimal = ZERO


def unbilled_of(
    ledger: Ledger,
    business: OperatingBusiness,
    month: Month,
    *,
    draft: BillingPeriod | None = None,
) -> Unbilled:
    """Return what no invoice has of a month; ``draft`` is of one that is about to be issued."""
    ledger.index_billable()
    span = {"after": month.start, "until": month.end}
    some = ledger.billable_records(business.customer, **span, unbilled=True)
    if not some:
        return Unbilled()
    spans = [
        (head.start, head.end)
        for head in ledger.invoices_of(business.customer, after=month.start)
        if head.status is InvoiceStatus.ISSUED
    ]
    drafted = [] if draft is None else [(draft.start, draft.end)]
    types = MeterTypes(ledger)
    nowhere = [one for one in some if not _ends_in([*spans, *drafted], one.period_end)]
    lost = [one for one in restated(nowhere, types) if one.value]
    late = ZERO
    if any(_ends_in(spans, one.period_end) for one in some):
        whole = ledger.billable_records(business.customer, **span)
        late = _late(whole, types, spans=spans)
    return Unbilled(len(lost), _queries(lost), late)


def _late(
    records: Sequence[BillableRecord],
    types: MeterTypes,
    *,
    spans: Sequence[tuple[Instant, Instant]],
) -> Decimal:
    """Return by how many queries the usage of invoices that stand has grown since."""
    held = [one for one in records if _ends_in(spans, one.period_end)]
    before = restated([one for one in held if one.billed is not None], types)
    return EXACT.subtract(_queries(restated(held, types)), _queries(before))


def _ends_in(spans: Iterable[tuple[Instant, Instant]], end: Instant) -> bool:
    return any(first < end <= last for first, last in spans)


def _queries(usage: Iterable[MeteredUsage]) -> Decimal:
    categories, total = query_categories(), ZERO
    for one in usage:
        if one.category in categories:
            total = EXACT.add(total, one.value)
    return total


def unbilled_problems(
    found: Unbilled, business: OperatingBusiness, month: Month, *, invoices: Sequence[str]
) -> Iterator[Problem]:
    """Yield that metered usage is on no invoice, though invoices are of all days of its month."""
    if not found.records:
        return
    place = f"invoice {', '.join(invoices)}" if invoices else "draft"
    message = (
        f"has not all usage of {month.text}: metered records on no invoice: {found.records:,}, "
        f"queries in them: {number_text(found.queries)}"
    )
    hint = (
        "give the price book `timezone: Etc/UTC` in a version for that month, take back what was "
        "issued (`meterhouse invoice credit NUMBER --reason ...`) and bill the month by hand: "
        f"`meterhouse invoice draft --customer {business.customer} --period {month.text}`"
    )
    yield Problem(place, message, hint)


def late_warning(found: Unbilled) -> Iterator[str]:
    """Yield that queries came after their month was issued."""
    if found.late:
        yield f"late queries, which the next invoice bills: {number_text(found.late)}"
