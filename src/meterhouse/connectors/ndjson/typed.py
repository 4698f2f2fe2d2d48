"""Cells of one field read as its type: whatever is not written as that type would be is told."""

from __future__ import annotations

import polars as pl

from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.engine.column import QUANTITY

_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?$"

#: The least whole number of so many digits; none has no digit.
_LEAST = pl.Series([2**63 - 1, 0, *(10**digits for digits in range(1, 19))], dtype=pl.Int64)


def typed(cells: pl.Series, kind: FieldType) -> tuple[pl.Series, pl.Series]:
    """Read the cells of a field; say which are values of its type or ``null``."""
    if kind is FieldType.BOOLEAN:
        values = cells == "true"
        right = values | (cells == "false")
    elif kind is FieldType.INTEGER:
        values = cells.cast(pl.Int64, strict=False)
        right = _as_written(values, cells)
    else:
        values = cells.cast(QUANTITY, strict=False)
        right = cells.str.contains(_DECIMAL)
    if right.null_count() or not right.all():
        right = right.fill_null(value=False)
        values = values.set(~right, None)
        right |= (cells == "null").fill_null(value=False)
    return values, right


def _as_written(values: pl.Series, cells: pl.Series) -> pl.Series:
    """Say which whole numbers are written as they would be: no plus, leading or negative zero.

    One that is not negative is, if there is no smaller number of so many digits.
    """
    lengths = cells.str.len_bytes()
    if values.null_count() or _value(values.min()) < 0 or _value(lengths.max()) >= len(_LEAST):
        return values.cast(pl.String) == cells
    return values >= _LEAST.gather(lengths)


def _value(number: object) -> int:
    return number if isinstance(number, int) else -1
