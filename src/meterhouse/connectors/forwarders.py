"""The forwarders that there are, by kind; what one needs is imported when it is first opened."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from meterhouse.connectors.folders import ALL_FOLDERS, AllowedFolders
from meterhouse.connectors.http.guard import Guard
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.mail_server import MailServer
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.core.secret import Credentials
from meterhouse.streams.notice import EMAIL, WEBHOOK
from meterhouse.streams.ports import Forwarder

#: Has the values of a secret, by its id.
CredentialsOf = Callable[[str], Credentials]
_Open = Callable[[Mapping[str, JsonValue], CredentialsOf], Forwarder]


@dataclass(frozen=True, slots=True)
class MailMeans:
    """The operator's mail server, if there is one, and a guard that lets mails reach it."""

    server: MailServer | None
    guard: Guard


class ForwarderKinds:
    """Opens forwarders; threads share it, and through it what may be shared (access tokens).

    A new kind is a method that opens it, and a line in ``_kinds``. ``tls`` is what certificates are
    checked against; public authorities, unless given. ``mail`` sends to notification groups.
    ``folders`` are where files of databases may lie.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        clock: Callable[[], Instant],
        tls: ssl.SSLContext | None = None,
        mail: MailMeans | None = None,
        folders: AllowedFolders = ALL_FOLDERS,
    ) -> None:
        from meterhouse.connectors.http.tokens import Tokens

        self._guard = guard
        self._clock = clock
        self._tls = tls
        self._mail = mail or MailMeans(None, guard)
        self._tokens = Tokens()
        self._folders = folders
        self._kinds: dict[str, _Open] = {
            "http": self._open_http,
            "email": self._open_email,
            WEBHOOK: self._open_http,
            EMAIL: self._open_notification_email,
            "kafka": partial(self._open_broker, "kafka"),
            "nats": partial(self._open_broker, "nats"),
            "rabbitmq": partial(self._open_broker, "rabbitmq"),
            "sql": self._open_sql,
        }

    def open(
        self, kind: str, settings: Mapping[str, JsonValue], credentials: CredentialsOf
    ) -> Forwarder:
        """Return a new forwarder. Nothing is connected yet."""
        if kind not in self._kinds:
            hint = f"this program knows {', '.join(self._kinds)}: use the one that wrote it"
            problem = Problem("kind", f"is {shown(kind)}", hint)
            raise DefinitionError([problem], what="The output")
        return self._kinds[kind](settings, credentials)

    def _open_http(
        self, settings: Mapping[str, JsonValue], credentials: CredentialsOf
    ) -> Forwarder:
        from meterhouse.connectors.http.keep_alive import KeepAlive
        from meterhouse.connectors.http.webhook import WebhookMeans, open_webhook

        def new_connection(seconds: float) -> KeepAlive:
            return KeepAlive(self._guard, seconds=seconds, tls=self._tls)

        means = WebhookMeans(self._guard, self._tokens, self._clock, new_connection)
        return open_webhook(settings, credentials, means=means)

    def _open_email(
        self, settings: Mapping[str, JsonValue], credentials: CredentialsOf
    ) -> Forwarder:
        from meterhouse.connectors.email import open_email

        guard, clock = self._guard, self._clock
        return open_email(settings, credentials, guard=guard, clock=clock, tls=self._tls)

    def _open_notification_email(
        self, _settings: Mapping[str, JsonValue], _credentials: CredentialsOf
    ) -> Forwarder:
        from meterhouse.connectors.notification_email import open_notification_email

        mail = self._mail
        return open_notification_email(
            mail.server, guard=mail.guard, clock=self._clock, tls=self._tls
        )

    def _open_broker(
        self, kind: str, settings: Mapping[str, JsonValue], credentials: CredentialsOf
    ) -> Forwarder:
        module = import_module(f"meterhouse.connectors.{kind}.forwarder")
        return module.open_forwarder(settings, credentials, guard=self._guard)

    def _open_sql(self, settings: Mapping[str, JsonValue], credentials: CredentialsOf) -> Forwarder:
        from meterhouse.connectors.sql.forwarder import open_forwarder

        guard, folders = self._guard, self._folders
        return open_forwarder(settings, credentials, guard=guard, folders=folders)
