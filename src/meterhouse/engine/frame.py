"""Typed columns of other formats (Arrow, Parquet, Avro) as columns of usage records.

Decides what each type becomes: numbers stay exact, floats are their shortest decimal text,
instants are UTC in microseconds, dates are ISO text, everything nested is JSON.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.core.instant import EARLIEST, LATEST, from_datetime, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import FRACTION_DIGITS_MAX, LIMIT
from meterhouse.engine.column import Column, ColumnKind, timestamp_texts
from meterhouse.engine.numerals import number_column

_WIDE_INTEGERS = (pl.UInt64, pl.Int128, pl.UInt128)
#: Up to here whole floats are exact integers and their shortest texts have all digits.
_WHOLE_MAX: dict[pl.DataType, int] = {
    pl.Float16(): 2**11,
    pl.Float32(): 2**24,
    pl.Float64(): 2**53,
}
_NOT_FINITE = {
    "NaN": "NaN",
    "nan": "NaN",
    "inf": "Infinity",
    "-inf": "-Infinity",
}
_INT64 = (-(2**63), 2**63 - 1)
#: How many of a datetime's units make a microsecond.
_UNITS = {"ms": Decimal("0.001"), "us": Decimal(1), "ns": Decimal(1000)}


def frame_of(table: Any) -> pl.DataFrame:
    """Return an Arrow table or record batch as a frame, or raise ``MeterhouseError``."""
    if not hasattr(table, "__arrow_c_stream__"):
        hint = "give a pyarrow Table or RecordBatch; from_rows takes a list of dicts"
        raise MeterhouseError(f"{type(table).__name__} is not an Arrow table", hint=hint)
    try:
        frame = pl.from_arrow(table)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        hint = "rename or cast the column, such as decimal256 to decimal128"
        detail = str(error).splitlines()[0][:200]
        raise MeterhouseError(f"The Arrow table cannot be taken: {detail}", hint=hint) from error
    if not isinstance(frame, pl.DataFrame):
        hint = "give the table that it belongs to"
        raise MeterhouseError("One column alone is not an Arrow table", hint=hint)
    return frame


@dataclass(frozen=True, slots=True)
class _Handed:
    """An array without what else Arrow's have: any library may take it from here."""

    array: Any

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self.array.__arrow_c_array__(requested_schema)


def series_of(array: Any) -> pl.Series:
    """Return an Arrow array as a series; nothing is copied but short texts.

    ``polars.from_arrow`` loads all of Arrow's functions before it looks at an array: 35 ms.
    """
    return pl.Series(_Handed(array))


def columns_of(frame: pl.DataFrame) -> dict[str, Column]:
    """Return the columns of a frame as fields of records; nulls are absent fields."""
    return {
        series.name: field_column(series)
        for series in frame.get_columns()
        if series.null_count() < len(series)
    }


def field_column(values: pl.Series) -> Column:
    """Return a column of any type as one of the kinds that usage batches have."""
    kind = values.dtype
    if kind == pl.String:
        return Column(ColumnKind.TEXT, values)
    if kind == pl.Boolean:
        return Column(ColumnKind.BOOLEAN, values)
    if isinstance(kind, pl.Datetime):
        return _instants(values, unit=kind.time_unit, zone=kind.time_zone)
    if isinstance(kind, pl.Decimal):
        return _decimals(values, scale=kind.scale)
    if kind.is_integer():
        return _integers(values)
    if kind.is_float():
        return _floats(values)
    texts = _texts(values)
    if texts is not None:
        return Column(ColumnKind.TEXT, texts)
    return Column.from_values([json_value(value) for value in values.to_list()])


def _texts(values: pl.Series) -> pl.Series | None:
    """Return the values as texts if that is what their type becomes."""
    kind = values.dtype
    if isinstance(kind, pl.Categorical | pl.Enum):
        return values.cast(pl.String)
    if kind == pl.Date:
        return values.dt.to_string("%Y-%m-%d")
    if kind == pl.Time:
        return values.dt.to_string("%H:%M:%S%.f")
    if kind == pl.Duration:
        return values.dt.to_string("iso")
    return None


def _instants(values: pl.Series, *, unit: str, zone: str | None) -> Column:
    """Instants in UTC; those outside of the years 1 to 9999 are left as numbers in text."""
    low = max(int(_UNITS[unit] * EARLIEST), _INT64[0])
    high = min(int(_UNITS[unit] * LATEST), _INT64[1])
    ticks = values.to_physical()
    inside = ticks.is_between(low, high)
    micros = values.cast(pl.Datetime("us", zone), strict=False)
    instants = (
        micros.dt.replace_time_zone("UTC") if zone is None else micros.dt.convert_time_zone("UTC")
    )
    if inside.all():
        return Column(ColumnKind.TIMESTAMP, instants)
    known = pl.select(pl.when(inside).then(instants)).to_series()
    texts = timestamp_texts(known)
    return Column(
        ColumnKind.TEXT, texts.zip_with(inside.fill_null(value=False), ticks.cast(pl.String))
    )


def _integers(values: pl.Series) -> Column:
    if values.dtype not in _WIDE_INTEGERS:
        return Column(ColumnKind.NUMBER, values.cast(pl.Int64))
    low, high = values.min(), values.max()
    assert isinstance(low, int)
    assert isinstance(high, int)
    if low >= _INT64[0] and high <= _INT64[1]:
        return Column(ColumnKind.NUMBER, values.cast(pl.Int64))
    if low > -LIMIT and high < LIMIT:
        return Column(ColumnKind.NUMBER, values.cast(pl.Decimal(38, 0)))
    return Column(ColumnKind.JSON, values.cast(pl.String))


def _decimals(values: pl.Series, *, scale: int) -> Column:
    low, high = values.min(), values.max()
    assert isinstance(low, Decimal)
    assert isinstance(high, Decimal)
    if scale <= FRACTION_DIGITS_MAX and low > -LIMIT and high < LIMIT:
        return Column(ColumnKind.NUMBER, values.cast(pl.Decimal(38, scale)))
    return number_column(values.cast(pl.String))[0]


def _floats(values: pl.Series) -> Column:
    """Floats as their shortest decimals; what is no number stays as text in a JSON column."""
    if not values.is_finite().all():
        texts = values.cast(pl.String).to_list()
        return Column.from_values([None if text is None else _float_text(text) for text in texts])
    # Small whole numbers are written like integers; larger floats have shorter texts than that.
    whole = values.cast(pl.Int64, strict=False)
    if (values.abs() <= _WHOLE_MAX[values.dtype]).all() and (
        whole.cast(values.dtype) == values
    ).all():
        return Column(ColumnKind.NUMBER, whole)
    return number_column(values.cast(pl.String))[0]


def _float_text(text: str) -> JsonValue:
    return _NOT_FINITE.get(text) or Decimal(text)


def json_value(value: Any) -> JsonValue:
    """Return a value of a nested or unusual type as JSON, numbers exactly.

    >>> json_value({"a": 0.1, "b": [b"x", date(2026, 1, 31)]})
    {'a': Decimal('0.1'), 'b': ['x', '2026-01-31']}
    """
    match value:
        case None | bool() | str() | int() | Decimal():
            return value
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else _NOT_FINITE[repr(value)]
        case bytes():
            return binary_text(value)
        case datetime():
            return _instant_text(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _duration_text(value)
        case Mapping():
            return {_key_text(key): json_value(member) for key, member in value.items()}
        case Sequence():
            return [json_value(member) for member in value]
    return str(value)


def binary_text(value: bytes) -> str:
    """Return bytes as the text that they are in UTF-8, else as base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _instant_text(value: datetime) -> str:
    if value.microsecond % 1000 == 0:
        return instant_text(from_datetime(value))
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC).isoformat()[:26] + "Z"


def _duration_text(value: timedelta) -> str:
    return str(pl.Series([value]).dt.to_string("iso")[0])


def _key_text(key: Any) -> str:
    return key if isinstance(key, str) else json_text(json_value(key))
