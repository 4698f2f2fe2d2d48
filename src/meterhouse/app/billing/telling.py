"""What an invoice tells beside its lines: requests, exceptions, checks, and the files it is from.

Counts and limits are those of the price book; findings of others, such as a reconciliation, are
kept by period and taken over. A check that is over its limit blocks the draft: see ``overriding``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from meterhouse.app.billing.day_windows import day_windows, with_units
from meterhouse.app.billing.periods import days_billed
from meterhouse.app.billing.priced import Told
from meterhouse.app.billing.sources import source_files
from meterhouse.app.billing.usage import Gathered
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import Counted, MeteredUsage
from meterhouse.core.invoice import Check, CheckOutcome, Invoice
from meterhouse.core.json_text import parse_json
from meterhouse.core.money import rounded_ratio
from meterhouse.core.price_book import Count, CountedAs, Limit
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.counting import Portion, portion

#: So many parts of one exception are listed, those with most usage first.
_LISTED_MAX = 200
_HUNDRED = Decimal(100)
_PERCENT_DIGITS = 2


def told_on(
    ledger: Ledger,
    invoice: Invoice,
    *,
    gathered: Gathered,
    told: Sequence[Told],
    late: Iterable[tuple[str, str]],
) -> Invoice:
    """Return a draft with what its usage tells beside its lines, by the versions of its book.

    ``late`` is what has come late of usage that earlier periods count.
    """
    customer, period = invoice.customer, invoice.period
    limited = [(limit, portion(limit, usage, customer=customer)) for limit, usage in _limited(told)]
    whole = days_billed(invoice).in_zone(period.timezone)
    found = ledger.findings(customer, start=whole.start, end=whole.end)
    checks = [_check(limit, part) for limit, part in limited]
    exceptions = [
        *_excepted(told),
        *late,
        *(line for limit, part in limited for line in _over(limit, part)),
    ]
    for one in found:
        checks += one.checks
        exceptions += one.exceptions
    # Parts of records have no meter: which records keep single usage, their wholes say.
    unkept = {one.record_id for one in gathered.usage if not one.meter}
    undated = [one for part in told for one in part.left if one.record_id in unkept]
    by_day = day_windows(undated, [one.book for one in told])
    return replace(
        invoice,
        requests=_requests(told),
        exceptions=(*invoice.exceptions, *exceptions),
        checks=tuple(checks),
        sources=source_files(ledger, gathered, period=period),
        windows=with_units((*invoice.windows, *by_day), gathered.usage),
    )


def _limited(told: Sequence[Told]) -> Iterator[tuple[Limit, list[MeteredUsage]]]:
    """Yield the limits, each with all usage of the versions that have it."""
    limits: list[tuple[Limit, list[MeteredUsage]]] = []
    for one in told:
        for limit in one.book.limits:
            usage = next((usage for other, usage in limits if other == limit), None)
            if usage is None:
                limits.append((limit, list(one.left)))
            else:
                usage += one.left
    yield from limits


def _requests(told: Sequence[Told]) -> Decimal | None:
    """Return the total number of requests; ``None`` where no version counts any."""
    counts = [count for one in told for count in one.book.counts]
    if not any(count.to is CountedAs.REQUESTS for count in counts):
        return None
    total = ZERO
    for count, counted in _counted(told):
        if count.to is CountedAs.REQUESTS:
            total = EXACT.add(total, counted.quantity)
    return total


def _excepted(told: Sequence[Told]) -> Iterator[tuple[str, str]]:
    """Yield what is counted as exceptions; what versions tell in the same words, once."""
    sums: dict[tuple[str, str], Decimal] = {}
    for count, counted in _counted(told):
        if count.to is CountedAs.EXCEPTIONS:
            key = count.code, f"{count.text}{_named(counted.fields)}"
            sums[key] = EXACT.add(sums.get(key, ZERO), counted.quantity)
    for (code, text), quantity in sums.items():
        if quantity:
            yield code, f"{text}: {number_text(quantity)}"


def _counted(told: Sequence[Told]) -> Iterator[tuple[Count, Counted]]:
    for one in told:
        for counted in one.counted:
            yield one.book.counts[counted.place], counted


def _over(limit: Limit, found: Portion) -> Iterator[tuple[str, str]]:
    """Tell what a limit has found, whether or not it is over it."""
    ordered = sorted(found.entries, key=lambda entry: (-entry[1], sorted(entry[0].items())))
    for fields, quantity in ordered[:_LISTED_MAX]:
        yield limit.code, f"{limit.text}{_named(fields)}: {number_text(quantity)}"
    if len(ordered) > _LISTED_MAX:
        rest = ZERO
        for _, quantity in ordered[_LISTED_MAX:]:
            rest = EXACT.add(rest, quantity)
        more = f"{len(ordered) - _LISTED_MAX} more"
        yield limit.code, f"{limit.text}, of {more}: {number_text(rest)}"


def _check(limit: Limit, found: Portion) -> Check:
    share = ZERO
    if found.part > ZERO:
        # Of what there is none of, any part is all of it.
        over = EXACT.multiply(found.part, _HUNDRED)
        share = rounded_ratio(over, found.whole, _PERCENT_DIGITS) if found.whole else _HUNDRED
    allowed = EXACT.multiply(found.whole, limit.percent)
    blocked = found.part > ZERO and EXACT.multiply(found.part, _HUNDRED) > allowed
    if found.unknown:
        text = (
            f"{number_text(found.unknown)} of {number_text(found.whole)} may be {limit.text}: no "
            f"group has all fields that say so ({', '.join(_fields(limit))})"
        )
        return Check(limit.code, text, CheckOutcome.BLOCKED)
    text = (
        f"{number_text(found.part)} of {number_text(found.whole)} {limit.text}: "
        f"{number_text(share)} %, and at most {number_text(limit.percent)} % are allowed"
    )
    return Check(limit.code, text, CheckOutcome.BLOCKED if blocked else CheckOutcome.PASSED)


def _fields(limit: Limit) -> list[str]:
    return sorted({*limit.match.fields, *limit.of.fields, *limit.unless.fields, *limit.by})


def _named(fields: Mapping[str, str]) -> str:
    said = ((name, parse_json(text)) for name, text in fields.items())
    named = [f"{name} {value}" for name, value in said if value is not None]
    return f" ({', '.join(named)})" if named else ""
