"""Rating of whole columns: each value is a line of its own, and millions are priced at once.

What an amount is, ``rate`` says; here the same amounts are made with whole numbers. A price that is
made of lines (most are) becomes whole coefficients over one denominator. What could leave 128 bits,
and every other price, is rated line by line, as ``rate`` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import polars as pl

from meterhouse.core.charge import BillingPeriod, UsageItem
from meterhouse.core.price_book import Price, PriceBook
from meterhouse.core.quantity import EXACT
from meterhouse.rating.amounts import Amounts, amounts_of, digits_of
from meterhouse.rating.asked import dimensions
from meterhouse.rating.column_numbers import (
    INT128_MAX,
    decimal_of,
    numbers_of,
    sum_fits,
    units_of,
)
from meterhouse.rating.fault import RatingError
from meterhouse.rating.lines import Line
from meterhouse.rating.piece_columns import Rounder, computed, most_of
from meterhouse.rating.pieces import pieces_of
from meterhouse.rating.ratio import Ratio, ratio

_ANY_PERIOD = BillingPeriod(0, 0, "UTC")
_ROW = "row"
#: The column that amounts are in.
MINOR = "minor"


@dataclass(frozen=True, slots=True)
class RatedColumn:
    """The amounts of lines, in the order of their quantities.

    ``minor`` are net amounts in the currency's smallest units, rounded: whole numbers of 64 or 128
    bits. The exact amount of a line, before it is reduced, is ``units / denominator``; for lines
    that were rated one by one ``units`` is null, and ``single`` has it.
    """

    minor: pl.Series
    units: pl.Series
    denominator: int
    digits: int
    single: Mapping[int, Ratio] = field(default_factory=dict)

    def net(self, row: int) -> Decimal:
        """What a line costs."""
        return EXACT.scaleb(Decimal(self.minor[row]), -self.digits)

    def exact(self, row: int) -> Ratio:
        """What a line costs before it is rounded and reduced."""
        if row in self.single:
            return self.single[row]
        return ratio(Decimal(self.units[row]), Decimal(self.denominator))


def rate_column(book: PriceBook, price: Price, quantities: pl.Series) -> RatedColumn:
    """Price each quantity as a line of its own, by one price of a book.

    ``quantities`` are whole numbers or decimals, none absent; each is one event. Equal to
    ``rate``, to the digit.
    """
    digits = digits_of(book)
    if names := dimensions(price):
        raise RatingError(
            f"price {price.sku} asks for {', '.join(names)}, which a column of quantities has not",
            hint="Rate metered records with rate()",
        )
    numbers = numbers_of(quantities)
    pieces = pieces_of(book, price, scale=numbers.scale)
    if pieces is not None:
        pieces = pieces.below(max(numbers.high, 0))
        rounder = Rounder.of(pieces.denominator, digits=digits, mode=book.rounding)
        most = most_of(pieces, rounder)
        if most >= 0:
            outside = numbers.outside(most)
            within = numbers if outside is None else numbers.zeroed(outside)
            units, minor = computed(pieces, within, rounder)
            rated = RatedColumn(minor, units, pieces.denominator, digits)
            rows = [] if outside is None else outside.arg_true().to_list()
            return _with_singles(rated, _singles(book, price, quantities, rows=rows))
    nothing = pl.repeat(None, len(quantities), dtype=pl.Int128, eager=True)
    singles = _singles(book, price, quantities, rows=range(len(quantities)))
    return _with_singles(RatedColumn(nothing, nothing, 1, digits), singles)


def rate_frame(
    book: PriceBook,
    frame: pl.DataFrame,
    *,
    quantity: str = "quantity",
    sku: str = "sku",
    keys: Sequence[str] = (),
) -> pl.DataFrame:
    """Price the rows of a frame, each by the price that its ``sku`` names.

    With ``keys`` (a customer, say), the rows of each combination of them and a sku are one line,
    whose quantity is their sum; lines are in the order in which they first occur. Adds ``minor``:
    net amounts in the currency's smallest units; so no other column is called that.
    """
    _check_names(frame, keys=keys, sku=sku, quantity=quantity)
    # Columns are known by their places: names of users never reach an expression.
    names = {f"k{place}": name for place, name in enumerate([*keys, sku])}
    columns = [frame[name].alias(place) for place, name in names.items()]
    lines = pl.DataFrame([*columns, frame[quantity].alias("quantity")])
    if keys:
        lines = _summed(lines, list(names))
    minor = _minor_amounts(book, lines, sku=f"k{len(keys)}")
    if not keys:
        return frame.with_columns(minor)
    return lines.rename({**names, "quantity": quantity}).with_columns(minor)


def _check_names(frame: pl.DataFrame, *, keys: Sequence[str], sku: str, quantity: str) -> None:
    """Refuse columns that the frame which is returned would have twice."""
    named = [*keys, sku, quantity]
    if keys and len({*named}) < len(named):
        again = next(name for name in named if named.count(name) > 1)
        hint = "Keys are other columns than those of prices and quantities, each once"
        raise RatingError(f"the column {again!r} is named twice", hint=hint)
    if MINOR in (named if keys else frame.columns):
        hint = "Rename it: the amounts are called that"
        raise RatingError(f"the frame has a column {MINOR!r}", hint=hint)


def _summed(lines: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    quantities = lines["quantity"]
    if not sum_fits(quantities):
        raise RatingError(
            "the quantities add up to more than 38 digits",
            hint="Rate metered records with rate()",
        )
    total = pl.col("quantity")
    if quantities.dtype.is_integer():
        total = total.cast(pl.Int128)
    return lines.group_by(keys, maintain_order=True).agg(total.sum())


def _minor_amounts(book: PriceBook, lines: pl.DataFrame, *, sku: str) -> pl.Series:
    prices = {price.sku: price for price in book.prices}
    rows = [pl.Series(_ROW, [], dtype=pl.UInt32)]
    minor = [pl.Series(MINOR, [], dtype=pl.Int128)]
    for (name,), part in lines.with_row_index(_ROW).group_by(sku, maintain_order=True):
        if name not in prices:
            raise RatingError(
                f"price book {book.id} has no price {name!r}",
                hint=f"It has: {', '.join(sorted(prices))}",
            )
        rated = rate_column(book, prices[name], part["quantity"])
        rows.append(part[_ROW])
        minor.append(rated.minor.cast(pl.Int128).alias(MINOR))
    return pl.DataFrame([pl.concat(rows), pl.concat(minor)]).sort(_ROW)[MINOR]


def _singles(
    book: PriceBook, price: Price, quantities: pl.Series, *, rows: Iterable[int]
) -> dict[int, Amounts]:
    digits = digits_of(book)
    made = {}
    for row in rows:
        quantity = decimal_of(quantities, row)
        item = UsageItem(f"row {row}", {}, quantity, _ANY_PERIOD, events=(quantity,))
        made[row] = amounts_of(book, Line(price, {}, (item,)), digits=digits, share=(1, 1))
    return made


def _with_singles(rated: RatedColumn, singles: Mapping[int, Amounts]) -> RatedColumn:
    if not singles:
        return rated
    rows = list(singles)
    amounts = [_minor(row, one.net, rated.digits) for row, one in singles.items()]
    absent = pl.repeat(None, len(rows), dtype=pl.Int128, eager=True)
    return replace(
        rated,
        minor=rated.minor.cast(pl.Int128).scatter(rows, pl.Series(amounts, dtype=pl.Int128)),
        units=rated.units.cast(pl.Int128).scatter(rows, absent),
        single={row: one.exact for row, one in singles.items()},
    )


def _minor(row: int, net: Decimal, digits: int) -> int:
    minor = units_of(net, digits)
    if abs(minor) > INT128_MAX:
        raise RatingError(
            f"row {row}: the amount {net} has more than 38 digits",
            hint="Rate metered records with rate()",
        )
    return minor
