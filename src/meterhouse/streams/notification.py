"""Notification groups: who is told of which events of which streams, and how such a body is read.

What is told, and to whom it goes by which way, is in ``notice``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from meterhouse.core.instant import MINUTE, Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.mail_server import ADDRESS
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.revision import revision_of
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.nodes.http_writer import read_http_writer

NAME_CHARS_MAX, DESCRIPTION_CHARS_MAX = 200, 1_000
EMAILS_MAX, WEBHOOKS_MAX, STREAMS_MAX = 50, 10, 1_000
#: After a message, so long nothing more is said of the same event of the same stream.
SILENCE: Instant = 30 * MINUTE
WRITABLE = ("name", "description", "events", "emails", "webhooks", "streams")
SET_BY_US = ("id", "createdAt", "updatedAt", "revision")
_NO_SERVER = (
    "no mail server is configured: set METERHOUSE_SMTP_HOST and METERHOUSE_SMTP_FROM, or use"
    " webhooks"
)


class Event(Enum):
    """What a group can be told of."""

    NO_FILE_FOUND = "no_file_found"
    STREAM_FAILED = "stream_failed"
    STREAM_COMPLETE = "stream_complete"
    SUSPENSE_ARRIVED = "suspense_arrived"


EVENTS: tuple[str, ...] = tuple(event.value for event in Event)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of HTTP, and the secret of the wallet that signs what it is sent.

    ``secret_name`` is what the ledger knows of the secret.
    """

    uri: str
    secret_id: str
    secret_name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class NotificationGroup:
    """A group. ``streams`` are (id, name) of those that it is for; ``None``: for all of them."""

    id: str
    name: str
    description: str | None
    events: tuple[Event, ...]
    emails: tuple[str, ...]
    webhooks: tuple[Webhook, ...]
    streams: tuple[tuple[str, str], ...] | None
    created_at: Instant
    updated_at: Instant

    @property
    def revision(self) -> str:
        """A hash of what people may write of a group."""
        streams = None if self.streams is None else [id for id, _ in self.streams]
        webhooks = [[webhook.uri, webhook.secret_id] for webhook in self.webhooks]
        events = [event.value for event in self.events]
        emails = list(self.emails)
        return revision_of([self.name, self.description, events, emails, webhooks, streams])

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``notification show --json``."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "events": [event.value for event in self.events],
            "emails": list(self.emails),
            "webhooks": [{"uri": w.uri, "secret": w.secret_name} for w in self.webhooks],
            "streams": None if self.streams is None else [name for _, name in self.streams],
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class GroupBody:
    """A group as people write it: secrets and streams are named, or given by their ids."""

    name: str
    description: str | None
    events: tuple[Event, ...]
    emails: tuple[str, ...]
    #: (uri, secret)
    webhooks: tuple[tuple[str, str], ...]
    streams: tuple[str, ...] | None


def read_notification_group(body: JsonValue, *, mails: bool) -> GroupBody:
    """Read a group. ``mails``: there is a server that could send any.

    Raises ``DefinitionError`` listing every problem.
    """
    reading = Reading(body, known=WRITABLE, read_only=SET_BY_US, what="notification group")
    name = reading.text("name", required=True, chars_max=NAME_CHARS_MAX) or ""
    description = reading.text("description", chars_max=DESCRIPTION_CHARS_MAX)
    events = _events(reading)
    emails = _emails(reading, mails=mails)
    webhooks = _webhooks(reading)
    streams = _streams(reading)
    if not reading.problems and not emails and not webhooks:
        reading.fail("emails", "are missing, and so are webhooks", "name at least one address")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The notification group")
    return GroupBody(name, description, events, emails, webhooks, streams)


def _events(reading: Reading) -> tuple[Event, ...]:
    items = reading.json_list("events", items_max=len(EVENTS))
    if not items and not any(problem.place == "events" for problem in reading.problems):
        given = reading.body.get("events")
        reading.fail("events", missing_or_shown(given), f"name some of {', '.join(EVENTS)}")
    for place, item in enumerate(items):
        if item not in EVENTS:
            hint = f"use some of {', '.join(EVENTS)}"
            reading.fail(f"events[{place}]", f"is {shown(item)}", hint)
    _refuse_twice(reading, "events", items)
    return tuple(event for event in Event if event.value in items)


def _emails(reading: Reading, *, mails: bool) -> tuple[str, ...]:
    items = reading.json_list("emails", items_max=EMAILS_MAX)
    if items and not mails:
        reading.fail("emails", f"is {shown(items)}", _NO_SERVER)
        return ()
    for place, item in enumerate(items):
        if not isinstance(item, str) or not ADDRESS.fullmatch(item):
            hint = "write one address, such as ann@example.com"
            reading.fail(f"emails[{place}]", f"is {shown(item)}", hint)
    _refuse_twice(reading, "emails", items)
    return tuple(item for item in items if isinstance(item, str))


def _webhooks(reading: Reading) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    items = reading.json_list("webhooks", items_max=WEBHOOKS_MAX)
    for place, item in enumerate(items):
        inner = Reading(item, known=("uri", "secret"), what="webhook")
        uri = inner.text("uri", required=True)
        secret = inner.text("secret", required=True)
        if uri is not None:
            inner.problems += _uri_problems(uri)
        reading.problems += [problem.at(f"webhooks[{place}]") for problem in inner.problems]
        found.append((uri or "", secret or ""))
    _refuse_twice(reading, "webhooks", [uri for uri, _ in found])
    return tuple(found)


def _uri_problems(uri: str) -> Sequence[Problem]:
    """A webhook is a writer of HTTP, and its address is judged as that of one."""
    if "@" in re.split(r"[/?#]", uri.partition("://")[2], maxsplit=1)[0]:
        hint = "leave them out: the signature tells who has sent it"
        return [Problem("uri", f"is for {shown_url(uri)}, with a user name or password", hint)]
    reading = Reading({"uri": uri, "method": "POST"})
    params = read_http_writer(reading)
    if params is not None and params.request.references:
        hint = "write one address for all messages"
        return [Problem("uri", f"is {shown(uri)} and names fields of a record", hint)]
    return reading.problems


def _streams(reading: Reading) -> tuple[str, ...] | None:
    if reading.body.get("streams") is None:
        return None
    items = reading.json_list("streams", items_max=STREAMS_MAX)
    if not items and not any(problem.place == "streams" for problem in reading.problems):
        reading.fail("streams", "is empty", "name streams, or leave it out: then it is for all")
    for place, item in enumerate(items):
        if not isinstance(item, str) or not item:
            reading.fail(f"streams[{place}]", f"is {shown(item)}", "use a stream's name or id")
    _refuse_twice(reading, "streams", items)
    return tuple(item for item in items if isinstance(item, str))


def _refuse_twice(reading: Reading, name: str, items: Sequence[JsonValue]) -> None:
    texts = [item for item in items if isinstance(item, str) and item]
    for item in sorted({text for text in texts if texts.count(text) > 1}):
        reading.fail(name, f"has {shown(item)} twice", "name it once")


def settings_of(webhook: Webhook) -> Mapping[str, JsonValue]:
    """Return the parameters of the writer of HTTP that a webhook is."""
    entry: JsonValue = {"secretId": webhook.secret_id, "secretType": "webhookSigning"}
    return {"uri": webhook.uri, "method": "POST", "signing": {"secretsWalletEntry": entry}}
