"""The applications, and the keyed hashes of their client secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.access_ports import PEPPER, ClientSecretHashes, SealedValue
from meterhouse.app.page import Page
from meterhouse.core.application import Application
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.scope import ordered_scopes, scopes_text
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sealed_values import put_sealed, sealed_at
from meterhouse.store.sql_text import queries

_SQL = queries("applications")
_KIND = "application"
#: There is one key of the hashes, for all applications.
_PEPPER_ID = "all"


class ApplicationTable(Recorder):
    """The part of the ledger that keeps applications."""

    _database: Database

    def add_application(self, application: Application, client_secret_hash: bytes) -> None:
        """Add; refused where the name is taken."""
        with self._recorded("create", _KIND, application.id, **_told(application)):
            _refuse_taken(self._database, application)
            values = (
                *(application.id, application.client_id, application.name),
                *(scopes_text(application.scopes), client_secret_hash),
                *(application.created_at, application.updated_at),
            )
            self._database.execute(_SQL["insert_application"], values)

    def application(self, reference: str) -> Application | None:
        """Find one by id, client id or name, in this order."""
        with self._database.read():
            row = self._database.row(_SQL["find_application"], {"reference": reference})
            return None if row is None else _from_row(row)

    def application_of_client(self, client_id: str) -> Application | None:
        """Find one by client id."""
        with self._database.errors():
            row = self._database.row(_SQL["by_client_id"], (storable(client_id),))
            return None if row is None else _from_row(row)

    def client_secret_hashes(self, client_id: str) -> ClientSecretHashes:
        """Return the hashes of a client; empty ones, at the same cost, of an unknown one."""
        with self._database.errors():
            row = self._database.only_row(_SQL["hashes"], (storable(client_id),))
            return ClientSecretHashes(*row)

    def applications(self, *, limit: int = 100, after: str | None = None) -> Page[Application]:
        """List applications."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, _from_rows, limit=limit)

    def update_application(
        self, id: str, change: Callable[[Application], Application]
    ) -> Application:
        """Replace a definition; the client secret stays."""
        with self._recorded("update", _KIND, id) as note:
            application = change(_present(self._database, id))
            note.detail |= _told(application)
            _refuse_taken(self._database, application)
            scopes = scopes_text(application.scopes)
            values = (application.name, scopes, application.updated_at, id)
            self._database.execute(_SQL["update_application"], values)
        return application

    def rotate_client_secret(
        self, id: str, client_secret_hash: bytes, *, old_until: Instant, at: Instant
    ) -> None:
        """Put a new secret in front; the one before the present one ends at once."""
        values = {"id": id, "hash": client_secret_hash, "old_until": old_until, "at": at}
        with self._recorded("rotate", _KIND, id) as note:
            note.detail["name"] = _present(self._database, id).name
            self._database.execute(_SQL["rotate"], values)

    def delete_application(self, id: str, check: Callable[[Application], None]) -> None:
        """Delete; its tokens end with it."""
        with self._recorded("delete", _KIND, id) as note:
            present = _present(self._database, id)
            check(present)
            note.detail["name"] = present.name
            self._database.execute(_SQL["delete_application"], (id,))

    def client_secret_pepper(self, seal: Callable[[str], SealedValue]) -> SealedValue:
        """Return the sealed key of the hashes; the first call makes it."""
        with self._database.read():
            present = sealed_at(self._database, PEPPER, _PEPPER_ID)
        if present is not None:
            return present
        with self._database.write():
            # Another process may have been faster.
            present = sealed_at(self._database, PEPPER, _PEPPER_ID)
            if present is None:
                present = seal(_PEPPER_ID)
                put_sealed(self._database, present)
        return present


def _told(application: Application) -> dict[str, JsonValue]:
    return {"name": application.name, "scopes": list(ordered_scopes(application.scopes))}


def _present(database: Database, id: str) -> Application:
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`access list` shows those that exist"
        raise NotFoundError(f"There is no application {id!r}", hint=hint)
    return _from_row(row)


def _refuse_taken(database: Database, application: Application) -> None:
    if database.value(_SQL["name_taken"], (application.name, application.id)) is not None:
        message = f"An application is named {application.name!r}"
        raise ConflictError(message, hint="Choose another name")


def _from_rows(rows: Sequence[Row]) -> list[Application]:
    return [_from_row(row[:-1]) for row in rows]


def _from_row(row: Row) -> Application:
    id, client_id, name, scopes, created_at, updated_at = row
    return Application(id, client_id, name, frozenset(scopes.split()), created_at, updated_at)
