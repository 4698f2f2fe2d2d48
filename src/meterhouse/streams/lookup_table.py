"""Look-up tables: what records are enriched from. A table has a name, and versions that stay.

Decides what a table and its versions are, and what may be its key. Knows no file and no ledger.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.problem import Problem
from meterhouse.core.reading import shown
from meterhouse.core.revision import revision_of
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.key_index import KeyIndex

NAME_CHARS_MAX = 100
ROWS_MAX = 10_000_000
COLUMNS_MAX = 1_000
KEYS_MAX = 10
_NAME = re.compile(r"[^\W_][\w .-]*")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A version of a table: what was uploaded, when and by whom. Its rows lie elsewhere.

    ``columns`` are names and kinds, in the order of the file; ``fields`` the declared types.
    ``sha256`` is that of the file as it was uploaded.
    """

    table_id: str
    table_name: str
    number: int
    sha256: str
    rows: int
    columns: tuple[tuple[str, ColumnKind], ...]
    keys: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    created_at: Instant
    created_by: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(name for name, _ in self.columns)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object of a version."""
        return {
            "number": self.number,
            "sha256": self.sha256,
            "rows": self.rows,
            "columns": [{"name": name, "kind": kind.value} for name, kind in self.columns],
            "keys": list(self.keys),
            "fields": dict(self.fields),
            "createdAt": instant_text(self.created_at),
            "createdBy": self.created_by,
        }


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table, with its latest version."""

    id: str
    name: str
    created_at: Instant
    latest: TableVersion

    @property
    def revision(self) -> str:
        """What the ``ETag`` names."""
        return revision_of([self.id, self.latest.number])

    def to_api(self) -> dict[str, Any]:
        """Return the API's object of a table."""
        return {
            "id": self.id,
            "name": self.name,
            "createdAt": instant_text(self.created_at),
            "latest": self.latest.to_api(),
        }


def name_problems(name: str) -> list[Problem]:
    """Return what is wrong with the name of a table; one like an id would mean two tables."""
    if _ID.fullmatch(name):
        return [Problem("name", f"is {shown(name)}, which looks like an id", "give another name")]
    if _NAME.fullmatch(name) and len(name) <= NAME_CHARS_MAX:
        return []
    hint = f"use at most {NAME_CHARS_MAX} letters, digits, spaces and _ . - , a letter first"
    return [Problem("name", f"is {shown(name)}", hint)]


def key_problems(
    keys: Sequence[str], columns: Mapping[str, Column], places: Sequence[str]
) -> list[Problem]:
    """Return what keeps columns from being the key: each row has it, and no two have the same.

    ``places`` say where each row stands in the file.
    """
    if len(set(keys)) < len(keys) or len(keys) > KEYS_MAX:
        hint = f"name each column once, {KEYS_MAX} at most"
        return [Problem("keys", f"are {', '.join(map(shown, keys))}", hint)]
    problems = []
    for name in keys:
        if name not in columns:
            hint = f"the columns are {', '.join(map(shown, columns))}"
            problems.append(Problem("keys", f"name {shown(name)}, which is no column", hint))
        elif columns[name].null_count():
            empty = (~columns[name].is_present()).arg_max() or 0
            hint = "give each row its key, or name other columns"
            problems.append(Problem(f"keys.{name}", f"is empty in {places[empty]}", hint))
    if problems or not keys:
        return problems
    twice = KeyIndex([columns[name] for name in keys]).duplicate
    if twice is None:
        return []
    first = [columns[name].slice(twice[0], 1).to_values()[0] for name in keys]
    message = f"{shown(first if len(keys) > 1 else first[0])} stands in {places[twice[0]]}"
    hint = "remove one of the two, or name more columns"
    return [Problem(".".join(("keys", *keys)), f"{message} and again in {places[twice[1]]}", hint)]
