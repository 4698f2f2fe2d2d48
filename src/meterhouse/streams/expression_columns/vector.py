"""What a part of an expression is for each record of a batch: values of one shape, and a mask.

A vector holds what an evaluator would have as ``Value``: null where a value is missing. Nothing
here knows expressions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

import polars as pl

from meterhouse.core.expression.value import Moment, Value, to_json
from meterhouse.core.json_text import canonical_text
from meterhouse.core.quantity import FRACTION_DIGITS_MAX, INTEGER_DIGITS_MAX
from meterhouse.engine.column import Coded, Column, ColumnKind, timestamp_texts
from meterhouse.streams.expression_columns.digits import Digits, one
from meterhouse.streams.expression_columns.unsure import Mask, either

INSTANTS = pl.Datetime("us", "UTC")


class Shape(Enum):
    """What all values of a vector are. In brackets, what ``data`` is."""

    NULL = "null"  # None: all are missing
    TEXT = "text"  # Coded, or a series of texts
    STAMP = "stamp"  # series of instants: texts as a timestamp column shows them
    NUMBER = "number"  # Digits
    BOOLEAN = "boolean"  # series
    MOMENT = "moment"  # series of microseconds
    JSON = "json"  # series of canonical JSON texts: values of several shapes
    LOST = "lost"  # None: rows decide about all records


@dataclass(frozen=True, slots=True)
class Vector:
    """Values of one shape. ``constant``: there is one value, and it stands for all records."""

    shape: Shape
    data: Any = None
    unsure: Mask = None
    constant: bool = False

    def with_unsure(self, *masks: Mask) -> Vector:
        """Return the same with more records that are unsure."""
        return replace(self, unsure=either(self.unsure, *masks))

    def missing(self) -> Mask:
        """Return where values are missing; all are of a ``NULL`` vector, which is not asked."""
        match self.data:
            case Digits():
                values = self.data.units
            case Coded():
                values = self.data.codes
            case _:
                values = self.data
        return values.is_null() if values.null_count() else None

    def spread(self, length: int) -> Vector:
        """Return a constant as one value for each record."""
        if not self.constant or self.data is None:
            return self
        at = pl.repeat(0, length, dtype=pl.UInt32, eager=True)
        return Vector(self.shape, self.data.gather(at), self.unsure)

    def texts(self) -> pl.Series:
        """Return the values of a ``TEXT`` or ``STAMP`` vector as plain texts."""
        if self.shape is Shape.STAMP:
            return timestamp_texts(self.data)
        if isinstance(self.data, Coded):
            return self.data.texts.gather(self.data.codes)
        return self.data


LOST = Vector(Shape.LOST)
NULL = Vector(Shape.NULL, constant=True)


def of_column(column: Column) -> Vector:
    """Return the values of a field."""
    if column.null_count() == len(column):
        return NULL
    match column.kind:
        case ColumnKind.TEXT if column.coded is not None:
            return Vector(Shape.TEXT, column.coded)
        case ColumnKind.TEXT:
            return Vector(Shape.TEXT, column.values)
        case ColumnKind.NUMBER:
            return Vector(Shape.NUMBER, Digits.of_series(column.values))
        case ColumnKind.BOOLEAN:
            return Vector(Shape.BOOLEAN, column.values)
        case ColumnKind.TIMESTAMP:
            return Vector(Shape.STAMP, column.values)
        case ColumnKind.JSON:
            return Vector(Shape.JSON, column.without_null_texts().values)


def of_value(value: Value) -> Vector:
    """Return a value that stands for all records."""
    match value:
        case None:
            return NULL
        case bool():
            return _constant(Shape.BOOLEAN, pl.Series([value]))
        case int() | Decimal():
            digits = Digits.of_number(Decimal(value))
            return LOST if digits is None else _constant(Shape.NUMBER, digits)
        case str():
            codes = pl.Series([0], dtype=pl.UInt32)
            return _constant(Shape.TEXT, Coded(codes, pl.Series([value])))
        case Moment():
            return _constant(Shape.MOMENT, pl.Series([value.instant], dtype=pl.Int64))
        case _:
            return _constant(Shape.JSON, pl.Series([canonical_text(to_json(value))]))


def _constant(shape: Shape, data: Any) -> Vector:
    return Vector(shape, data, constant=True)


def to_column(vector: Vector, length: int) -> tuple[Column, Mask]:
    """Return the values as records hold them. What is no quantity is unsure, too."""
    if vector.data is None:
        lost = vector.shape is Shape.LOST
        mask = pl.repeat(value=True, n=length, dtype=pl.Boolean, eager=True) if lost else None
        return Column(ColumnKind.TEXT, _no_texts(length)), either(mask, vector.unsure)
    vector = vector.spread(length)
    match vector.shape:
        case Shape.NUMBER:
            values, unsure = _quantities(vector.data)
            return Column(ColumnKind.NUMBER, values), either(unsure, vector.unsure)
        case Shape.TEXT if isinstance(vector.data, Coded):
            return Column.of_codes(vector.data), vector.unsure
        case Shape.MOMENT:
            # Records show instants in milliseconds.
            values = vector.data // 1000 * 1000
            return Column(ColumnKind.TIMESTAMP, values.cast(INSTANTS)), vector.unsure
        case _:
            return Column(_KINDS[vector.shape], vector.data), vector.unsure


_KINDS = {
    Shape.TEXT: ColumnKind.TEXT,
    Shape.STAMP: ColumnKind.TIMESTAMP,
    Shape.BOOLEAN: ColumnKind.BOOLEAN,
    Shape.JSON: ColumnKind.JSON,
}


def _no_texts(length: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, length)


def _quantities(numbers: Digits) -> tuple[pl.Series, Mask]:
    """Return a number column; what has too many digits for a quantity is unsure."""
    unsure: Mask = None
    units, scale = numbers.units, numbers.scale
    if scale > FRACTION_DIGITS_MAX:
        step = one(10 ** (scale - FRACTION_DIGITS_MAX), units.cast(pl.Int128))
        rest = units.cast(pl.Int128) % step != 0
        unsure = rest.fill_null(value=False) if rest.any() else None
        units, scale = units.cast(pl.Int128) // step, FRACTION_DIGITS_MAX
    fitting, beyond = Digits(units, scale, numbers.limit).over(
        10 ** (INTEGER_DIGITS_MAX + scale) - 1
    )
    unsure = either(unsure, beyond)
    if not scale and fitting.units.dtype == pl.Int64:
        return fitting.units, unsure
    return decimals(fitting), unsure


def decimals(numbers: Digits) -> pl.Series:
    """Return numbers as a decimal column of their own scale."""
    whole = numbers.units.cast(pl.Decimal(38, 0))
    if not numbers.scale:
        return whole
    unit = pl.Series([Decimal((0, (1,), -numbers.scale))], dtype=pl.Decimal(38, numbers.scale))
    return whole * unit
