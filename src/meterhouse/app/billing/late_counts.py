"""What has come late of usage that is counted and not charged.

It is not part of the period that tells it, and the invoice of its own period stands. It is counted
as that period was: by the versions of its invoice, each for the usage of its days. Where they count
differently and nobody knows the days of some usage, that is counted whole, by the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from meterhouse.app.billing.cut_before import BilledCuts
from meterhouse.app.billing.cutting import CutUsage, cut_usage
from meterhouse.app.billing.usage import LateUsage
from meterhouse.app.billing.versions import Versions
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import MeteredUsage
from meterhouse.core.price_book import Count, CountedAs, PriceBook
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.counting import counted_apart

_Parts = Sequence[Sequence[MeteredUsage]]


def counted_late(
    ledger: Ledger,
    late: LateUsage,
    *,
    versions: Versions,
    cuts: BilledCuts,
    customer: str,
) -> Iterator[tuple[str, str]]:
    """Tell, as exceptions do, how much more a late period counts than when it was billed.

    ``cuts`` is how its records were cut then.
    """
    books = versions.books
    if not any(book.counts for book in books):
        return
    if all(book.counts == books[0].counts for book in books):
        books, parts = books[:1], ([late.usage], [late.before])
    else:
        parts = _cut(ledger, late, versions, cuts)
    changes: dict[tuple[str, str], Decimal] = {}
    month = versions.dated[0].first.isoformat()[:7]
    for by_version, sign in zip(parts, (Decimal(1), Decimal(-1)), strict=True):
        for count, quantity in _counted(books, by_version, customer=customer):
            told = _told(count, month)
            change = EXACT.multiply(quantity, sign)
            changes[told] = EXACT.add(changes.get(told, ZERO), change)
    for (code, text), quantity in changes.items():
        if quantity:
            yield code, f"{text}: {number_text(quantity)}"


def _told(count: Count, month: str) -> tuple[str, str]:
    if count.to is CountedAs.REQUESTS:
        return "late_requests", f"late requests of {month}, not counted above"
    return count.code, f"{count.text}, late, of {month}"


def _counted(
    books: Iterable[PriceBook], parts: _Parts, *, customer: str
) -> Iterator[tuple[Count, Decimal]]:
    for book, usage in zip(books, parts, strict=True):
        for one in counted_apart(book, usage, customer=customer).counted:
            if book.counts[one.place].to is not CountedAs.NOTHING:
                yield book.counts[one.place], one.quantity


def _cut(
    ledger: Ledger, late: LateUsage, versions: Versions, cuts: BilledCuts
) -> tuple[_Parts, _Parts]:
    """Return the usage of each version: as it is now, and as it was billed."""
    now, then = (
        cut_usage(ledger, usage, versions, before=cuts) for usage in (late.usage, late.before)
    )
    # Days that are known of one of the two only would make a difference where there is none.
    whole = {late.root(id) for id in (*now.whole, *then.whole)}
    return _left_whole(now, late.usage, late, whole), _left_whole(then, late.before, late, whole)


def _left_whole(
    cut: CutUsage, usage: Iterable[MeteredUsage], late: LateUsage, roots: set[str]
) -> _Parts:
    parts = [
        [part for part in some if late.root(part.record_id) not in roots] for some in cut.by_version
    ]
    parts[0] += [one for one in usage if late.root(one.record_id) in roots]
    return parts
