"""What nodes that forward to brokers and databases have in common: who connects, and for how long.

Each names its receiver in ``access``, which is what a connection is made from, and keeps its
parameters as written for the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.streams.forward import Forward, Patience
from meterhouse.streams.nodes.broker import CERTIFICATE_CHARS_MAX
from meterhouse.streams.nodes.forwarding import PATIENCE, ForwarderParams, read_patience
from meterhouse.streams.nodes.wallet_entry import WalletEntry, read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import Template
from meterhouse.streams.world import Services

SECONDS_DEFAULT, SECONDS_MAX = 30, 300
#: Parameters that all have.
COMMON = ("secretsWalletEntry", "timeoutSeconds", *PATIENCE)
#: Parameters that those of brokers have.
BROKER = ("tls", "caCertificate", *COMMON)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who the records go to; ``settings`` are as written, ``where`` is for people."""

    kind: str
    where: str
    access: Mapping[str, JsonValue]
    secret: WalletEntry | None
    seconds: int
    patience: Patience
    settings: Mapping[str, JsonValue]

    def credentials(self, credentials_of: Callable[[str], Credentials]) -> Credentials | None:
        """Return who connects. Raises ``MeterhouseError``."""
        return None if self.secret is None else self.secret.opened(credentials_of)


@dataclass(frozen=True, slots=True)
class ReceiverParams(ForwarderParams):
    """Parameters of a writer that forwards to a broker or a database."""

    receiver: Receiver

    def forward(self, node: str) -> Forward:
        """Return the parameters for the outbox."""
        receiver = self.receiver
        return Forward(receiver.kind, receiver.settings, node, receiver.patience)

    def destination(self) -> str:
        """Return the receiver as people read it."""
        return self.receiver.where

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """The secret may be missing."""
        secret = self.receiver.secret
        problem = None if secret is None else secret.obstacle(services)
        return () if problem is None else (problem,)


def read_receiver(
    reading: Reading,
    kind: str,
    access: Mapping[str, JsonValue],
    *,
    where: str,
    known: Sequence[str],
    secrets: tuple[SecretType, ...] = (SecretType.BASIC,),
) -> Receiver | None:
    """Read what all have; problems are noted. ``known`` are the parameters of the node."""
    secret = read_wallet_entry(reading, secrets)
    seconds = whole_number(reading, "timeoutSeconds", lowest=1, highest=SECONDS_MAX)
    patience = read_patience(reading)
    if reading.problems:
        return None
    settings = {name: reading.body[name] for name in known if name in reading.body}
    return Receiver(kind, where, access, secret, seconds or SECONDS_DEFAULT, patience, settings)


def read_encryption(reading: Reading) -> dict[str, JsonValue]:
    """Read ``tls`` and ``caCertificate`` of a broker; problems are noted."""
    tls = reading.boolean("tls", default=False)
    certificate = reading.text("caCertificate", chars_max=CERTIFICATE_CHARS_MAX)
    if certificate is not None and not tls:
        reading.fail("caCertificate", "is given without tls", "set tls to true, or leave it out")
    return {"tls": tls, "caCertificate": certificate}


def read_template(reading: Reading, name: str, *, required: bool = False) -> Template | None:
    """Read a text that may name fields of the record; problems are noted."""
    text = reading.text(name, required=required)
    if text is None:
        return None
    try:
        return Template.parse_any(text)
    except ValueError as error:
        reading.fail(name, f"is {shown(text)} and {error}")
        return None


def as_written(template: Template) -> str:
    """Return a template as people read it."""
    return "".join(map(str, template.parts))
