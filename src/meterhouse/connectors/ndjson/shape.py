"""What the lines of an NDJSON input look like, as far as it has been read.

The shape is a guess that makes the quick reading quick; a wrong one costs time, never a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import polars as pl
import pyarrow as pa

from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import QUANTITY, Column, ColumnKind

#: A shape with more fields than this is given up.
_FIELDS_MAX = 1_000
_ALIKE_TRIES = 4


class FieldType(Enum):
    """How the quick reading reads a field; the Arrow type is the value."""

    TEXT = pa.string()
    INTEGER = pa.int64()
    DECIMAL = pa.decimal128(38, QUANTITY.scale)
    BOOLEAN = pa.bool_()


class Shape:
    """The fields seen so far and their types. Learnt by several threads at once.

    A field that has held several types goes by the last one: blocks of one type stay quick.
    """

    def __init__(self) -> None:
        self._fields: Mapping[str, FieldType] = {}
        self._alike_tries = _ALIKE_TRIES

    @property
    def fields(self) -> Mapping[str, FieldType]:
        """The types of the fields, by name. The mapping itself never changes."""
        return self._fields

    @property
    def hopeless(self) -> bool:
        """Whether there are too many fields for a quick reading."""
        return len(self._fields) > _FIELDS_MAX

    @property
    def alike(self) -> bool:
        """Whether it is worth trying if lines differ only in their values."""
        return self._alike_tries > 0

    def note_alike(self, *, were: bool) -> None:
        """Note whether lines were alike; give that up after some failures."""
        self._alike_tries = _ALIKE_TRIES if were else self._alike_tries - 1

    def learn(self, batch: UsageBatch) -> None:
        """Take in what the fields of these records are."""
        fields = dict(self._fields)
        for name, column in batch.columns().items():
            known = fields.get(name)
            seen = _field_type(column)
            if known is None or (seen is not None and not _covers(known, seen)):
                fields[name] = seen or FieldType.TEXT
        self._fields = fields


def _covers(known: FieldType, seen: FieldType) -> bool:
    return known is seen or (known is FieldType.DECIMAL and seen is FieldType.INTEGER)


def _field_type(column: Column) -> FieldType | None:
    if column.null_count() == len(column):
        return None
    match column.kind:
        case ColumnKind.TEXT:
            return FieldType.TEXT
        case ColumnKind.BOOLEAN:
            return FieldType.BOOLEAN
        case ColumnKind.NUMBER:
            whole = column.values.dtype == pl.Int64
            return FieldType.INTEGER if whole else FieldType.DECIMAL
    return None
