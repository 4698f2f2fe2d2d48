"""The log of what people and programs did, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from meterhouse.app.access_ports import Acting, Activity
from meterhouse.app.page import Page
from meterhouse.core.json_text import JsonValue, json_text, parse_json
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("activities")
_NUMBER_MAX = 2**63 - 1


@dataclass(slots=True)
class Note:
    """What an activity says. ``void``: nothing happened, so nothing is said."""

    action: str
    id: str
    detail: dict[str, JsonValue] = field(default_factory=dict)
    void: bool = False


def tell_created(note: Note, created: Sequence[tuple[str, str]]) -> None:
    """Tell of new things, by id and name: of several, how many they are."""
    note.void = not created
    if len(created) == 1:
        [(note.id, note.detail["name"])] = created
    else:
        note.detail["count"] = len(created)


class Recorder:
    """What tables share that write down who did what. ``acting`` is who uses the ledger now."""

    _database: Database
    acting: Acting | None = None

    @contextmanager
    def _recorded(
        self, action: str, kind: str, id: str = "", **detail: JsonValue
    ) -> Iterator[Note]:
        """Write a block and its activity in one transaction; nobody's acts are not written down."""
        with self._database.write():
            note = Note(action, id, detail)
            yield note
            if self.acting is not None and not note.void:
                said = (self.acting.clock(), self.acting.actor, note.action, kind, note.id)
                self.add_activity(Activity(*said, detail=note.detail or None))

    def add_activity(self, activity: Activity) -> None:
        """Add an entry."""
        detail = None if activity.detail is None else json_text(activity.detail)
        texts = map(storable, (activity.actor, activity.action, activity.kind, activity.object_id))
        with self._database.write():
            self._database.execute(_SQL["insert_activity"], (activity.at, *texts, detail))


class ActivityTable(Recorder):
    """The part of the ledger that keeps the log of activities."""

    def activities(
        self,
        *,
        actor: str | None = None,
        object_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Activity]:
        """List entries, newest first."""
        before = number_after(after, default=_NUMBER_MAX)
        values: dict[str, Any] = {"before": before, "limit": limit + 1}
        query = "page"
        if object_id is not None:
            query, values = "page_of_object", values | {"object_id": object_id, "actor": actor}
        elif actor is not None:
            query, values = "page_of_actor", values | {"actor": actor}
        with self._database.read():
            return page_of(self._database.rows(_SQL[query], values), _from_rows, limit=limit)


def _from_rows(rows: Sequence[Row]) -> list[Activity]:
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> Activity:
    at, actor, action, kind, object_id, detail, _ = row
    body = None if detail is None else parse_json(detail)
    return Activity(at, actor, action, kind, object_id, body)
