"""The records that columns are unsure of: computed one by one, each distinct one once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import polars as pl

from meterhouse.core.expression import Expression, ExpressionError, evaluate
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.engine.column import Coded, Column, ColumnKind, concat_columns
from meterhouse.streams.distinct_rows import kinds_of

#: So many records are computed at a time.
_SLICE = 100_000

Faults = list[tuple[int, ExpressionError]]


class Fields(Protocol):
    """The fields of a batch, and the clock of its run."""

    @property
    def now(self) -> Instant:
        """The clock."""
        ...

    def column(self, path: str) -> Column:
        """Return a field; the whole record where the path is empty."""
        ...


def by_rows(
    expression: Expression, fields: Fields, positions: pl.Series, column: Column
) -> tuple[Column, Faults]:
    """Compute the records at positions; ``column`` has the results of all others."""
    paths = ("",) if expression.fields is None else expression.fields
    columns = [fields.column(path).gather(positions) for path in paths]
    groups = kinds_of(columns, len(positions))
    if groups is None:
        firsts, of_record = None, pl.int_range(len(positions), dtype=pl.UInt32, eager=True)
    else:
        firsts, of_record = groups
        columns = [column.gather(firsts) for column in columns]
    values: list[JsonValue] = []
    errors: dict[int, ExpressionError] = {}
    for record in _records(expression, paths, columns):
        try:
            values.append(evaluate(expression, record, now=fields.now))
        except ExpressionError as error:
            errors[len(values)] = error
            values.append(None)
    made = _placed(column, positions, _column(values, of_record))
    return made, _faults(errors, positions, of_record)


def _records(
    expression: Expression, paths: Sequence[str], columns: Sequence[Column]
) -> Iterator[Record]:
    """Yield records that have the fields under their paths, as the evaluator looks for them."""
    if not columns:
        yield {}
        return
    for start in range(0, len(columns[0]), _SLICE):
        parts = [column.slice(start, _SLICE).to_values() for column in columns]
        if expression.fields is None:
            yield from parts[0]
            continue
        for row in zip(*parts, strict=True):
            yield dict(zip(paths, row, strict=True))


def _column(values: list[JsonValue], of_record: pl.Series) -> Column:
    return Column.from_values(values).gather(of_record)


def _placed(column: Column, positions: pl.Series, rows: Column) -> Column:
    """Put results of rows into a column, whatever stands there."""
    length = len(column)
    if len(positions) == length:
        return rows
    order = pl.int_range(length, eager=True)
    order = order.scatter(positions, pl.int_range(length, length + len(positions), eager=True))
    blank = _without(column, positions)
    if blank.coded is not None and rows.kind is ColumnKind.TEXT and rows.coded is None:
        codes = pl.int_range(len(rows), dtype=pl.UInt32, eager=True)
        codes = codes.set(rows.values.is_null(), None)
        rows = Column.of_codes(Coded(codes, rows.values.fill_null("")))
    return concat_columns([blank, rows]).gather(order)


def _without(column: Column, positions: pl.Series) -> Column:
    """Return a column without its values at positions: those are not known."""
    if column.coded is not None:
        codes = column.coded.codes.cast(pl.Int64).scatter(positions, None)
        return Column.of_codes(Coded(codes, column.coded.texts))
    order = pl.int_range(len(column), eager=True).scatter(positions, None)
    return Column(column.kind, column.values.gather(order))


def _faults(
    errors: dict[int, ExpressionError], positions: pl.Series, of_record: pl.Series
) -> Faults:
    if not errors:
        return []
    bad = of_record.is_in(list(errors))
    places, kinds = positions.filter(bad), of_record.filter(bad)
    return [(place, errors[kind]) for place, kind in zip(places, kinds, strict=True)]
