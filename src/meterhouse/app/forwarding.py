"""Forwarding: channels that are due are claimed, and their lanes work side by side.

Theory of operation. Whoever claims a channel delivers it alone. Lanes work in threads; this one
watches them and writes down, each second and every few hundred records, how far they have come: a
process that is killed repeats what was in flight since then, with the same keys. It holds the claim
by each of these writes; where another process has taken the channel over (this one stood still, or
its clock did), it writes nothing more and stops. When all lanes are done or wait, the channel is
given back, with the instant at which it is due again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from meterhouse.app.forward_ports import (
    Advance,
    Channel,
    Claim,
    ForwardEntry,
    LaneProgress,
    RecordsInMemory,
    SpooledLanes,
    SpooledRecords,
    Tally,
)
from meterhouse.app.lanes import Collected, Lane, Part
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import MINUTE, Instant
from meterhouse.core.problem import ConflictError, MeterhouseError
from meterhouse.core.secret import Credentials
from meterhouse.streams.forward import Forward
from meterhouse.streams.ports import Forwarder, Forwarders

_LOOK_SECONDS = 0.25
#: Progress is written after so many looks, and as soon as so many records are done.
_LOOKS_PER_WRITE = 4
_RECORDS_PER_WRITE = 300
#: Where there is nothing to write, the claim is held by a write after so many looks.
_LOOKS_PER_HOLD = 40
#: How long a channel rests that cannot be worked on at all.
_REST: Instant = MINUTE


@dataclass(frozen=True, slots=True)
class ForwardMeans:
    """What forwarding needs from the world.

    ``claim`` makes a claim of this process with a name that was never used. ``chance`` returns a
    number from 0 to below the one it is given. ``living`` names the processes of this host.
    """

    forwarders: Forwarders
    records: SpooledRecords
    credentials: Callable[[str], Credentials]
    claim: Callable[[], Claim]
    living: Callable[[], frozenset[str]]
    clock: Callable[[], Instant]
    chance: Callable[[int], int]


def _never() -> bool:
    return False


def forward_due(
    ledger: Ledger, means: ForwardMeans, *, stopping: Callable[[], bool] = _never
) -> Tally:
    """Deliver every channel that is due, each once. Returns what came of it.

    What goes wrong with one channel holds up no other: the tally says which failed, and why.
    """
    tally = Tally()
    passed: set[int] = set()
    while not stopping():
        claimed = claim_next(ledger, means, passed=passed)
        if claimed is None:
            break
        channel, claim = claimed
        passed.add(channel.no)
        tally += forward_channel(ledger, channel, claim, means=means, stopping=stopping)
        if channel.more and channel.no not in tally.failed:
            passed.discard(channel.no)
    return tally


def claim_next(
    ledger: Ledger, means: ForwardMeans, *, passed: Iterable[int] = ()
) -> tuple[Channel, Claim] | None:
    """Claim a channel that is due, none of ``passed``."""
    now, due = means.clock(), ledger.next_forward_at()
    if due is None or due > now:
        return None  # Who lives is not asked each second.
    claim = means.claim()
    without = frozenset(passed)
    channel = ledger.claim_channel(claim, at=now, alive=means.living(), passed=without)
    return None if channel is None else (channel, claim)


def forward_channel(
    ledger: Ledger,
    channel: Channel,
    claim: Claim,
    *,
    means: ForwardMeans,
    stopping: Callable[[], bool] = _never,
) -> Tally:
    """Deliver a channel that was claimed, as far as it goes now, and give it back."""
    opened: dict[int, SpooledLanes] = {}
    due_at: Instant | None = means.clock() + _REST
    watch: _Watch | None = None
    try:
        _open(ledger, channel, means, opened)
        watch = _Watch(ledger, channel, claim, means, opened)
        watch.run(stopping)
        due_at = watch.due_at(stopped=stopping())
        means.records.forget(watch.delivered)
        return watch.tally
    except KeyboardInterrupt:
        due_at = 0
        raise
    except MeterhouseError as error:
        done = Tally() if watch is None else watch.tally
        return done + _failed(channel, opened, error)
    finally:
        for lanes in opened.values():
            lanes.close()
        ledger.release_channel(channel, claim, due_at=due_at)


def _failed(channel: Channel, opened: Collection[int], error: MeterhouseError) -> Tally:
    """Return that a channel could not be worked on: its oldest output says so, or a broken one."""
    ids = [entry.id for entry in channel.entries]
    first = next((id for id in ids if id not in opened), next(iter(ids), None))
    reason = "; ".join([str(error), *getattr(error, "__notes__", ())])
    return Tally(held={} if first is None else {first: reason}, failed=frozenset({channel.no}))


def _open(
    ledger: Ledger, channel: Channel, means: ForwardMeans, opened: dict[int, SpooledLanes]
) -> None:
    for entry in channel.entries:
        lanes = _forward(entry).patience.lanes
        if entry.entry.spool:
            try:
                opened[entry.id] = means.records.lanes(entry.entry.spool, lanes=lanes)
            except MeterhouseError as error:
                ledger.failed(entry.id, str(error), at=means.clock())
                raise
        else:
            opened[entry.id] = RecordsInMemory(ledger.redriven_records(entry.id), lanes=lanes)


def _forward(entry: ForwardEntry) -> Forward:
    assert entry.entry.forward is not None, "a channel has nothing but what is forwarded"
    return entry.entry.forward


class _Watch:
    """The lanes of a channel at work, and the writing of their progress."""

    def __init__(
        self,
        ledger: Ledger,
        channel: Channel,
        claim: Claim,
        means: ForwardMeans,
        opened: Mapping[int, SpooledLanes],
    ) -> None:
        self._ledger = ledger
        self._channel = channel
        self._claim = claim
        self._means = means
        self._counts = {id: lanes.counts() for id, lanes in opened.items()}
        self._done = {
            entry.id: {number: lane.done for number, lane in entry.lanes.items()}
            for entry in channel.entries
        }
        self._unfinished = {entry.id: entry for entry in channel.entries}
        self._lanes = self._make(opened)
        #: The spools of outputs that are done.
        self.delivered: list[str] = []
        #: What has come of it so far.
        self.tally = Tally()
        self._looks = 0
        self._collected: list[Collected] = []
        self._lost = False

    def _make(self, opened: Mapping[int, SpooledLanes]) -> list[Lane]:
        entries = self._channel.entries
        number_of_lanes = _forward(entries[0]).patience.lanes if entries else 0
        lanes = []
        for number in range(number_of_lanes):
            parts = []
            for entry in entries:
                count, single = self._count(entry, number), not entry.entry.spool
                part = Part(entry.id, _forward(entry), opened[entry.id], count, one_by_one=single)
                progress = entry.lanes.get(number) or LaneProgress(entry.id, number)
                parts.append((part, progress))
            means = self._means
            lane = Lane(number, parts, open=self._opened, clock=means.clock, chance=means.chance)
            lanes.append(lane)
        return lanes

    def _count(self, entry: ForwardEntry, lane: int) -> int:
        return self._counts[entry.id][lane]

    def _opened(self, forward: Forward) -> Forwarder:
        means = self._means
        return means.forwarders.open(forward.kind, forward.settings, means.credentials)

    # ------------------------------------------------------------ at work

    def run(self, stopping: Callable[[], bool]) -> None:
        try:
            if self._lanes:
                self._work(stopping)
        except BaseException as error:
            self._save(error)
            raise
        self._write()
        held = dict(found for lane in self._lanes if (found := lane.trouble) is not None)
        self.tally += Tally(held=held)

    def _work(self, stopping: Callable[[], bool]) -> None:
        working: dict[Future[None], Lane] = {}
        with ThreadPoolExecutor(len(self._lanes), thread_name_prefix="lane") as threads:
            try:
                self._start(threads, working)
                while working and not stopping():
                    ended, _ = wait(working, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended:
                        del working[future]
                        future.result()
                    self._look()
                    self._start(threads, working)
            finally:
                for lane in self._lanes:
                    lane.stop()

    def _save(self, error: BaseException) -> None:
        """Write down what was done before something went wrong, where that is possible."""
        try:
            if not self._lost:
                self._write()
        except MeterhouseError as second:
            error.add_note(f"what was sent could not be noted, and is sent again: {second}")

    def _start(self, threads: ThreadPoolExecutor, working: dict[Future[None], Lane]) -> None:
        """Let lanes work that may go on."""
        busy = set(map(id, working.values()))
        now = self._means.clock()
        for lane in self._lanes:
            until = lane.waits_until
            if id(lane) not in busy and until is not None and until <= now:
                working[threads.submit(lane.work)] = lane

    def _look(self) -> None:
        self._looks += 1
        unwritten = sum(lane.unwritten for lane in self._lanes)
        looks = _LOOKS_PER_WRITE if unwritten else _LOOKS_PER_HOLD
        if self._looks >= looks or unwritten >= _RECORDS_PER_WRITE:
            self._write()

    def _write(self) -> None:
        """Write down how far the lanes have come, and hold the claim."""
        self._looks = 0
        # What a write that failed should have written down goes with the next one.
        self._collected += [lane.collect() for lane in self._lanes]
        latest = {
            (item.entry_id, item.lane): item for part in self._collected for item in part.progress
        }
        for item in latest.values():
            self._done[item.entry_id][item.lane] = item.done
        finished = [id for id in self._unfinished if self._finished(id)]
        dead = [letter for part in self._collected for letter in part.dead]
        advance = Advance(list(latest.values()), dead, finished)
        try:
            wanted = self._ledger.advance(
                self._channel.no, self._claim, advance, at=self._means.clock()
            )
        except ConflictError:
            self._lost = True
            raise
        collected, self._collected = self._collected, []
        self._noted(collected, finished, wanted)

    def _finished(self, id: int) -> bool:
        done = self._done[id]
        return all(done.get(n, 0) >= count for n, count in enumerate(self._counts[id]))

    def _noted(
        self, collected: Sequence[Collected], finished: Sequence[int], wanted: set[int]
    ) -> None:
        sent = sum(part.sent for part in collected)
        refused = Counter(letter.reason for part in collected for letter in part.dead)
        self.tally += Tally(sent, refused.total(), refused=refused)
        for id in finished:
            spool = self._unfinished.pop(id).entry.spool
            self.delivered += [spool] if spool else []
        if dropped := set(self._unfinished) - wanted:
            for lane in self._lanes:
                lane.keep(wanted)
            for id in dropped:
                del self._unfinished[id]

    def due_at(self, *, stopped: bool) -> Instant | None:
        """When there is something to do again; ``None``: when something new comes."""
        waits = [until for lane in self._lanes if (until := lane.waits_until) is not None]
        if stopped or (not waits and self._channel.more):
            return 0
        return min(waits, default=None)
