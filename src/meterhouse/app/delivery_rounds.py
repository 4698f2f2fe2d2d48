"""Delivering outside of runs: everything that is due, once or until nothing waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from meterhouse.app.delivering import purge_delivered
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
    """Deliver files that wait, and forward what is due, once; forget what was long delivered."""
    files, undelivered = deliver(ledger, delivery=means.delivery, clock=means.clock)
    tally = Tally() if means.forwarding is None else forward_due(ledger, means.forwarding)
    purge_delivered(ledger, at=means.clock(), days=means.delivered_days)
    reasons = [f"output {item.pending.id} waits: {item.error}" for item in undelivered]
    return Delivered(files, tally, reasons + _reasons(tally.held))


def _reasons(held: Mapping[int, str]) -> list[str]:
    return [f"output {id} waits: {reason}" for id, reason in sorted(held.items())]


def deliver_until_done(ledger: Ledger, means: Means) -> Delivered:
    """Deliver until nothing is waiting that time alone brings; what is wrong with a file stays.

    So do outputs that could not be worked on; the last round that tried them says why.
    """
    files: list[Path | str] = []
    tally = Tally()
    troubles: dict[int, str] = {}
    while True:
        done = deliver_round(ledger, means)
        files += done.files
        tally += replace(done.forwarded, held={})
        if done.forwarded.failed:
            troubles |= done.forwarded.held
        if ledger.next_forward_at(passed=tally.failed) is None:
            reasons = [*done.reasons, *_reasons(troubles)]
            return Delivered(files, tally, list(dict.fromkeys(reasons)))
        means.services.wait(_LOOK_SECONDS)
