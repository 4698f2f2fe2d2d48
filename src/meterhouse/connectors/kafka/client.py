"""Clients of a Kafka cluster: their configuration, and what their errors mean."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from meterhouse.connectors.broker import BrokerAccess, Server, judged
from meterhouse.connectors.collectors import ExtraMissing
from meterhouse.connectors.http.guard import Guard
from meterhouse.core.json_text import JsonValue

#: A broker that does not answer within so many seconds is away.
PATIENCE_SECONDS = 10.0
_MECHANISM = "PLAIN"


def library() -> Any:
    """Return the client library. Raises ``ExtraMissing``."""
    try:
        import confluent_kafka
    except ImportError as error:
        raise ExtraMissing("kafka", what="Kafka") from error
    return confluent_kafka


def configuration(
    access: BrokerAccess, settings: Mapping[str, JsonValue], *, told: Callable[[Any], None]
) -> dict[str, Any]:
    """Return what every client is made with; ``told`` gets errors that belong to no call."""
    config: dict[str, Any] = {
        "bootstrap.servers": ",".join(map(str, access.servers)),
        "client.id": "meterhouse",
        "socket.connection.setup.timeout.ms": int(PATIENCE_SECONDS * 1000),
        "error_cb": told,
        # What it has to say is in our messages.
        "logger": _silent(),
        "log.connection.close": False,
    }
    protocol = "SSL" if access.tls else "PLAINTEXT"
    if access.certificate is not None:
        config["ssl.ca.pem"] = access.certificate
    if access.username is not None:
        protocol = f"SASL_{protocol}"
        config["sasl.mechanism"] = settings.get("saslMechanism") or _MECHANISM
        config["sasl.username"] = access.username
        config["sasl.password"] = access.password
    return config | {"security.protocol": protocol}


def reach(access: BrokerAccess, guard: Guard) -> None:
    """Refuse a cluster of which no server takes a connection: the library would try for long.

    Raises ``InputError``.
    """
    error: OSError | None = None
    for server in access.judged(guard):
        for address in server.addresses:
            try:
                socket.create_connection((address, server.port), PATIENCE_SECONDS).close()
            except OSError as failed:
                error = failed
            else:
                return
    raise access.failed("Kafka", error) from error


def judge_members(metadata: Any, guard: Guard) -> None:
    """Judge the addresses that a cluster gives for its brokers: clients go there next.

    Raises ``InputError``.
    """
    judged([Server(broker.host, broker.port) for broker in metadata.brokers.values()], guard)


def _silent() -> logging.Logger:
    logger = logging.getLogger("meterhouse.kafka")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger
