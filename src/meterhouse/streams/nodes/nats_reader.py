"""``readers/nats``: messages of a JetStream stream, from the sequence where the last run ended."""

from __future__ import annotations

import re

from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.nodes.broker import COMMON, broker_reader, choice, read_servers
from meterhouse.streams.nodes.collecting import CollectorParams
from meterhouse.streams.nodes.node import NodeType

START = ("earliest", "latest")
FORMATS = ("json",)
IDLE_SECONDS = 10
_FIELDS = ("servers", "stream", "subject", "durable", "startFrom", "format", *COMMON)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SUBJECT = re.compile(r"[^\s.\x00-\x20]+(?:\.[^\s.\x00-\x20]+)*")


def _read(reading: Reading) -> CollectorParams | None:
    reading.only(_FIELDS, what="readers/nats node")
    settings = {
        "servers": read_servers(reading, "servers", example="nats.example.com:4222"),
        "stream": _name(reading, "stream", required=True),
        "subject": _subject(reading),
        "durable": _name(reading, "durable"),
        "startFrom": choice(reading, "startFrom", START),
    }
    choice(reading, "format", FORMATS)
    return broker_reader(
        reading,
        "nats",
        settings,
        secrets=(SecretType.BASIC, SecretType.BEARER),
        idle_seconds=IDLE_SECONDS,
    )


def _name(reading: Reading, name: str, *, required: bool = False) -> str | None:
    text = reading.text(name, required=required)
    if text is not None and not _NAME.fullmatch(text):
        reading.fail(name, f"is {shown(text)}", "use letters, digits, dashes and underscores")
        return None
    return text


def _subject(reading: Reading) -> str | None:
    subject = reading.text("subject")
    if subject is not None and not _SUBJECT.fullmatch(subject):
        reading.fail("subject", f"is {shown(subject)}", "write it as usage.>")
        return None
    return subject


TYPE = NodeType("readers/nats", frozenset({1}), _read)
