"""Buckets at moments inside a batch: what a threshold record shows of a meter.

A moment is one meter after one record; ``m`` counts moments here, not meters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import polars as pl

from meterhouse.core.json_text import json_text
from meterhouse.core.meter_state import GroupKey, GroupState, MeterState, Section
from meterhouse.core.metered_record import breakdowns_text
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.column import number_texts
from meterhouse.engine.columns.dictionary import key_texts
from meterhouse.engine.columns.table import Table


@dataclass(frozen=True, slots=True)
class Moments:
    """The merged tables of some moments: the totals' first, then those of the sections.

    ``kind`` (number of the aggregation) and ``volume`` are by moment.
    """

    tables: Sequence[Table]
    merged: Sequence[pl.DataFrame]
    kind: pl.Series
    volume: pl.Series

    def totals(self, buckets: Sequence[Bucket]) -> list[MeterState]:
        """Return the states without their groups; ``buckets`` give each moment's period."""
        volumes = self.volume.to_list()
        states = [
            MeterState(
                bucket.state.period,
                bucket.state.timezone,
                bucket.state.updated_at,
                value=bucket.meter.aggregation.initial,
                volume=volume,
            )
            for bucket, volume in zip(buckets, volumes, strict=True)
        ]
        table, merged = self.tables[0], self.merged[0]
        values = table.values(merged, self.kind)
        rows = merged.select("m", "count").hstack([values]).hstack(merged.select(table.carried))
        width = len(table.first)
        for moment, count, value, *carried in rows.iter_rows():
            state = states[moment]
            state.count = count
            state.value = None if value is None else Decimal(value)
            state.carry_first = _texts(table.first, carried[:width])
            state.carry_last = _texts(table.last, carried[width:])
        return states

    def states(self, buckets: Sequence[Bucket]) -> list[MeterState]:
        """Return the whole states."""
        states = self.totals(buckets)
        for table, merged in zip(self.tables[1:], self.merged[1:], strict=True):
            columns = [merged["m"], *table.field_texts(merged), table.values(merged, self.kind)]
            columns += [merged[name] for name in table.carried]
            width, first = len(table.section), len(table.first)
            for moment, *cells in pl.DataFrame(columns).iter_rows():
                value, carried = cells[width], cells[width + 1 :]
                entry = GroupState(
                    None if value is None else Decimal(value),
                    _texts(table.first, carried[:first]),
                    _texts(table.last, carried[first:]),
                )
                groups = states[moment].groups.setdefault(table.section, {})
                groups[tuple(cells[:width])] = entry
        for state, bucket in zip(states, buckets, strict=True):
            state.groups |= self._older(bucket)
        return states

    def breakdowns(self, buckets: Sequence[Bucket]) -> list[str]:
        """Return the JSON of ``groupBreakdowns`` of each moment.

        The same text as ``core.metered_record.breakdowns_text``, made in columns.
        """
        return [
            self._with_older(text, bucket)
            for text, bucket in zip(self._breakdowns(), buckets, strict=True)
        ]

    def _older(self, bucket: Bucket) -> dict[Section, dict[GroupKey, GroupState]]:
        """The sections of older rules: no record of this run counts in them."""
        mine = {table.section for table in self.tables}
        return {s: dict(g) for s, g in bucket.state.groups.items() if g and s not in mine}

    def _with_older(self, text: str, bucket: Bucket) -> str:
        older = self._older(bucket)
        if not older:
            return text
        more = breakdowns_text(replace(bucket.state, groups=older), ())
        return more if text == "[]" else f"{text[:-1]},{more[1:]}"

    def _breakdowns(self) -> list[str]:
        frame = pl.DataFrame({"m": pl.int_range(len(self.kind), eager=True)})
        names = []
        for place, (table, merged) in enumerate(zip(self.tables[1:], self.merged[1:], strict=True)):
            names.append(f"b{place}")
            part = self._breakdown(table, merged).rename({"b": names[-1]})
            frame = frame.join(part, on="m", how="left", maintain_order="left")
        if not names:
            return ["[]"] * frame.height
        inner = pl.concat_str(names, separator=",", ignore_nulls=True).fill_null("")
        return frame.select(pl.concat_str(pl.lit("["), inner, pl.lit("]")).alias("b"))[
            "b"
        ].to_list()

    def _breakdown(self, table: Table, merged: pl.DataFrame) -> pl.DataFrame:
        numbers = [f"g{place}" for place in range(len(table.section))]
        opened = _openings(table, merged.select(numbers).unique())
        value = number_texts(table.values(merged, self.kind)).alias("value").fill_null("0")
        frame = pl.DataFrame([merged["m"], value]).hstack(merged.select(*numbers, *table.carried))
        frame = frame.join(opened, on=numbers, how="left", maintain_order="left")
        frame = frame.sort(pl.col("m") * opened.height + pl.col("rank"))
        entry = pl.concat_str(
            pl.col("opening"),
            pl.col("value"),
            pl.lit(',"carryFirst":'),
            _carried(table.first, "f"),
            pl.lit(',"carryLast":'),
            _carried(table.last, "l"),
            pl.lit("}"),
        )
        head = f'{{"name":{json_text(",".join(table.section))},"groups":['
        joined = frame.select("m", entry.alias("e")).group_by("m", maintain_order=True)
        text = pl.concat_str(pl.lit(head), pl.col("e"), pl.lit("]}"))
        return joined.agg(pl.col("e").str.join(",")).select("m", text.alias("b"))


def _openings(table: Table, groups: pl.DataFrame) -> pl.DataFrame:
    """How the entries of groups (``g0`` ...) open, up to their value, and their ``rank``.

    Few groups are shown many times: what does not depend on the moment is made once.
    """
    members, labels = [], []
    for place, (name, dictionary) in enumerate(zip(table.section, table.dictionaries, strict=True)):
        texts, numbers = dictionary.texts(), groups[f"g{place}"]
        quoted = json_text(name)
        members.append((quoted + ":" + texts).gather(numbers).alias(f"t{place}"))
        labels.append((quoted[1:-1] + ":" + key_texts(texts)).gather(numbers).alias(f"k{place}"))
    frame = groups.hstack([*members, *labels])
    inner = pl.concat_str([series.name for series in members], separator=",")
    fields = pl.concat_str(pl.lit("{"), inner, pl.lit("}")).alias("fields")
    label = pl.concat_str([series.name for series in labels], separator=",").alias("label")
    opening = pl.concat_str(
        pl.lit('{"key":"'),
        pl.col("label"),
        pl.lit('","fields":'),
        pl.col("fields"),
        pl.lit(',"value":'),
    )
    frame = frame.select(*groups.columns, fields, label)
    frame = frame.with_columns(opening.alias("opening")).drop("label")
    # Sorted as a whole, braces included: {"a":10} stands before {"a":1}.
    ranked = frame.sort("fields").drop("fields")
    return ranked.with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64))


def _carried(names: Sequence[str], prefix: str) -> pl.Expr:
    """The JSON of an entry's carried fields, by name."""
    if not names:
        return pl.lit("{}")
    members = [
        pl.concat_str(pl.lit(json_text(name) + ":"), pl.col(f"{prefix}{names.index(name)}"))
        for name in sorted(names)
    ]
    inner = pl.concat_str(members, separator=",", ignore_nulls=True).fill_null("")
    return pl.concat_str(pl.lit("{"), inner, pl.lit("}"))


def _texts(names: Sequence[str], texts: Sequence[str | None]) -> dict[str, str]:
    return {name: text for name, text in zip(names, texts, strict=True) if text is not None}
