"""The secrets: what everybody may see of them, and which streams use them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from meterhouse.app.access_ports import SECRET, SealedValue
from meterhouse.app.page import Page
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.secret import Secret, SecretType
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.notifications import groups_of_secret
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sealed_values import put_sealed, remove_sealed, sealed_at
from meterhouse.store.sql_text import queries
from meterhouse.streams.secret_use import secrets_of

_SQL = queries("secrets")
_KIND = "secret"
_STREAMS_SHOWN_MAX = 5


class SecretTable(Recorder):
    """The part of the ledger that keeps secrets."""

    _database: Database

    def add_secret(self, secret: Secret, seal: Callable[[Secret], bytes]) -> None:
        """Add; refused where the name is taken."""
        with self._recorded("create", _KIND, secret.id, name=secret.name):
            _refuse_taken(self._database, secret)
            values = (
                *(secret.id, secret.name, secret.name.casefold(), secret.description),
                *(secret.type.value, secret.version, secret.created_at, secret.updated_at),
            )
            self._database.execute(_SQL["insert_secret"], values)
            sealed = SealedValue(SECRET, secret.id, secret.version, seal(secret))
            put_sealed(self._database, sealed)

    def secret(self, reference: str) -> Secret | None:
        """Find one by id or name, in this order."""
        with self._database.read():
            row = self._database.row(_SQL["find_secret"], {"reference": reference})
            return None if row is None else _from_row(row)

    def sealed_secret(self, id: str) -> tuple[Secret, SealedValue] | None:
        """Return one by id with its sealed credentials."""
        with self._database.read():
            row = self._database.row(_SQL["by_id"], (id,))
            if row is None:
                return None
            sealed = sealed_at(self._database, SECRET, id)
            assert sealed is not None, "both are written and deleted together"
            return _from_row(row), sealed

    def secrets(
        self,
        *,
        type: SecretType | None = None,
        name: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[tuple[Secret, int]]:
        """List secrets with their numbers of streams."""
        values = {
            "after": number_after(after),
            "type": None if type is None else type.value,
            "name": None if name is None else name.casefold(),
            "limit": limit + 1,
        }
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, partial(_counted, self._database), limit=limit)

    def streams_of_secret(self, id: str) -> Sequence[str]:
        """Return the names of the streams whose nodes use it."""
        with self._database.read():
            return _streams_of(self._database, id)

    def update_secret(
        self, id: str, change: Callable[[Secret], tuple[Secret, bytes | None]]
    ) -> Secret:
        """Replace a definition, and its sealed credentials where there are new ones."""
        with self._recorded("update", _KIND, id) as note:
            secret, content = change(_present(self._database, id))
            note.detail |= {"name": secret.name, "version": secret.version}
            _refuse_taken(self._database, secret)
            values = (
                *(secret.name, secret.name.casefold(), secret.description),
                *(secret.version, secret.updated_at, id),
            )
            self._database.execute(_SQL["update_secret"], values)
            if content is not None:
                put_sealed(self._database, SealedValue(SECRET, id, secret.version, content))
        return secret

    def delete_secret(self, id: str, check: Callable[[Secret], None]) -> None:
        """Delete with its credentials; refused while streams or notification groups use it."""
        with self._recorded("delete", _KIND, id) as note:
            secret = _present(self._database, id)
            check(secret)
            note.detail |= {"name": secret.name, "type": secret.type.value}
            if streams := _streams_of(self._database, id):
                shown = ", ".join(map(repr, streams[:_STREAMS_SHOWN_MAX]))
                more = len(streams) - _STREAMS_SHOWN_MAX
                rest = f" and {more} more" if more > 0 else ""
                message = (
                    f"Secret {secret.name!r} is used by {_streams(len(streams))} {shown}{rest}"
                )
                raise ConflictError(message, hint="Give those nodes another secret first")
            if groups := groups_of_secret(self._database, id):
                shown = ", ".join(map(repr, groups[:_STREAMS_SHOWN_MAX]))
                message = f"Secret {secret.name!r} signs for notification groups: {shown}"
                raise ConflictError(message, hint="Give their webhooks another secret first")
            self._database.execute(_SQL["delete_secret"], (id,))
            remove_sealed(self._database, SECRET, id)


def _present(database: Database, id: str) -> Secret:
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`secret list` shows those that exist"
        raise NotFoundError(f"There is no secret {id!r}", hint=hint)
    return _from_row(row)


def _refuse_taken(database: Database, secret: Secret) -> None:
    if database.value(_SQL["name_taken"], (secret.name, secret.id)) is not None:
        raise ConflictError(f"A secret is named {secret.name!r}", hint="Choose another name")


def _streams_of(database: Database, id: str) -> list[str]:
    return [name for name, used in _uses(database) if id in used]


def _uses(database: Database) -> list[tuple[str, frozenset[str]]]:
    """Return each stream's name with the ids of its secrets: read out of its document."""
    rows = database.rows(_SQL["documents"])
    return [(name, secrets_of(parse_json(document))) for name, document in rows]


def _counted(database: Database, rows: Sequence[Row]) -> list[tuple[Secret, int]]:
    streams = Counter(id for _, used in _uses(database) for id in used)
    return [(_from_row(row[:-1]), streams[row[0]]) for row in rows]


def _from_row(row: Row) -> Secret:
    id, name, type_, *rest = row
    return Secret(id, name, SecretType(type_), *rest)


def _streams(count: int) -> str:
    return "the stream" if count == 1 else f"{count} streams:"
