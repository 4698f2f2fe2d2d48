"""Usage batches: records on their way through a stream, as rows or as columns.

A batch keeps, for each record, its origin ``(source, offset)``: which input it came from and its
place there. Homogeneous input stays in columns from the reader to the meter; nodes that run user
code ask for rows. Both forms hold the same JSON objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from meterhouse.core.json_text import Record
from meterhouse.engine.column import Column, absent_column, concat_columns
from meterhouse.engine.frame import columns_of, frame_of

#: Where a record came from: the number of its source in the run, and its place there, from 0.
Origin = tuple[int, int]


@dataclass(slots=True)
class UsageBatch:
    """Records in order of arrival. Made by ``from_rows``, ``from_arrow``, ``from_columns``.

    >>> batch = UsageBatch.from_rows([{"a": 1}, {"a": "x"}])
    >>> batch.columns()["a"].kind.value, batch.origins()
    ('json', [(0, 0), (0, 1)])
    """

    length: int
    _rows: list[Record] | None = None
    _columns: dict[str, Column] | None = None
    _origins: list[Origin] | None = None
    _origin_frame: pl.DataFrame | None = field(default=None, repr=False)

    @classmethod
    def from_rows(
        cls, rows: Sequence[Record], origins: Sequence[Origin] | None = None, *, source: int = 0
    ) -> UsageBatch:
        """Wrap rows; without ``origins`` they are numbered from 0 within ``source``."""
        if origins is None:
            origins = [(source, offset) for offset in range(len(rows))]
        assert len(origins) == len(rows)
        return cls(len(rows), _rows=list(rows), _origins=list(origins))

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Column],
        *,
        length: int,
        source: int = 0,
        first_offset: int = 0,
        offsets: pl.Series | None = None,
    ) -> UsageBatch:
        """Wrap columns of one source; offsets count up from ``first_offset`` unless given."""
        if offsets is None:
            offsets = pl.int_range(first_offset, first_offset + length, eager=True)
        frame = pl.DataFrame(
            {"source": pl.repeat(source, length, dtype=pl.Int64, eager=True), "offset": offsets}
        )
        return cls(length, _columns=dict(columns), _origin_frame=frame)

    @classmethod
    def from_arrow(cls, table: object, *, source: int = 0) -> UsageBatch:
        """Take a table or record batch of Arrow; nulls are absent fields.

        Numbers stay exact: a float is its shortest decimal text, as where Parquet is read.
        Raises ``MeterhouseError`` where it is no table, or has a type that cannot be taken.

        >>> import pyarrow as pa
        >>> UsageBatch.from_arrow(pa.table({"userId": ["ann", "bob"], "value": [3, None]})).rows()
        [{'userId': 'ann', 'value': 3}, {'userId': 'bob'}]
        """
        frame = frame_of(table)
        return cls.from_columns(columns_of(frame), length=frame.height, source=source)

    def __len__(self) -> int:
        return self.length

    @property
    def columnar(self) -> bool:
        """Whether the records lie in columns now, so that ``columns`` costs nothing."""
        return self._columns is not None

    def rows(self) -> list[Record]:
        """Return the records as JSON objects; absent fields are left out."""
        if self._rows is None:
            assert self._columns is not None
            self._rows = _to_rows(self._columns, self.length)
        return self._rows

    def columns(self) -> dict[str, Column]:
        """Return the records as columns, one for each field that any record has."""
        if self._columns is None:
            assert self._rows is not None
            self._columns = _to_columns(self._rows)
        return self._columns

    def column(self, path: str) -> Column:
        """Return one field by name or dotted path; all null where no record has it."""
        columns = self.columns()
        head, dot, rest = path.partition(".")
        literal = columns.get(path)
        if not dot or head not in columns:
            return absent_column(self.length) if literal is None else literal
        nested = columns[head].nested(rest)
        return nested if literal is None else literal.or_else(nested)

    def origins(self) -> list[Origin]:
        """Return the origin of each record."""
        if self._origins is None:
            assert self._origin_frame is not None
            self._origins = list(self._origin_frame.iter_rows())
        return self._origins

    def origin_frame(self) -> pl.DataFrame:
        """Return the origins as a frame of ``source`` and ``offset`` (Int64)."""
        if self._origin_frame is None:
            schema = {"source": pl.Int64, "offset": pl.Int64}
            self._origin_frame = pl.DataFrame(self._origins, schema=schema, orient="row")
        return self._origin_frame

    def take(self, positions: pl.Series) -> UsageBatch:
        """Return the records at those positions, in that order."""
        if self._columns is None:
            assert self._rows is not None
            rows, origins = self._rows, self.origins()
            wanted = positions.to_list()
            return UsageBatch.from_rows([rows[i] for i in wanted], [origins[i] for i in wanted])
        columns = {name: column.gather(positions) for name, column in self._columns.items()}
        frame = self.origin_frame().select(pl.all().gather(positions))
        return UsageBatch(len(positions), _columns=columns, _origin_frame=frame)

    def filter(self, mask: pl.Series) -> UsageBatch:
        """Return the records where ``mask`` (Boolean, no nulls) is true."""
        if mask.all():
            return self
        if self._columns is None:
            return self.take(mask.arg_true())
        columns = {name: column.filter(mask) for name, column in self._columns.items()}
        frame = self.origin_frame().filter(mask)
        return UsageBatch(frame.height, _columns=columns, _origin_frame=frame)

    def with_columns(self, columns: Mapping[str, Column]) -> UsageBatch:
        """Return the same records with other fields."""
        return UsageBatch(
            self.length,
            _columns=dict(columns),
            _origins=self._origins,
            _origin_frame=self._origin_frame,
        )

    def slice(self, start: int, length: int) -> UsageBatch:
        """Return ``length`` records from position ``start`` on."""
        if self._columns is None:
            assert self._rows is not None
            end = start + length
            return UsageBatch.from_rows(self._rows[start:end], self.origins()[start:end])
        columns = {name: column.slice(start, length) for name, column in self._columns.items()}
        frame = self.origin_frame().slice(start, length)
        return UsageBatch(frame.height, _columns=columns, _origin_frame=frame)


def concat_batches(batches: Sequence[UsageBatch]) -> UsageBatch:
    """Put batches behind one another; in columns if any of them lies in columns."""
    if len(batches) == 1:
        return batches[0]
    if not any(batch.columnar for batch in batches):
        rows = [row for batch in batches for row in batch.rows()]
        return UsageBatch.from_rows(rows, [o for batch in batches for o in batch.origins()])
    names = dict.fromkeys(name for batch in batches for name in batch.columns())
    columns = {
        name: concat_columns(
            [batch.columns().get(name) or absent_column(len(batch)) for batch in batches]
        )
        for name in names
    }
    frame = pl.concat([batch.origin_frame() for batch in batches])
    return UsageBatch(frame.height, _columns=columns, _origin_frame=frame)


def merge_batches(batches: Sequence[UsageBatch]) -> UsageBatch:
    """Merge what several edges bring to one node: in order of origin, ties in order of edges."""
    merged = concat_batches(batches)
    if len(batches) == 1:
        return merged
    order = merged.origin_frame().select(
        pl.arg_sort_by("source", "offset", maintain_order=True).alias("at")
    )["at"]
    return merged.take(order)


def _to_rows(columns: Mapping[str, Column], length: int) -> list[Record]:
    names = list(columns)
    if not names:
        return [{} for _ in range(length)]
    values = [column.to_values() for column in columns.values()]
    if not any(column.null_count() for column in columns.values()):
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*values, strict=True)
    ]


def _to_columns(rows: Sequence[Record]) -> dict[str, Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: Column.from_values([row.get(name) for row in rows]) for name in names}
