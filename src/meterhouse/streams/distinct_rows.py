"""Records that are equal in some fields: each kind is looked at once."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from meterhouse.engine.column import Column

#: Among fewer records, looking for equal ones is not worth it.
_RECORDS_MIN = 256


def kinds_of(columns: Sequence[Column], count: int) -> tuple[pl.Series, pl.Series] | None:
    """Return the first record of each kind, and the kind of each record (both UInt32).

    ``None`` where most records would be a kind of their own.
    """
    if not columns:
        return pl.Series([0], dtype=pl.UInt32), pl.repeat(0, count, dtype=pl.UInt32, eager=True)
    if count <= _RECORDS_MIN:
        return None
    keys = [c.values if c.coded is None else c.coded.codes for c in columns]
    frame = pl.DataFrame({f"c{place}": key.alias("") for place, key in enumerate(keys)})
    names = frame.columns
    known = frame.with_row_index("first").unique(names, keep="first", maintain_order=True)
    if known.height * 2 > count:
        return None
    numbered = known.with_row_index("kind")
    joined = frame.join(numbered, on=names, how="left", nulls_equal=True, maintain_order="left")
    return known["first"], joined["kind"]
