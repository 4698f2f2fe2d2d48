"""Fields of a batch as columns, whichever form the batch has; the record's own form is kept.

Nodes that only look at a few fields ask here: a batch of rows is not turned into columns for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from meterhouse.core.json_text import JsonValue, canonical_text, field_value, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind, number_texts, timestamp_texts


def field_column(batch: UsageBatch, path: str) -> Column:
    """Return one field by name or dotted path; null where a record does not have it."""
    if batch.columnar:
        return batch.column(path)
    return Column.from_values([field_value(record, path) for record in batch.rows()])


def canonical_texts(column: Column) -> pl.Series:
    """Return the canonical JSON text of each value, ``null`` where there is none."""
    return column.canonical().fill_null("null")


def record_texts(batch: UsageBatch) -> pl.Series:
    """Return the canonical JSON text of each record; absent fields and nulls are left out."""
    if not batch.columnar:
        texts = [
            canonical_text({name: value for name, value in record.items() if value is not None})
            for record in batch.rows()
        ]
        return pl.Series(texts, dtype=pl.String)
    members = [
        pl.lit(f",{json_text(name)}:") + pl.lit(column.canonical())
        for name, column in sorted(batch.columns().items())
        if column.null_count() < len(column)
    ]
    if not members:
        return pl.Series(["{}"], dtype=pl.String).new_from_index(0, len(batch))
    joined = pl.concat_str([member.fill_null("") for member in members])
    return pl.select((pl.lit("{") + joined.str.slice(1) + pl.lit("}")).alias("text"))["text"]


def plain_texts(column: Column) -> pl.Series:
    """Return each value as it reads inside a text: no quotes; nothing where it is absent."""
    match column.kind:
        case ColumnKind.TEXT:
            texts = column.values
        case ColumnKind.NUMBER:
            texts = number_texts(column.values)
        case ColumnKind.BOOLEAN:
            texts = column.values.cast(pl.String)
        case ColumnKind.TIMESTAMP:
            texts = timestamp_texts(column.values)
        case ColumnKind.JSON:
            values = column.to_values()
            texts = pl.Series([_plain_text(value) for value in values], dtype=pl.String)
    return texts.fill_null("")


def _plain_text(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_text(value)


def overlaid(earlier: Column, later: Column) -> Column:
    """Return the later value where there is one, the earlier one elsewhere."""
    if not later.null_count():
        return later
    same = earlier.kind is later.kind and earlier.values.dtype == later.values.dtype
    kind = later.kind if same else ColumnKind.JSON
    first, second = (column.values if same else column.canonical() for column in (later, earlier))
    return Column(kind, first.zip_with(first.is_not_null(), second))


def object_column(members: Mapping[str, Column]) -> Column:
    """Return objects, sorted members as they are given; null where none of them is there."""
    parts = [
        (pl.lit(f",{json_text(name)}:") + pl.lit(column.canonical())).fill_null("")
        for name, column in members.items()
    ]
    joined = pl.concat_str(parts)
    text = pl.when(joined != "").then(pl.lit("{") + joined.str.slice(1) + pl.lit("}"))
    return Column(ColumnKind.JSON, pl.select(text.alias("text"))["text"])
