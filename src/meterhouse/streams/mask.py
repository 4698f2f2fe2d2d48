"""Masks: which records of a batch are meant, as Boolean series without nulls."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from meterhouse.engine.batch import UsageBatch


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


def without(batch: UsageBatch, positions: Sequence[int]) -> UsageBatch:
    """Return a batch without the records at positions."""
    if not positions:
        return batch
    gone = marked(pl.Series(positions, dtype=pl.UInt32), length=len(batch))
    return batch.filter(~gone)
