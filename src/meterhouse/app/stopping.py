"""Stopping what runs: a request in the ledger, which the run sees before its next chunk.

What nobody lived to end is ended here, too.
"""

from __future__ import annotations

from meterhouse.app.ports import Ledger
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError, NotFoundError


def stop_run(ledger: Ledger, id: str, *, at: Instant) -> str:
    """Ask a run, or the run of a group, to stop; returns the name of what will.

    It ends as failed ("stopped by request") and nothing of it is kept. Raises ``ConflictError``
    where it has ended, ``NotFoundError``. A run that its process did not live to end, ends now.
    """
    end_dead(ledger, at=at)
    run, group_run = ledger.run(id), ledger.group_run(id)
    if run is not None:
        if ledger.request_stop(id, at=at):
            return run.stream_name
        raise _ended(f"Run {id} of stream {run.stream_name!r}")
    if group_run is not None:
        if ledger.request_group_stop(id, at=at):
            return group_run.group_name
        raise _ended(f"Run {id} of group {group_run.group_name!r}")
    raise NotFoundError(f"There is no run {id!r}", hint="`meterhouse run list` shows all runs")


def end_dead(ledger: Ledger, *, at: Instant, beside: str = "") -> int:
    """End runs, also of groups, whose process is known to be gone; returns how many.

    ``beside`` is a process that lives, such as this one.
    """
    ended = ledger.end_dead_runs(at=at, beside=beside)
    return ended + ledger.end_dead_group_runs(at=at, beside=beside)


def _ended(what: str) -> ConflictError:
    return ConflictError(f"{what} has ended", hint="Nothing is left to stop; see `run show`")
