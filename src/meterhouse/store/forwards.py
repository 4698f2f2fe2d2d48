"""Channels in the ledger: who delivers one, how far it has come, and what becomes of records."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from meterhouse.app.forward_ports import (
    Advance,
    Channel,
    Claim,
    ForwardEntry,
    LaneProgress,
    Undeliverable,
)
from meterhouse.core.instant import SECOND, Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row, path_from_value, path_value, storable
from meterhouse.store.notifications import forget_messages, messages_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.forward import Forward
from meterhouse.streams.ports import ForwardItem
from meterhouse.streams.record import OutboxEntry

_SQL = queries("forwards")
#: A claim that is not renewed for so long has lost its process, or that stands still.
CLAIM_LASTS: Instant = 60 * SECOND
#: So many outputs of a channel are worked on together, and so many records of theirs.
_ENTRIES_MAX = 64
_RECORDS_MAX = 2_000_000


class ForwardTable(Recorder):
    """The part of the ledger that keeps channels."""

    _database: Database

    def claim_channel(
        self, claim: Claim, *, at: Instant, alive: Collection[str], passed: Collection[int] = ()
    ) -> Channel | None:
        """Claim a channel that is due and nobody delivers."""
        with self._database.read():
            if self._claimable(claim, at, alive, passed) is None:
                return None  # Looking each second keeps nobody from writing.
        with self._database.write():
            found = self._claimable(claim, at, alive, passed)
            if found is None:
                return None
            no, woken = found
            until = at + CLAIM_LASTS
            values = (claim.host, claim.process, claim.holder, until, no)
            self._database.execute(_SQL["claim"], values)
            return _channel(self._database, no, woken=bool(woken))

    def _claimable(
        self, claim: Claim, at: Instant, alive: Collection[str], passed: Collection[int]
    ) -> tuple[int, int] | None:
        for no, _, _, woken, host, process, until in self._database.rows(_SQL["due"], (at,)):
            held = until is not None and until > at
            dead = host == claim.host and process not in alive
            if no not in passed and (not held or dead):
                return no, woken
        return None

    def advance(self, channel_no: int, claim: Claim, advance: Advance, *, at: Instant) -> set[int]:
        """Write progress and keep the claim; returns the ids of outputs that are still wanted."""
        with self._database.write():
            values = (at + CLAIM_LASTS, channel_no, claim.holder)
            if not self._database.execute(_SQL["keep"], values).rowcount:
                message = "Another process has taken this delivery over"
                raise ConflictError(message, hint="It goes on there; nothing was written here")
            rows = self._database.rows(_SQL["wanted"], (channel_no,))
            wanted = {id for (id,) in rows}
            lanes = [_lane_row(lane) for lane in advance.lanes if lane.entry_id in wanted]
            self._database.execute_many(_SQL["put_lane"], lanes)
            for id in dict.fromkeys(row[0] for row in lanes):
                self._database.execute(_SQL["attempted"], (id, at))
            dead = [_dead_row(letter) for letter in advance.dead if letter.entry_id in wanted]
            self._database.execute_many(_SQL["insert_dead"], dead)
            for id in wanted.intersection(advance.finished):
                self._finish(id, at)
        return wanted

    def _finish(self, id: int, at: Instant) -> None:
        self._database.execute(_SQL["finish"], (at, at, id))
        self._database.execute(_SQL["forget_lanes"], (id,))
        self._database.execute(_SQL["forget_redriven"], (id,))
        forget_messages(self._database, id)

    def release_channel(self, channel: Channel, claim: Claim, *, due_at: Instant | None) -> None:
        """Give a claim back; a lost one is not ours to give."""
        values: dict[str, Any] = {"no": channel.no, "holder": claim.holder}
        values |= {"due_at": due_at, "last": channel.newest}
        with self._database.write():
            self._database.execute(_SQL["release"], values)

    def next_forward_at(self, *, passed: Collection[int] = ()) -> Instant | None:
        """Return when the next channel is due, none of ``passed``; ``None`` where none waits."""
        with self._database.read():
            return self._database.value(_SQL["next_due"], (json_text(sorted(passed)),))

    def wake_delivery(self, id: int) -> bool:
        """Let the next try of an output be now; ``False`` where it does not wait."""
        with self._recorded("retry", "delivery", str(id)) as note:
            woken = self._database.execute(_SQL["wake"], (id,)).rowcount > 0
            note.void = not woken
        return woken

    def lane_progress(self, id: int) -> dict[int, LaneProgress]:
        """Return how far the lanes of an output are that have begun."""
        with self._database.read():
            rows = self._database.rows(_SQL["lanes"], (id,))
        return {lane.lane: lane for lane in (LaneProgress(*row) for row in rows)}

    def redirect_delivery(self, id: int, forward: Forward, destination: str) -> bool:
        """Let an output that waits go elsewhere, from now on; ``False`` where it does not wait."""
        with self._recorded("retry", "delivery", str(id), currentSettings=True) as note:
            values = (json_text(forward.to_json()), path_value(destination), id)
            waits = self._database.execute(_SQL["redirect"], values).rowcount > 0
            self._database.execute(_SQL["wake"], (id,))
            note.void = not waits
        return waits

    def bury_delivery(self, id: int, dead: Sequence[Undeliverable]) -> bool:
        """Give an output up whose other records become dead letters; ``False`` as above."""
        with self._recorded("drop", "delivery", str(id), deadLetters=len(dead)) as note:
            self._database.execute_many(_SQL["insert_dead"], [_dead_row(letter) for letter in dead])
            self._database.execute(_SQL["forget_redriven"], (id,))
            forget_messages(self._database, id)
            dropped = self._database.execute(_SQL["drop"], (id,)).rowcount > 0
            note.void = not dropped
        return dropped

    def redriven_records(self, outbox_id: int) -> list[tuple[int, int, ForwardItem]]:
        """Return place, order mark and content of the records of an output without a spool."""
        with self._database.read():
            rows = self._database.rows(_SQL["redriven"], (outbox_id,))
            rows = rows or messages_of(self._database, outbox_id)
        return [(place, mark, ForwardItem(key, text.encode())) for place, mark, key, text in rows]


def _channel(database: Database, no: int, *, woken: bool) -> Channel:
    taken: list[ForwardEntry] = []
    records = 0
    for row in database.rows(_SQL["entries"], (no, _ENTRIES_MAX)):
        entry = _entry(database, row, woken=woken)
        records += entry.entry.records
        if taken and not _together(taken, entry, records):
            break
        taken.append(entry)
    return Channel(no, taken, database.value(_SQL["newest"], (no,)) or 0)


def _together(taken: list[ForwardEntry], entry: ForwardEntry, records: int) -> bool:
    """Whether an output is worked on with those before it: its lanes are the same, and few enough.

    One made of dead letters is in memory as a whole, and so comes alone.
    """
    first, new = taken[0].entry, entry.entry
    assert first.forward is not None and new.forward is not None
    same = first.forward.patience.lanes == new.forward.patience.lanes
    return same and records <= _RECORDS_MAX and bool(first.spool and new.spool)


def _entry(database: Database, row: Row, *, woken: bool) -> ForwardEntry:
    id, run_id, node_id, spool, destination, forward, records = row
    where = path_from_value(destination)
    entry = OutboxEntry(
        node_id, spool, where, forward=Forward.from_json(parse_json(forward)), records=records
    )
    lanes = {}
    for values in database.rows(_SQL["lanes"], (id,)):
        lane = LaneProgress(*values)
        lanes[lane.lane] = replace(lane, next_attempt_at=None) if woken else lane
    return ForwardEntry(id, run_id, entry, lanes)


def _lane_row(lane: LaneProgress) -> Row:
    error = None if lane.error is None else storable(lane.error)
    counts = (lane.entry_id, lane.lane, lane.done, lane.attempts, lane.counted)
    return (*counts, lane.failing_since, lane.next_attempt_at, error)


def _dead_row(letter: Undeliverable) -> Row:
    said = (storable(letter.reason), letter.attempts, letter.at)
    text = letter.item.text.decode()
    return (letter.entry_id, letter.place, letter.item.key, letter.mark, text, *said)
