"""Setting records aside: the ``suspenseManagement`` of a node, and the limit that ends a run.

Decides when bad records are too many. Counts follow the order of arrival, so that they do not
depend on how the input is cut into batches: where several nodes reach their limits in one batch,
the earliest record decides, and what was set aside after it is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from meterhouse.core.problem import MeterhouseError
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.parameters import whole_number
from meterhouse.streams.ports import ReadChunk, Unreadable
from meterhouse.streams.record import NodeCount, Suspended
from meterhouse.streams.sources import Sources

#: So many consecutive bad records end a run where ``suspenseManagement`` says nothing else.
RECORDS_MAX_DEFAULT = 10_000

#: A bad record: its position in the batch, why, and what exactly is wrong.
Bad = tuple[int, Reason, str]


class SuspenseLimitReached(MeterhouseError):
    """Too many bad records: the run fails. ``suspended`` are kept, bound to the run.

    ``nodes`` are the counts of the nodes when the run stopped, ``log`` is its log.
    """

    code = "suspense_limit_reached"

    def __init__(self, message: str, suspended: Sequence[Suspended], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.suspended = tuple(suspended)
        self.nodes: tuple[NodeCount, ...] = ()
        self.log: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SuspensePolicy:
    """The block ``suspenseManagement``.

    ``records_max`` is ``eventThreshold``: 10,000 unless given. So many bad records after one
    another end the run, or so many in all where valid ones do not reset the count.
    """

    enabled: bool = True
    abort_on_disabled: bool = False
    records_max: int = RECORDS_MAX_DEFAULT
    reset_on_valid: bool = True


def read_policy(reading: Reading) -> SuspensePolicy:
    """Read ``suspenseManagement`` of a node's parameters, noting problems."""
    body = reading.body.get("suspenseManagement")
    if body is None:
        return SuspensePolicy()
    inner = Reading(body)
    action = inner.body.get("onThresholdExceeded")
    if action not in (None, "ABORT"):
        inner.fail("onThresholdExceeded", f"is {shown(action)}", "ABORT is the only action")
    policy = SuspensePolicy(
        enabled=inner.boolean("enabled", default=True),
        abort_on_disabled=inner.boolean("abortOnDisabled", default=False),
        records_max=whole_number(inner, "eventThreshold", lowest=1) or RECORDS_MAX_DEFAULT,
        reset_on_valid=inner.boolean("resetOnValidEvent", default=True),
    )
    reading.problems += [problem.at("suspenseManagement") for problem in inner.problems]
    return policy


@dataclass(slots=True)
class _Stop:
    """Where a limit was reached, and what to say about it."""

    origin: Origin
    message: str
    hint: str


@dataclass(slots=True)
class SuspenseBook:
    """All records that a run has set aside, with the order of their arrival.

    A preview is ``unlimited``: it shows bad records, however many there are.
    """

    unlimited: bool = False
    _entries: list[tuple[Origin, Suspended]] = field(default_factory=list)
    _stop: _Stop | None = None

    def add(self, origin: Origin, suspended: Suspended) -> None:
        """Set a record aside."""
        self._entries.append((origin, suspended))

    def stop(self, origin: Origin, message: str, *, hint: str) -> None:
        """A limit was reached at that record."""
        if self._stop is None or origin < self._stop.origin:
            self._stop = _Stop(origin, message, hint)

    def suspended(self) -> list[Suspended]:
        """Return the records in the order of their arrival."""
        return [suspended for _, suspended in sorted(self._entries, key=lambda entry: entry[0])]

    @property
    def stopped(self) -> bool:
        """Whether a limit was reached: nothing that comes later matters."""
        return self._stop is not None and not self.unlimited

    def raise_if_stopped(self) -> None:
        """Raise ``SuspenseLimitReached`` where a limit was reached."""
        if (stop := self._stop) is None or self.unlimited:
            return
        self._entries = [entry for entry in self._entries if entry[0] <= stop.origin]
        raise SuspenseLimitReached(stop.message, self.suspended(), hint=stop.hint)


class Guard:
    """Sets a node's bad records aside and counts them against its limit."""

    def __init__(
        self, policy: SuspensePolicy, count: NodeCount, *, book: SuspenseBook, sources: Sources
    ) -> None:
        self._policy = policy
        self._count = count
        self._book = book
        self._sources = sources
        #: bad records so far, since the last valid one where valid ones reset the count
        self._streak = 0

    def screen(self, batch: UsageBatch, bad: Sequence[Bad], *, counted: bool = True) -> None:
        """Take out the bad records of a batch; to be called for every batch, in order.

        ``bad`` ascends by position. Records that leave by a port of their own are not ``counted``.
        """
        if bad:
            taken = batch.take(pl.Series([position for position, _, _ in bad], dtype=pl.Int64))
            if self._policy.enabled:
                self._set_aside(taken, bad, counted=counted)
            else:
                self._discard(taken, bad, counted=counted)
        self._count_streak([position for position, _, _ in bad], _origins_of(batch), len(batch))

    def screen_unreadable(self, chunk: ReadChunk, source: int) -> None:
        """Set aside what is no record; to be called for every chunk of an input, in order."""
        bad = chunk.unreadable
        self._count.records_in += len(bad)
        if bad and self._policy.enabled:
            self._count.suspended += len(bad)
            for piece in bad:
                self._book.add((source, piece.offset), self._unreadable(piece, source))
        elif bad:
            self._count.filtered += len(bad)
            self._abort_on_disabled((source, bad[0].offset), Reason.NOT_READABLE, bad[0].detail)
        positions = _positions_among(chunk.batch, bad)
        origins = {at: (source, piece.offset) for at, piece in zip(positions, bad, strict=True)}
        length = len(chunk.batch) + len(bad)
        self._count_streak(positions, origins.__getitem__, length)

    def _unreadable(self, piece: Unreadable, source: int) -> Suspended:
        return Suspended(
            self._count.id,
            self._count.name,
            Reason.NOT_READABLE,
            piece.detail,
            self._sources.place((source, piece.offset)).source,
            piece.offset,
            piece.record,
            piece.raw,
        )

    def _set_aside(self, taken: UsageBatch, bad: Sequence[Bad], *, counted: bool) -> None:
        self._count.suspended += len(bad) if counted else 0
        entries = zip(bad, taken.rows(), taken.origins(), strict=True)
        for (_, reason, detail), record, origin in entries:
            place = self._sources.place(origin)
            suspended = Suspended(
                self._count.id,
                self._count.name,
                reason,
                detail,
                place.source,
                place.offset,
                record,
                returned=place.returned,
            )
            self._book.add(origin, suspended)

    def _discard(self, taken: UsageBatch, bad: Sequence[Bad], *, counted: bool) -> None:
        self._count.filtered += len(bad) if counted else 0
        _, reason, detail = bad[0]
        self._abort_on_disabled(taken.origins()[0], reason, detail)

    def _abort_on_disabled(self, origin: Origin, reason: Reason, detail: str) -> None:
        if self._policy.abort_on_disabled:
            self._book.stop(
                origin,
                f'node "{self._count.name}": a bad record came ({reason.value}: {detail})',
                hint="switch suspenseManagement.enabled on to set such records aside, "
                "or abortOnDisabled off to discard them",
            )

    def _count_streak(
        self, bad: Sequence[int], origin_of: Callable[[int], Origin], length: int
    ) -> None:
        """Count bad positions among ``length`` records."""
        limit = self._policy.records_max
        if not self._policy.enabled or not length:
            return
        expected = 0
        for position in bad:
            if self._policy.reset_on_valid and position != expected:
                self._streak = 0
            self._streak += 1
            expected = position + 1
            if self._streak == limit:
                self._stop(origin_of(position), limit)
        if self._policy.reset_on_valid and expected != length:
            self._streak = 0

    def _stop(self, origin: Origin, limit: int) -> None:
        kind = "consecutive bad records" if self._policy.reset_on_valid else "bad records"
        self._book.stop(
            origin,
            f'node "{self._count.name}": the limit of {limit} {kind} is reached',
            hint="look at them in Data Correction, mend their cause, and run the stream again; "
            "suspenseManagement.eventThreshold is the limit",
        )


def _origins_of(batch: UsageBatch) -> Callable[[int], Origin]:
    return lambda position: batch.slice(position, 1).origins()[0]


def _positions_among(batch: UsageBatch, bad: Sequence[Unreadable]) -> list[int]:
    """Return the places of bad pieces among all that was read, by their offsets."""
    if not bad or not len(batch):
        return list(range(len(bad)))
    readable = batch.origin_frame()["offset"].cast(pl.Int64)
    before = readable.search_sorted(pl.Series([piece.offset for piece in bad], dtype=pl.Int64))
    return (before.cast(pl.Int64) + pl.int_range(len(bad), eager=True)).to_list()
