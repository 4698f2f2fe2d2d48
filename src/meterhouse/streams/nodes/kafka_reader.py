"""``readers/kafka``: messages of topics, each partition from where the last run ended."""

from __future__ import annotations

from meterhouse.core.reading import Reading, shown
from meterhouse.streams.nodes.broker import (
    COMMON,
    broker_reader,
    choice,
    plain_name,
    read_servers,
)
from meterhouse.streams.nodes.collecting import CollectorParams
from meterhouse.streams.nodes.node import NodeType

START = ("earliest", "latest")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
FORMATS = ("json",)
TOPICS_MAX = 100
IDLE_SECONDS = 30
_FIELDS = (
    *("bootstrapServers", "topic", "topics", "startFrom", "groupId", "saslMechanism", "format"),
    *COMMON,
)


def _read(reading: Reading) -> CollectorParams | None:
    reading.only(_FIELDS, what="readers/kafka node")
    servers = read_servers(reading, "bootstrapServers", example="kafka.example.com:9092")
    settings = {
        "servers": servers,
        "topics": _topics(reading),
        "startFrom": choice(reading, "startFrom", START),
        "groupId": plain_name(reading, "groupId"),
        "saslMechanism": choice(reading, "saslMechanism", MECHANISMS),
    }
    choice(reading, "format", FORMATS)
    return broker_reader(reading, "kafka", settings, idle_seconds=IDLE_SECONDS)


def _topics(reading: Reading) -> list[str]:
    """Read ``topic`` or ``topics``: one of them."""
    if reading.body.get("topics") is None:
        topic = plain_name(reading, "topic", required=True)
        return [] if topic is None else [topic]
    if reading.body.get("topic") is not None:
        reading.fail("topic", "is given beside topics", "leave one of them out")
    topics = reading.json_list("topics", items_max=TOPICS_MAX)
    if not topics:
        reading.fail("topics", "is empty", "name at least one topic")
    for place, topic in enumerate(topics):
        inner = Reading({"topic": topic})
        if plain_name(inner, "topic", required=True) is None:
            reading.fail(f"topics[{place}]", f"is {shown(topic)}", "write the name of a topic")
        elif topic in topics[:place]:
            reading.fail(f"topics[{place}]", f"is {shown(topic)} again", "name each topic once")
    return topics


TYPE = NodeType("readers/kafka", frozenset({1}), _read)
