"""What the use cases of look-up tables ask of the ledger, and of whoever keeps their rows.

Like ``ports``, of which this is the part about tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.engine.column import Column
from meterhouse.streams.lookup_table import LookupTable, TableVersion
from meterhouse.streams.ports import TableContents

#: Of a version: the id of its table, and its number.
TablePlace = tuple[str, int]


@dataclass(frozen=True, slots=True)
class TableDraft:
    """A version before it has a number. ``id`` is that of its table, where that is new."""

    id: str
    name: str
    sha256: str
    rows: int
    columns: Mapping[str, Column]
    keys: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    at: Instant
    by: str


@dataclass(frozen=True, slots=True)
class TableFile:
    """An upload that was read. ``places`` say where each row stands in the file."""

    columns: Mapping[str, Column]
    rows: int
    places: Sequence[str]


class Tables(Protocol):
    """The look-up tables and their versions."""

    def add_table_version(
        self, draft: TableDraft, publish: Callable[[TablePlace], None]
    ) -> TableVersion:
        """Add a version, and the table where there is none of its name.

        ``publish`` is called inside the transaction: rows are durable before the version is.
        """
        ...

    def lookup_table(self, reference: str) -> LookupTable | None:
        """Find one by id or name, in this order."""
        ...

    def lookup_tables(self, *, limit: int = 100, after: str | None = None) -> Page[LookupTable]:
        """List tables."""
        ...

    def table_version(self, reference: str, number: int | None) -> TableVersion | None:
        """Return a version of a table: the latest, unless a number is given."""
        ...

    def table_versions(
        self, table_id: str, *, limit: int = 100, after: str | None = None
    ) -> Page[TableVersion]:
        """List the versions of a table, newest first."""
        ...

    def streams_of_table(self, name: str) -> Sequence[str]:
        """Return the names of the streams that look things up in it."""
        ...

    def delete_lookup_table(self, id: str, check: Callable[[LookupTable], None]) -> None:
        """Delete with its versions; ``ConflictError`` names the streams that use it."""
        ...

    def sweep_tables(self, sweep: Callable[[frozenset[TablePlace]], None]) -> None:
        """Call ``sweep`` with all versions that there are, while nobody can add one."""
        ...


class KeptTable(Protocol):
    """Rows that are durable, under a name that nobody looks for yet."""

    def publish(self, place: TablePlace) -> None:
        """Give them their place."""
        ...


class TableFiles(TableContents, Protocol):
    """Keeps the rows of tables, and reads what was uploaded."""

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file. Raises ``InputError``; so it does where it is too large."""
        ...

    def read_upload(
        self, path: Path, *, format: str | None, fields: Mapping[str, str]
    ) -> TableFile:
        """Read a file. Raises ``InputError``, ``DefinitionError`` with cells that are wrong."""
        ...

    def incoming(self) -> AbstractContextManager[Path]:
        """Return an empty file for an upload; it goes with the block."""
        ...

    def keep(self, columns: Mapping[str, Column]) -> AbstractContextManager[KeptTable]:
        """Write rows and make them durable; what is not published goes with the block."""
        ...

    def rows(self, version: TableVersion, *, first: int, count: int) -> list[Record]:
        """Return some rows of a version as records."""
        ...

    def sweep(self, known: frozenset[TablePlace]) -> None:
        """Remove what is no known version, and what killed uploads have left."""
        ...
