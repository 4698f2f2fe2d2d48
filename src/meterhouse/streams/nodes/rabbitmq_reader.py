"""``readers/rabbitmq``: messages of a queue, acknowledged once they are committed."""

from __future__ import annotations

from meterhouse.core.reading import Reading
from meterhouse.streams.nodes.broker import COMMON, broker_reader, choice, read_servers
from meterhouse.streams.nodes.collecting import CollectorParams
from meterhouse.streams.nodes.node import NodeType

FORMATS = ("json",)
IDLE_SECONDS = 1
#: The ledger remembers the messages of a run until they are acknowledged: fewer than elsewhere.
RECORDS_MAX = 100_000
QUEUE_CHARS_MAX = 255
VIRTUAL_HOST = "/"
_FIELDS = ("servers", "virtualHost", "queue", "format", *COMMON)


def _read(reading: Reading) -> CollectorParams | None:
    reading.only(_FIELDS, what="readers/rabbitmq node")
    settings = {
        "servers": read_servers(reading, "servers", example="rabbit.example.com:5672"),
        "virtualHost": reading.text("virtualHost", chars_max=QUEUE_CHARS_MAX) or VIRTUAL_HOST,
        "queue": reading.text("queue", required=True, chars_max=QUEUE_CHARS_MAX),
    }
    choice(reading, "format", FORMATS)
    return broker_reader(
        reading, "rabbitmq", settings, records_max=RECORDS_MAX, idle_seconds=IDLE_SECONDS
    )


TYPE = NodeType("readers/rabbitmq", frozenset({1}), _read)
