"""The keys that sign tokens; their private halves are sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.access_ports import SIGNING_KEY, SealedValue, SigningKey
from meterhouse.core.instant import Instant
from meterhouse.store.connection import Database, Row
from meterhouse.store.sealed_values import put_sealed, remove_sealed
from meterhouse.store.sql_text import queries

_SQL = queries("signing_keys")


class SigningKeyTable:
    """The part of the ledger that keeps signing keys."""

    _database: Database

    def signing_keys(self) -> Sequence[SigningKey]:
        """Return all, oldest first."""
        with self._database.read():
            return _all(self._database)

    def signing_key(self, kid: str) -> SigningKey | None:
        """Return one."""
        with self._database.errors():
            values = {"purpose": SIGNING_KEY, "kid": kid}
            row = self._database.row(_SQL["by_kid"], values)
            return None if row is None else _from_row(row)

    def rotate_signing_key(
        self,
        make: Callable[[], SigningKey],
        *,
        made_after: Instant,
        retired_after: Instant,
        at: Instant,
    ) -> SigningKey:
        """Return the key that signs; make it and forget old ones, where that is due."""
        with self._database.read():
            present = _all(self._database)
        if not _due(present, made_after=made_after, retired_after=retired_after):
            return present[-1]
        with self._database.write():
            for (kid,) in self._database.rows(_SQL["forget"], (retired_after,)):
                remove_sealed(self._database, SIGNING_KEY, kid)
            # Another process may have been faster: look again, now that it must wait.
            present = _all(self._database)
            if not _due(present, made_after=made_after, retired_after=retired_after):
                return present[-1]
            new = make()
            self._database.execute(_SQL["retire"], (at,))
            self._database.execute(_SQL["insert"], (new.kid, new.created_at))
            put_sealed(self._database, new.sealed)
            return new


def _due(present: Sequence[SigningKey], *, made_after: Instant, retired_after: Instant) -> bool:
    """Whether there is none, or the last one is too old, or some are to be forgotten."""
    if not present or present[-1].created_at <= made_after:
        return True
    return any(k.retired_at is not None and k.retired_at <= retired_after for k in present)


def _all(database: Database) -> list[SigningKey]:
    return [_from_row(row) for row in database.rows(_SQL["all"], {"purpose": SIGNING_KEY})]


def _from_row(row: Row) -> SigningKey:
    kid, created_at, retired_at, *sealed = row
    return SigningKey(kid, created_at, retired_at, SealedValue(*sealed))
