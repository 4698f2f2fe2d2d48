"""What stands between two operands: arithmetic and comparisons of whole columns.

An operation returns ``None`` where it should be computed for each distinct pair of values.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from meterhouse.core.expression.syntax import Operator
from meterhouse.streams.expression_columns.conversion import as_moment, as_number, says_number
from meterhouse.streams.expression_columns.digits import (
    Digits,
    Known,
    aligned,
    minus,
    plus,
    product,
)
from meterhouse.streams.expression_columns.division import divided, remainder
from meterhouse.streams.expression_columns.unsure import Mask, either
from meterhouse.streams.expression_columns.vector import LOST, Shape, Vector

_ARITHMETIC: dict[Operator, Callable[[Digits, Digits], Known]] = {
    Operator.ADD: plus,
    Operator.SUBTRACT: minus,
    Operator.MULTIPLY: product,
    Operator.DIVIDE: divided,
    Operator.REMAINDER: remainder,
}
_ORDER: dict[Operator, Callable[[pl.Series, pl.Series], pl.Series]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.AT_MOST: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.AT_LEAST: lambda a, b: a >= b,
}
_TEXTS = frozenset({Shape.TEXT, Shape.STAMP})


def computed(operator: Operator, left: Vector, right: Vector) -> Vector:
    """Return a sum, a difference, a product, a quotient or a remainder."""
    return numeric(_ARITHMETIC[operator], left, right)


def numeric(compute: Callable[[Digits, Digits], Known], left: Vector, right: Vector) -> Vector:
    """Compute something of two numbers."""
    a, b = as_number(left), as_number(right)
    if Shape.LOST in (a.shape, b.shape):
        return LOST
    known = compute(a.data, b.data)
    if known is None:
        return LOST
    digits, unsure = known
    made = Vector(Shape.NUMBER, digits, constant=a.constant and b.constant)
    return made.with_unsure(a.unsure, b.unsure, unsure)


def ordered(operator: Operator, left: Vector, right: Vector) -> Vector | None:
    """Return which values are below, above or at most others. What is missing is unsure."""
    if left.data is None or right.data is None:
        return LOST
    shapes = {left.shape, right.shape}
    if Shape.MOMENT in shapes:
        return _compared(as_moment(left), as_moment(right), _ORDER[operator])
    if shapes <= _TEXTS:
        made = _ORDER[operator](left.texts(), right.texts())
        return _truth(made, left, right, either(left.missing(), right.missing()))
    a, b = as_number(left), as_number(right)
    if Shape.LOST in (a.shape, b.shape):
        return LOST
    both = aligned(a.data, b.data)
    if both is None:
        return LOST
    first, second, beyond = both
    made = _ORDER[operator](first.units, second.units)
    return _truth(made, a, b, beyond)


def _compared(
    left: Vector | None, right: Vector | None, compute: Callable[[pl.Series, pl.Series], pl.Series]
) -> Vector | None:
    if left is None or right is None:
        return None
    if Shape.LOST in (left.shape, right.shape):
        return LOST
    return _truth(compute(left.data, right.data), left, right)


def _truth(made: pl.Series, left: Vector, right: Vector, *masks: Mask) -> Vector:
    constant = left.constant and right.constant
    filled = made.fill_null(value=False) if made.null_count() else made
    return Vector(Shape.BOOLEAN, filled, constant=constant).with_unsure(
        left.unsure, right.unsure, *masks
    )


def equal(left: Vector, right: Vector) -> Vector | None:
    """Return which values are equal. Missing ones equal each other and nothing else."""
    if left.data is None or right.data is None:
        return _both_missing(left, right)
    shapes = {left.shape, right.shape}
    if Shape.JSON in shapes:
        return None
    if Shape.MOMENT in shapes:
        return _dates_equal(left, right)
    if shapes <= _TEXTS:
        return _alike(left, right, left.texts(), right.texts())
    if shapes == {Shape.NUMBER}:
        return _numbers_equal(left, right)
    if shapes == {Shape.BOOLEAN}:
        return _alike(left, right, left.data, right.data)
    if shapes == {Shape.NUMBER, Shape.TEXT}:
        text, number = (left, right) if left.shape is Shape.TEXT else (right, left)
        return _numeral_equal(text, number)
    return _both_missing(left, right)


def _alike(left: Vector, right: Vector, a: pl.Series, b: pl.Series) -> Vector:
    return _truth(a.eq_missing(b), left, right)


def _both_missing(left: Vector, right: Vector) -> Vector:
    """Values of different kinds are equal only where both are missing."""
    if Shape.LOST in (left.shape, right.shape):
        return LOST
    never = pl.Series([False])
    absent = [pl.Series([True]) if v.data is None else v.missing() for v in (left, right)]
    first, second = (never if mask is None else mask for mask in absent)
    made = first & second
    constant = len(made) == 1
    return Vector(Shape.BOOLEAN, made, constant=constant).with_unsure(left.unsure, right.unsure)


def _numbers_equal(left: Vector, right: Vector) -> Vector:
    both = aligned(left.data, right.data)
    if both is None:
        return LOST
    a, b, beyond = both
    return _truth(a.units.eq_missing(b.units), left, right, beyond)


def _numeral_equal(text: Vector, number: Vector) -> Vector:
    """A text equals a number if it says that number; one that says none is no error here."""
    text = Vector(Shape.TEXT, text.texts(), text.unsure, text.constant)
    _, odd = says_number(text.data)
    read = as_number(text)
    if read.shape is Shape.LOST:
        # No text is a plain numeral; those that are odd ones are unsure.
        return _both_missing(text, number).with_unsure(odd)
    both = aligned(read.data, number.data)
    if both is None:
        return LOST
    a, b, beyond = both
    # Texts that say no number have no units now, like those that are missing.
    same = (a.units == b.units).fill_null(value=False)
    made = Vector(Shape.BOOLEAN, same | _both_missing(text, number).data)
    return made.with_unsure(text.unsure, number.unsure, beyond, odd)


def _dates_equal(left: Vector, right: Vector) -> Vector | None:
    sides = [side for side in (left, right) if side.shape not in (Shape.MOMENT, Shape.STAMP)]
    if not sides:
        return _alike(left, right, *(side.data.cast(pl.Int64) for side in (left, right)))
    return None if sides[0].shape is not Shape.BOOLEAN else _both_missing(left, right)
