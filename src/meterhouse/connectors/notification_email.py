"""The forwarder of mails to notification groups: by the server that the operator has configured.

The outbox has recipient, subject and text; which server, from whom and by which password is known
here alone, when a mail is sent. So a change of the configuration counts for what waits, too.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from meterhouse.connectors.email import Email
from meterhouse.connectors.http.guard import Guard
from meterhouse.core.instant import Instant
from meterhouse.core.mail_server import MailServer
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.core.reading import Reading
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.nodes.email_writer import read_email_writer


class NoMailServer(MeterhouseError):
    """A mail waits, and no server is configured that could send it."""

    code = "no_mail_server"


def open_notification_email(
    server: MailServer | None,
    *,
    guard: Guard,
    clock: Callable[[], Instant],
    tls: ssl.SSLContext | None = None,
) -> Email:
    """Return the forwarder of a lane. Raises ``NoMailServer``, ``DefinitionError``."""
    if server is None:
        hint = "Set METERHOUSE_SMTP_HOST and METERHOUSE_SMTP_FROM"
        raise NoMailServer("No mail server is configured", hint=hint)
    reading = Reading(
        {
            "host": server.host,
            "port": server.port,
            "security": server.security,
            "from": server.sender,
            "to": ["${payload.to}"],
            "subject": "${payload.subject}",
            "text": "${payload.text}",
            "missing": "empty",
        }
    )
    params = read_email_writer(reading)
    if params is None:
        raise DefinitionError(reading.problems, what="The configuration of the mail server")
    login = None
    if server.user is not None and server.password is not None:
        values = {"username": server.user, "password": server.password}
        login = Credentials(SecretType.BASIC, values)
    return Email(params, login, guard=guard, clock=clock, tls=tls)
