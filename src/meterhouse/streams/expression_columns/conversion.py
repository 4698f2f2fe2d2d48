"""Taking values for numbers, texts, truth values or dates, as ``core.expression.value`` does.

What cannot be taken so is unsure. ``None``: ask for each distinct value instead.
"""

from __future__ import annotations

import polars as pl

from meterhouse.core.instant import EARLIEST, LATEST
from meterhouse.core.quantity import number_from_text
from meterhouse.engine.column import QUANTITY, Coded, number_texts, timestamp_texts
from meterhouse.streams.expression_columns.digits import Digits, one
from meterhouse.streams.expression_columns.unsure import Mask, nulls
from meterhouse.streams.expression_columns.vector import INSTANTS, LOST, Shape, Vector, decimals

#: Numerals that every reader takes for the same number.
_PLAIN = r"^-?[0-9]{1,20}(?:\.[0-9]{1,18})?$"
_SHORT = r"^-?[0-9]{1,18}$"
#: Instants that every reader takes for the same one.
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z$"
#: So few numbers between the least and the greatest are written once each.
_NEAR = 65_536


def as_number(vector: Vector) -> Vector:
    """Return numbers, those that texts say included."""
    match vector.shape:
        case Shape.NUMBER:
            return vector.with_unsure(vector.missing())
        case Shape.TEXT if isinstance(vector.data, Coded):
            return _gathered(as_number(Vector(Shape.TEXT, vector.data.texts)), vector)
        case Shape.TEXT | Shape.JSON:
            # Among values of several kinds, the plain numbers; what is text stands in quotes.
            return _read(vector, vector.data)
        case _:
            return LOST


def _gathered(made: Vector, vector: Vector) -> Vector:
    """Return what was read of a dictionary, for the records that have its codes."""
    if made.data is None:
        return LOST
    codes = vector.data.codes
    unsure = None if made.unsure is None else made.unsure.gather(codes).fill_null(value=True)
    read = Vector(made.shape, made.data.gather(codes), unsure, vector.constant)
    return read.with_unsure(vector.unsure, nulls(codes))


def _read(vector: Vector, texts: pl.Series) -> Vector:
    plain = texts.str.contains(_PLAIN).fill_null(value=False)
    if not plain.any():
        return LOST
    numerals = texts if plain.all() else texts.set(~plain, None)
    short = numerals.str.contains(_SHORT)
    numbers = numerals.cast(pl.Int64 if short.all() else QUANTITY)
    unsure = None if plain.all() else ~plain
    made = Vector(Shape.NUMBER, Digits.of_series(numbers), constant=vector.constant)
    return made.with_unsure(vector.unsure, unsure)


def says_number(texts: pl.Series) -> tuple[pl.Series, Mask]:
    """Return which texts surely are numbers, and about which only Python can tell."""
    plain = texts.str.contains(_PLAIN)
    if plain.all():
        return plain, None
    odd = texts.filter(~plain).unique()
    numbers = [text for text in odd if number_from_text(text) is not None]
    return plain, texts.is_in(numbers) if numbers else None


def as_text(vector: Vector) -> Vector | None:
    """Return texts, coded where they repeat."""
    match vector.shape:
        case Shape.TEXT:
            return vector.with_unsure(vector.missing())
        case Shape.STAMP:
            made = vector.texts()
        case Shape.BOOLEAN:
            made = Coded(vector.data.cast(pl.UInt32), pl.Series(["false", "true"]))
        case Shape.NUMBER:
            made = _numerals(vector.data)
        case Shape.MOMENT:
            made = timestamp_texts((vector.data // 1000 * 1000).cast(INSTANTS))
        case Shape.JSON:
            return None
        case _:
            return LOST
    unsure = vector.missing()
    return Vector(Shape.TEXT, made, constant=vector.constant).with_unsure(vector.unsure, unsure)


def _numerals(numbers: Digits) -> pl.Series | Coded:
    low, high = numbers.units.min(), numbers.units.max()
    ends = isinstance(low, int) and isinstance(high, int)
    if ends and high - low < min(_NEAR, len(numbers.units)):
        lowest = one(low, numbers.units)
        known = pl.int_range(high - low + 1, eager=True).cast(numbers.units.dtype) + lowest
        codes = numbers.units - lowest
        written = _written(Digits(known, numbers.scale, numbers.limit))
        return Coded(codes.cast(pl.UInt32), written)
    return _written(numbers)


def _written(numbers: Digits) -> pl.Series:
    return number_texts(decimals(numbers) if numbers.scale else numbers.units)


def as_truth(vector: Vector) -> Vector:
    """Return truth values; nothing else stands for them."""
    if vector.shape is Shape.JSON:
        texts = vector.data
        known = texts.is_in(["true", "false"]).fill_null(value=False)
        values = (texts == "true").fill_null(value=False)
        made = Vector(Shape.BOOLEAN, values, constant=vector.constant)
        return made.with_unsure(vector.unsure, ~known)
    if vector.shape is not Shape.BOOLEAN:
        return LOST
    missing = vector.missing()
    filled = vector.data if missing is None else vector.data.fill_null(value=False)
    made = Vector(Shape.BOOLEAN, filled, constant=vector.constant)
    return made.with_unsure(vector.unsure, missing)


def as_moment(vector: Vector) -> Vector | None:
    """Return dates: microseconds. Of texts, those that are written as records show instants."""
    match vector.shape:
        case Shape.MOMENT:
            micros = vector.data
        case Shape.STAMP:
            micros = vector.data.cast(pl.Int64)
        case Shape.TEXT if isinstance(vector.data, pl.Series):
            plain = vector.data.str.contains(_ISO).fill_null(value=False)
            if not plain.any():
                return None
            texts = vector.data if plain.all() else vector.data.set(~plain, None)
            read = texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", strict=False)
            micros = read.cast(pl.Int64)
            micros = micros.set(~micros.is_between(EARLIEST, LATEST), None)
        case Shape.TEXT:
            read = as_moment(Vector(Shape.TEXT, vector.data.texts))
            return None if read is None else _gathered(read, vector)
        case Shape.NUMBER | Shape.JSON:
            return None
        case _:
            return LOST
    made = Vector(Shape.MOMENT, micros, constant=vector.constant)
    return made.with_unsure(vector.unsure, nulls(micros))
