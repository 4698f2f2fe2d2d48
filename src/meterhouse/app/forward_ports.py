"""What forwarding asks of the ledger, of the spool and of chance.

A *channel* is all outputs of one writer of one stream: its records keep their order by lanes, also
from one run to the next. Whoever has claimed a channel delivers it; each write says by which claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.streams.forward import Forward
from meterhouse.streams.ports import ForwardItem
from meterhouse.streams.record import OutboxEntry

#: The most dead letters that one action may take.
DEAD_LETTERS_MAX = 100_000
#: The most records of an output that is made of dead letters: all of them are in memory.
REDRIVEN_RECORDS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Claim:
    """Who delivers a channel: a process, and the name of this one claim."""

    host: str
    process: str
    holder: str


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """How many records of a lane of an output are done, and how the next one stands.

    Of ``attempts``, those are ``counted`` in which the receiver judged the record.
    """

    entry_id: int
    lane: int
    done: int = 0
    attempts: int = 0
    counted: int = 0
    failing_since: Instant | None = None
    next_attempt_at: Instant | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ForwardEntry:
    """An output of a channel that is not delivered, and how far its lanes have come."""

    id: int
    run_id: str
    entry: OutboxEntry
    lanes: Mapping[int, LaneProgress]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel that was claimed, with its oldest outputs in order.

    ``newest`` is the last output that it has at all.
    """

    no: int
    entries: Sequence[ForwardEntry]
    newest: int = 0

    @property
    def more(self) -> bool:
        """Whether there are others, to be delivered after these."""
        return (self.entries[-1].id if self.entries else 0) < self.newest


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """A record that becomes a dead letter: of which output, at which place, and why."""

    entry_id: int
    place: int
    mark: int
    item: ForwardItem
    reason: str
    attempts: int
    at: Instant


@dataclass(frozen=True, slots=True)
class Advance:
    """What a claim writes at one time: progress of lanes, dead letters, outputs that are done."""

    lanes: Sequence[LaneProgress] = ()
    dead: Sequence[Undeliverable] = ()
    finished: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that its receiver refused, or that was tried too often or too long."""

    id: int
    outbox_id: int
    stream_id: str
    stream_name: str
    run_id: str
    node_id: str
    node_name: str
    destination: str
    place: int
    key: str
    record: str
    reason: str
    attempts: int
    at: Instant


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """How many records of a run became dead letters at one writer for one reason."""

    node_name: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters are meant: those that all of what is given holds for.

    ``node`` is a name or an id.
    """

    stream_id: str | None = None
    node: str | None = None
    run_id: str | None = None


#: All dead letters.
EVERY_LETTER = DeadLetterFilter()
#: Dead letters for an action: by number, or all that a filter means.
ChosenLetters = Sequence[int] | DeadLetterFilter


class Forwards(Protocol):
    """The channels and the dead letters in the ledger."""

    def claim_channel(
        self, claim: Claim, *, at: Instant, alive: Collection[str], passed: Collection[int] = ()
    ) -> Channel | None:
        """Claim a channel that is due and nobody delivers, none of ``passed``.

        A claim of another process of this host that is not ``alive`` counts for nothing.
        """
        ...

    def advance(self, channel_no: int, claim: Claim, advance: Advance, *, at: Instant) -> set[int]:
        """Write progress and keep the claim; returns the ids of outputs that are still wanted.

        ``ConflictError`` where the claim was lost: then nothing is written.
        """
        ...

    def release_channel(self, channel: Channel, claim: Claim, *, due_at: Instant | None) -> None:
        """Give a claim back; ``due_at`` is when the channel is due again, unless more has come."""
        ...

    def next_forward_at(self, *, passed: Collection[int] = ()) -> Instant | None:
        """Return when the next channel is due, none of ``passed``; ``None`` where none waits."""
        ...

    def wake_delivery(self, id: int) -> bool:
        """Let the next try of an output be now; ``False`` where it does not wait."""
        ...

    def lane_progress(self, id: int) -> Mapping[int, LaneProgress]:
        """Return how far the lanes of an output are that have begun."""
        ...

    def redirect_delivery(self, id: int, forward: Forward, destination: str) -> bool:
        """Let an output that waits go elsewhere, from now on; ``False`` where it does not wait."""
        ...

    def bury_delivery(self, id: int, dead: Sequence[Undeliverable]) -> bool:
        """Give an output up whose other records become dead letters; ``False`` as above."""
        ...

    def redriven_records(self, outbox_id: int) -> list[tuple[int, int, ForwardItem]]:
        """Return place, order mark and content of the records of an output without a spool.

        It was made of dead letters, or of messages to notification groups.
        """
        ...

    def dead_letters(
        self, wanted: DeadLetterFilter = EVERY_LETTER, *, limit: int = 100, after: str | None = None
    ) -> Page[DeadLetter]:
        """List dead letters."""
        ...

    def dead_letter_counts(self, run_id: str) -> Sequence[DeadLetterCount]:
        """Count the dead letters of a run by writer and reason, the most first."""
        ...

    def dead_letter(self, id: int) -> DeadLetter | None:
        """Return one."""
        ...

    def redrive_dead_letters(self, chosen: ChosenLetters) -> list[int]:
        """Make new outputs of dead letters, all or none; returns their numbers.

        The records keep their idempotency keys. ``NotFoundError`` names unknown ones,
        ``ConflictError`` says that there are more than ``DEAD_LETTERS_MAX``.
        """
        ...

    def drop_dead_letters(self, chosen: ChosenLetters) -> list[int]:
        """Delete dead letters for good, all or none; as above."""
        ...


class SpooledLanes(Protocol):
    """The records of a spooled output by lanes; threads may share it."""

    def counts(self) -> Sequence[int]:
        """Return how many records each lane has."""
        ...

    def read(self, lane: int, start: int, end: int) -> list[tuple[int, int, ForwardItem]]:
        """Return place, order mark and content of records of a lane."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class RecordsInMemory:
    """Records that were dead letters, by lanes."""

    def __init__(self, records: Iterable[tuple[int, int, ForwardItem]], *, lanes: int) -> None:
        self._lanes: list[list[tuple[int, int, ForwardItem]]] = [[] for _ in range(lanes)]
        for record in records:
            self._lanes[record[1] % lanes].append(record)

    def counts(self) -> list[int]:
        """Return how many records each lane has."""
        return [len(lane) for lane in self._lanes]

    def read(self, lane: int, start: int, end: int) -> list[tuple[int, int, ForwardItem]]:
        """Return records of a lane."""
        return self._lanes[lane][start:end]

    def close(self) -> None:
        """There is nothing to let go."""


class SpooledRecords(Protocol):
    """Opens spooled outputs."""

    def lanes(self, spool_name: str, *, lanes: int) -> SpooledLanes:
        """Sort the records of an output into lanes. Raises ``OutputError`` where it is gone."""
        ...

    def forget(self, spool_names: Collection[str]) -> None:
        """Remove what has been delivered."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """What a round of deliveries came to: records sent and refused, and what holds up the rest.

    ``held`` has the reason by output. ``failed`` are the channels that could not be worked on: no
    receiver is to blame.
    """

    sent: int = 0
    dead: int = 0
    held: Mapping[int, str] = field(default_factory=dict)
    failed: frozenset[int] = frozenset()
    #: why records were refused, and how many for each reason
    refused: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.sent + other.sent,
            self.dead + other.dead,
            {**self.held, **other.held},
            self.failed | other.failed,
            Counter(self.refused) + Counter(other.refused),
        )


#: Lends a ledger to a thread.
Lend = Callable[[], AbstractContextManager[Forwards]]
