"""Putting the values of a table's rows into records, in columns and in rows alike.

A value of the table replaces the record's; an absent one leaves it. Targets of several names make
objects, or go into those that the record has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.streams.target import Branch, TargetPath, grow, grown, overlaid

#: Texts of a table stay coded where they are no more than this: dictionaries are stacked.
_CODED_MAX = 100_000


class TableFields:
    """The columns of a table by their targets."""

    def __init__(self, targets: Mapping[TargetPath, Column]) -> None:
        self._targets = {path: _coded(column) for path, column in targets.items()}
        tree: dict[str, Branch] = {}
        for path, column in self._targets.items():
            grow(tree, path, column)
        #: each field of the record, nested ones as objects
        self._heads = {name: grown(branch) for name, branch in tree.items()}
        self._nested = {name for name, branch in tree.items() if isinstance(branch, dict)}

    def put(self, batch: UsageBatch, rows: pl.Series) -> UsageBatch:
        """Return the records with the values of their rows; a null row gives nothing."""
        if not self._heads or not rows.len() or rows.null_count() == len(rows):
            return batch
        return self._columns(batch, rows) if batch.columnar else self._rows(batch, rows)

    def _columns(self, batch: UsageBatch, rows: pl.Series) -> UsageBatch:
        columns = dict(batch.columns())
        for name, head in self._heads.items():
            found = head.gather(rows)
            if found.null_count() == len(batch):
                continue
            present = columns.get(name)
            if present is None or present.null_count() == len(batch):
                columns[name] = found
            elif name in self._nested:
                columns[name] = self._merged(name, present, rows)
            else:
                columns[name] = overlaid(present, found)
        return batch.with_columns(columns)

    def _merged(self, name: str, present: Column, rows: pl.Series) -> Column:
        """Objects into objects: value by value, since the record's may be of any shape."""
        records = [{} if value is None else {name: value} for value in present.to_values()]
        targets = {path: c for path, c in self._targets.items() if path[0] == name}
        return Column.from_values([record.get(name) for record in _put_all(records, targets, rows)])

    def _rows(self, batch: UsageBatch, rows: pl.Series) -> UsageBatch:
        return UsageBatch.from_rows(_put_all(batch.rows(), self._targets, rows), batch.origins())


def _put_all(
    records: Sequence[Record], targets: Mapping[TargetPath, Column], rows: pl.Series
) -> list[Record]:
    values = [column.gather(rows).to_values() for column in targets.values()]
    paths = list(targets)
    return [
        _enriched(record, paths, row)
        for record, row in zip(records, zip(*values, strict=True), strict=True)
    ]


def _enriched(record: Record, paths: Sequence[TargetPath], row: Sequence[JsonValue]) -> Record:
    """Return a record with the values of a row; the given one stays as it is."""
    made = record
    for path, value in zip(paths, row, strict=True):
        if value is not None:
            made = _with(made, path, value)
    return made


def _with(record: Record, path: TargetPath, value: JsonValue) -> Record:
    name, *rest = path
    if rest:
        inner = record.get(name)
        value = _with(inner if isinstance(inner, dict) else {}, tuple(rest), value)
    return record | {name: value}


def _coded(column: Column) -> Column:
    """Texts that repeat as codes: what is looked up in a table repeats by its nature."""
    if column.kind is not ColumnKind.TEXT or column.coded is not None:
        return column
    texts = column.values.drop_nulls().unique(maintain_order=True)
    if len(texts) > _CODED_MAX:
        return column
    numbered = pl.DataFrame({"t": texts}).with_row_index("n")
    codes = pl.DataFrame({"t": column.values}).join(
        numbered, on="t", how="left", maintain_order="left"
    )["n"]
    return Column.of_codes(Coded(codes, texts))
