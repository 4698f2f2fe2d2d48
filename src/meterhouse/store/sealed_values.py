"""Sealed values: bytes that only the wallet's key opens, by purpose and id."""

from __future__ import annotations

from collections.abc import Callable

from meterhouse.app.access_ports import SealedValue
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database
from meterhouse.store.sql_text import queries

_SQL = queries("sealed_values")


class SealedValueTable(Recorder):
    """The part of the ledger that keeps what is sealed."""

    _database: Database

    def has_sealed_values(self) -> bool:
        """Whether anything is sealed."""
        with self._database.read():
            return bool(self._database.value(_SQL["any"]))

    def sealed_value(self, purpose: str, id: str) -> SealedValue | None:
        """Return what is sealed there."""
        with self._database.read():
            return sealed_at(self._database, purpose, id)

    def reseal_values(self, reseal: Callable[[SealedValue], bytes]) -> int:
        """Replace the content of each, all or none."""
        with self._recorded("rotate", "wallet key") as note:
            rows = self._database.rows(_SQL["all"])
            note.detail["count"] = len(rows)
            contents = [(reseal(SealedValue(*value)), no) for no, *value in rows]
            self._database.execute_many(_SQL["replace"], contents)
        return len(rows)


def sealed_at(database: Database, purpose: str, id: str) -> SealedValue | None:
    """Return what is sealed there; the caller holds the transaction, here and below."""
    row = database.row(_SQL["one"], (purpose, id))
    return None if row is None else SealedValue(*row)


def put_sealed(database: Database, sealed: SealedValue) -> None:
    """Keep a sealed value in place of an earlier version."""
    database.execute(_SQL["put"], (sealed.purpose, sealed.id, sealed.version, sealed.content))


def remove_sealed(database: Database, purpose: str, id: str) -> None:
    """Forget a sealed value."""
    database.execute(_SQL["remove"], (purpose, id))
