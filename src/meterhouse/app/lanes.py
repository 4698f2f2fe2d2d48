"""A lane: its records leave in order, and wait where the receiver is not ready for the next one.

Theory of operation. A lane goes through the outputs of its channel, oldest first. It sends up to a
batch at a time; batches begin at multiples of their size, so that a repeat after a crash is made of
the same records as far as nothing of it was done. Three things may become of a record. It is
*accepted*, or it is *dead* (refused, tried too often or too long): either way it is done, and the
lane goes on. Or it is to be *tried again*: then the lane waits, and nothing overtakes it.

A lane works in a thread of its own. ``collect`` is called by another one, which writes down what it
is given: what was done since, and nothing that is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock

from meterhouse.app.forward_ports import LaneProgress, SpooledLanes, Undeliverable
from meterhouse.core.instant import SECOND, Instant
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.forward import Forward, Patience
from meterhouse.streams.ports import Accepted, Forwarder, ForwardItem, Outcome, Refused, TryAgain

#: The longest pause between two tries, also where the receiver asks for a longer one.
PAUSE_SECONDS_MAX = 3_600
_DOUBLINGS_MAX = 12
_HOUR: Instant = 3_600 * SECOND

#: Place, order mark and content of a record.
_Waiting = tuple[int, int, ForwardItem]


@dataclass(frozen=True, slots=True)
class Part:
    """What a lane has of one output. ``opened`` has its records, ``count`` of them.

    What was a dead letter leaves ``one_by_one``: in one message with others, it would have another
    key than the one that it had.
    """

    entry_id: int
    forward: Forward
    opened: SpooledLanes
    count: int
    one_by_one: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """What a lane has done since the last time: progress, dead letters, and how many it sent."""

    progress: Sequence[LaneProgress]
    dead: Sequence[Undeliverable]
    sent: int


def pause(attempts: int, after: int | None, *, chance: Callable[[int], int]) -> Instant:
    """Return how long to wait after so many attempts: doubling from a second on, up to an hour.

    By chance it is up to a half shorter, so that lanes do not come back all at once. What the
    receiver asks for (``after``, in seconds) goes before.

    >>> pause(3, None, chance=lambda n: 0) // SECOND, pause(1, 90, chance=lambda n: 0) // SECOND
    (4, 90)
    """
    if after is not None:
        return max(1, min(after, PAUSE_SECONDS_MAX)) * SECOND
    whole = min(2 ** min(attempts - 1, _DOUBLINGS_MAX), PAUSE_SECONDS_MAX) * SECOND
    return whole - chance(whole // 2)


class Lane:
    """One lane of a channel. ``open`` returns a forwarder for an output."""

    def __init__(
        self,
        number: int,
        parts: Sequence[tuple[Part, LaneProgress]],
        *,
        open: Callable[[Forward], Forwarder],
        clock: Callable[[], Instant],
        chance: Callable[[int], int],
    ) -> None:
        self.number = number
        self._parts = [(part, progress) for part, progress in parts if progress.done < part.count]
        self._open = open
        self._clock = clock
        self._chance = chance
        self._lock = Lock()
        self._stopped = Event()
        self._forwarder: tuple[Forward, Forwarder] | None = None
        self._changed: dict[int, LaneProgress] = {}
        self._dead: list[Undeliverable] = []
        self._sent = 0

    @property
    def waits_until(self) -> Instant | None:
        """When the lane may go on; ``None`` where nothing is left to do."""
        with self._lock:
            return (self._parts[0][1].next_attempt_at or 0) if self._parts else None

    @property
    def trouble(self) -> tuple[int, str] | None:
        """The output that holds the lane up, and why."""
        with self._lock:
            head = self._parts[0] if self._parts else None
        return None if head is None or head[1].error is None else (head[0].entry_id, head[1].error)

    @property
    def unwritten(self) -> int:
        """About how many records were done since the last ``collect``, or tried in vain."""
        return self._sent + len(self._dead) + len(self._changed)

    def collect(self) -> Collected:
        """Return what was done since this was last asked."""
        with self._lock:
            collected = Collected(list(self._changed.values()), self._dead, self._sent)
            self._changed, self._dead, self._sent = {}, [], 0
            return collected

    def keep(self, wanted: set[int]) -> None:
        """Leave out outputs that somebody has dropped; what is being sent is finished first."""
        with self._lock:
            self._parts = [item for item in self._parts if item[0].entry_id in wanted]

    def stop(self) -> None:
        """Send nothing more, and wait for no answer."""
        self._stopped.set()
        self._close()

    def work(self) -> None:
        """Send what is due, until the lane has to wait or nothing is left."""
        try:
            while not self._stopped.is_set():
                with self._lock:
                    head = self._parts[0] if self._parts else None
                if head is None or (head[1].next_attempt_at or 0) > self._clock():
                    return
                self._send(*head)
        finally:
            self._close()

    def _close(self) -> None:
        with self._lock:
            held, self._forwarder = self._forwarder, None
        if held is not None:
            held[1].close()

    def _send(self, part: Part, progress: LaneProgress) -> None:
        try:
            forwarder = self._forwarder_of(part.forward)
            start = progress.done
            batch = 1 if part.one_by_one else forwarder.batch
            end = min(start - start % batch + batch, part.count)
            waiting = part.opened.read(self.number, start, end)
            outcomes = forwarder.send([item for _, _, item in waiting])
            assert outcomes, "a forwarder says what became of the records"
        except MeterhouseError as error:
            # The forwarder or the spool is in trouble, and no record has been judged.
            waiting = part.opened.read(self.number, progress.done, progress.done + 1)
            outcomes = [TryAgain(str(error), away=True)]
        if not self._stopped.is_set():
            self._judge(part, progress, list(zip(waiting, outcomes, strict=False)))

    def _forwarder_of(self, forward: Forward) -> Forwarder:
        with self._lock:
            held = self._forwarder
        if held is not None and held[0] == forward:
            return held[1]
        self._close()
        opened = self._open(forward)
        with self._lock:
            self._forwarder = (forward, opened)
        return opened

    def _judge(
        self, part: Part, progress: LaneProgress, judged: list[tuple[_Waiting, Outcome]]
    ) -> None:
        sent = 0
        dead: list[Undeliverable] = []
        for record, outcome in judged:
            now = self._clock()
            if isinstance(outcome, TryAgain):
                progress, reason = _tried(progress, outcome, part.forward.patience, now=now)
                if reason is None:
                    after = pause(progress.attempts, outcome.after, chance=self._chance)
                    progress = replace(progress, next_attempt_at=now + after)
                    break
                dead.append(_dead(part, record, reason, progress.attempts, now))
            elif isinstance(outcome, Refused):
                attempts = progress.attempts + 1
                dead.append(_dead(part, record, outcome.reason, attempts, now))
            else:
                assert isinstance(outcome, Accepted)
                sent += 1
            progress = LaneProgress(part.entry_id, self.number, progress.done + 1)
        with self._lock:
            self._sent += sent
            self._dead += dead
            self._changed[part.entry_id] = progress
            if self._parts and self._parts[0][0].entry_id == part.entry_id:
                rest = [(part, progress)] if progress.done < part.count else []
                self._parts[:1] = rest


def _tried(
    progress: LaneProgress, outcome: TryAgain, patience: Patience, *, now: Instant
) -> tuple[LaneProgress, str | None]:
    """Count an attempt; returns why it was the last one, where it was."""
    since = now if progress.failing_since is None else progress.failing_since
    counted = progress.counted + (not outcome.away)
    tried = replace(
        progress,
        attempts=progress.attempts + 1,
        counted=counted,
        failing_since=since,
        error=outcome.reason,
    )
    if counted >= patience.attempts_max:
        return tried, f"given up after {counted} attempts: {outcome.reason}"
    if now - since >= patience.give_up_hours * _HOUR:
        return tried, f"given up after {patience.give_up_hours} hours: {outcome.reason}"
    return tried, None


def _dead(part: Part, record: _Waiting, reason: str, attempts: int, now: Instant) -> Undeliverable:
    place, mark, item = record
    return Undeliverable(part.entry_id, place, mark, item, reason, attempts, now)
