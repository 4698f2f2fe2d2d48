"""The lines of a period whose prices change within it: discounts of books, and commitments.

Percentages of a book are of the lines of its own days. Amounts, minima and maxima are for a whole
period: each version has the share of its days in them. Where the next version has the same
discounts, with ``tiers_at_change: continue``, they are taken off the lines of all these days. A
commitment that it makes again, too, is one for all these days: what each version asks is added up,
and held against the lines of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from meterhouse.core.charge import ChargePart, Rating
from meterhouse.core.invoice import InvoiceLine
from meterhouse.core.money import Rounding, rounded_ratio
from meterhouse.core.price_book import Commitment, Discount, DiscountKind
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import discounted
from meterhouse.rating.commitments import Promise, committed, held, share_part
from meterhouse.rating.stretches import Stretch, runs_of, shares_of, weights_of
from meterhouse.rating.taxing import line_of

_Scope = tuple[frozenset[str], bool, bool, int]


def stretch_lines(
    stretches: Sequence[Stretch], ratings: Sequence[Rating], *, digits: int
) -> list[InvoiceLine]:
    """Return the lines of all stretches in their order, then true-ups, without numbers."""
    lines: list[InvoiceLine] = []
    if len(stretches) == 1:
        [stretch], [rating] = stretches, ratings
        return _whole(stretch, rating, digits)
    for equal, discounts in _discounts(stretches, digits):
        charged = [
            line_of(charge, stretches[place].book)
            for place in equal
            for charge in ratings[place].charges
        ]
        mode = stretches[equal[-1]].book.rounding
        lines += discounted(charged, discounts, digits=digits, rounding=mode)
    for run in runs_of(stretches):
        lines = held(lines, list(_promises(stretches, run, digits)))
    return lines


def _whole(stretch: Stretch, rating: Rating, digits: int) -> list[InvoiceLine]:
    """Return the lines of a period with one version."""
    book, share = stretch.book, (stretch.charged, stretch.days)
    charged = [line_of(charge, book) for charge in rating.charges]
    lines = discounted(charged, book.discounts, digits=digits, rounding=book.rounding)
    return committed(lines, book, period=stretch.period, share=share, digits=digits)


def _discounts(
    stretches: Sequence[Stretch], digits: int
) -> Iterator[tuple[list[int], list[Discount]]]:
    """Yield stretches with equal discounts, and these: of an amount, the share of their days."""
    before = Fraction(0)
    weights = weights_of(stretches)
    for equal in _with_equal_discounts(stretches):
        after = before + sum(Fraction(*weights[place]) for place in equal)
        book = stretches[equal[-1]].book
        # Rounded as it grows, so that the shares of equal amounts add up to the amount.
        yield (
            equal,
            [
                one
                if one.kind is not DiscountKind.AMOUNT
                else replace(one, value=_grown(one.value, before, after, digits, book.rounding))
                for one in book.discounts
            ],
        )
        before = after


def _with_equal_discounts(stretches: Sequence[Stretch]) -> Iterator[list[int]]:
    """Yield the places of stretches, those together that go on with the same discounts."""
    for run in runs_of(stretches):
        equal: list[int] = []
        for place in run:
            book = stretches[place].book
            if equal and stretches[equal[0]].book.discounts != book.discounts:
                yield equal
                equal = []
            equal.append(place)
        yield equal


def _grown(
    value: Decimal, before: Fraction, after: Fraction, digits: int, mode: Rounding
) -> Decimal:
    return _rounded(Fraction(value) * after, digits, mode) - _rounded(
        Fraction(value) * before, digits, mode
    )


def _promises(stretches: Sequence[Stretch], run: range, digits: int) -> Iterator[Promise]:
    """Yield the commitments of versions through which quantities go on, equal ones together."""
    scopes: dict[_Scope, list[tuple[int, int, Commitment]]] = {}
    for place in run:
        seen: dict[object, int] = {}
        for number, one in enumerate(stretches[place].book.commitments, 1):
            kind = frozenset(one.skus), one.minimum is None, one.maximum is None
            seen[kind] = seen.get(kind, 0) + 1
            scopes.setdefault((*kind, seen[kind]), []).append((place, number, one))
    for found in scopes.values():
        yield _promise(stretches, found, digits)


def _promise(
    stretches: Sequence[Stretch], found: Sequence[tuple[int, int, Commitment]], digits: int
) -> Promise:
    (first, *_), (last, number, commitment) = found[0], found[-1]
    weights, shares = weights_of(stretches), shares_of(stretches)
    mode = stretches[last].book.rounding
    charged = any(one.charged for one in stretches)
    # What was used is charged where no day is, and held to as much as if all were.
    of_days = weights
    if not any(stretches[place].charged for place, _, _ in found):
        days = sum(one.days for one in stretches)
        of_days = [(one.days, days) for one in stretches]
    due = most = Fraction(0)
    parts: list[ChargePart] = []
    for place, _, one in found:
        share, before = shares[place] if one.prorate else weights[place], due
        due += Fraction(one.minimum or ZERO) * Fraction(*share)
        if one.minimum is not None and 0 < share[0] < share[1]:
            # Rounded as it grows, so that the shares add up to what is due.
            grown = EXACT.subtract(_rounded(due, digits, mode), _rounded(before, digits, mode))
            parts.append(share_part(grown, one.minimum, share, stretches[place].book.version))
        most += Fraction(one.maximum or ZERO) * Fraction(*of_days[place])
    period = replace(stretches[last].period, start=stretches[first].period.start)
    return Promise(
        commitment,
        number,
        _rounded(due, digits, mode) if charged else ZERO,
        None if commitment.maximum is None else _rounded(most, digits, mode),
        stretches[last].book,
        period,
        frozenset(stretches[place].book.hash for place, _, _ in found),
        tuple(parts) if charged else (),
    )


def _rounded(amount: Fraction, digits: int, mode: Rounding) -> Decimal:
    return rounded_ratio(Decimal(amount.numerator), Decimal(amount.denominator), digits, mode)
