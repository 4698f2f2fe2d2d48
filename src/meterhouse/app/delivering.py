"""Outputs that are committed and wait for delivery: looking at them, hurrying one, dropping one."""

from __future__ import annotations

from typing import Any

from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger, Outbox, Page, PendingDelivery
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.problem import ConflictError, NotFoundError

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


def drop(outbox: Outbox, id: int) -> PendingDelivery:
    """Give an output up: no run tries to deliver it any more. Returns what was given up.

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
