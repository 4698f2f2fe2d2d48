"""Which place a path means, and getting there: the guard judges first, and only then anyone calls.

The endpoint of a place comes from a document, so it is judged as a URL of an HTTP node is: every
address of its host is public, or the operator allows it. The library of object storage opens its
own connections and follows redirects; it goes through a ``Tunnel``, where each is judged. Without
TLS, only a host that the operator allows is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.remote.place import PlaceFault, RemotePlace
from meterhouse.connectors.remote.tunnel import Tunnel
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import HttpFailed
from meterhouse.streams.storage import SECRET_TYPES, Location, Storage

_SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Reached:
    """A host that may be called: its name, port, and the addresses that were judged."""

    host: str
    port: int
    addresses: tuple[str, ...]


class RemotePlaces:
    """Opens places. ``credentials`` are those of a secret of the wallet, by its id.

    ``home`` is where an SFTP server's key is looked up (``.ssh/known_hosts``). ``roots`` are
    certificates (PEM) that are trusted beside the public authorities.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        credentials: Callable[[str], Credentials] | None = None,
        home: Path | None = None,
        roots: bytes | None = None,
    ) -> None:
        self._guard = guard
        self._roots = roots
        self._credentials = credentials
        self._home = home

    @contextmanager
    def open(self, where: Location, storage: Storage) -> Iterator[RemotePlace]:
        """Open the place of a path. Raises ``PlaceFault``; so does all that is done there."""
        try:
            credentials = self._secret(where, storage)
            if where.scheme == "sftp":
                with self._server(where, storage, credentials) as server:
                    yield server
                return
            with self._store(where, storage, credentials) as store:
                yield store
        except HttpFailed as error:
            raise PlaceFault(f"{where.uri}: {error.args[0]}", hint=error.hint) from error

    def _secret(self, where: Location, storage: Storage) -> Credentials | None:
        if storage.secret_id is None:
            return None
        if self._credentials is None:
            raise PlaceFault(f"{where.uri} needs a secret, and there is no wallet")
        try:
            found = self._credentials(storage.secret_id)
        except PlaceFault:
            raise
        except MeterhouseError as error:
            raise PlaceFault(f"{where.uri}: {error.args[0]}", hint=error.hint) from error
        if found.type not in SECRET_TYPES[where.scheme]:
            types = " or ".join(type_.value for type_ in SECRET_TYPES[where.scheme])
            message = f"{where.uri} has a secret of type {found.type.value}"
            raise PlaceFault(message, hint=f"{where.scheme}:// takes {types}")
        return found

    @contextmanager
    def _store(
        self, where: Location, storage: Storage, credentials: Credentials | None
    ) -> Iterator[RemotePlace]:
        try:
            from meterhouse.connectors.remote.objects import ObjectPlace
        except ImportError as error:
            raise _not_installed(where, "cloud") from error
        client = self._client(storage)
        with Tunnel(self._guard).opened() as tunnel:
            client["proxy_url"] = tunnel.url
            try:
                yield ObjectPlace(where, storage, credentials, guard=self._guard, client=client)
            except PlaceFault as error:
                if tunnel.refusals:
                    refusal = tunnel.refusals[0]
                    message = f"{where.uri}: {refusal.args[0]}"
                    raise PlaceFault(message, hint=refusal.hint) from error
                raise

    def _client(self, storage: Storage) -> dict[str, Any]:
        """Judge the endpoint and return how it is called."""
        client: dict[str, Any] = {"allow_http": False}
        if self._roots is not None:
            client["root_certificate"] = self._roots
        if storage.endpoint is None:
            return client
        target = self._guard.target(storage.endpoint)
        self._guard.addresses(target.host, target.port)
        if target.scheme == "http":
            if not self._guard.trusts(target.host, target.port):
                hint = "write https://, or let the operator allow the host in METERHOUSE_HTTP_ALLOW"
                raise PlaceFault(f"{storage.endpoint} is called without TLS", hint=hint)
            # The tunnel carries TLS only. This one host is called without it, and no other.
            client |= {"allow_http": True, "proxy_excludes": target.host}
        return client

    @contextmanager
    def _server(
        self, where: Location, storage: Storage, credentials: Credentials | None
    ) -> Iterator[RemotePlace]:
        try:
            from meterhouse.connectors.remote.sftp import SftpPlace
        except ImportError as error:
            raise _not_installed(where, "sftp") from error
        host, port = _host_and_port(where.container)
        reached = Reached(host, port, tuple(self._guard.addresses(host, port)))
        known_hosts = None if self._home is None else self._home / ".ssh" / "known_hosts"
        place = SftpPlace(where, reached, credentials, host_key=storage.host_key)
        with place.connected(known_hosts):
            yield place


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(_SSH_PORT)
    return host.strip("[]").lower(), int(port)


def _not_installed(where: Location, extra: str) -> PlaceFault:
    hint = f"pip install 'meterhouse[{extra}]'"
    return PlaceFault(f"{where.uri} needs a library that is not installed", hint=hint)
