"""Batches: their parts, and several of them together."""

from __future__ import annotations

import polars as pl
import pytest

from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch, concat_batches, merge_batches
from meterhouse.engine.column import Column

_FIRST: list[Record] = [{"a": 1, "b": "x"}, {"a": 2}]
_SECOND: list[Record] = [{"a": "three", "c": True}, {}]


def _batch(records: list[Record], *, columnar: bool, offsets: list[int], source: int = 0):
    if not columnar:
        return UsageBatch.from_rows(records, [(source, offset) for offset in offsets])
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: Column.from_values([r.get(name) for r in records]) for name in names}
    return UsageBatch.from_columns(
        columns, length=len(records), source=source, offsets=pl.Series(offsets)
    )


@pytest.mark.parametrize("columnar", [(False, False), (True, False), (True, True)])
def test_batches_stand_behind_one_another(columnar: tuple[bool, bool]) -> None:
    one = _batch(_FIRST, columnar=columnar[0], offsets=[0, 4])
    two = _batch(_SECOND, columnar=columnar[1], offsets=[3, 5], source=1)
    both = concat_batches([one, two])
    assert both.rows() == _FIRST + _SECOND
    assert both.origins() == [(0, 0), (0, 4), (1, 3), (1, 5)]
    assert both.columnar is any(columnar)


@pytest.mark.parametrize("columnar", [(False, False), (True, False), (True, True)])
def test_batches_of_several_edges_are_merged_by_origin(columnar: tuple[bool, bool]) -> None:
    one = _batch(_FIRST, columnar=columnar[0], offsets=[0, 4])
    two = _batch(_SECOND, columnar=columnar[1], offsets=[0, 3])
    merged = merge_batches([one, two])
    assert merged.rows() == [_FIRST[0], _SECOND[0], _SECOND[1], _FIRST[1]]
    assert merged.origins() == [(0, 0), (0, 0), (0, 3), (0, 4)]


def test_one_batch_is_itself() -> None:
    batch = _batch(_FIRST, columnar=True, offsets=[0, 1])
    assert concat_batches([batch]) is batch
    assert merge_batches([batch]) is batch


def test_records_without_fields_are_records() -> None:
    batch = UsageBatch.from_columns({}, length=2, first_offset=7)
    assert batch.rows() == [{}, {}]
    assert batch.origins() == [(0, 7), (0, 8)]
    assert batch.column("a.b").to_values() == [None, None]


@pytest.mark.parametrize("columnar", [False, True])
def test_a_filter_keeps_records_with_their_origins(columnar: bool) -> None:
    batch = _batch(_FIRST, columnar=columnar, offsets=[2, 3])
    assert batch.filter(pl.Series([True, True])) is batch
    kept = batch.filter(pl.Series([False, True]))
    assert (kept.rows(), kept.origins()) == ([_FIRST[1]], [(0, 3)])
    part = batch.slice(1, 1)
    assert (part.rows(), part.origins()) == ([_FIRST[1]], [(0, 3)])
