"""The functions of numbers and of missing values, over exact number columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from meterhouse.core.expression.arithmetic import PLACES_MAX
from meterhouse.streams.expression_columns.conversion import as_number, says_number
from meterhouse.streams.expression_columns.digits import (
    Digits,
    Known,
    aligned,
    negated,
    typed,
    without_sign,
)
from meterhouse.streams.expression_columns.division import Rounding, quotient, rounded
from meterhouse.streams.expression_columns.operators import numeric
from meterhouse.streams.expression_columns.text_functions import constant_whole
from meterhouse.streams.expression_columns.vector import LOST, Shape, Vector

Arguments = Sequence[Vector]


def _rounded(how: Rounding) -> Callable[[Arguments], Vector | None]:
    def compute(arguments: Arguments) -> Vector | None:
        number = as_number(arguments[0])
        places = constant_whole(arguments[1]) if len(arguments) > 1 else 0
        if places is None or abs(places) > PLACES_MAX:
            return None
        return changed(lambda digits: rounded(digits, places, how), number)

    return compute


def changed(change: Callable[[Digits], Digits | None], number: Vector) -> Vector:
    """Change each number."""
    if number.shape is Shape.LOST:
        return number
    made = change(number.data)
    return LOST if made is None else Vector(Shape.NUMBER, made, number.unsure, number.constant)


def minus_sign(operand: Vector) -> Vector:
    """Return the numbers with the other sign."""
    return changed(negated, as_number(operand))


def _extreme(smallest: bool) -> Callable[[Arguments], Vector | None]:
    def pick(left: Digits, right: Digits) -> Known:
        both = aligned(left, right)
        if both is None:
            return None
        a, b, unsure = both
        limit = max(a.limit, b.limit)
        one, other = typed(a.units, b.units, limit)
        first = one <= other if smallest else one >= other
        units = pl.select(pl.when(first).then(one).otherwise(other)).to_series()
        return Digits(units, a.scale, limit), unsure

    def compute(arguments: Arguments) -> Vector | None:
        found = as_number(arguments[0])
        for argument in arguments[1:]:
            found = numeric(pick, found, argument)
        return found

    return compute


def _is_null(arguments: Arguments) -> Vector | None:
    vector = arguments[0]
    if vector.data is None:
        absent, constant = pl.Series([True]), True
    else:
        missing = vector.missing()
        absent, constant = (missing, False) if missing is not None else (pl.Series([False]), True)
    return Vector(Shape.BOOLEAN, absent, vector.unsure, constant)


def _is_number(arguments: Arguments) -> Vector | None:
    vector = arguments[0]
    if vector.shape is Shape.NUMBER:
        missing = vector.missing()
        present = pl.Series([True]) if missing is None else ~missing
        return Vector(Shape.BOOLEAN, present, vector.unsure, constant=missing is None)
    if vector.shape is Shape.TEXT and isinstance(vector.data, pl.Series):
        plain, odd = says_number(vector.data)
        return Vector(Shape.BOOLEAN, plain.fill_null(value=False)).with_unsure(vector.unsure, odd)
    return None


#: By name of the function. ``None`` as a result: ask for each distinct value.
NUMBER_FUNCTIONS: dict[str, Callable[[Arguments], Vector | None]] = {
    **{how.value: _rounded(how) for how in Rounding},
    "abs": lambda arguments: changed(without_sign, as_number(arguments[0])),
    "min": _extreme(smallest=True),
    "max": _extreme(smallest=False),
    "quotient": lambda arguments: numeric(quotient, arguments[0], arguments[1]),
    "isNull": _is_null,
    "isNumber": _is_number,
}
