"""Cells of one field read as its type: whatever is not written as that type would be is told."""

from __future__ import annotations

import polars as pl

from meterhouse.connectors.ndjson.shape import FieldType
from meterhouse.engine.column import QUANTITY

_DECIMAL = r"^-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,18})?$"


def typed(cells: pl.Series, kind: FieldType) -> tuple[pl.Series, pl.Series]:
    """Read the cells of a field; say which are values of its type or ``null``."""
    if kind is FieldType.BOOLEAN:
        values = cells == "true"
        right = values | (cells == "false")
    elif kind is FieldType.INTEGER:
        values = cells.cast(pl.Int64, strict=False)
        right = values.cast(pl.String) == cells  # no plus, no leading zero, no negative zero
    else:
        values = cells.cast(QUANTITY, strict=False)
        right = cells.str.contains(_DECIMAL)
    if right.null_count() or not right.all():
        right = right.fill_null(value=False)
        values = values.set(~right, None)
        right |= (cells == "null").fill_null(value=False)
    return values, right
