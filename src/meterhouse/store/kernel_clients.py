"""The clients of Kernel, keyed hashes of their secrets, and the tokens that they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.access_ports import ClientSecretHashes
from meterhouse.app.datasets.client_ports import KernelToken
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.datasets.kernel_client import KernelClient
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("kernel_clients")
_KIND = "kernelClient"


class KernelClientTable(Recorder):
    """The part of the ledger that keeps clients of Kernel."""

    _database: Database

    def add_kernel_client(self, client: KernelClient, secret_hash: bytes) -> None:
        """Add; refused where the client id is taken."""
        with self._recorded("create", _KIND, client.id, **_told(client)):
            if self._database.value(_SQL["client_id_taken"], (client.client_id,)) is not None:
                message = f"There is a client {client.client_id!r} of Kernel"
                hint = "Choose another client id, or give it a new secret: kernel-client rotate"
                raise ConflictError(message, hint=hint)
            values = (
                *(client.id, client.client_id, " ".join(client.scopes), client.purpose),
                *(client.ob, secret_hash, client.created_at, client.updated_at),
            )
            self._database.execute(_SQL["insert_client"], values)

    def kernel_client(self, reference: str) -> KernelClient | None:
        """Find one by id or client id, in this order."""
        with self._database.read():
            values = {"reference": storable(reference)}
            row = self._database.row(_SQL["find_client"], values)
            return None if row is None else _from_row(row)

    def kernel_secret_hashes(self, client_id: str) -> ClientSecretHashes:
        """Return the hashes of a client; empty ones, at the same cost, of an unknown one."""
        with self._database.errors():
            row = self._database.only_row(_SQL["hashes"], (storable(client_id),))
            return ClientSecretHashes(*row)

    def kernel_clients(self, *, limit: int = 100, after: str | None = None) -> Page[KernelClient]:
        """List clients in the order of their creation."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
            return page_of(rows, _from_rows, limit=limit)

    def update_kernel_client(
        self, id: str, change: Callable[[KernelClient], KernelClient]
    ) -> KernelClient:
        """Replace a definition; the secret stays."""
        with self._recorded("update", _KIND, id) as note:
            present = _present(self._database, id)
            client = change(present)
            note.void = client == present
            note.detail |= _told(client)
            scopes = " ".join(client.scopes)
            values = (scopes, client.purpose, client.ob, client.updated_at, id)
            self._database.execute(_SQL["update_client"], values)
        return client

    def rotate_kernel_secret(
        self, id: str, secret_hash: bytes, *, old_until: Instant, at: Instant
    ) -> None:
        """Put a new secret in front; the one before the present one ends at once."""
        values = {"id": id, "hash": secret_hash, "old_until": old_until, "at": at}
        with self._recorded("rotate", _KIND, id) as note:
            note.detail["clientId"] = _present(self._database, id).client_id
            self._database.execute(_SQL["rotate"], values)

    def delete_kernel_client(self, id: str) -> None:
        """Delete; its tokens end with it."""
        with self._recorded("delete", _KIND, id) as note:
            note.detail["clientId"] = _present(self._database, id).client_id
            self._database.execute(_SQL["delete_client"], (id,))

    def add_kernel_token(self, client_id: str, token: KernelToken) -> bool:
        """Keep a token, by the id of its client; ``False`` where there is no such client."""
        values = {
            "id": client_id,
            "hash": token.hash,
            "scopes": " ".join(token.scopes),
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
        }
        with self._database.write():
            return self._database.value(_SQL["insert_token"], values) is not None

    def kernel_token(self, hash: bytes) -> tuple[KernelToken, KernelClient] | None:
        """Return a token with its client as it is now."""
        with self._database.errors():
            row = self._database.row(_SQL["token"], (hash,))
        if row is None:
            return None
        kept, scopes, issued_at, expires_at = row[:4]
        token = KernelToken(kept, tuple(scopes.split()), issued_at, expires_at)
        return token, _from_row(row[4:])

    def purge_kernel_tokens(self, *, at: Instant) -> int:
        """Forget those that expired by an instant; how many."""
        with self._database.write():
            return self._database.execute(_SQL["purge_tokens"], (at,)).rowcount


def _told(client: KernelClient) -> dict[str, JsonValue]:
    told: dict[str, JsonValue] = {"clientId": client.client_id, "scopes": list(client.scopes)}
    return told | ({} if client.ob is None else {"ob": client.ob})


def _present(database: Database, id: str) -> KernelClient:
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`meterhouse kernel-client list` shows those that exist"
        raise NotFoundError(f"There is no client {id!r} of Kernel", hint=hint)
    return _from_row(row)


def _from_rows(rows: Sequence[Row]) -> list[KernelClient]:
    return [_from_row(row[:-1]) for row in rows]


def _from_row(row: Row) -> KernelClient:
    id, client_id, scopes, purpose, ob, created_at, updated_at = row
    return KernelClient(id, client_id, tuple(scopes.split()), purpose, ob, created_at, updated_at)
