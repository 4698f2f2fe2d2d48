"""Open sessions of aggregators: committed with a run, read by the next one, shown and forgotten."""

from dataclasses import replace

import pytest

from meterhouse.app.stream_ports import StreamEdit
from meterhouse.core.instant import DAY
from meterhouse.core.problem import ConflictError
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import (
    SESSION_LIFETIME,
    AggregateSession,
    RunResult,
    SessionChanges,
    StreamDefinition,
)
from tests.store.factories import AT, a_run, a_stream, commit, fail, snapshot, start


@pytest.fixture
def ledger(ledger: SqliteLedger) -> SqliteLedger:
    ledger.add_stream(a_stream(keys=()))
    ledger.add_stream(a_stream("other", id="other", keys=()))
    return ledger


def a_session(key: str, *, timeout_at: int | None = None, at: int = AT) -> AggregateSession:
    return AggregateSession(key, f'{{"n":"{key}"}}', at, at, timeout_at)


def kept(*sessions: AggregateSession, ended: tuple[str, ...] = (), scope: str = "") -> RunResult:
    return RunResult(sessions=[SessionChanges("agg", scope, sessions, ended)])


def found(ledger: SqliteLedger, *keys: str, scope: str = "", at: int = AT) -> list:
    with snapshot(ledger) as opened:
        return sorted(opened.sessions("agg", scope, keys=keys, at=at), key=lambda s: s.key)


def test_the_next_run_finds_the_sessions_of_its_keys(ledger: SqliteLedger):
    a, b = a_session("a"), a_session("b", timeout_at=AT + 5)
    commit(ledger, kept(a, b))
    assert found(ledger, "a", "b", "c") == [a, b]
    assert found(ledger, "a", scope="else") == []
    with snapshot(ledger, "other") as opened:
        assert opened.sessions("agg", "", keys=["a"], at=AT) == []
        assert opened.due_sessions("agg", "", at=AT + 9) == []


def test_a_later_run_changes_and_ends_them(ledger: SqliteLedger):
    commit(ledger, kept(a_session("a"), a_session("b")))
    again = AggregateSession("a", "{}", AT, AT + 1, AT + 2)
    commit(ledger, kept(again, ended=("b", "never there")))
    assert found(ledger, "a", "b") == [again]


def test_a_failed_run_leaves_them_as_they_were(ledger: SqliteLedger):
    commit(ledger, kept(a_session("a")))
    fail(ledger, kept(ended=("a",)))
    assert found(ledger, "a") == [a_session("a")]


def test_those_whose_time_is_up_come_by_its_instant_and_then_by_key(ledger: SqliteLedger):
    times = {"d": AT + 1, "c": AT + 2, "b": AT + 2, "a": AT + 3}
    commit(ledger, kept(a_session("z"), *(a_session(k, timeout_at=t) for k, t in times.items())))
    commit(ledger, kept(a_session("x", timeout_at=AT), scope="else"))
    with snapshot(ledger) as opened:
        assert [s.key for s in opened.due_sessions("agg", "", at=AT + 2)] == ["d", "b", "c"]


def test_what_nothing_updates_for_180_days_is_forgotten(ledger: SqliteLedger):
    commit(ledger, kept(a_session("a"), a_session("b", timeout_at=AT)))
    end = AT + SESSION_LIFETIME
    assert len(found(ledger, "a", "b", at=end - 1)) == 2
    assert found(ledger, "a", "b", at=end) == []
    with snapshot(ledger) as opened:
        assert opened.due_sessions("agg", "", at=end) == []
    commit(ledger, RunResult(), at=end - DAY)
    assert len(ledger.open_sessions("stream-1").items) == 2
    commit(ledger, RunResult(), at=end)
    assert ledger.open_sessions("stream-1").items == []


def test_they_are_shown_by_stream_and_node_and_go_with_their_stream(ledger: SqliteLedger):
    commit(ledger, kept(a_session("a"), a_session("b")))
    [one, two] = ledger.open_sessions("stream-1").items
    assert (one.node_id, one.scope, one.session) == ("agg", "", a_session("a"))
    assert two.session.key == "b"
    assert ledger.open_sessions("stream-1", node_id="x").items == []
    assert ledger.open_sessions("other").items == []
    ledger.delete_stream("stream-1", edit=StreamEdit(0))
    assert ledger._database.value("SELECT count(*) FROM aggregate_session") == 0


def test_a_node_with_open_sessions_is_not_dropped_unasked(ledger: SqliteLedger):
    node = {"id": "agg", "name": "Sum", "type": "x"}
    third = replace(a_stream("third", id="third", keys=()), document={"nodes": [node]})
    ledger.add_stream(third)
    run = start(ledger, a_run("of-third", stream="third"))
    ledger.commit_run(run, kept(a_session("a")))
    with pytest.raises(ConflictError, match="1 open session"):
        ledger.update_stream("third", without_nodes, edit=StreamEdit(AT))
    ledger.update_stream("third", without_nodes, edit=StreamEdit(AT, allow_node_removal=True))


def without_nodes(stream: StreamDefinition) -> StreamDefinition:
    return replace(stream, document={"nodes": []})
