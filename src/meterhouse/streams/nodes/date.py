"""``transforms/date``: dates in fields are read, changed and written in another format.

A text is worked out once, however many records have it; columns of texts that repeat stay so. A
text that cannot be read suspends its record. A field that is absent stays absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from meterhouse.core.json_text import (
    JsonValue,
    Record,
    canonical_text,
    field_value,
    parse_json,
)
from meterhouse.core.quantity import number_text
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.streams.nodes.date_change import DateChange, read_change
from meterhouse.streams.nodes.node import (
    OUT,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
)
from meterhouse.streams.suspension import SuspensePolicy, read_policy

ITEMS_MAX = 100
DEPTH_MAX = 20
#: So many texts of an item are remembered.
_KNOWN_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class DateParams(NodeParams):
    """``items``: field and change, in order; each sees what the ones before it have written."""

    items: tuple[tuple[str, DateChange], ...]
    policy: SuspensePolicy

    def open(self, site: NodeSite) -> NodeRun:
        """Start changing dates."""
        return _Date(self, site)


def _read(reading: Reading) -> DateParams | None:
    items: list[tuple[str, DateChange]] = []
    given = reading.json_list("items", items_max=ITEMS_MAX)
    if not given and not reading.problems:
        reading.fail("items", "is empty", "name at least one field with a date")
    for position, item in enumerate(given):
        inner = Reading(item)
        field, change = inner.text("field", required=True), read_change(inner)
        if field is not None and (not all(field.split(".")) or field.count(".") >= DEPTH_MAX):
            inner.fail("field", f"is {shown(field)}", "name each level, as in a.b")
        reading.problems += [fault.at(f"items[{position}]") for fault in inner.problems]
        if field is not None and change is not None:
            items.append((field, change))
    policy = read_policy(reading)
    return None if reading.problems else DateParams(tuple(items), policy)


TYPE = NodeType("transforms/date", frozenset({1}), _read)

#: What becomes of a text: another text, or what is wrong with it.
_Outcome = tuple[str | None, str]


class _Date(NodeRun):
    def __init__(self, params: DateParams, site: NodeSite) -> None:
        self._items = [_Item(field, change) for field, change in params.items]
        self._guard = site.guard(params.policy)

    def take(self, batch: UsageBatch) -> Outputs:
        #: position -> what is wrong, of the first item that cannot read its text
        bad: dict[int, str] = {}
        if batch.columnar and all(item.in_columns(batch) for item in self._items):
            changed = batch
            for item in self._items:
                changed = item.changed_columns(changed, bad)
        else:
            rows = [self._record(place, row, bad) for place, row in enumerate(batch.rows())]
            changed = UsageBatch.from_rows(rows, batch.origins())
        reason = Reason.TIMESTAMP_INVALID
        self._guard.screen(batch, [(place, reason, bad[place]) for place in sorted(bad)])
        if not bad:
            return {OUT: changed}
        good = pl.int_range(len(batch), eager=True)
        return {OUT: changed.take(good.filter(~good.is_in(sorted(bad))))}

    def _record(self, place: int, record: Record, bad: dict[int, str]) -> Record:
        for item in self._items:
            value = field_value(record, item.field)
            if value is None:
                continue
            text, fault = item.outcome(value)
            if text is None:
                bad[place] = fault
                return record
            record = _with(record, item.field, text)
        return record


class _Item:
    """A field and its change, with what is known of texts that came before."""

    def __init__(self, field: str, change: DateChange) -> None:
        self.field = field
        self._change = change
        self._known: dict[str, _Outcome] = {}

    def in_columns(self, batch: UsageBatch) -> bool:
        """Whether the field is a column of its own, or there is none at all."""
        if "." not in self.field:
            return True
        return batch.column(self.field).null_count() == len(batch)

    def outcome(self, value: JsonValue) -> _Outcome:
        """Return what a value becomes."""
        text = _text_of(value)
        if text is None:
            same = parse_json(canonical_text(value))  # the same text from rows and from columns
            return None, f"{self.field} is {shown(same)}, which is no date"
        if (known := self._known.get(text)) is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            try:
                known = self._change.text(text), ""
            except ValueError as error:
                known = None, f"{self.field}: {error}"
            self._known[text] = known
        return known

    def changed_columns(self, batch: UsageBatch, bad: dict[int, str]) -> UsageBatch:
        """Return a batch with the field changed; note what cannot be read."""
        column = batch.columns().get(self.field)
        if column is None:
            return batch
        if column.coded is not None:
            column, faults = self._coded(column.coded)
        else:
            column, faults = self._plain(column)
        for place in faults.is_not_null().arg_true():
            bad.setdefault(place, faults[place])
        return batch.with_columns({**batch.columns(), self.field: column})

    def _coded(self, coded: Coded) -> tuple[Column, pl.Series]:
        used = coded.codes.drop_nulls().unique()
        texts: list[str] = [""] * len(coded.texts)
        faults: list[str | None] = [None] * len(coded.texts)
        for code, text in zip(used, coded.texts.gather(used), strict=True):
            made, fault = self.outcome(text)
            texts[code], faults[code] = made or "", fault if made is None else None
        found = pl.Series(faults, dtype=pl.String).gather(coded.codes)
        return Column.of_codes(Coded(coded.codes, pl.Series(texts, dtype=pl.String))), found

    def _plain(self, column: Column) -> tuple[Column, pl.Series]:
        texts = column.values if column.kind is ColumnKind.TEXT else column.canonical()
        distinct = texts.drop_nulls().unique(maintain_order=True)
        made = [self.outcome(value) for value in _values(column.kind, distinct)]
        table = pl.DataFrame(
            {
                "t": distinct,
                "made": pl.Series([text for text, _ in made], dtype=pl.String),
                "fault": pl.Series(
                    [fault if text is None else None for text, fault in made], dtype=pl.String
                ),
            }
        )
        found = texts.alias("t").to_frame().join(table, on="t", how="left", maintain_order="left")
        return Column(ColumnKind.TEXT, found["made"]), found["fault"]


def _values(kind: ColumnKind, texts: pl.Series) -> Iterable[JsonValue]:
    """The values that distinct texts stand for: plain texts, or JSON."""
    return texts if kind is ColumnKind.TEXT else Column(ColumnKind.JSON, texts).to_values()


def _text_of(value: JsonValue) -> str | None:
    """How a value is written where it is read as a date."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | dict | list):
        return None
    return number_text(value)


def _with(record: Record, path: str, text: str) -> Record:
    """A record with another value at a path that has one; the one that was given stays."""
    if record.get(path) is not None or "." not in path:
        return {**record, path: text}
    return _with_inner(record, path.split("."), text)


def _with_inner(record: Record, names: list[str], text: str) -> Record:
    head, *rest = names
    return {**record, head: _with_inner(record[head], rest, text) if rest else text}
