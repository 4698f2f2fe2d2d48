"""Which records columns do not know the result of: rows decide about those.

A record is unsure where its result may be an error, or may not fit a column; never for comfort.
"""

from __future__ import annotations

import polars as pl

#: True where a record is unsure; ``None`` where none is.
Mask = pl.Series | None


def either(*masks: Mask) -> Mask:
    """Return what any of the masks says.

    >>> either(None, pl.Series([True, False]), None).to_list()
    [True, False]
    """
    known = [mask for mask in masks if mask is not None]
    if not known:
        return None
    found = known[0]
    for mask in known[1:]:
        found = found | mask
    return found


def within(mask: Mask, part: pl.Series) -> Mask:
    """Return a mask only as far as the records of a part are concerned."""
    return None if mask is None else mask & part


def nulls(values: pl.Series) -> Mask:
    """Return where values are absent."""
    return values.is_null() if values.null_count() else None
