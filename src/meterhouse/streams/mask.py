"""Masks: which records of a batch are meant, as Boolean series without nulls."""

from __future__ import annotations

import polars as pl


def uniform(length: int, *, value: bool) -> pl.Series:
    """Return a mask that says the same of all records.

    >>> uniform(2, value=True).to_list()
    [True, True]
    """
    return pl.repeat(value, length, dtype=pl.Boolean, eager=True)


def marked(positions: pl.Series, *, length: int) -> pl.Series:
    """Return a mask that is true at the positions.

    >>> marked(pl.Series([1]), length=3).to_list()
    [False, True, False]
    """
    return uniform(length, value=False).scatter(positions, values=True)
