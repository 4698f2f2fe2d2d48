"""What an invoice tells beside its lines: requests, exceptions, checks, and the files it is from.

Counts and limits are those of the price book; findings of others, such as a reconciliation, are
kept by period and taken over. A check that is over its limit blocks the draft, until somebody
overrides it by its code and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from meterhouse.app.billing.day_windows import day_windows
from meterhouse.app.billing.priced import Told
from meterhouse.app.billing.sources import source_files
from meterhouse.app.billing.usage import Gathered
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import Counted, MeteredUsage
from meterhouse.core.invoice import Check, CheckOutcome, Invoice
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.money import rounded_ratio
from meterhouse.core.party_reading import TEXT_CHARS_MAX
from meterhouse.core.price_book import Count, CountedAs, Limit
from meterhouse.core.price_book_counts import LIMITS_MAX
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.core.reading import Reading, shown
from meterhouse.rating.counting import Portion, portion

#: So many parts of one exception are listed, those with most usage first.
_LISTED_MAX = 200
_HUNDRED = Decimal(100)
_PERCENT_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody answers for a check that would block the draft."""

    code: str
    author: str
    reason: str


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
    found = ledger.findings(customer, start=period.start, end=period.end)
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
    return replace(
        invoice,
        requests=_requests(told),
        exceptions=(*invoice.exceptions, *exceptions),
        checks=tuple(checks),
        sources=source_files(ledger, gathered, period=period),
        windows=(*invoice.windows, *day_windows(undated)),
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
            yield code, f"{number_text(quantity)} {text}"


def _counted(told: Sequence[Told]) -> Iterator[tuple[Count, Counted]]:
    for one in told:
        for counted in one.counted:
            yield one.book.counts[counted.place], counted


def _over(limit: Limit, found: Portion) -> Iterator[tuple[str, str]]:
    """Tell what a limit has found, whether or not it is over it."""
    ordered = sorted(found.entries, key=lambda entry: (-entry[1], sorted(entry[0].items())))
    for fields, quantity in ordered[:_LISTED_MAX]:
        yield limit.code, f"{number_text(quantity)} {limit.text}{_named(fields)}"
    if len(ordered) > _LISTED_MAX:
        rest = ZERO
        for _, quantity in ordered[_LISTED_MAX:]:
            rest = EXACT.add(rest, quantity)
        more = f"{len(ordered) - _LISTED_MAX} more"
        yield limit.code, f"{number_text(rest)} {limit.text}, of {more}"


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


def read_overrides(body: JsonValue, *, author: str) -> tuple[Override, ...]:
    """Read ``overrides`` (codes) and ``reason``. Raises ``DefinitionError``."""
    reading = Reading(body)
    codes = reading.json_list("overrides", items_max=LIMITS_MAX)
    reason = reading.text("reason", chars_max=TEXT_CHARS_MAX) or ""
    for place, code in enumerate(codes):
        if not isinstance(code, str) or not code:
            reading.fail(f"overrides[{place}]", f"is {shown(code)}", "use the code of a check")
    if codes and not reason.strip():
        reading.fail("reason", "is missing", "say why: the invoice and its history have it")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The override")
    return tuple(Override(str(code), author, reason) for code in codes)


def blocking_checks(invoice: Invoice, overrides: Sequence[Override]) -> list[Problem]:
    """Return the checks that keep a draft from being issued, and that nobody overrides."""
    codes = {one.code for one in overrides}
    return [
        Problem(
            f"check {check.code}",
            check.text,
            f"mend it and draft again, or answer for it: --override {check.code} --reason ...",
        )
        for check in invoice.checks
        if check.outcome is CheckOutcome.BLOCKED and check.code not in codes
    ]


def needless_overrides(invoice: Invoice, overrides: Sequence[Override]) -> list[Problem]:
    """Return the overrides of what the draft has no check for: a code may be mistyped."""
    codes = sorted({check.code for check in invoice.checks})
    hint = f"its checks are {', '.join(codes)}" if codes else "leave it out: it has no checks"
    return [
        Problem("overrides", f"{one.code!r} is no check of the draft", hint)
        for one in overrides
        if one.code not in codes
    ]


def overridden(invoice: Invoice, overrides: Sequence[Override]) -> Invoice:
    """Return a draft that says who overrides which of its checks. Others are overridden by nobody.

    Each of them is an exception, so that whoever reads the invoice sees it.
    """
    by_code = {one.code: one for one in overrides}
    checks, exceptions = [], list(invoice.exceptions)
    for check in invoice.checks:
        override = by_code.get(check.code)
        if check.outcome is CheckOutcome.BLOCKED and override is not None:
            author, reason = override.author, override.reason
            check = replace(check, outcome=CheckOutcome.OVERRIDDEN, author=author, reason=reason)
            exceptions.append(("override", f"{check.code} by {author}: {reason}"))
        checks.append(check)
    return replace(invoice, checks=tuple(checks), exceptions=tuple(exceptions))
