"""Retained usage: what is kept of each record that an event-time meter took.

Enough to fold the record again: its quantity, its timestamp, and the fields that its rule groups
by and carries. Records of micro-batches are written row by row, all others in columns; both give
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.guiding_rule import Carry, GuidingRule
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import (
    JsonValue,
    Record,
    canonical_text,
    field_value,
    json_text,
    parse_json,
)
from meterhouse.core.meter_state import GroupKey, Section
from meterhouse.core.quantity import number_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.column import Column, ColumnKind, number_texts
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.rows import fold_into, overflows

#: ``position`` is the record's in its batch, ``slot`` the period's number in the run; ``identity``
#: is null where the record has none of its own.
SCHEMA: dict[str, pl.DataType] = {
    "position": pl.UInt32(),
    "slot": pl.Int64(),
    "rule": pl.UInt8(),
    "timestamp": pl.Int64(),
    "value": pl.String(),
    "identity": pl.String(),
    "fields": pl.String(),
    "source": pl.Int64(),
    "offset": pl.Int64(),
}
#: Record, slot, rule, quantity and timestamp of what was taken.
Taken = tuple[int, int, int, Decimal, Instant]


def retained_rows(batch: UsageBatch, taken: Sequence[Taken], plan: MeterPlan) -> pl.DataFrame:
    """Return what is kept of records, row by row."""
    records, origins, names = batch.rows(), batch.origins(), _names(plan)
    rows = [
        (
            *(position, slot, rule, timestamp, number_text(quantity)),
            _identity(field_value(records[position], plan.identity)),
            _fields(records[position], names[rule]),
            *origins[position],
        )
        for position, slot, rule, quantity, timestamp in taken
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def retained_columns(batch: UsageBatch, taken: pl.DataFrame, plan: MeterPlan) -> pl.DataFrame:
    """Return the same in columns; ``taken`` has ``position``, ``slot``, ``rule``, ``v``, ``t``."""
    names = _names(plan)
    parts = [pl.DataFrame(schema=SCHEMA)]
    identity = _identities(batch.column(plan.identity))
    origins = batch.origin_frame()
    for rule in taken["rule"].unique().sort().to_list():
        mine = taken.filter(pl.col("rule") == rule)
        places = mine["position"]
        columns = [
            *mine.select("position", "slot", "rule", timestamp="t").get_columns(),
            number_texts(mine["v"]).alias("value"),
            identity.gather(places).alias("identity"),
            _field_texts(batch, names[rule], places).alias("fields"),
            *origins.select(pl.all().gather(places)).get_columns(),
        ]
        parts.append(pl.DataFrame(columns, schema=SCHEMA))
    return pl.concat(parts).sort("position", maintain_order=True)


def rule_text(rule: GuidingRule) -> str:
    """Write what a rule folds of a record.

    >>> rule_text(GuidingRule("all", "U", group_by=(("model",),)))
    '{"groupBy":[["model"]],"carryFirst":[],"carryLast":[]}'
    """
    first = [o.field for o in rule.operations if o.carry is Carry.FIRST]
    last = [o.field for o in rule.operations if o.carry is Carry.LAST]
    sections = [list(section) for section in rule.group_by]
    return json_text({"groupBy": sections, "carryFirst": first, "carryLast": last})


@dataclass(frozen=True, slots=True)
class RetainedRecord:
    """A retained record as it is folded again: ``rule`` is what ``rule_text`` wrote."""

    quantity: Decimal
    rule: str
    fields: Mapping[str, JsonValue]

    def keys(self) -> dict[Section, GroupKey]:
        """The groups that it counts in."""
        sections: Iterable[Sequence[str]] = parse_json(self.rule)["groupBy"]
        return {
            tuple(section): tuple(canonical_text(self.fields.get(name)) for name in section)
            for section in sections
        }

    def names(self) -> list[str]:
        """All fields that the rule folds."""
        rule = parse_json(self.rule)
        grouped = [name for section in rule["groupBy"] for name in section]
        return list(dict.fromkeys([*grouped, *rule["carryFirst"], *rule["carryLast"]]))

    def carried(self) -> list[tuple[Carry, str, str]]:
        """The fields that it carries."""
        rule = parse_json(self.rule)
        sides = ((Carry.FIRST, rule["carryFirst"]), (Carry.LAST, rule["carryLast"]))
        return [
            (carry, name, canonical_text(self.fields[name]))
            for carry, names in sides
            for name in names
            if self.fields.get(name) is not None
        ]


def fold_again(bucket: Bucket, records: Iterable[RetainedRecord]) -> bool:
    """Fold retained records into an empty bucket, in order of arrival; whether they fit."""
    for record in records:
        keys = record.keys()
        if overflows(bucket, keys, record.quantity):
            return False
        fold_into(bucket, record.quantity, keys, record.carried())
    return True


def _names(plan: MeterPlan) -> list[tuple[str, ...]]:
    """The fields that each rule folds."""
    return [
        tuple(dict.fromkeys([*sum(r.group_by, ()), *(o.field for o in r.operations)]))
        for r in plan.rules
    ]


def _identity(value: JsonValue) -> str | None:
    if isinstance(value, str):
        return value or None
    return None if value is None else canonical_text(value)


def _identities(column: Column) -> pl.Series:
    if column.kind is ColumnKind.TEXT:
        texts = column.values
    elif column.kind is ColumnKind.JSON:
        texts = pl.Series([_identity(value) for value in column.to_values()], dtype=pl.String)
    elif column.kind is ColumnKind.TIMESTAMP:
        texts = pl.Series(column.to_values(), dtype=pl.String)
    else:
        texts = column.canonical()
    empty = (texts == "").fill_null(value=False)
    return texts.set(empty, None) if empty.any() else texts


def _fields(record: Record, names: Sequence[str]) -> str | None:
    values = ((name, field_value(record, name)) for name in names)
    there = [f"{json_text(name)}:{canonical_text(v)}" for name, v in values if v is not None]
    return "{" + ",".join(there) + "}" if there else None


def _field_texts(batch: UsageBatch, names: Sequence[str], places: pl.Series) -> pl.Series:
    nothing = pl.repeat(None, len(places), dtype=pl.String, eager=True)
    if not names:
        return nothing
    columns = [
        (json_text(name) + ":" + batch.column(name).gather(places).canonical()).alias(f"f{place}")
        for place, name in enumerate(names)
    ]
    inner = pl.concat_str(pl.all(), separator=",", ignore_nulls=True)
    there = pl.any_horizontal(pl.all().is_not_null())
    text = pl.when(there).then(pl.concat_str(pl.lit("{"), inner, pl.lit("}")))
    return pl.DataFrame(columns).select(text.alias("fields"))["fields"]
