"""``writers/rabbitmq``: records as messages of an exchange, each confirmed by the broker."""

from __future__ import annotations

from dataclasses import dataclass

from meterhouse.core.json_text import Record
from meterhouse.core.reading import Reading, missing_or_shown
from meterhouse.streams.nodes.broker import read_servers
from meterhouse.streams.nodes.http_request import filled
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.rabbitmq_reader import QUEUE_CHARS_MAX, VIRTUAL_HOST
from meterhouse.streams.nodes.receiver import (
    BROKER,
    ReceiverParams,
    as_written,
    read_encryption,
    read_receiver,
    read_template,
)
from meterhouse.streams.placeholder import Template

KIND = "rabbitmq"
#: What the protocol has room for.
ROUTING_KEY_BYTES_MAX = 255
_KNOWN = ("servers", "virtualHost", "exchange", "routingKey", *BROKER)


@dataclass(frozen=True, slots=True)
class RabbitmqWriterParams(ReceiverParams):
    """Where messages are published; the exchange without name takes the name of a queue as key."""

    virtual_host: str
    exchange: str
    routing_key: Template

    def key_of(self, record: Record) -> str:
        """Return the routing key of a record's message. Raises ``ValueError``."""
        for reference in self.routing_key.references:
            if reference.value(record) in (None, ""):
                raise ValueError(f"{reference} in the routing key is missing or empty")
        key = filled(self.routing_key, record).encode("utf-8", "replace")
        if len(key) > ROUTING_KEY_BYTES_MAX:
            raise ValueError(f"the routing key has more than {ROUTING_KEY_BYTES_MAX} bytes")
        return key.decode()


def read_rabbitmq_writer(reading: Reading) -> RabbitmqWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/rabbitmq node")
    servers = read_servers(reading, "servers", example="rabbit.example.com:5672")
    virtual_host = reading.text("virtualHost", chars_max=QUEUE_CHARS_MAX) or VIRTUAL_HOST
    exchange = reading.text("exchange", chars_max=QUEUE_CHARS_MAX) or ""
    routing_key = read_template(reading, "routingKey")
    if routing_key is None and not exchange and not reading.problems:
        given = reading.body.get("routingKey")
        hint = "name the queue, or an exchange"
        reading.fail("routingKey", missing_or_shown(given), hint)
    routing_key = routing_key or Template(())
    access = {"servers": servers, **read_encryption(reading)}
    where = f"amqp://{','.join(servers)}/{exchange or 'queue'}/{as_written(routing_key)}"
    receiver = read_receiver(reading, KIND, access, where=where, known=_KNOWN)
    if receiver is None:
        return None
    return RabbitmqWriterParams(receiver, virtual_host, exchange, routing_key)


TYPE = NodeType("writers/rabbitmq", frozenset({1}), read_rabbitmq_writer)
