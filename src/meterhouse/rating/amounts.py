"""What one line costs: measured, priced, rounded once and reduced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, DecimalException, localcontext
from functools import reduce

from meterhouse.core.charge import Reduction
from meterhouse.core.currency import currency_digits
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.fault import LineRefused, RatingError
from meterhouse.rating.lines import Line
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.measuring import measured
from meterhouse.rating.models import priced
from meterhouse.rating.ratio import Ratio, total_of
from meterhouse.rating.reducing import reduced


@dataclass(frozen=True, slots=True)
class Amounts:
    """How a line comes to what it costs. ``gross`` less the reductions is ``net``."""

    measure: Measure
    parts: tuple[Part, ...]
    exact: Ratio
    gross: Decimal
    reductions: tuple[Reduction, ...]
    net: Decimal


def digits_of(book: PriceBook) -> int:
    """Digits after the point of the book's currency."""
    digits = currency_digits(book.currency)
    if digits is None:
        raise RatingError(
            f"price book {book.id}: there is no currency {book.currency!r}",
            hint="Give a code of ISO 4217, such as EUR",
        )
    return digits


def amounts_of(book: PriceBook, line: Line, *, digits: int, share: tuple[int, int]) -> Amounts:
    """Return what a line costs. Raises ``LineRefused``, which names the line and its figures."""
    with named(book, line):
        measure = measured(line, share=share)
        parts = priced(line.price.model, measure)
        return summed(book, line, measure, parts, digits=digits)


@contextmanager
def named(book: PriceBook, line: Line) -> Iterator[None]:
    """Have errors name the line and its figures. Raises ``LineRefused``."""
    try:
        yield
    except DecimalException:
        raise LineRefused(
            f"{_line_name(book, line)}: the amount has more digits than can be computed exactly; "
            f"{_figures(line)}",
            hint="Check the quantities and the prices: 80 digits are computed",
            reason="too_many_digits",
        ) from None
    except LineRefused as error:
        message = f"{_line_name(book, line)}: {error.args[0]}"
        raise LineRefused(message, hint=error.hint, reason=error.reason) from None


def summed(
    book: PriceBook, line: Line, measure: Measure, parts: tuple[Part, ...], *, digits: int
) -> Amounts:
    """Add parts up, round the sum once, and reduce it."""
    made = unreduced(book, measure, parts, digits=digits)
    after = reduced(line.price, made.gross, digits=digits, mode=book.rounding, share=measure.share)
    exact, gross = made.exact, made.gross
    if after.lacking:
        lacking = Ratio(after.lacking)
        parts = (*parts, Part("minimum", lacking, flat=after.lacking))
        exact, gross = exact.plus(lacking), EXACT.add(gross, after.lacking)
    return Amounts(measure, parts, exact, gross, after.reductions, after.net)


def unreduced(
    book: PriceBook, measure: Measure, parts: tuple[Part, ...], *, digits: int
) -> Amounts:
    """Add parts up, and round the sum once."""
    exact = total_of(part.amount for part in parts)
    gross = _gross(book, parts, exact, digits=digits)
    return Amounts(measure, parts, exact, gross, (), gross)


def _gross(book: PriceBook, parts: tuple[Part, ...], exact: Ratio, *, digits: int) -> Decimal:
    if not book.round_tiers:
        return exact.rounded(digits, book.rounding)
    amounts = (part.amount.rounded(digits, book.rounding) for part in parts)
    return reduce(EXACT.add, amounts, ZERO)


def _line_name(book: PriceBook, line: Line) -> str:
    fields = "".join(f", {name} {text}" for name, text in line.fields.items())
    return f"price book {book.id}, price {line.price.sku}{fields}"


def _figures(line: Line) -> str:
    with localcontext(prec=200):
        total = sum((item.quantity for item in line.items), ZERO)
    return f"the quantity is {number_text(total)} of {len(line.items)} usage items"
