"""The life of a run: every state, and every way from one to another.

A run begins *running* and ends once, *complete* or *failed*. An ended run never changes again:
what was committed stays, what failed is run anew as another run.
"""

from __future__ import annotations

from collections.abc import Mapping

from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import RunStatus

#: From each state, the states that may follow.
TRANSITIONS: Mapping[RunStatus, frozenset[RunStatus]] = {
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETE, RunStatus.FAILED}),
    RunStatus.COMPLETE: frozenset(),
    RunStatus.FAILED: frozenset(),
}


class IllegalTransition(MeterhouseError):
    """A run was to go where no transition leads; it stays as it is."""

    code = "illegal_transition"


def next_status(current: RunStatus, wanted: RunStatus) -> RunStatus:
    """Return ``wanted`` where it may follow ``current``.

    >>> next_status(RunStatus.RUNNING, RunStatus.COMPLETE).value
    'complete'
    """
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(f"a run that is {current.value} cannot become {wanted.value}")
    return wanted
