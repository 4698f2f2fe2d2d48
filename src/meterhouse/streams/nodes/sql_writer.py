"""``writers/sql``: records as rows of a table, each once, by a column that has its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.streams.nodes.database_url import dialect_of, read_database_url
from meterhouse.streams.nodes.http_request import filled
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.receiver import COMMON, ReceiverParams, read_receiver
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import FieldReference, Template

KIND = "sql"
#: The databases that can leave out a row whose key is there already.
DIALECTS = ("postgresql", "postgres", "sqlite")
BATCH_DEFAULT, BATCH_MAX = 100, 1_000
COLUMNS_MAX = 500
_KNOWN = ("url", "table", "keyColumn", "columns", "batchSize", *COMMON)
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(?:\.[A-Za-z_][A-Za-z0-9_$]{0,62})?")
_COLUMN_CHARS_MAX = 63


@dataclass(frozen=True, slots=True)
class SqlWriterParams(ReceiverParams):
    """The table, and what stands in its columns; all top-level fields where ``columns`` is None."""

    table: str
    key_column: str
    columns: tuple[tuple[str, Template], ...] | None
    batch: int

    def row(self, record: Record) -> dict[str, JsonValue]:
        """Return what stands in the columns, without the key. Fields that are null are NULL."""
        if self.columns is None:
            return {name: value for name, value in record.items() if name != self.key_column}
        return {name: _value(template, record) for name, template in self.columns}


def _value(template: Template, record: Record) -> JsonValue:
    """A single placeholder keeps the field's type; anything else is a text."""
    if (single := template.single) is not None:
        return single.value(record)
    return filled(template, record)


def read_sql_writer(reading: Reading) -> SqlWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/sql node")
    access = read_database_url(reading)
    if access and dialect_of(access["driver"]) not in DIALECTS:
        hint = "write it as postgresql://... or sqlite:///..."
        reading.fail("url", f"is of {shown(access['driver'])}, which is not written to", hint)
    table = reading.text("table", required=True)
    if table is not None and not _TABLE.fullmatch(table):
        reading.fail("table", f"is {shown(table)}", "write usage or billing.usage")
    key_column = reading.text("keyColumn", required=True, chars_max=_COLUMN_CHARS_MAX)
    columns = _read_columns(reading, key_column)
    batch = whole_number(reading, "batchSize", lowest=1, highest=BATCH_MAX)
    where = f"{_shown_access(access)}, table {table}"
    receiver = read_receiver(reading, KIND, access, where=where, known=_KNOWN)
    if receiver is None or table is None or key_column is None:
        return None
    return SqlWriterParams(receiver, table, key_column, columns, batch or BATCH_DEFAULT)


def _shown_access(access: Mapping[str, JsonValue]) -> str:
    if "file" in access:
        return f"sqlite:///{access['file']}"
    host, port = access.get("host"), access.get("port")
    return f"postgresql://{host}{f':{port}' if port else ''}/{access.get('database')}"


def _read_columns(reading: Reading, key: str | None) -> tuple[tuple[str, Template], ...] | None:
    given = reading.body.get("columns")
    if given is None:
        return None
    if not isinstance(given, Mapping) or not given:
        hint = 'write {"user_id": "userId"}, or leave it out for all fields'
        reading.fail("columns", missing_or_shown(given), hint)
        return None
    if len(given) > COLUMNS_MAX:
        reading.fail("columns", f"has {len(given)} columns", f"at most {COLUMNS_MAX} are allowed")
        return None
    columns = []
    for name, source in given.items():
        template = _read_source(reading, name, source)
        if not name or len(name) > _COLUMN_CHARS_MAX:
            hint = f"use 1 to {_COLUMN_CHARS_MAX} characters"
            reading.fail("columns", f"has the column {shown(name)}", hint)
        elif name == key:
            hint = "leave it out: it gets the idempotency key of the record"
            reading.fail(f"columns.{name}", "is the keyColumn", hint)
        elif template is not None:
            columns.append((name, template))
    return tuple(columns)


def _read_source(reading: Reading, name: str, source: JsonValue) -> Template | None:
    """Read the path of a field, or a text with placeholders."""
    place = f"columns.{name}"
    if not isinstance(source, str) or not source:
        reading.fail(place, f"is {shown(source)}", "write the path of a field, or a text")
        return None
    try:
        template = Template.parse_any(source)
    except ValueError as error:
        reading.fail(place, f"is {shown(source)} and {error}")
        return None
    return template if template.references else Template((FieldReference(source),))


TYPE = NodeType("writers/sql", frozenset({1}), read_sql_writer)
