"""What nodes of brokers have in common: servers, encryption, and who connects."""

from __future__ import annotations

import re
from collections.abc import Mapping

from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.nodes.collecting import RECORDS_MAX_DEFAULT, CollectorParams
from meterhouse.streams.nodes.wallet_entry import read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.suspension import read_policy

#: Parameters that every reader of a broker has.
COMMON = (
    *("tls", "caCertificate", "secretsWalletEntry", "maxRecords", "idleSeconds"),
    "suspenseManagement",
)
SERVERS_MAX = 50
RECORDS_MAX = 10_000_000
IDLE_SECONDS_MAX = 600
CERTIFICATE_CHARS_MAX = 20_000
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):([1-9][0-9]{0,4})")
_PORT_MAX = 65_535
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


def read_servers(reading: Reading, name: str, *, example: str) -> list[str]:
    """Read a required list of ``host:port``, or one text with commas between them."""
    given = reading.body.get(name)
    if given is None or given in ("", []):
        reading.fail(name, "is missing", f"name the servers, such as {example}")
        return []
    items = given.split(",") if isinstance(given, str) else given
    if not isinstance(items, list):
        reading.fail(name, f"is {shown(given)}", f"write {example}")
        return []
    servers: list[str] = []
    for place, item in enumerate(items[:SERVERS_MAX]):
        text = item.strip() if isinstance(item, str) else ""
        found = _SERVER.fullmatch(text)
        if found is None or int(found[2]) > _PORT_MAX:
            reading.fail(f"{name}[{place}]", f"is {shown(item)}", f"write it as {example}")
        else:
            servers.append(text)
    if len(items) > SERVERS_MAX:
        reading.fail(name, f"has {len(items)} servers", f"at most {SERVERS_MAX} are allowed")
    return servers


def plain_name(reading: Reading, name: str, *, required: bool = False) -> str | None:
    """Read a name of letters, digits, points, dashes and underscores."""
    text = reading.text(name, required=required)
    if text is not None and not _NAME.fullmatch(text):
        reading.fail(name, f"is {shown(text)}", "use letters, digits, points, dashes, underscores")
        return None
    return text


def choice(reading: Reading, name: str, known: tuple[str, ...]) -> str:
    """Read one of several words; the first one, unless given."""
    given = reading.text(name) or known[0]
    if given not in known:
        reading.fail(name, f"is {shown(given)}", f"use one of {', '.join(known)}")
    return given


def broker_reader(
    reading: Reading,
    kind: str,
    settings: Mapping[str, JsonValue],
    *,
    secrets: tuple[SecretType, ...] = (SecretType.BASIC,),
    records_max: int = RECORDS_MAX_DEFAULT,
    idle_seconds: int,
) -> CollectorParams | None:
    """Read what all have, and return the parameters of a reader."""
    tls = reading.boolean("tls", default=False)
    certificate = reading.text("caCertificate", chars_max=CERTIFICATE_CHARS_MAX)
    if certificate is not None and not tls:
        reading.fail("caCertificate", "is given without tls", "set tls to true, or leave it out")
    secret = read_wallet_entry(reading, secrets)
    most = whole_number(reading, "maxRecords", lowest=1, highest=RECORDS_MAX) or records_max
    idle = whole_number(reading, "idleSeconds", lowest=1, highest=IDLE_SECONDS_MAX)
    policy = read_policy(reading)
    if reading.problems:
        return None
    common = {"tls": tls, "caCertificate": certificate, "idleSeconds": idle or idle_seconds}
    return CollectorParams(kind, {**settings, **common}, policy, most, secret)
