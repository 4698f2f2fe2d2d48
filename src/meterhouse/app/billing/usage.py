"""Gathering: the metered records that an invoice is made of.

Theory of operation. A billing period takes the golden records whose own periods end within it. An
adjustment restates a record: the last one counts, whatever came before. What belongs to a period
that was billed already is late: ``late`` rates all of that period, and charges what it comes to now
less what its invoices say. So a period is gathered whole, though some of its records be billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meterhouse.app.billing.ports import BillableRecord, InvoiceHead
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.counted import counted
from meterhouse.core.instant import MILLISECOND, Instant, parse_instant
from meterhouse.core.invoice import InvoiceStatus
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.timezone import local_time, zone
from meterhouse.rating.records import metered_usage

#: Records hold other objects as deep as records may nest, and some levels of their own.
_NESTING_MAX = 200


class RecordUnreadable(MeterhouseError):
    """A metered record is not as records are written."""

    code = "record_unreadable"


@dataclass(frozen=True, slots=True)
class LateUsage:
    """All usage of a period that is billed, as it is now; ``records`` are those that are not.

    ``before`` is the usage as invoices have it. ``fresh`` are the ids of records that are not
    billed; ``restates`` says of each adjustment which record it restates.
    """

    corrects: InvoiceHead
    usage: tuple[MeteredUsage, ...]
    records: tuple[int, ...]
    fresh: frozenset[str]
    restates: Mapping[str, str]
    before: tuple[MeteredUsage, ...] = ()

    def root(self, record_id: str) -> str:
        """Return the id of the record that one restates; its own, if it restates none."""
        return self.restates.get(record_id, record_id)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a period has to bill for a customer. ``exceptions`` are for whoever reviews it.

    ``usage`` is all usage of the period, ``records`` are those that this draft bills: others may be
    billed as late usage, of an invoice that was taken back. ``issued`` are the
    invoices that stand and count for it: of its own and later periods, and of those that are late.
    """

    usage: tuple[MeteredUsage, ...]
    records: tuple[int, ...]
    late: tuple[LateUsage, ...]
    issued: tuple[InvoiceHead, ...]
    runs: tuple[str, ...]
    exceptions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NotBilled:
    """Golden records of users whom no customer has."""

    users: Sequence[tuple[str, int]]

    @property
    def records(self) -> int:
        """How many records they are."""
        return sum(count for _, count in self.users)


def gather(ledger: Ledger, customer_id: str, *, period: BillingPeriod) -> Gathered:
    """Return what is to be billed to a customer for a period; nothing that is billed already."""
    ledger.index_billable()
    whole = ledger.billable_records(customer_id, after=period.start, until=period.end)
    # Of periods before, only what no invoice bills matters, and the periods that have such.
    earlier = ledger.billable_records(customer_id, after=None, until=period.start, unbilled=True)
    types = MeterTypes(ledger)
    current = [record for record in whole if record.billed is None]
    first = min((record.period_end for record in earlier), default=period.start)
    heads = ledger.invoices_of(customer_id, after=first - 1)
    issued = [head for head in heads if head.status is InvoiceStatus.ISSUED]
    before = [head for head in issued if head.end <= period.start]
    late = [one for head in before if (one := _late(ledger, head, earlier, types)) is not None]
    taken = {no for one in late for no in one.records}
    forgotten = [record for record in earlier if record.no not in taken]
    usage = restated(whole, types)
    return Gathered(
        usage=usage,
        records=tuple(record.no for record in current),
        late=tuple(late),
        issued=tuple(issued),
        runs=_runs([*current, *(record for record in earlier if record.no in taken)]),
        exceptions=(
            *_forgotten(forgotten, period.timezone),
            *_across(usage, period),
            *types.exceptions(),
            *open_usage(ledger, customer_id, start=period.start, end=period.end),
        ),
    )


def gather_all(
    ledger: Ledger, customer_id: str, *, period: BillingPeriod
) -> tuple[MeteredUsage, ...]:
    """Return the usage of a period as it is now, billed or not."""
    ledger.index_billable()
    records = ledger.billable_records(customer_id, after=period.start, until=period.end)
    return restated(records, MeterTypes(ledger))


def not_billed(ledger: Ledger, *, period: BillingPeriod) -> NotBilled:
    """Return the golden records of a period whose users no customer has."""
    ledger.index_billable()
    return NotBilled(ledger.records_of_nobody(after=period.start, until=period.end))


def _late(
    ledger: Ledger, head: InvoiceHead, earlier: Iterable[BillableRecord], types: MeterTypes
) -> LateUsage | None:
    """Return what is late of the period of an invoice; ``None`` where nothing is."""
    late = [record for record in earlier if head.start < record.period_end <= head.end]
    if not late:
        return None
    whole = ledger.billable_records(head.customer, after=head.start, until=head.end)
    before = [record for record in whole if record.billed is not None]
    return LateUsage(
        head,
        restated(whole, types),
        tuple(record.no for record in late),
        frozenset(record.record_id for record in late),
        {record.record_id: record.adjusts for record in whole if record.adjusts is not None},
        restated(before, types, past=True),
    )


def _runs(records: Iterable[BillableRecord]) -> tuple[str, ...]:
    return tuple(sorted({record.run_id for record in records if record.run_id is not None}))


def restated(
    records: Iterable[BillableRecord], types: MeterTypes, *, past: bool = False
) -> tuple[MeteredUsage, ...]:
    """Return the usage that records say, each as the last adjustment of it has it.

    ``past``: later ones are left out, and what single usage there was then is asked for.
    """
    last: dict[str, BillableRecord] = {}
    for record in sorted(records, key=lambda record: record.no):
        last[record.adjusts or record.record_id] = record
    ordered = sorted(last.values(), key=lambda record: (record.user, record.no))
    return tuple(_usage(record, types, past=past) for record in ordered)


def _usage(record: BillableRecord, types: MeterTypes, *, past: bool) -> MeteredUsage:
    """Return the usage of a record. One that cannot be read ends the draft: nothing is skipped."""
    try:
        body = parse_json(record.text, nesting_max=_NESTING_MAX)
        usage = usage_of(body, types, category=types.category(body, record.category))
        return replace(usage, before=_after_last_of(body)) if past else usage
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        message = f"Record {record.record_id} of user {record.user!r} cannot be read: {error}"
        raise RecordUnreadable(message, hint="Put the ledger back from a backup") from error


def _after_last_of(record: Mapping[str, Any]) -> Instant:
    """Return an instant after the last usage of a record was metered."""
    last = parse_instant(record["updatedAt"])
    assert last is not None, "records are written with instants"
    return last + MILLISECOND  # the text leaves out what is less


class MeterTypes:
    """What is known of the meter types of records, each looked up once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._keeping: dict[str, bool] = {}
        self._outlasting: dict[str, bool] = {}
        self._lost: set[str] = set()

    def _keeps(self, id: str) -> bool:
        """Whether meters of a type keep single usage."""
        if id not in self._keeping:
            found = self._ledger.meter_type(id)
            keeps = found is not None and found.grace_period is not None and found.keep_usage
            self._keeping[id] = keeps
        return self._keeping[id]

    def _outlasted(self, record: Mapping[str, Any]) -> bool:
        """Whether single usage is kept of a meter that is gone, whose type was changed since."""
        id, start = record["meterTypeId"], parse_instant(record["periodStart"])
        if id not in self._outlasting:
            self._outlasting[id] = self._ledger.outlasted(id)
        if start is None or not self._outlasting[id]:
            return False
        return self._ledger.usage_aggregation(record["id"], start=start) is not None

    def category(self, record: Mapping[str, Any], kept: str | None) -> str:
        """Return the category that was kept with a record; an empty text where none was."""
        if kept is None:
            self._lost.add(record["meterTypeId"])
        return kept or ""

    def meter(self, record: Mapping[str, Any]) -> str:
        """Return the id of a record's meter where its single usage may be kept, else nothing."""
        kept = self._keeps(record["meterTypeId"]) or self._outlasted(record)
        return record["id"] if kept else ""

    def exceptions(self) -> list[tuple[str, str]]:
        """Return one exception for each meter type that was deleted before billing knew it."""
        return [
            ("meter_type_gone", f"meter type {id} was deleted: its category is not known any more")
            for id in sorted(self._lost)
        ]


def usage_of(record: Mapping[str, Any], types: MeterTypes, *, category: str) -> MeteredUsage:
    """Return a golden record as rating sees it, with the meter that has its single usage."""
    return replace(metered_usage(record, category=category), meter=types.meter(record))


def _forgotten(records: Sequence[BillableRecord], timezone: str) -> list[tuple[str, str]]:
    """Tell of usage of earlier periods that no invoice was issued for, by their last days."""
    used = [record for record in records if _value_of(record)]
    if not used:
        return []
    there = zone(timezone)
    ends = sorted({str(local_time(record.period_end - 1, there).date()) for record in used})
    few = ", ".join(ends[:3]) + (" ..." if len(ends) > 3 else "")
    text = (
        f"unbilled usage of earlier periods ({counted(len(used), 'record')}, ending {few}) is "
        "not on this invoice: draft those periods"
    )
    return [("earlier_unbilled", text)]


def _across(usage: Sequence[MeteredUsage], period: BillingPeriod) -> list[tuple[str, str]]:
    """Tell of records whose periods began before the billing period."""
    count = sum(1 for one in usage if one.period.start < period.start)
    if not count:
        return []
    text = (
        f"usage from before the billing period ({counted(count, 'record')}) is billed as a "
        "whole: meters reset by another schedule or time zone than the price book's "
        f"({period.timezone})"
    )
    return [("period_overlaps", text)]


def open_usage(
    ledger: Ledger, customer_id: str, *, start: Instant, end: Instant
) -> list[tuple[str, str]]:
    """Tell of usage of a billing period whose own period waits for late usage still."""
    count = ledger.open_event_periods(customer_id, after=start, until=end)
    if not count:
        return []
    text = (
        f"usage of the period waits for late usage, or for a run (meters: {count}): it is not on "
        "this invoice, and will be late usage of the next one"
    )
    return [("grace_not_over", text)]


def changed_usage(
    ledger: Ledger, customer_id: str, *, start: Instant, end: Instant
) -> list[tuple[str, str]]:
    """Tell of usage of a period that its invoice was issued without, though records say it.

    It was added, voided or amended after the draft was made.
    """
    ledger.index_billable()
    left = ledger.billable_records(customer_id, after=start, until=end, unbilled=True)
    since = sum(1 for record in left if record.adjusts or _value_of(record))
    if not since:
        return []
    text = (
        "usage of the period was added, voided or amended after the draft "
        f"({counted(since, 'record')}): it is not on this invoice, and will be late usage of the "
        "next one"
    )
    return [("changed_since_draft", text)]


def _value_of(record: BillableRecord) -> Any:
    return parse_json(record.text, nesting_max=_NESTING_MAX)["value"]
