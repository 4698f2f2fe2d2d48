"""One of two values for each record: conditions, and what stands in for a missing value."""

from __future__ import annotations

import polars as pl

from meterhouse.engine.column import Coded
from meterhouse.streams.expression_columns.digits import Digits, aligned, typed
from meterhouse.streams.expression_columns.unsure import Mask, either, within
from meterhouse.streams.expression_columns.vector import (
    LOST,
    Shape,
    Vector,
    to_column,
)


def chosen(mask: pl.Series, then: Vector, otherwise: Vector) -> Vector:
    """Return the first where the mask (one truth value a record) is true, else the second."""
    length = len(mask)
    unsure = either(_within(then, mask), _within(otherwise, ~mask))
    sides = [side.spread(length) for side in (then, otherwise)]
    shapes = {side.shape for side in sides if side.data is not None}
    if not shapes:
        return Vector(Shape.NULL, constant=True).with_unsure(unsure)
    if shapes == {Shape.TEXT, Shape.STAMP}:
        sides = [Vector(Shape.TEXT, s.texts()) if s.shape is Shape.STAMP else s for s in sides]
        shapes = {Shape.TEXT}
    if len(shapes) == 1:
        made = _merged(mask, *sides)
    elif Shape.MOMENT in shapes:
        return LOST
    else:
        made = _mixed(mask, *sides)
    return made.with_unsure(unsure)


def coalesced(first: Vector, rest: Vector, length: int) -> Vector:
    """Return the first value, or the other one where it is missing."""
    if first.data is None:
        return first if first.shape is Shape.LOST else rest.with_unsure(first.unsure)
    missing = first.missing()
    if missing is None:
        return first
    return chosen(~missing, first.spread(length), rest).with_unsure(first.unsure)


def _within(side: Vector, part: pl.Series) -> Mask:
    return part if side.shape is Shape.LOST else within(side.unsure, part)


def _where(mask: pl.Series, then: pl.Series, otherwise: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(then).otherwise(otherwise)).to_series()


def _merged(mask: pl.Series, then: Vector, otherwise: Vector) -> Vector:
    """Values of one shape; one of the sides may have none."""
    if then.data is None or otherwise.data is None:
        return _half(mask, then, otherwise)
    shape = then.shape
    match then.data, otherwise.data:
        case Digits(), Digits():
            both = aligned(then.data, otherwise.data)
            if both is None:
                return LOST
            a, b, beyond = both
            limit = max(a.limit, b.limit)
            units = _where(mask, *typed(a.units, b.units, limit))
            return Vector(shape, Digits(units, a.scale, limit), beyond)
        case Coded(), Coded():
            return Vector(shape, _coded(mask, then.data, otherwise.data))
        case _:
            if shape is Shape.TEXT:
                return Vector(shape, _where(mask, then.texts(), otherwise.texts()))
            return Vector(shape, _where(mask, then.data, otherwise.data))


def _half(mask: pl.Series, then: Vector, otherwise: Vector) -> Vector:
    """The values of the only side that has some; missing elsewhere."""
    side, elsewhere = (then, ~mask) if otherwise.data is None else (otherwise, mask)
    match side.data:
        case Digits(units, scale, limit):
            return Vector(side.shape, Digits(_blank(units, elsewhere), scale, limit))
        case Coded(codes, texts):
            return Vector(side.shape, Coded(_blank(codes, elsewhere), texts))
        case _:
            return Vector(side.shape, _blank(side.data, elsewhere))


def _blank(values: pl.Series, where: pl.Series) -> pl.Series:
    return _where(~where, values, pl.Series([None], dtype=values.dtype))


def _coded(mask: pl.Series, then: Coded, otherwise: Coded) -> Coded:
    if then.texts is otherwise.texts:
        return Coded(_where(mask, then.codes, otherwise.codes), then.texts)
    shifted = otherwise.codes.cast(pl.UInt32) + pl.Series([len(then.texts)], dtype=pl.UInt32)
    return Coded(
        _where(mask, then.codes.cast(pl.UInt32), shifted),
        pl.concat([then.texts, otherwise.texts]),
    )


def _mixed(mask: pl.Series, then: Vector, otherwise: Vector) -> Vector:
    """Values of several shapes, as JSON; numbers that are no quantities are unsure."""
    texts = []
    unsure: Mask = None
    for side, part in ((then, mask), (otherwise, ~mask)):
        column, beyond = to_column(side, len(mask))
        texts.append(column.canonical())
        unsure = either(unsure, within(beyond, part))
    return Vector(Shape.JSON, _where(mask, *texts), unsure)
