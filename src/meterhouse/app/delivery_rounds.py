"""Delivering outside of runs: everything that is due, once or until nothing waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meterhouse.app.forward_ports import Tally
from meterhouse.app.forwarding import forward_due
from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means, deliver

#: How often it is looked for what has become due.
_LOOK_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was delivered, and why the rest was not."""

    files: Sequence[Path | str] = ()
    forwarded: Tally = field(default_factory=Tally)
    reasons: Sequence[str] = ()


def deliver_round(ledger: Ledger, means: Means) -> Delivered:
    """Deliver files that wait, and forward what is due, once."""
    files, undelivered = deliver(ledger, delivery=means.delivery, clock=means.clock)
    tally = Tally() if means.forwarding is None else forward_due(ledger, means.forwarding)
    reasons = [f"output {item.pending.id} waits: {item.error}" for item in undelivered]
    reasons += [f"output {id} waits: {reason}" for id, reason in sorted(tally.held.items())]
    return Delivered(files, tally, reasons)


def deliver_until_done(ledger: Ledger, means: Means) -> Delivered:
    """Deliver until nothing is waiting that time alone brings; what is wrong with a file stays."""
    files: list[Path | str] = []
    tally = Tally()
    while True:
        done = deliver_round(ledger, means)
        files += done.files
        tally = Tally(tally.sent + done.forwarded.sent, tally.dead + done.forwarded.dead)
        if ledger.next_forward_at() is None:
            return Delivered(files, tally, done.reasons)
        means.services.wait(_LOOK_SECONDS)
