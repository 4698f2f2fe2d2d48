"""The life of a run, tried from its own table: every transition, and every one that is not."""

from itertools import product

import pytest

from meterhouse.streams.lifecycle import TRANSITIONS, IllegalTransition, next_status
from meterhouse.streams.record import RunStatus

PAIRS = list(product(RunStatus, RunStatus))


def test_the_table_has_every_state():
    assert set(TRANSITIONS) == set(RunStatus)


def test_only_a_running_run_goes_anywhere():
    assert TRANSITIONS[RunStatus.RUNNING] == {RunStatus.COMPLETE, RunStatus.FAILED}
    assert not TRANSITIONS[RunStatus.COMPLETE] | TRANSITIONS[RunStatus.FAILED]


@pytest.mark.parametrize(("current", "wanted"), [p for p in PAIRS if p[1] in TRANSITIONS[p[0]]])
def test_a_transition_of_the_table_is_taken(current, wanted):
    assert next_status(current, wanted) is wanted


@pytest.mark.parametrize(("current", "wanted"), [p for p in PAIRS if p[1] not in TRANSITIONS[p[0]]])
def test_any_other_is_refused(current, wanted):
    with pytest.raises(IllegalTransition, match=f"{current.value} cannot become {wanted.value}"):
        next_status(current, wanted)
