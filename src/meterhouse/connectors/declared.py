"""Declared fields: ``fields: {name: "string" | "number" | "boolean"}`` of a reader.

A declared field is read as its type where that loses nothing; a record in which it cannot be
is unreadable. Fields that are not declared stay as they are; none is ever dropped. There is one
reading for a value and one for a column; tests hold them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.engine.numerals import number_column
from meterhouse.streams.declared import BOOLEANS, Misfit, typed_record, typed_value
from meterhouse.streams.ports import ReadChunk, Unreadable


def typed_batch(
    batch: UsageBatch, declared: Mapping[str, str]
) -> tuple[UsageBatch, dict[int, Misfit]]:
    """Read the declared columns of a batch; misfits by their position in the batch.

    The records that misfit are still in the batch that is returned.
    """
    columns = dict(batch.columns())
    misfits: dict[int, Misfit] = {}
    for name, kind in declared.items():
        column = columns.get(name)
        if column is None:
            continue
        columns[name], wrong = _typed_column(column, kind)
        for place in wrong.arg_true():
            value = Column(column.kind, column.values.slice(place, 1)).to_values()[0]
            misfits.setdefault(place, Misfit(name, value, kind))
    return batch.with_columns(columns), misfits


def _typed_column(column: Column, kind: str) -> tuple[Column, pl.Series]:
    """Return the column as its declared kind, and a mask of the values that are not of it."""
    right = pl.repeat(False, len(column), dtype=pl.Boolean, eager=True)
    match column.kind, kind:
        case (ColumnKind.TEXT, "string") | (ColumnKind.NUMBER, "number"):
            return column, right
        case ColumnKind.BOOLEAN, "boolean":
            return column, right
        case ColumnKind.TEXT, "number":
            return number_column(column.values)
        case ColumnKind.TEXT, "boolean":
            return _boolean_column(column.values)
        case ((ColumnKind.NUMBER | ColumnKind.BOOLEAN), "string"):
            return Column(ColumnKind.TEXT, column.canonical()), right
    return _value_by_value(column, kind)


def _boolean_column(texts: pl.Series) -> tuple[Column, pl.Series]:
    lower = texts.str.to_lowercase()
    values = lower.replace_strict(BOOLEANS, default=None, return_dtype=pl.Boolean)
    return Column(ColumnKind.BOOLEAN, values), texts.is_not_null() & values.is_null()


def _value_by_value(column: Column, kind: str) -> tuple[Column, pl.Series]:
    typed: list[JsonValue] = []
    wrong: list[bool] = []
    for value in column.to_values():
        try:
            typed.append(None if value is None else typed_value("", value, kind))
        except Misfit:
            typed.append(None)
            wrong.append(True)
        else:
            wrong.append(False)
    return Column.from_values(typed), pl.Series(wrong, dtype=pl.Boolean)


def typed_chunk(
    chunk: ReadChunk, declared: Mapping[str, str], *, written: Callable[[int], tuple[str, Record]]
) -> ReadChunk:
    """Read the declared fields of a chunk.

    ``written`` gives the record at an offset as it is in the input: its text, and all its fields
    before they are read as their types.
    """
    if not declared:
        return chunk
    batch = chunk.batch
    if batch.columnar:
        batch, misfits = typed_batch(batch, declared)
    else:
        batch, misfits = _typed_rows(batch, declared)
    if not misfits:
        return ReadChunk(batch, chunk.unreadable)
    offsets = batch.origin_frame()["offset"].gather(list(misfits)).to_list()
    bad = [
        Unreadable(offset, raw, str(misfit), record)
        for offset, misfit in zip(offsets, misfits.values(), strict=True)
        for raw, record in [written(offset)]
    ]
    kept = pl.Series(
        [place for place in range(len(batch)) if place not in misfits], dtype=pl.UInt32
    )
    unreadable = sorted([*chunk.unreadable, *bad], key=lambda item: item.offset)
    return ReadChunk(batch.take(kept), unreadable)


def _typed_rows(
    batch: UsageBatch, declared: Mapping[str, str]
) -> tuple[UsageBatch, dict[int, Misfit]]:
    misfits: dict[int, Misfit] = {}
    rows: list[Record] = []
    for place, row in enumerate(batch.rows()):
        try:
            rows.append(typed_record(row, declared))
        except Misfit as misfit:
            misfits[place] = misfit
            rows.append(row)
    return UsageBatch.from_rows(rows, batch.origins()), misfits
