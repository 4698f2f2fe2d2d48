"""Notices: what is told of a run that has ended, in which words, and by which way to whom.

A notice has names of streams and nodes, ids, codes and counts. It never has a value of a record,
nor the text of an error, which may quote one: the command in it shows those to who may see them.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from meterhouse.core.instant import MINUTE, Instant, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.streams.forward import Forward
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.notification import (
    SILENCE,
    Event,
    NotificationGroup,
    Webhook,
    settings_of,
)
from meterhouse.streams.record import NodeCount, Run, RunResult, Suspended
from meterhouse.streams.usage_audit import Usage

#: The kinds of ``Forward`` that notices leave by.
EMAIL, WEBHOOK = "notification_email", "notification_webhook"
KINDS = (EMAIL, WEBHOOK)
TEST = "test"
_SUBJECT_CHARS_MAX = 150
_DIGEST_CHARS = 16
_MARGIN = 24


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of one run. ``counts`` are records: by reason code, or in and out."""

    event: Event
    reason: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a notice is about: an event of a run of a stream, or a test."""

    type: str
    at: Instant
    stream_id: str
    stream: str
    run: str
    reason: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_run(cls, run: Run, happening: Happening) -> Occasion:
        """Return what there is to be told of an event of a run."""
        at = run.started_at if run.ended_at is None else run.ended_at
        about = (run.stream_id, run.stream_name, run.id)
        return cls(happening.event.value, at, *about, happening.reason, happening.counts)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Messages of one group that leave by one way, as an output of the outbox.

    ``target`` names the way inside its group; ``records`` are key, order mark and JSON text.
    """

    target: str
    destination: str
    forward: Forward
    records: tuple[tuple[str, int, str], ...]


# ---------------------------------------------------------------- what has happened


def events_of_complete(result: RunResult, usage: Usage) -> list[Happening]:
    """Return what has happened in a run that is complete."""
    counts = {"input": usage.input, "output": usage.output}
    happened = [Happening(Event.STREAM_COMPLETE, None, counts)]
    if result.without_input:
        names = ", ".join(_names(result.nodes, result.without_input))
        happened.append(Happening(Event.NO_FILE_FOUND, f"no new file at {names}"))
    return happened + _arrived(result.suspended)


def events_of_failed(code: str, result: RunResult | None) -> list[Happening]:
    """Return what has happened in a run that failed; ``code`` is that of its error."""
    kept = [] if result is None else [s for s in result.suspended if not s.returned]
    return [Happening(Event.STREAM_FAILED, code), *_arrived(kept)]


def _names(nodes: Sequence[NodeCount], ids: Iterable[str]) -> list[str]:
    wanted = set(ids)
    return [f'"{node.name}"' for node in nodes if node.id in wanted]


def _arrived(suspended: Sequence[Suspended]) -> list[Happening]:
    if not suspended:
        return []
    counts = Counter(item.reason.value for item in suspended)
    return [Happening(Event.SUSPENSE_ARRIVED, None, dict(counts.most_common()))]


# ---------------------------------------------------------------- who gets what


def outgoing(group: NotificationGroup, occasion: Occasion) -> list[Outgoing]:
    """Return the messages for a group: the mails together, and one for each webhook."""
    sent = [_to_webhook(group, webhook, occasion) for webhook in group.webhooks]
    return [_by_mail(group, occasion), *sent] if group.emails else sent


def _by_mail(group: NotificationGroup, occasion: Occasion) -> Outgoing:
    # One mail each: a mailbox that is gone keeps nobody else's mail from arriving.
    first, *more = group.emails
    where = f"mailto:{first}" + (f" and {len(more)} more" if more else "")
    mail: dict[str, JsonValue] = {"subject": subject(occasion), "text": text(occasion, group.name)}
    records = tuple(
        (_key(group, occasion, email), crc32(email.encode()), json_text({"to": email, **mail}))
        for email in group.emails
    )
    return Outgoing("email", where, Forward(EMAIL, {}, _node(group)), records)


def _to_webhook(group: NotificationGroup, webhook: Webhook, occasion: Occasion) -> Outgoing:
    # The order of one stream is kept, and a receiver that is away holds up no other.
    digest = sha256(webhook.uri.encode("utf-8", "replace")).hexdigest()[:_DIGEST_CHARS]
    forward = Forward(WEBHOOK, settings_of(webhook), _node(group))
    mark = crc32(occasion.stream_id.encode("utf-8", "replace"))
    record = (_key(group, occasion, webhook.uri), mark, json_text(body(occasion)))
    return Outgoing(f"webhook-{digest}", f"POST {shown_url(webhook.uri)}", forward, (record,))


def _node(group: NotificationGroup) -> str:
    return f"notification group {group.name}"


def _key(group: NotificationGroup, occasion: Occasion, address: str) -> str:
    named = f"meterhouse:notice/{occasion.run}/{occasion.type}/{group.id}/{address}"
    return str(uuid5(NAMESPACE_URL, named.encode("utf-8", "replace").decode()))


# ---------------------------------------------------------------- the words


def body(occasion: Occasion) -> dict[str, JsonValue]:
    """Return the body of a webhook."""
    test = occasion.type == TEST
    return {
        "type": occasion.type,
        "at": instant_text(occasion.at),
        "stream": None if test else occasion.stream,
        "run": None if test else occasion.run,
        "reason": occasion.reason,
        "counts": dict(occasion.counts),
    }


def subject(occasion: Occasion) -> str:
    """Return the subject of a mail: one line, whatever the stream is called."""
    line = f"[meterhouse] {_headline(occasion)}"
    plain = "".join(c if c.isprintable() else " " for c in line)
    return plain if len(plain) <= _SUBJECT_CHARS_MAX else plain[: _SUBJECT_CHARS_MAX - 3] + "..."


def text(occasion: Occasion, group: str) -> str:
    """Return the text of a mail: what happened, where, how many, and what shows more."""
    why = f'You get this as a member of the notification group "{group}".'
    if occasion.type == TEST:
        return "\n".join([f"{_headline(occasion)}.", "", why, ""])
    facts = {"Stream": occasion.stream, "Run": occasion.run, "At": instant_text(occasion.at)}
    if occasion.reason is not None:
        facts["Reason"] = occasion.reason
    lines = [f"{_headline(occasion)}.", "", *_aligned(facts)]
    if occasion.counts:
        counts = {name: f"{count:,}" for name, count in occasion.counts.items()}
        lines += ["", "Records:", *_aligned(counts)]
    lines += ["", "To see more:", *(f"  {line}" for line in _commands(occasion))]
    minutes = SILENCE // MINUTE
    silent = f"For {minutes} minutes, it is not told of this event of this stream again."
    return "\n".join([*lines, "", why, silent, ""])


def _aligned(values: Mapping[str, str]) -> list[str]:
    return [f"  {name + ':':<{_MARGIN}}{value}" for name, value in values.items()]


def _headline(occasion: Occasion) -> str:
    stream = f'Stream "{occasion.stream}"'
    if occasion.type == Event.STREAM_FAILED.value:
        return f"{stream} failed"
    if occasion.type == Event.STREAM_COMPLETE.value:
        return f"{stream} is complete"
    if occasion.type == Event.NO_FILE_FOUND.value:
        return f"{stream} found no new file"
    if occasion.type == Event.SUSPENSE_ARRIVED.value:
        count = sum(occasion.counts.values())
        noun = "record" if count == 1 else "records"
        return f"{stream}: {count:,} {noun} arrived in Data Correction"
    return "This is a test, and nothing has happened"


def _commands(occasion: Occasion) -> list[str]:
    commands = [f"meterhouse run show {occasion.run}"]
    if occasion.type == Event.SUSPENSE_ARRIVED.value:
        listed = f"meterhouse correction list --summary --stream {shlex.quote(occasion.stream)}"
        return [listed, *commands]
    return commands
