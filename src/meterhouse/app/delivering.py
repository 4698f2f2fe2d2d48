"""Outputs that are committed and wait for delivery: looking at them, hurrying one, dropping one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from meterhouse.app.forward_ports import (
    DEAD_LETTERS_MAX,
    LaneProgress,
    RecordsInMemory,
    SpooledLanes,
    SpooledRecords,
    Undeliverable,
)
from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger, Outbox, Page, PendingDelivery
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.streams.graph import load_graph
from meterhouse.streams.nodes.forwarding import ForwarderParams

#: For so many days the ledger remembers what it has delivered, unless it is told otherwise.
DELIVERED_DAYS = 35
#: So many outputs are forgotten in one transaction, and so many times in a round.
_PORTION, _PORTIONS_MAX = 1_000, 10


def find_undelivered(outbox: Outbox, id: int) -> PendingDelivery:
    """Return one output that waits."""
    return found(
        next((pending for pending in outbox.pending() if pending.id == id), None),
        or_raise=lambda: NotFoundError(
            f"There is no output {id} that waits for delivery",
            hint="`meterhouse delivery list` shows those that wait",
        ),
    )


def list_undelivered(
    outbox: Outbox, *, limit: int, after: str | None = None
) -> Page[PendingDelivery]:
    """List outputs that wait, oldest first."""
    first = 0 if after is None else int(after)
    waiting = [pending for pending in outbox.pending() if pending.id > first]
    cursor = str(waiting[limit - 1].id) if len(waiting) > limit else None
    return Page(waiting[:limit], cursor)


def retry(ledger: Ledger, id: int) -> PendingDelivery:
    """Let the next try of an output be now: nobody waits for its pause to end.

    Raises ``ConflictError`` for a file: each run tries those.
    """
    pending = find_undelivered(ledger, id)
    if pending.entry.forward is None:
        hint = "Each run tries files again"
        raise ConflictError(f"Output {id} is a file, which waits for no pause", hint=hint)
    ledger.wake_delivery(id)
    return pending


def retry_with_current_settings(ledger: Ledger, id: int) -> PendingDelivery:
    """Let an output leave by the settings that its writer has now, and the next try be now.

    Raises ``ConflictError`` where the stream has no such writer any more, or it is a file.
    """
    pending = retry(ledger, id)
    old = pending.entry.forward
    run = ledger.run(pending.run_id)
    stream = None if run is None else ledger.stream(run.stream_id)
    nodes = () if stream is None else load_graph(stream.document).nodes
    node = next((node for node in nodes if old is not None and node.name == old.node), None)
    if old is None or node is None or not isinstance(node.params, ForwarderParams):
        name = "" if old is None else f" named {old.node!r}"
        hint = "Give the writer of the stream that name again, or `meterhouse delivery drop` it"
        raise ConflictError(f"The stream of output {id} has no writer{name} any more", hint=hint)
    new = node.params.forward(node.name)
    # Its records are sorted into lanes already, and how far it is, is known by lane.
    patience = replace(new.patience, lanes=old.patience.lanes)
    ledger.redirect_delivery(id, replace(new, patience=patience), node.params.destination())
    return find_undelivered(ledger, id)


def give_up(
    ledger: Ledger, id: int, *, records: SpooledRecords, at: Instant
) -> tuple[PendingDelivery, int]:
    """Give an output up: what has not left yet becomes dead letters, which can be sent again.

    Returns what was given up, and how many dead letters that made. A file has no records that
    could become any: of it, nothing is kept.
    Raises ``ConflictError`` where there are more than one action takes.
    """
    pending = find_undelivered(ledger, id)
    forward = pending.entry.forward
    left = pending.entry.records - pending.done
    if forward is None:
        return drop(ledger, id), 0
    if left > DEAD_LETTERS_MAX:
        hint = "`meterhouse delivery drop --forget` gives it up without keeping them"
        raise ConflictError(f"{left:,} records would become dead letters", hint=hint)
    lanes = forward.patience.lanes
    if pending.entry.spool:
        opened = records.lanes(pending.entry.spool, lanes=lanes)
    else:
        opened = RecordsInMemory(ledger.redriven_records(id), lanes=lanes)
    try:
        dead = list(_left(pending, opened, ledger.lane_progress(id), at=at))
    finally:
        opened.close()
    ledger.bury_delivery(id, dead)
    return pending, len(dead)


def _left(
    pending: PendingDelivery,
    opened: SpooledLanes,
    progress: Mapping[int, LaneProgress],
    *,
    at: Instant,
) -> Iterator[Undeliverable]:
    """Yield what of an output has not left, as dead letters."""
    for lane, count in enumerate(opened.counts()):
        begun = progress.get(lane) or LaneProgress(pending.id, lane)
        why = "given up by hand" + (f": {begun.error}" if begun.error else "")
        for place, mark, item in opened.read(lane, begun.done, count):
            yield Undeliverable(pending.id, place, mark, item, why, begun.attempts, at)
            begun = replace(begun, attempts=0)


def drop(outbox: Outbox, id: int) -> PendingDelivery:
    """Forget an output: no run tries to deliver it any more. Returns what was given up.

    Nothing else changes; its file goes with the sweep of the next run. Of an output that is
    forwarded, what was sent stays sent, and its dead letters stay.
    """
    pending = find_undelivered(outbox, id)
    outbox.drop(id)
    return pending


def purge_delivered(outbox: Outbox, *, at: Instant, days: int = DELIVERED_DAYS) -> int:
    """Forget outputs that were delivered so many days ago; returns how many.

    Nothing else goes: outputs that wait, and dead letters, stay. After a long time without it,
    several rounds do it bit by bit.
    """
    before = at - days * DAY
    count = 0
    for _ in range(_PORTIONS_MAX):
        purged = outbox.purge_delivered(before=before, limit=_PORTION)
        count += purged
        if purged < _PORTION:
            break
    return count


def output_to_api(ledger: Ledger, pending: PendingDelivery) -> dict[str, Any]:
    """Return the object of ``delivery show``: how it leaves, and which lanes are in trouble."""
    forward = pending.entry.forward
    body = undelivered_to_api(pending)
    if forward is None:
        return body
    troubled = [lane for lane in ledger.lane_progress(pending.id).values() if lane.error]
    return body | {
        "forward": forward.to_json(),
        "lanesInTrouble": list(map(_lane_to_api, troubled)),
    }


def _lane_to_api(lane: LaneProgress) -> dict[str, Any]:
    next_at = lane.next_attempt_at
    return {
        "lane": lane.lane,
        "done": lane.done,
        "attempts": lane.attempts,
        "nextAttemptAt": None if next_at is None else instant_text(next_at),
        "error": lane.error,
    }


def undelivered_to_api(pending: PendingDelivery) -> dict[str, Any]:
    """Return the object of ``delivery list --json``."""
    tried, next_at = pending.attempted_at, pending.next_attempt_at
    forward = pending.entry.forward
    return {
        "id": pending.id,
        "run": pending.run_id,
        "node": pending.entry.node_id,
        "destination": pending.entry.destination,
        "attempts": pending.attempts,
        "attemptedAt": None if tried is None else instant_text(tried),
        "nextAttemptAt": None if next_at is None else instant_text(next_at),
        "error": pending.error,
        "kind": "file" if forward is None else forward.kind,
        "records": None if forward is None else pending.entry.records,
        "done": None if forward is None else pending.done,
    }
