"""The forwarder of ``writers/email``: one e-mail for each record, over one connection of SMTP.

The server's address is judged as those of HTTP nodes are. A mail goes to all of its recipients or
to none. Its ``Message-ID`` is made of the idempotency key, so that a repeat can be told from news.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime

from meterhouse.connectors.http.guard import Guard
from meterhouse.core.instant import Instant, to_datetime
from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.core.mail_server import ADDRESS
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.nodes.email_writer import EmailWriterParams, read_email_writer
from meterhouse.streams.nodes.http_auth import chosen_credentials
from meterhouse.streams.nodes.http_request import filled
from meterhouse.streams.ports import (
    Accepted,
    ForwardItem,
    HttpRefused,
    HttpUnreachable,
    Outcome,
    Refused,
    TryAgain,
)

_PERMANENT = range(500, 600)
_UNAVAILABLE = 421
_NESTING_MAX = 120
_SAID_CHARS_MAX = 200


class _Unfit(Exception):
    """No mail can be made of a record."""


def open_email(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    guard: Guard,
    clock: Callable[[], Instant],
    tls: ssl.SSLContext | None = None,
) -> Email:
    """Return the forwarder of a lane. Raises ``SecretMissing``, ``DefinitionError``."""
    reading = Reading(settings)
    params = read_email_writer(reading)
    if params is None:
        raise DefinitionError(reading.problems, what="The settings of a writer")
    login = None
    if params.secret_id is not None:
        login = chosen_credentials(credentials, params.secret_id, SecretType.BASIC)
    return Email(params, login, guard=guard, clock=clock, tls=tls)


class Email:
    """Sends the mails of one lane."""

    batch = 1

    def __init__(
        self,
        params: EmailWriterParams,
        login: Credentials | None,
        *,
        guard: Guard,
        clock: Callable[[], Instant],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._params = params
        self._login = login
        self._guard = guard
        self._clock = clock
        self._tls = tls
        self._server: smtplib.SMTP | None = None

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Send the mail of one record."""
        [item] = items
        try:
            message = self._message(item)
        except _Unfit as error:
            return [Refused(f"was not sent: {error}")]
        try:
            return [self._sent(message)]
        except HttpRefused as error:
            # An operator can allow the server, and no record has chosen it.
            return [TryAgain(f"was not sent: {error}", away=True)]
        except smtplib.SMTPDataError as error:
            self._drop()
            return [self._judged("the mail", error.smtp_code, error.smtp_error)]
        except smtplib.SMTPResponseException as error:
            self._drop()
            return [self._judged("the server", error.smtp_code, error.smtp_error, login=True)]
        except (OSError, HttpUnreachable, smtplib.SMTPException) as error:
            self._drop()
            where = f"{self._params.host}:{self._params.port}"
            return [TryAgain(f"{where}: {error or type(error).__name__}", away=True)]

    def close(self) -> None:
        """Let the connection go."""
        server = self._server
        if server is not None and server.sock is not None:
            with suppress(OSError):
                server.sock.shutdown(socket.SHUT_RDWR)
        self._drop()

    def _drop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    # ------------------------------------------------------------ the mail

    def _message(self, item: ForwardItem) -> EmailMessage:
        record: Record = parse_json(item.text, nesting_max=_NESTING_MAX)
        mailing = self._params.mailing
        if (missing := mailing.missing(record)) is not None:
            raise _Unfit(
                f"the record has no {missing.path}, which the mail names (say missing: empty in "
                "the writer if it may be left out)"
            )
        message = EmailMessage(policy=SMTP_LINES)
        message["From"] = mailing.sender
        message["To"] = ", ".join(_address(filled(to, record)) for to in mailing.to)
        message["Subject"] = _line("subject", filled(mailing.subject, record))
        message["Date"] = format_datetime(to_datetime(self._clock()))
        domain = mailing.sender.rpartition("@")[2]
        message["Message-ID"] = f"<{item.key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(filled(mailing.text, record).encode("utf-8", "replace").decode())
        return message

    def _sent(self, message: EmailMessage) -> Outcome:
        server = self._connected()
        sender, recipients = self._params.mailing.sender, str(message["To"]).split(", ")
        code, said = server.mail(sender)
        if code != 250:
            return self._undone(server, sender, code, said)
        for recipient in recipients:
            code, said = server.rcpt(recipient)
            if code not in (250, 251):
                return self._undone(server, recipient, code, said)
        code, said = server.data(message.as_bytes())
        return Accepted() if code == 250 else self._undone(server, "the mail", code, said)

    def _undone(self, server: smtplib.SMTP, what: str, code: int, said: bytes) -> Outcome:
        if code == _UNAVAILABLE:
            self._drop()
        else:
            server.rset()
        return self._judged(what, code, said)

    def _judged(self, what: str, code: int, said: bytes | str, *, login: bool = False) -> Outcome:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        text = " ".join(text.split())[:_SAID_CHARS_MAX]
        if self._login is not None:
            text = text.replace(self._login["password"], "***")
        reason = f"{self._params.host} answered {code} for {what}: {text}"
        if code in _PERMANENT and not login:
            return Refused(reason)
        # Who may log in is for an operator to mend; the record is not to blame.
        return TryAgain(reason, away=login or code == _UNAVAILABLE)

    # ------------------------------------------------------------ the connection

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            return self._server
        params = self._params
        context = self._tls or ssl.create_default_context()
        private = context if params.security == "tls" else None
        server = _GuardedSmtp(self._guard, params.seconds, private)
        self._server = server
        server.connect(params.host, params.port)
        server.ehlo_or_helo_if_needed()
        if params.security == "starttls":
            server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
        if self._login is not None:
            server.login(self._login["username"], self._login["password"])
        return server


class _GuardedSmtp(smtplib.SMTP):
    """A connection to an address that the guard has judged."""

    def __init__(self, guard: Guard, seconds: float, tls: ssl.SSLContext | None) -> None:
        super().__init__(timeout=seconds, local_hostname="localhost")
        self._guard = guard
        self._private = tls

    def connect(  # type: ignore[override]
        self, host: str = "localhost", port: int = 0, source_address: None = None
    ) -> tuple[int, bytes]:
        """Connect; the name is checked against the certificate, later too."""
        self._host = host
        return super().connect(host, port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        failed: OSError | None = None
        for address in self._guard.addresses(host, port):
            try:
                connection = socket.create_connection((address, port), timeout)
            except OSError as error:
                failed = error
                continue
            if self._private is None:
                return connection
            return self._private.wrap_socket(connection, server_hostname=host)
        raise failed or OSError("no address")


def _address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise _Unfit(f"{text[:_SAID_CHARS_MAX]!r} is no address of e-mail")
    return text


def _line(what: str, text: str) -> str:
    if any(ord(c) < ord(" ") or ord(c) == 0x7F or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise _Unfit(f"the {what} has a line break or a control character")
    return text
