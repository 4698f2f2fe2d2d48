"""``writers/kafka``: records as messages of a topic, those of a meter in one partition."""

from __future__ import annotations

from dataclasses import dataclass

from meterhouse.core.reading import Reading
from meterhouse.streams.nodes.broker import choice, plain_name, read_servers
from meterhouse.streams.nodes.kafka_reader import MECHANISMS
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.receiver import (
    BROKER,
    ReceiverParams,
    read_encryption,
    read_receiver,
    read_template,
)
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.placeholder import Template

KIND = "kafka"
MESSAGE_BYTES_DEFAULT, MESSAGE_BYTES_MAX = 1_000_000, 100_000_000
_MESSAGE_BYTES_MIN = 1_000
_KNOWN = ("bootstrapServers", "topic", "key", "saslMechanism", "maxMessageBytes", *BROKER)


@dataclass(frozen=True, slots=True)
class KafkaWriterParams(ReceiverParams):
    """The topic, and what decides on the partition; ``key`` is the meter where it is not given."""

    topic: str
    key: Template | None
    bytes_max: int


def read_kafka_writer(reading: Reading) -> KafkaWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/kafka node")
    servers = read_servers(reading, "bootstrapServers", example="kafka.example.com:9092")
    topic = plain_name(reading, "topic", required=True)
    key = read_template(reading, "key")
    access = {
        "servers": servers,
        "saslMechanism": choice(reading, "saslMechanism", MECHANISMS),
        **read_encryption(reading),
    }
    most = whole_number(
        reading, "maxMessageBytes", lowest=_MESSAGE_BYTES_MIN, highest=MESSAGE_BYTES_MAX
    )
    where = f"kafka://{','.join(servers)}/{topic}"
    receiver = read_receiver(reading, KIND, access, where=where, known=_KNOWN)
    if receiver is None or topic is None:
        return None
    return KafkaWriterParams(receiver, topic, key, most or MESSAGE_BYTES_DEFAULT)


TYPE = NodeType("writers/kafka", frozenset({1}), read_kafka_writer)
