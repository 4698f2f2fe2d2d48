"""What the use cases of Data Correction ask of the ledger.

Like ``ports``, of which this is the part about suspended records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.core.suspense import Reason
from meterhouse.streams.record import Suspended


@dataclass(frozen=True, slots=True)
class SuspenseEntry:
    """A record in Data Correction. ``state`` is ``open`` or ``queued``."""

    id: int
    stream_id: str
    stream_name: str
    run_id: str
    suspended: Suspended
    state: str
    created_at: Instant
    updated_at: Instant


#: The states of a record in Data Correction.
OPEN, QUEUED = "open", "queued"
#: The most records that one action in Data Correction may take.
ACTION_RECORDS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class SuspenseFilter:
    """Which records in Data Correction are meant: those that all of what is given holds for.

    ``node`` is a name; ``since`` and ``until`` (exclusive) are of the time when they were set
    aside; ``text`` stands somewhere in what exactly was wrong, in capitals or not.
    """

    stream_id: str | None = None
    node: str | None = None
    reason: Reason | None = None
    run_id: str | None = None
    state: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    text: str | None = None


#: All records in Data Correction.
EVERYTHING = SuspenseFilter()
#: Records for an action: by number, or all that a filter means.
Chosen = Sequence[int] | SuspenseFilter
#: Makes new records of records with their numbers; what it raises undoes the action.
Change = Callable[[Sequence[tuple[int, Record]]], Sequence[Record]]
#: Called inside the transaction of an action, with the numbers that it took.
Done = Callable[[Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class SuspenseSummary:
    """How many records of a stream wait in Data Correction for one reason at one node."""

    stream_name: str
    node_name: str
    reason: Reason
    count: int


@dataclass(frozen=True, slots=True)
class SuspenseCount:
    """How many records a run set aside at one node for one reason, and what was wrong first."""

    node_name: str
    reason: Reason
    count: int
    detail: str


class Corrections(Protocol):
    """Data Correction."""

    def suspense(
        self,
        wanted: SuspenseFilter = EVERYTHING,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[SuspenseEntry]:
        """List suspended records."""
        ...

    def suspense_summary(self, *, stream_id: str | None = None) -> Sequence[SuspenseSummary]:
        """Count suspended records by stream, node and reason."""
        ...

    def suspense_by_source(self, stream_id: str) -> Mapping[str, int]:
        """Count suspended records of a stream by the file, or other source, that they are from."""
        ...

    def suspense_counts(self, run_id: str) -> Sequence[SuspenseCount]:
        """Count what a run has set aside by node and reason, the most first."""
        ...

    def suspense_entry(self, id: int) -> SuspenseEntry | None:
        """Return one."""
        ...

    def change_suspense(
        self, chosen: Chosen, change: Change, *, at: Instant, done: Done = ...
    ) -> list[int]:
        """Change records, all or none (an unreadable one starts empty); returns their numbers.

        Of all three actions: ``done`` is part of the transaction. ``NotFoundError`` names unknown
        records; ``ConflictError`` where one is queued and its stream runs, where the next run
        replaces one, and where there are more than ``ACTION_RECORDS_MAX`` (then with the count).
        """
        ...

    def delete_suspense(self, chosen: Chosen, *, done: Done = ...) -> list[int]:
        """Delete, all or none; also what the next run replaces."""
        ...

    def requeue_suspense(self, chosen: Chosen, *, at: Instant, done: Done = ...) -> list[int]:
        """Queue for the next runs of their streams, all or none."""
        ...

    def purge_suspense(self, *, before: Instant, limit: int, done: Done = ...) -> int:
        """Delete the oldest that were last touched before an instant; returns how many.

        What a running stream has taken stays.
        """
        ...
