"""Reprocessing: queued records of a stream go back into it now, in a run of their own.

It is a run in every respect (clock, lease, scans of the meters, one commit, deliveries), but no
reader reads: records enter the nodes that rejected them and go on from there.
"""

from __future__ import annotations

from collections.abc import Callable

from meterhouse.app.correction_ports import QUEUED, SuspenseFilter
from meterhouse.app.ports import Ledger
from meterhouse.app.running import EndedRun, Means, run_stream, unwatched
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError
from meterhouse.streams.record import Run, RunCause, RunOrigin


def reprocess(
    ledger: Ledger,
    reference: str,
    *,
    means: Means,
    run_id: str,
    seed: int,
    at: Instant | None = None,
    take_over: bool = False,
    by: str = "",
    started: Callable[[Run], None] = unwatched,
) -> EndedRun:
    """Run what is queued of a stream; ``by`` is who asks for it, ``started`` as in ``run_stream``.

    Raises as ``run_stream``, and where nothing is queued.
    """
    stream = find_stream(ledger, reference)
    queued = SuspenseFilter(stream_id=stream.id, state=QUEUED)
    if not ledger.suspense(queued, limit=1).items:
        message = f"Nothing of stream {stream.name!r} is queued in Data Correction"
        hint = "`meterhouse correction requeue` queues records, `correction list` shows them"
        raise ConflictError(message, hint=hint, code="nothing_queued")
    return run_stream(
        ledger,
        stream.id,
        means=means,
        run_id=run_id,
        seed=seed,
        at=at,
        take_over=take_over,
        cause=RunCause(RunOrigin.CORRECTION, started_by=by),
        started=started,
    )
