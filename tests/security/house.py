"""Keys, places and applications with defaults, for the tests of security."""

import base64
import os
from itertools import count
from uuid import UUID

from meterhouse.app.access_ports import SealedValue
from meterhouse.app.applications import NewClient, create_application
from meterhouse.core.instant import Instant
from meterhouse.security import ClientSecrets, Envelope, given_keys
from meterhouse.store import SqliteLedger

#: 2026-01-10T00:00:00Z
AT: Instant = 1_768_003_200_000_000
URLS = ("https://meter.example", "http://127.0.0.1:8080/")
chance = os.urandom
_ids = count(1)


def new_id() -> str:
    return str(UUID(int=next(_ids)))


def a_key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


def an_envelope(*keys: str, source: str = "METERHOUSE_SECRETS_KEY") -> Envelope:
    given = given_keys(" ".join(keys), source=source)
    return Envelope(lambda: given, chance)


def sealed_by(
    envelope: Envelope,
    plain: bytes,
    *,
    purpose: str = "secret",
    id: str = "s-1",
    version: int = 1,
) -> SealedValue:
    content = envelope.seal(plain, purpose=purpose, id=id, version=version)
    return SealedValue(purpose, id, version, content)


def a_client(
    ledger: SqliteLedger,
    client_secrets: ClientSecrets,
    name: str = "CRM",
    *,
    scopes: tuple[str, ...] = ("read:meters", "create:meters"),
) -> NewClient:
    body = {"name": name, "scopes": list(scopes)}
    return create_application(ledger, client_secrets, body, new_id=new_id, at=AT)
