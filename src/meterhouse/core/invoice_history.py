"""The history of invoices: entries that each have the hash of the one before.

Who changes, removes or inserts an entry would have to change all that follow, and the copies of
them that the archive has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from meterhouse.core.instant import Instant, to_datetime
from meterhouse.core.json_text import JsonValue, canonical_text, json_text

#: What the first entry has in place of the hash of the one before.
NOTHING_BEFORE = "0" * 64
#: What became of an invoice.
ISSUED, CORRECTED, VOIDED = "issued", "corrected", "voided"
ARCHIVED, LINKED, DOWNLOADED = "archived", "linked", "downloaded"


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Somebody did something with an invoice; ``invoice`` is its id."""

    at: Instant
    actor: str
    action: str
    invoice: str
    detail: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event in its place: counted from 1, and chained to the one before."""

    sequence: int
    event: HistoryEvent
    previous: str
    hash: str

    def to_api(self) -> dict[str, Any]:
        """Return the entry as JSON; the hash is that of all other members."""
        return {**_hashed(self.sequence, self.event, self.previous), "hash": self.hash}

    @property
    def line(self) -> str:
        """The entry as a line of the copy in the archive."""
        return json_text(self.to_api()) + "\n"


def chained(event: HistoryEvent, last: HistoryEntry | None) -> HistoryEntry:
    """Return an event as the entry after the last one."""
    sequence = 1 if last is None else last.sequence + 1
    previous = NOTHING_BEFORE if last is None else last.hash
    return HistoryEntry(sequence, event, previous, _hash(sequence, event, previous))


def chain_faults(entries: Iterable[HistoryEntry]) -> Iterator[str]:
    """Say what is wrong with a history, from its first entry on; nothing where it is whole."""
    sequence, previous = 1, NOTHING_BEFORE
    for entry in entries:
        if entry.sequence != sequence:
            yield f"entry {sequence} is missing: {entry.sequence} follows {sequence - 1}"
        if entry.previous != previous:
            yield f"entry {entry.sequence} does not follow the one before: one was changed"
        if entry.hash != _hash(entry.sequence, entry.event, entry.previous):
            yield f"entry {entry.sequence} was changed: its hash is another"
        sequence, previous = entry.sequence + 1, entry.hash


def _hashed(sequence: int, event: HistoryEvent, previous: str) -> dict[str, Any]:
    return {
        "sequence": sequence,
        # To the microsecond, as it is kept: nothing of an entry is outside its hash.
        "at": f"{to_datetime(event.at).replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
        "actor": event.actor,
        "action": event.action,
        "invoice": event.invoice,
        "detail": dict(event.detail),
        "previous": previous,
    }


def _hash(sequence: int, event: HistoryEvent, previous: str) -> str:
    text = canonical_text(_hashed(sequence, event, previous))
    return hashlib.sha256(text.encode()).hexdigest()
