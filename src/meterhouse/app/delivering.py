"""Outputs that are committed and wait for delivery: looking at them, and giving one up."""

from __future__ import annotations

from typing import Any

from meterhouse.app.listing import found
from meterhouse.app.ports import Outbox, PendingDelivery
from meterhouse.core.instant import instant_text
from meterhouse.core.problem import NotFoundError


def find_undelivered(outbox: Outbox, id: int) -> PendingDelivery:
    """Return one output that waits."""
    return found(
        next((pending for pending in outbox.pending() if pending.id == id), None),
        or_raise=lambda: NotFoundError(
            f"There is no output {id} that waits for delivery",
            hint="`meterhouse delivery list` shows those that wait",
        ),
    )


def drop(outbox: Outbox, id: int) -> PendingDelivery:
    """Give an output up: no run tries to deliver it any more. Returns what was given up.

    Nothing else changes; its file goes with the sweep of the next run.
    """
    pending = find_undelivered(outbox, id)
    outbox.drop(id)
    return pending


def undelivered_to_api(pending: PendingDelivery) -> dict[str, Any]:
    """Return the object of ``delivery list --json``."""
    tried = pending.attempted_at
    return {
        "id": pending.id,
        "run": pending.run_id,
        "node": pending.entry.node_id,
        "destination": pending.entry.destination,
        "attempts": pending.attempts,
        "attemptedAt": None if tried is None else instant_text(tried),
        "error": pending.error,
    }
