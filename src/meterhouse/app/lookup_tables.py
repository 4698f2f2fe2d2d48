"""Look-up tables: uploading versions, finding, listing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from meterhouse.app.listing import found
from meterhouse.app.page import Page
from meterhouse.app.ports import Streams
from meterhouse.app.table_ports import TableDraft, TableFile, TableFiles, Tables
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.core.revision import check_revision
from meterhouse.streams.graph import read_graph
from meterhouse.streams.lookup_table import (
    COLUMNS_MAX,
    LookupTable,
    TableVersion,
    key_problems,
    name_problems,
)
from meterhouse.streams.nodes.lookup import LookupParams
from meterhouse.streams.record import StreamDefinition

FIELD_TYPES = ("string", "number", "boolean")
FORMATS = ("csv", "parquet")
_FORCE = "mend the file, or upload it with --force (HTTP: force=true)"


@dataclass(frozen=True, slots=True)
class TableUpload:
    """What is uploaded. Without ``keys`` or ``fields``, those of the version before hold on.

    ``format`` is told by the suffix of the path unless given. ``force`` takes a table without rows,
    or without columns that streams look up, too.
    """

    name: str
    path: Path
    format: str | None = None
    keys: tuple[str, ...] | None = None
    fields: Mapping[str, str] | None = field(default=None)
    force: bool = False


class TableLedger(Tables, Streams, Protocol):
    """The tables, and the streams that use them."""


def upload_table(
    tables: TableLedger,
    files: TableFiles,
    upload: TableUpload,
    *,
    new_id: Callable[[], str],
    at: Instant,
    by: str,
) -> tuple[TableVersion, bool]:
    """Make a file the newest version of a table, which is made where there is none.

    Returns the version, and whether it is new: a file that equals the newest one makes none.
    """
    _refuse(upload, name_problems(upload.name))
    known = tables.lookup_table(upload.name)
    latest = None if known is None else known.latest
    keys = upload.keys if upload.keys is not None else latest.keys if latest else ()
    given = upload.fields if upload.fields is not None else latest.fields if latest else ()
    fields = dict(sorted(dict(given).items()))
    _check(upload, fields)
    sha256 = files.sha256(upload.path)
    same = (sha256, keys, tuple(fields.items()))
    if latest is not None and (latest.sha256, latest.keys, latest.fields) == same:
        return latest, False
    read = files.read_upload(upload.path, format=upload.format, fields=fields)
    problems = key_problems(keys, read.columns, read.places)
    if len(read.columns) > COLUMNS_MAX:
        message = f"are {len(read.columns)}"
        problems.append(Problem("columns", message, f"at most {COLUMNS_MAX} are allowed"))
    if not upload.force:
        problems += _missed(tables, known, read)
    _refuse(upload, problems)
    draft = TableDraft(
        new_id(), upload.name, sha256, read.rows, read.columns, keys, same[2], at=at, by=by
    )
    with files.keep(read.columns) as kept:
        version = tables.add_table_version(draft, kept.publish)
    tables.sweep_tables(files.sweep)
    return version, True


def _missed(tables: TableLedger, known: LookupTable | None, read: TableFile) -> list[Problem]:
    """List what streams would miss in a version: rows, and columns that they name."""
    problems: list[Problem] = []
    if not read.rows:
        problems.append(Problem("rows", "are none: no record would find one", _FORCE))
    if known is None:
        return problems
    names = (known.name, known.id)
    for stream_name in tables.streams_of_table(known.name):
        stream = tables.stream(stream_name)
        for column in [] if stream is None else _looked_up(stream, names):
            if column not in read.columns:
                message = f"is not there, and stream {shown(stream_name)} looks it up"
                problems.append(Problem(f"columns.{column}", message, _FORCE))
    return problems


def _looked_up(stream: StreamDefinition, names: Collection[str]) -> list[str]:
    """Return the columns that a stream names of the newest version of a table, in order."""
    asked: list[str] = []
    graph, _ = read_graph(stream.document)
    for node in () if graph is None else graph.nodes:
        params = node.params
        if not isinstance(params, LookupParams) or params.version or params.table not in names:
            continue
        asked += [key.column for key in params.keys]
        asked += [column for column, _ in params.fields or ()]
    return list(dict.fromkeys(asked))


def _check(upload: TableUpload, fields: Mapping[str, str]) -> None:
    problems = []
    for name, type_ in fields.items():
        if type_ not in FIELD_TYPES:
            hint = f"use one of {', '.join(FIELD_TYPES)}"
            problems.append(Problem(f"fields.{name}", f"is {shown(type_)}", hint))
    if upload.format is not None and upload.format not in FORMATS:
        hint = f"use one of {', '.join(FORMATS)}"
        problems.append(Problem("format", f"is {shown(upload.format)}", hint))
    _refuse(upload, problems)


def _refuse(upload: TableUpload, problems: list[Problem]) -> None:
    if problems:
        raise DefinitionError(problems, what=f"The table {shown(upload.name)}")


def find_table(tables: Tables, reference: str) -> LookupTable:
    """Return a table by name or id."""
    return found(tables.lookup_table(reference), or_raise=lambda: _none_such(reference))


def shown_table(tables: Tables, reference: str) -> dict[str, Any]:
    """Return the API's object of a table, with the names of the streams that use it."""
    table = find_table(tables, reference)
    return table.to_api() | {"streams": list(tables.streams_of_table(table.name))}


def find_table_version(tables: Tables, reference: str, *, number: int | None) -> TableVersion:
    """Return a version of a table: the latest, unless a number is given."""
    table = find_table(tables, reference)
    version = tables.table_version(table.name, number)
    if version is None:
        hint = f"`meterhouse table versions {table.name!r}` shows those that exist"
        raise NotFoundError(f"Table {table.name!r} has no version {number}", hint=hint)
    return version


def table_rows(
    tables: Tables,
    files: TableFiles,
    reference: str,
    *,
    number: int | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Page[Record]:
    """Return rows of a version, in the order of the file. Its cursors hold for that version."""
    version = find_table_version(tables, reference, number=number)
    first = int(after) if after is not None else 0
    rows = files.rows(version, first=first, count=limit)
    end = first + len(rows)
    return Page(rows, str(end) if end < version.rows else None)


def delete_table(
    tables: Tables, files: TableFiles, reference: str, *, revision: str | None = None
) -> LookupTable:
    """Delete a table that no stream uses, with all its versions; returns what it was."""
    table = find_table(tables, reference)

    def check(present: LookupTable) -> None:
        check_revision(present.revision, expected=revision, what=f"Table {present.name!r}")

    tables.delete_lookup_table(table.id, check)
    tables.sweep_tables(files.sweep)
    return table


def _none_such(reference: str) -> NotFoundError:
    hint = "`meterhouse table list` shows those that exist"
    return NotFoundError(f"There is no look-up table {reference!r}", hint=hint)
