"""``writers/http``: records go to a server, one request each or several at a time, signed if asked.

Decides what is sent where; that happens after the run has committed (``connectors/http/webhook``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.forward import Forward, Patience
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.forwarding import PATIENCE, ForwarderParams, read_patience
from meterhouse.streams.nodes.http_auth import (
    AuthParams,
    SecretMissing,
    chosen_credentials,
    read_auth,
)
from meterhouse.streams.nodes.http_request import RequestTemplate, read_request
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.wallet_entry import read_wallet_entry
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.world import Services

KIND = "http"
METHODS = ("POST", "PUT", "PATCH")
BATCH_MAX = 10_000
SECONDS_DEFAULT, SECONDS_MAX = 30, 300
FORMATS = ("json", "ndjson")
#: Set from the record or by the signature; a parameter could only contradict them.
_OWN_HEADERS = frozenset(
    ("idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature", "authorization")
)
_REQUEST = ("uri", "method", "qs", "headers")
_AUTH = ("authType", "authentication", "oAuth2Authentication", "secretsWalletEntry")
_KNOWN = (*_REQUEST, *_AUTH, *PATIENCE, "batchSize", "batchFormat", "timeoutSeconds", "signing")


@dataclass(frozen=True, slots=True)
class HttpWriterParams(ForwarderParams):
    """What is sent, who sends it, and how it is signed. ``settings`` are the parameters as written.

    ``batch_format`` is how several records stand in one body: a JSON array, or NDJSON.
    """

    request: RequestTemplate
    auth: AuthParams
    signing_secret: str | None
    batch: int
    batch_format: str
    seconds: int
    patience: Patience
    settings: Mapping[str, JsonValue]

    def forward(self, node: str) -> Forward:
        """Return the parameters for the outbox."""
        return Forward(KIND, self.settings, node, self.patience)

    def destination(self) -> str:
        """Return method and address, without the query."""
        uri = "".join(map(str, self.request.uri.parts))
        return f"{self.request.method} {shown_url(uri)}"

    def obstacles(self, services: Services) -> Sequence[Problem]:
        """A secret may be missing."""
        found = [self.auth.obstacle(services)]
        if self.signing_secret is not None:
            try:
                kind = SecretType.WEBHOOK_SIGNING
                chosen_credentials(services.credentials, self.signing_secret, kind)
            except SecretMissing as missing:
                found.append(missing.problem.at("signing"))
        return [problem for problem in found if problem is not None]


def read_http_writer(reading: Reading) -> HttpWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/http node")
    request = read_request(reading, methods=METHODS)
    auth = read_auth(reading)
    batch = whole_number(reading, "batchSize", lowest=1, highest=BATCH_MAX) or 1
    batch_format = reading.text("batchFormat") or FORMATS[0]
    if batch_format not in FORMATS:
        reading.fail("batchFormat", f"is {shown(batch_format)}", f"use {' or '.join(FORMATS)}")
    seconds = whole_number(reading, "timeoutSeconds", lowest=1, highest=SECONDS_MAX)
    signing_secret = _read_signing(reading)
    patience = read_patience(reading)
    if request is not None:
        _check_request(reading, request, batch)
    if reading.problems or request is None:
        return None
    return HttpWriterParams(
        request,
        auth,
        signing_secret=signing_secret,
        batch=batch,
        batch_format=batch_format,
        seconds=seconds or SECONDS_DEFAULT,
        patience=patience,
        settings={name: reading.body[name] for name in _KNOWN if name in reading.body},
    )


def _read_signing(reading: Reading) -> str | None:
    """Read the id of the secret that signs; ``None`` where nothing is signed."""
    given = reading.body.get("signing")
    if given is None:
        return None
    signing = Reading(given, known=("secretsWalletEntry",), what="signing")
    entry = read_wallet_entry(signing, (SecretType.WEBHOOK_SIGNING,))
    if entry is None and not signing.problems:
        signing.fail("secretsWalletEntry", "is missing", "name the secret that signs")
    reading.problems += [problem.at("signing") for problem in signing.problems]
    return None if entry is None else entry.secret_id


def _check_request(reading: Reading, request: RequestTemplate, batch: int) -> None:
    for name, _ in request.headers:
        if name in _OWN_HEADERS:
            reading.fail("headers", f"have {shown(name)}, which is set by itself", "remove it")
    if batch > 1 and request.references:
        fields = ", ".join(dict.fromkeys(map(str, request.references)))
        hint = "leave out batchSize, or the fields: one request is for several records"
        reading.fail("batchSize", f"is {batch}, and the request names {fields}", hint)


TYPE = NodeType("writers/http", frozenset({1}), read_http_writer)
