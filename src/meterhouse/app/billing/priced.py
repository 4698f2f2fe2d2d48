"""All usage of a period, priced by the versions that hold within it: lines before all that is late.

Drafts, late usage and what-if come here, so that a period costs the same whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from meterhouse.app.billing.cut_before import BilledCuts
from meterhouse.app.billing.cutting import cut_usage
from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.single_events import with_events
from meterhouse.app.billing.versions import Dated, Versions
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, Counted, MeteredUsage, Rating, Unpriced
from meterhouse.core.currency import currency_digits
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import number_text
from meterhouse.rating.stretch_lines import stretch_lines
from meterhouse.rating.stretches import Stretch, rate_stretches

#: The exception of usage that is rated at other prices than those of its day.
PRICE_CHANGE = "price_change_in_period"
_RECORDS_NAMED = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What a version of the book counts, and the usage that it leaves to prices."""

    book: PriceBook
    counted: tuple[Counted, ...]
    left: tuple[MeteredUsage, ...]


@dataclass(frozen=True, slots=True)
class PricedPeriod:
    """What a period comes to, by its own usage. ``exceptions`` are for whoever reviews it.

    ``told`` is of each version; ``whole`` are the records that could not be cut at a change of
    prices.
    """

    books: tuple[PriceBook, ...]
    lines: tuple[InvoiceLine, ...]
    unpriced: tuple[Unpriced, ...]
    exceptions: tuple[tuple[str, str], ...]
    told: tuple[Told, ...]
    whole: tuple[str, ...] = ()


def priced_period(
    ledger: Ledger,
    usage: Sequence[MeteredUsage],
    *,
    versions: Versions,
    period: BillingPeriod,
    customer: str,
    late: bool = False,
    billed: Iterable[InvoiceLine] = (),
) -> PricedPeriod:
    """Price usage; where prices change within the period, each part of it by its own version.

    Of a ``late`` period, that was billed already, lines of which more is taken back than there was
    count as nothing, and it is told: what they were billed is given back, and no more. What can no
    longer be cut is cut as the lines say that it was ``billed``.
    """
    periods = _periods(versions, period)
    lines = list(billed)
    before = BilledCuts(lines, starts_of(versions, period))
    cut = cut_usage(ledger, usage, versions, before=before)
    stretches = [
        _stretch(one, with_events(ledger, some, books=versions.books), between)
        for one, some, between in zip(versions.dated, cut.by_version, periods, strict=True)
    ]
    # What an invoice does not have without usage, late usage of something else does not add.
    unused = {line.charge.sku for line in lines} if late else None
    ratings = rate_stretches(stretches, customer=customer, floor=late, unused=unused)
    digits = currency_digits(versions.books[0].currency)
    assert digits is not None, "a price book has a currency that there is"
    return PricedPeriod(
        versions.books,
        tuple(stretch_lines(stretches, ratings, digits=digits)),
        tuple(one for rating in ratings for one in rating.unpriced),
        (*_exceptions(versions, len(cut.whole)), *_floored(ratings)),
        tuple(
            Told(book, rating.counted, rating.left)
            for book, rating in zip(versions.books, ratings, strict=True)
        ),
        cut.whole,
    )


def _stretch(version: Dated, usage: Sequence[MeteredUsage], period: BillingPeriod) -> Stretch:
    return Stretch(version.book, period, version.days, version.charged, usage)


def starts_of(versions: Versions, period: BillingPeriod) -> list[Instant]:
    """Return the beginning of each version within a period."""
    return [one.start for one in _periods(versions, period)]


def _periods(versions: Versions, period: BillingPeriod) -> list[BillingPeriod]:
    """Return the period of each version: from its first day, but for the first one's."""
    starts = [Days(one.first, one.first).in_zone(period.timezone).start for one in versions.dated]
    bounds = [period.start, *starts[1:], period.end]
    return [BillingPeriod(start, end, period.timezone) for start, end in pairwise(bounds)]


def _floored(ratings: Iterable[Rating]) -> Iterator[tuple[str, str]]:
    for one in (one for rating in ratings for one in rating.floored):
        text = (
            f"price {', '.join(one.skus)}: {unpriced_usage(one)} takes back more than there was: "
            "it counts as nothing, so that what was billed of it is given back, and no more "
            f"(records: {', '.join(one.records[:_RECORDS_NAMED])})"
        )
        yield "late_below_zero", text


def unpriced_usage(one: Unpriced) -> str:
    """Say which usage is meant: so much of these fields."""
    fields = ", ".join(f"{name} {text}" for name, text in sorted(one.fields.items()))
    return f"{number_text(one.quantity)} of {fields or 'usage'}"


def _exceptions(versions: Versions, whole: int) -> list[tuple[str, str]]:
    first = versions.books[0].version
    hint = "draft the days before and after the change apart if meters reset there"
    if versions.refused:
        text = (
            f"prices change within the period ({versions.refused}): all of it is rated by version "
            f"{first}, which is in force when it begins; {hint}"
        )
        return [(PRICE_CHANGE, text)]
    if whole:
        text = (
            f"prices change within the period ({versions.changes}), and of some usage (records: "
            f"{whole}) nobody knows the day: it is rated by version {first}, which is in force "
            f"when the period begins; have meters keep single usage or group by `day`, or {hint}"
        )
        return [(PRICE_CHANGE, text)]
    return []
