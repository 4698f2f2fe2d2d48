"""``writers/email``: one e-mail for each record, by a server of SMTP.

Decides what is written to whom; that happens after the run has committed (``connectors/email``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.mail_server import ADDRESS, HOST, PORT_MAX, SECURITY
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.forward import Forward, Patience
from meterhouse.streams.nodes.forwarding import PATIENCE, ForwarderParams, read_patience
from meterhouse.streams.nodes.http_auth import SecretMissing, chosen_credentials
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.wallet_entry import read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import FieldReference, Template
from meterhouse.streams.world import Services

KIND = "email"
RECIPIENTS_MAX = 100
SECONDS_DEFAULT, SECONDS_MAX = 30, 300
_KNOWN = (
    *("host", "port", "security", "secretsWalletEntry", "from", "to", "subject", "text"),
    *("missing", "timeoutSeconds", *PATIENCE),
)
REFUSE, EMPTY = "refuse", "empty"


@dataclass(frozen=True, slots=True)
class Mailing:
    """What one e-mail is made of. ``to`` may name fields of the record.

    A record without a field of the subject or the text is refused unless ``missing_is_empty``.
    """

    sender: str
    to: tuple[Template, ...]
    subject: Template
    text: Template
    missing_is_empty: bool = False

    def missing(self, record: Record) -> FieldReference | None:
        """Return the first field of the subject or the text that a record should have."""
        if self.missing_is_empty:
            return None
        named = (*self.subject.references, *self.text.references)
        return next((field for field in named if field.value(record) is None), None)


@dataclass(frozen=True, slots=True)
class EmailWriterParams(ForwarderParams):
    """The server, who logs in there, and the mails. ``settings`` are the parameters as written."""

    host: str
    port: int
    security: str
    secret_id: str | None
    mailing: Mailing
    seconds: int
    patience: Patience
    settings: Mapping[str, JsonValue]

    def forward(self, node: str) -> Forward:
        """Return the parameters for the outbox."""
        return Forward(KIND, self.settings, node, self.patience)

    def destination(self) -> str:
        """Return the recipients, as they are written."""
        first, *more = ("".join(map(str, to.parts)) for to in self.mailing.to)
        return f"mailto:{first}" + (f" and {len(more)} more" if more else "")

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """The secret may be missing."""
        if self.secret_id is not None:
            try:
                chosen_credentials(services.credentials, self.secret_id, SecretType.BASIC)
            except SecretMissing as missing:
                return (missing.problem,)
        return ()


def read_email_writer(reading: Reading) -> EmailWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/email node")
    host = reading.text("host", required=True)
    if host is not None and not HOST.fullmatch(host):
        reading.fail("host", f"is {shown(host)}", "write a name or an address, without a port")
    security = reading.text("security") or "starttls"
    if security not in SECURITY:
        reading.fail("security", f"is {shown(security)}", f"use one of {', '.join(SECURITY)}")
    port = whole_number(reading, "port", lowest=1, highest=PORT_MAX)
    seconds = whole_number(reading, "timeoutSeconds", lowest=1, highest=SECONDS_MAX)
    secret_id = _read_secret(reading, security)
    mailing = _read_mailing(reading)
    patience = read_patience(reading)
    if reading.problems or mailing is None or host is None:
        return None
    return EmailWriterParams(
        host,
        port or SECURITY[security],
        security,
        secret_id=secret_id,
        mailing=mailing,
        seconds=seconds or SECONDS_DEFAULT,
        patience=patience,
        settings={name: reading.body[name] for name in _KNOWN if name in reading.body},
    )


def _read_secret(reading: Reading, security: str) -> str | None:
    entry = read_wallet_entry(reading, (SecretType.BASIC,))
    if entry is not None and security == "none":
        hint = "use starttls or tls, or leave out secretsWalletEntry"
        reading.fail("security", "is none, and a password would be sent in the open", hint)
    return None if entry is None else entry.secret_id


def _read_mailing(reading: Reading) -> Mailing | None:
    sender = reading.text("from", required=True)
    if sender is not None and not ADDRESS.fullmatch(sender):
        reading.fail("from", f"is {shown(sender)}", "write one address, such as bill@example.com")
    to = _read_recipients(reading)
    subject = _template(reading, "subject", reading.text("subject", required=True))
    if subject is not None and any(isinstance(p, str) and _broken(p) for p in subject.parts):
        reading.fail("subject", "has a line break or a control character", "write one line")
    text = _template(reading, "text", reading.text("text", required=True))
    missing = reading.text("missing") or REFUSE
    if missing not in (REFUSE, EMPTY):
        reading.fail("missing", f"is {shown(missing)}", f"use {REFUSE} or {EMPTY}")
    if sender is None or subject is None or text is None or not to:
        return None
    return Mailing(sender, to, subject, text, missing_is_empty=missing == EMPTY)


def _read_recipients(reading: Reading) -> tuple[Template, ...]:
    given = reading.body.get("to")
    items = reading.json_list("to", items_max=RECIPIENTS_MAX)
    if not items and not any(problem.place == "to" for problem in reading.problems):
        reading.fail("to", missing_or_shown(given), 'write ["ann@example.com"]')
    found: list[Template] = []
    for position, item in enumerate(items):
        place = f"to[{position}]"
        template = _template(reading, place, item) if isinstance(item, str) else None
        if not isinstance(item, str):
            reading.fail(place, f"is {shown(item)}, not a text", "write an address")
        elif template is not None and not template.references and not ADDRESS.fullmatch(item):
            reading.fail(place, f"is {shown(item)}", "write one address, such as ann@example.com")
        elif template is not None:
            found.append(template)
    return tuple(found)


def _template(reading: Reading, name: str, text: str | None) -> Template | None:
    if text is None:
        return None
    try:
        return Template.parse_any(text)
    except ValueError as error:
        reading.fail(name, f"is {shown(text)} and {error}")
        return None


def _broken(text: str) -> bool:
    return any(ord(c) < ord(" ") or ord(c) == 0x7F for c in text)


TYPE = NodeType("writers/email", frozenset({1}), read_email_writer)
