"""``transforms/lookup``: records get fields of the row of a look-up table that has their keys.

One record in, one out at most: keys are unique. A value of the table replaces the field of the
record; a cell that is empty, and a record that finds no row, leave the record's field as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import polars as pl

from meterhouse.core.problem import MeterhouseError
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.streams.field import field_column
from meterhouse.streams.key_index import KeyIndex
from meterhouse.streams.lookup_table import KEYS_MAX, TableVersion
from meterhouse.streams.nodes.node import (
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
    joined,
    record_fields,
)
from meterhouse.streams.parameters import fixed_outputs, whole_number
from meterhouse.streams.placeholder import Template
from meterhouse.streams.suspension import Bad, SuspensePolicy, read_policy
from meterhouse.streams.table_fields import TableFields

MATCH, NO_MATCH = "match", "noMatch"
FIELDS_MAX = 1_000
DEPTH_MAX = 20
_PARAMS = ("table", "version", "keys", "fields", "onNoMatch", "suspenseManagement", "multiOutput")


class NoMatch(Enum):
    """What becomes of a record that finds no row."""

    KEEP = "keep"
    SUSPEND = "suspend"
    DISCARD = "discard"
    OUTPUT = "output"


class TableUnfit(MeterhouseError):
    """The table of a look-up is missing, or is not as the node needs it."""

    code = "lookup_table_unfit"


@dataclass(frozen=True, slots=True)
class LookupKey:
    """What of a record must equal which column."""

    field: Template | str
    column: str

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The fields of the record that are looked at."""
        return (self.field,) if isinstance(self.field, str) else self.field.fields

    def of(self, batch: UsageBatch) -> Column:
        """Return the key of each record."""
        if isinstance(self.field, str):
            return field_column(batch, self.field)
        return self.field.column(batch)


@dataclass(frozen=True, slots=True)
class LookupParams(NodeParams):
    """``fields`` are columns and their targets; ``None`` means all columns that are no key."""

    table: str
    version: int | None
    keys: tuple[LookupKey, ...]
    fields: tuple[tuple[str, tuple[str, ...]], ...] | None
    no_match: NoMatch
    policy: SuspensePolicy
    outputs: tuple[tuple[str, str], ...]

    def ports(self) -> Ports:
        """``match``, and ``noMatch`` where records without a row leave there."""
        names = (MATCH, NO_MATCH) if self.no_match is NoMatch.OUTPUT else (MATCH,)
        return Ports(names, MATCH, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Read the table and start looking things up."""
        return _Lookup(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The keys, and what is needed after it; whole records where some are suspended."""
        if self.no_match is NoMatch.SUSPEND:
            return None
        keys = [record_fields(key.fields) for key in self.keys]
        return joined(*keys, *(after(port) for port in self.ports().names))


def _read(reading: Reading) -> LookupParams | None:
    reading.only(_PARAMS, what="transforms/lookup node")
    table = reading.text("table", required=True)
    version = whole_number(reading, "version", lowest=1)
    keys = _read_keys(reading)
    fields = _read_fields(reading)
    outputs = fixed_outputs(reading)
    for name in outputs.values():
        if name not in (MATCH, NO_MATCH):
            hint = f"the outputs are {MATCH} and {NO_MATCH}"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    no_match = _read_no_match(reading, outputs)
    policy = read_policy(reading)
    if reading.problems or table is None:
        return None
    return LookupParams(table, version, keys, fields, no_match, policy, tuple(outputs.items()))


def _read_keys(reading: Reading) -> tuple[LookupKey, ...]:
    keys: list[LookupKey] = []
    items = reading.json_list("keys", items_max=KEYS_MAX)
    if not items and reading.body.get("keys") in (None, []):
        hint = 'say how rows are found: [{"field": "${payload.title}", "column": "title"}]'
        reading.fail("keys", "is empty", hint)
    for position, item in enumerate(items):
        inner = Reading(item, known=("field", "column"), what="key")
        field, column = inner.text("field", required=True), inner.text("column", required=True)
        if column in [key.column for key in keys]:
            inner.fail("column", f"is {shown(column)} again", "name each column once")
        what = None if field is None else _key_field(inner, field)
        if what is not None and column is not None:
            keys.append(LookupKey(what, column))
        reading.problems += [fault.at(f"keys[{position}]") for fault in inner.problems]
    return tuple(keys)


def _key_field(reading: Reading, text: str) -> Template | str | None:
    """A text with placeholders, or the name or dotted path of a field."""
    if "${" not in text and "@{" not in text:
        return text
    try:
        return Template.parse(text)
    except ValueError as error:
        reading.fail("field", f"is {shown(text)} and {error}")
        return None


def _read_fields(
    reading: Reading,
) -> tuple[tuple[str, tuple[str, ...]], ...] | None:
    """Columns and where they go: a target with dots makes an object, none is the column's name."""
    fields: list[tuple[str, tuple[str, ...]]] = []
    for position, item in enumerate(reading.json_list("fields", items_max=FIELDS_MAX)):
        inner = Reading(item, known=("column", "target"), what="field")
        column, target = inner.text("column", required=True), inner.text("target")
        path = (column or "",) if target is None else tuple(target.split("."))
        if not all(path) and target is not None:
            inner.fail("target", f"is {shown(target)}", "name each level, as in a.b")
        elif len(path) > DEPTH_MAX:
            inner.fail("target", f"has {len(path)} levels", f"at most {DEPTH_MAX} are allowed")
        elif clash := next((other for _, other in fields if _overlap(path, other)), None):
            hint = f'"{".".join(clash)}" is a target already: give each its own'
            inner.fail("target", f"is {shown('.'.join(path))}", hint)
        elif column is not None:
            fields.append((column, path))
        reading.problems += [fault.at(f"fields[{position}]") for fault in inner.problems]
    return tuple(fields) or None


def _overlap(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
    depth = min(len(path), len(other))
    return path[:depth] == other[:depth]


def _read_no_match(reading: Reading, outputs: Mapping[str, str]) -> NoMatch:
    given = reading.text("onNoMatch")
    if given is None:
        return NoMatch.OUTPUT if NO_MATCH in outputs.values() else NoMatch.KEEP
    found = next((action for action in NoMatch if action.value == given), None)
    if found is None:
        known = ", ".join(action.value for action in NoMatch)
        reading.fail("onNoMatch", f"is {shown(given)}", f"use one of {known}")
    return found or NoMatch.KEEP


TYPE = NodeType("transforms/lookup", frozenset({1}), _read)


def _used(table: str, number: str) -> str:
    return f"look-up table {table}: version {number}, "


def version_used(line: str) -> tuple[str, int] | None:
    """Return the table and the version of it that a line of a run's log says a node has used.

    >>> version_used("look-up table apps: version 3, 12 rows")
    ('apps', 3)
    """
    found = re.match(_used("(.+)", "([0-9]+)"), line, re.DOTALL)
    return None if found is None else (found[1], int(found[2]))


class _Lookup(NodeRun):
    def __init__(self, params: LookupParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        version = self._version()
        fields = params.fields
        if fields is None:
            keys = {key.column for key in params.keys}
            fields = tuple((name, (name,)) for name in version.names if name not in keys)
        if site.needed is not None:
            fields = tuple(field for field in fields if field[1][0] in site.needed)
        columns = self._columns(version, {column for column, _ in fields})
        self._index = KeyIndex([columns[key.column] for key in params.keys])
        self._refuse_twice(version, columns)
        self._fields = TableFields({path: columns[column] for column, path in fields})
        rows = f"{version.rows:,} {'row' if version.rows == 1 else 'rows'}"
        site.log(_used(version.table_name, str(version.number)) + rows)

    def _version(self) -> TableVersion:
        name, number = self._params.table, self._params.version
        version = self._site.world.snapshot.table_version(name, number)
        if version is None:
            which = "" if number is None else f" in version {number}"
            hint = "`meterhouse table list` shows those that exist; `table upload` adds one"
            if number is not None:
                hint = f"`meterhouse table versions {name!r}` shows those that exist"
            raise self._unfit(f"there is no look-up table {shown(name)}{which}", hint=hint)
        asked = [key.column for key in self._params.keys]
        asked += [column for column, _ in self._params.fields or ()]
        for column in asked:
            if column not in version.names:
                what = f"look-up table {shown(name)}, version {version.number},"
                hint = f"its columns are {', '.join(version.names)}"
                raise self._unfit(f"{what} has no column {shown(column)}", hint=hint)
        return version

    def _columns(self, version: TableVersion, fields: set[str]) -> Mapping[str, Column]:
        tables = self._site.world.services.tables
        assert tables is not None, "a stream with look-ups needs their tables"
        keys = {key.column for key in self._params.keys}
        return tables.columns(version, frozenset(keys | fields))

    def _refuse_twice(self, version: TableVersion, columns: Mapping[str, Column]) -> None:
        """Other columns than the table's own key may be asked for: they must be unique, too."""
        if (twice := self._index.duplicate) is None:
            return
        names = [key.column for key in self._params.keys]
        values = [columns[name].slice(twice[0], 1).to_values()[0] for name in names]
        what = f"look-up table {shown(version.table_name)}, version {version.number},"
        hint = "a look-up gives one row: name more key columns, or upload the table without doubles"
        found = (
            f"has {shown(values)} as {', '.join(names)} in row {twice[0] + 1} and {twice[1] + 1}"
        )
        raise self._unfit(f"{what} {found}", hint=hint)

    def _unfit(self, message: str, *, hint: str) -> TableUnfit:
        return TableUnfit(f'node "{self._site.name}": {message}', hint=hint)

    def take(self, batch: UsageBatch) -> Outputs:
        rows = self._index.rows([key.of(batch) for key in self._params.keys])
        matched = rows.is_not_null()
        every = bool(matched.all())
        if self._params.no_match is NoMatch.SUSPEND:
            self._guard.screen(batch, [] if every else self._bad(batch, matched))
        if self._params.no_match is NoMatch.KEEP or every:
            return {MATCH: self._fields.put(batch, rows)}
        outputs = {MATCH: self._fields.put(batch.filter(matched), rows.filter(matched))}
        if self._params.no_match is NoMatch.OUTPUT:
            outputs[NO_MATCH] = batch.filter(~matched)
        elif self._params.no_match is NoMatch.DISCARD:
            self._site.count.filtered += len(batch) - len(rows.filter(matched))
        return outputs

    def _bad(self, batch: UsageBatch, matched: pl.Series) -> list[Bad]:
        """Say of each record that found no row which keys it has."""
        positions = (~matched).arg_true()
        taken = batch.take(positions)
        names = [key.column for key in self._params.keys]
        keys = zip(*(key.of(taken).to_values() for key in self._params.keys), strict=True)
        return [
            (
                position,
                Reason.REFERENCE_MISSING,
                f"{self._params.table} has no row with "
                + ", ".join(f"{n} {shown(v)}" for n, v in zip(names, values, strict=True)),
            )
            for position, values in zip(positions.to_list(), keys, strict=True)
        ]
