"""Servers of brokers as documents name them: judged as those of HTTP nodes are.

Readers and writers share this: which addresses may be connected to, who connects, and how a
certificate is checked.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meterhouse.connectors.http.guard import Guard
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.ports import HttpFailed, InputError


@dataclass(frozen=True, slots=True)
class Server:
    """One server: its name, and the addresses that were judged."""

    host: str
    port: int
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """Where a broker is, and who connects. ``certificate`` is an authority's, as PEM text."""

    servers: tuple[Server, ...]
    tls: bool = False
    certificate: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def read(
        cls, settings: Mapping[str, JsonValue], credentials: Credentials | None
    ) -> BrokerAccess:
        """Read the settings that all brokers have; they have been checked with the document."""
        user = password = token = None
        if credentials is not None and credentials.type is SecretType.BEARER:
            token = credentials["token"]
        elif credentials is not None:
            user, password = credentials["username"], credentials["password"]
        return cls(
            tuple(map(_server, settings["servers"])),
            tls=bool(settings.get("tls")),
            certificate=settings.get("caCertificate"),
            username=user,
            password=password,
            token=token,
        )

    @property
    def address(self) -> str:
        """The servers as messages name them."""
        return ", ".join(map(str, self.servers))

    def judged(self, guard: Guard) -> tuple[Server, ...]:
        """Return the servers with their addresses. Raises ``InputError``."""
        return judged(self.servers, guard)

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what certificates are checked with; ``None`` where nothing is encrypted."""
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cadata=self.certificate)
        except ssl.SSLError as error:
            hint = "Give the PEM text of an authority's certificate"
            raise InputError(f"caCertificate cannot be read: {error.reason}", hint=hint) from error

    def without_secrets(self, text: str) -> str:
        """Return what a library says, without what must not be told."""
        for secret in (self.password, self.token):
            if secret:
                text = text.replace(secret, "...")
        return text

    def failed(self, broker: str, error: object, *, hint: str = "") -> InputError:
        """Return the error of a broker that cannot be read: its address, why, and what to do."""
        said = self.without_secrets(str(error).strip() or type(error).__name__).rstrip(".")
        hint = hint or "Check the address, that the broker runs, and the secret; nothing was read"
        return InputError(f"{broker} at {self.address}: {said}", hint=hint)


def judged(servers: Sequence[Server], guard: Guard) -> tuple[Server, ...]:
    """Return servers with their addresses. Raises ``InputError`` where one may not be reached."""
    found = []
    for server in servers:
        try:
            addresses = guard.addresses(server.host, server.port)
        except HttpFailed as error:
            raise InputError(f"{server}: {error.args[0]}", hint=error.hint) from error
        found.append(Server(server.host, server.port, tuple(addresses)))
    return tuple(found)


def _server(text: str) -> Server:
    host, _, port = text.rpartition(":")
    return Server(host.strip("[]").lower(), int(port))
