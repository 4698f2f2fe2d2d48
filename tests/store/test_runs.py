import pytest

from meterhouse.app.ports import Lease
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import NodeCount, RunResult, RunStatus
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
    with pytest.raises(ConflictError, match=r"is running .run run-1, 100 on here"):
        start(ledger, a_run("run-2"), alive=frozenset({"100"}))
    assert ledger.run("run-2") is None


def test_a_second_run_is_refused_while_another_host_holds_the_lease(ledger: SqliteLedger):
    ledger.start_run(a_run("run-1"), Lease("there", "100"), alive=frozenset())
    with pytest.raises(ConflictError, match="this is not there"):
        start(ledger, a_run("run-2"))


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


def test_the_log_keeps_its_order(ledger: SqliteLedger):
    lines = [("n", "info", "first"), ("m", "warning", "second"), ("n", "info", "first")]
    commit(ledger, RunResult(log=lines), id="run-1")
    assert ledger.run_log("run-1") == lines
