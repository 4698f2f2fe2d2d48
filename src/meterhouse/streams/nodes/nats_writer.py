"""``writers/nats``: records as messages of a JetStream stream, which knows repeats by their id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import SecretType
from meterhouse.streams.nodes.broker import read_servers
from meterhouse.streams.nodes.http_body import plain
from meterhouse.streams.nodes.node import NodeType
from meterhouse.streams.nodes.receiver import (
    BROKER,
    ReceiverParams,
    as_written,
    read_encryption,
    read_receiver,
    read_template,
)
from meterhouse.streams.placeholder import Template

KIND = "nats"
#: A server closes the connection over a line of 4,096.
SUBJECT_CHARS_MAX = 1_000
_KNOWN = ("servers", "subject", *BROKER)
#: Words with points between them; * and > are for whoever subscribes, $ is the server's own.
_SUBJECT = re.compile(r"(?!\$)[^\s.*>\x00-\x20\x7f]+(?:\.[^\s.*>\x00-\x20\x7f]+)*")


@dataclass(frozen=True, slots=True)
class NatsWriterParams(ReceiverParams):
    """Where messages are published."""

    subject: Template

    def subject_of(self, record: Record) -> str:
        """Return the subject of a record's message. Raises ``ValueError``.

        A value is one word of it, whatever is in it: points, blanks and the like are
        percent-encoded.
        """
        parts: list[str] = []
        for part in self.subject.parts:
            text = part if isinstance(part, str) else subject_word(part.value(record))
            if not text:
                raise ValueError(f"{part} in the subject is missing or empty in this record")
            parts.append(text)
        subject = "".join(parts)
        if len(subject) > SUBJECT_CHARS_MAX:
            raise ValueError(f"the subject has more than {SUBJECT_CHARS_MAX:,} characters")
        return subject


def subject_word(value: JsonValue) -> str:
    """Return a value as a part of a subject.

    >>> subject_word("eu.west *")
    'eu%2Ewest%20%2A'
    """
    return quote(plain(value), safe="", errors="replace").replace(".", "%2E")


def read_nats_writer(reading: Reading) -> NatsWriterParams | None:
    """Read the parameters; problems are noted."""
    reading.only(_KNOWN, what="writers/nats node")
    servers = read_servers(reading, "servers", example="nats.example.com:4222")
    subject = _read_subject(reading)
    access = {"servers": servers, **read_encryption(reading)}
    where = f"nats://{','.join(servers)}/{as_written(subject) if subject else ''}"
    kinds = (SecretType.BASIC, SecretType.BEARER)
    receiver = read_receiver(reading, KIND, access, where=where, known=_KNOWN, secrets=kinds)
    return None if receiver is None or subject is None else NatsWriterParams(receiver, subject)


def _read_subject(reading: Reading) -> Template | None:
    template = read_template(reading, "subject", required=True)
    if template is None:
        return None
    filled = "".join(part if isinstance(part, str) else "x" for part in template.parts)
    if len(filled) > SUBJECT_CHARS_MAX or not _SUBJECT.fullmatch(filled):
        text = shown(reading.body["subject"])
        reading.fail("subject", f"is {text}", "write it as usage.${payload.region}")
        return None
    return template


TYPE = NodeType("writers/nats", frozenset({1}), read_nats_writer)
