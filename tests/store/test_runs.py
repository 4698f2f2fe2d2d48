from decimal import Decimal

import pytest

from meterhouse.app.ports import Lease
from meterhouse.app.usage_audit import purge_usage_audit
from meterhouse.core.instant import DAY
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import NodeCount, RunCause, RunOrigin, RunResult, RunStatus
from tests.store.factories import (
    AT,
    HERE,
    a_run,
    a_stream,
    a_suspended,
    commit,
    snapshot,
    start,
)

NODES = (
    NodeCount("r", "Read", "readers/file", out={"out": 5}),
    NodeCount("m", "Meter", "transforms/meter", 5, {}, 1, 2, 1, 1),
)


@pytest.fixture(autouse=True)
def stream(ledger: SqliteLedger):
    ledger.add_stream(a_stream())


def test_a_running_run_is_seen_at_once(ledger: SqliteLedger):
    run = start(ledger, a_run(seed=2**70))
    assert ledger.run(run.id) == run
    assert ledger.lease_of(run.stream_id) == HERE


def test_a_complete_run_keeps_its_end_and_its_nodes(ledger: SqliteLedger):
    start(ledger, a_run())
    ended = a_run(status=RunStatus.COMPLETE, ended_at=AT + 3, nodes=NODES)
    ledger.commit_run(ended, RunResult(nodes=NODES))
    assert ledger.run("run-1") == ended
    assert ledger.lease_of("stream-1") is None


def test_the_nodes_of_the_result_are_taken_where_the_run_has_none(ledger: SqliteLedger):
    run = start(ledger, a_run())
    ledger.commit_run(run, RunResult(nodes=NODES))
    assert ledger.run("run-1").nodes == NODES


def test_a_failed_run_keeps_its_error(ledger: SqliteLedger):
    start(ledger, a_run())
    ended = a_run(status=RunStatus.FAILED, ended_at=AT + 3, error="bad \udc80", nodes=NODES)
    ledger.fail_run(ended, None)
    assert ledger.run("run-1").error == "bad \\udc80"
    assert ledger.run("run-1").nodes == NODES
    assert ledger.lease_of("stream-1") is None


def test_a_second_run_is_refused_while_its_process_lives(ledger: SqliteLedger):
    start(ledger, a_run("run-1"))
    with pytest.raises(ConflictError, match=r"is running .run run-1\)") as busy:
        start(ledger, a_run("run-2"), alive=frozenset({"100"}))
    assert busy.value.__notes__ == ["it is process 100 on here"]
    assert ledger.run("run-2") is None


def test_a_second_run_is_refused_while_another_host_holds_the_lease(ledger: SqliteLedger):
    ledger.start_run(a_run("run-1"), Lease("there", "100"), alive=frozenset())
    with pytest.raises(ConflictError, match="is running") as busy:
        start(ledger, a_run("run-2"))
    assert busy.value.__notes__ == ["it is process 100 on there"]


def test_the_lease_of_a_dead_process_is_taken_over_and_its_run_has_failed(ledger: SqliteLedger):
    start(ledger, a_run("run-1"))
    start(ledger, a_run("run-2", started_at=AT + 5), alive=frozenset({"99"}))
    first = ledger.run("run-1")
    assert (first.status, first.ended_at) == (RunStatus.FAILED, AT + 5)
    assert first.error.startswith("interrupted")
    assert ledger.run("run-2").status is RunStatus.RUNNING


def test_a_run_that_lost_its_lease_writes_nothing(ledger: SqliteLedger):
    lost = start(ledger, a_run("run-1"))
    start(ledger, a_run("run-2"))
    before = ledger.run("run-1")
    with pytest.raises(ConflictError, match="lost its lease"):
        ledger.commit_run(lost, RunResult(suspended=[a_suspended()]))
    ledger.fail_run(lost, RunResult(suspended=[a_suspended()]))
    assert ledger.suspense().items == []
    assert ledger.run("run-1") == before
    assert ledger.lease_of("stream-1") == HERE


def test_a_run_cannot_be_committed_twice(ledger: SqliteLedger):
    run = commit(ledger, RunResult(), id="run-1")
    with pytest.raises(ConflictError):
        ledger.commit_run(run, RunResult())


def test_the_clock_of_a_stream_never_goes_back(ledger: SqliteLedger):
    commit(ledger, RunResult(), at=AT)
    with pytest.raises(ConflictError, match=r"2026-01-09.*lies before .*2026-01-10.*--at"):
        start(ledger, a_run("early", at=AT - 1000))
    commit(ledger, RunResult(), at=AT)


def test_a_failed_run_does_not_move_the_clock(ledger: SqliteLedger):
    run = start(ledger, a_run("late", at=AT + 10))
    ledger.fail_run(run, None)
    commit(ledger, RunResult(), at=AT)


def test_unknown_streams_and_runs_are_told(ledger: SqliteLedger):
    with pytest.raises(NotFoundError, match="no stream 'x'"):
        start(ledger, a_run(stream="x"))
    with pytest.raises(NotFoundError, match="no stream 'x'"):
        ledger.lease_of("x")
    with pytest.raises(NotFoundError, match="no stream 'x'"), snapshot(ledger, "x"):
        pass
    with pytest.raises(NotFoundError, match="no run 'run-1'"):
        ledger.commit_run(a_run(), RunResult())
    assert ledger.run("run-1") is None
    assert ledger.run_log("run-1") == []


def test_runs_are_listed_newest_first_also_of_one_stream(ledger: SqliteLedger):
    ledger.add_stream(a_stream("other", id="other", keys=()))
    start(ledger, a_run("a"))
    start(ledger, a_run("b", stream="other"))
    start(ledger, a_run("c"))
    assert [run.id for run in ledger.runs().items] == ["c", "b", "a"]
    assert [run.id for run in ledger.runs(stream_id="stream-1").items] == ["c", "a"]
    assert ledger.runs(stream_id="none").items == []


def test_runs_are_filtered_by_state_and_by_their_start(ledger: SqliteLedger):
    for n, id in enumerate("abc"):
        ledger.fail_run(start(ledger, a_run(id, started_at=AT + n)), None)
    start(ledger, a_run("d", started_at=AT + 3))
    found = ledger.runs(status=RunStatus.FAILED, since=AT + 1, stream_id="stream-1").items
    assert [run.id for run in found] == ["c", "b"]
    assert [run.id for run in ledger.runs(since=AT + 1, until=AT + 3).items] == ["c", "b"]
    assert [run.id for run in ledger.runs(status=RunStatus.RUNNING).items] == ["d"]


def test_why_a_run_began_comes_back(ledger: SqliteLedger):
    cause = RunCause(RunOrigin.GROUP, "ann", AT - 1, "g-1")
    run = start(ledger, a_run(cause=cause))
    assert ledger.run(run.id).cause == cause
    assert [found.id for found in ledger.runs_of_group_run("g-1")] == [run.id]
    assert ledger.runs_of_group_run("g-2") == []


def test_a_start_gives_the_stream_as_it_was_then(ledger: SqliteLedger):
    started = ledger.start_run(a_run(), HERE, alive=frozenset())
    assert started.stream == ledger.stream("Usage")
    assert started.run == ledger.run("run-1")


def test_a_stop_is_seen_until_the_run_has_ended(ledger: SqliteLedger):
    run = start(ledger, a_run())
    assert not ledger.stop_requested(run.id)
    assert ledger.request_stop(run.id, at=AT)
    assert ledger.request_stop(run.id, at=AT + 1)
    assert ledger.stop_requested(run.id)
    ledger.fail_run(run, None)
    assert not ledger.request_stop(run.id, at=AT)
    assert not ledger.request_stop("none", at=AT)
    assert not ledger.stop_requested("none")


def test_complete_runs_have_an_entry_in_the_usage_audit_and_failed_ones_have_not(
    ledger: SqliteLedger,
):
    run = a_run(started_at=AT, ended_at=AT + 9, nodes=NODES, cause=RunCause(started_by="ann"))
    start(ledger, run)
    ledger.commit_run(run, RunResult(audit={"m": {"euros": Decimal("1.50")}}))
    ledger.fail_run(start(ledger, a_run("failed")), None)
    [entry] = ledger.usage_audit().items
    assert entry.to_api() == {
        "transactionStart": "2026-01-10T00:00:00.000Z",
        "transactionEnd": "2026-01-10T00:00:00.000Z",
        "execution": "run-1",
        "stream": "Usage",
        "origin": "manual",
        "startedBy": "ann",
        "totalInput": 5,
        "totalOutput": 0,
        "duplicated": None,
        "toCorrection": 1,
        "streamVersion": "Autosaved",
        "custom": {"euros": Decimal("1.5")},
    }


def test_the_usage_audit_is_kept_for_180_days(ledger: SqliteLedger):
    for n in range(3):
        commit_at(ledger, AT + n * DAY)
    now = AT + 181 * DAY
    assert purge_usage_audit(ledger, at=now) == 1
    assert purge_usage_audit(ledger, at=now) == 0
    ended = [entry.ended_at for entry in ledger.usage_audit().items]
    assert ended == [AT + 2 * DAY, AT + DAY]
    # The runs themselves stay.
    assert len(ledger.runs().items) == 3


def commit_at(ledger: SqliteLedger, at: int) -> None:
    run = start(ledger, a_run(f"run {at}", at=at, started_at=at, ended_at=at))
    ledger.commit_run(run, RunResult())


def test_the_usage_audit_is_filtered_by_stream_and_time(ledger: SqliteLedger):
    for n in range(3):
        commit_at(ledger, AT + n)
    found = ledger.usage_audit(stream_id="stream-1", since=AT + 1, until=AT + 2).items
    assert [entry.started_at for entry in found] == [AT + 1]
    assert ledger.usage_audit(stream_id="other").items == []


def test_the_log_keeps_its_order(ledger: SqliteLedger):
    lines = [("n", "info", "first"), ("m", "warning", "second"), ("n", "info", "first")]
    commit(ledger, RunResult(log=lines), id="run-1")
    assert ledger.run_log("run-1") == lines
