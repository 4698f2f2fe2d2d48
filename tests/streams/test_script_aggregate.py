"""The script aggregator in a stream, with the real sandbox."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.instant import DAY, MINUTE
from meterhouse.core.problem import DefinitionError
from meterhouse.core.suspense import Reason
from meterhouse.sandbox import JavaScriptSandbox
from meterhouse.streams.graph import load_graph
from meterhouse.streams.nodes.script import ScriptFailed
from meterhouse.streams.preview import preview
from meterhouse.streams.world import Services
from tests.streams.documents import AT, chain, counts, facts, node, noop, passed, reader
from tests.streams.generated import canonical
from tests.streams.twins import Files, Snapshot, Spools

COUNT = "session.data.n = (session.data.n ?? 0) + 1;"
FLUSH = "await session.flush()"


def gatherer(script: str = COUNT, *rules: str, **params) -> dict:
    """``rules`` are fields with commas between them."""
    made = [{"fields": rule.split(",")} for rule in rules or ("u",)]
    body = {"groupByRules": made, "onTransform": script} | params
    return {**node("agg", "transforms/script_aggregate", **body), "schemaVersion": 2}


def runs(
    stream_node: dict, *steps: tuple[int, list[dict]], snapshot: Snapshot | None = None, **more
):
    """Run after run, each minutes after the start; what left in each, and the last snapshot."""
    snapshot = snapshot or Snapshot()
    left = []
    for minutes, given_ in steps:
        at = AT + minutes * MINUTE
        scripts = JavaScriptSandbox()
        out, result = passed(stream_node, given_, snapshot=snapshot, at=at, scripts=scripts, **more)
        left.append(out["out"])
        snapshot = snapshot.after(result)
    return left, snapshot


def open_sessions(snapshot: Snapshot) -> list[str]:
    [found] = snapshot.open_sessions.values()
    return sorted(found)


def test_what_a_session_has_gathered_leaves_when_the_script_says_so():
    given_ = [{"u": "ann"}, {"u": "bob"}, {"u": "ann", "end": True}]
    stream = gatherer(f"{COUNT} if (payload.end) {FLUSH}")
    left, result = passed(stream, given_, scripts=JavaScriptSandbox())
    assert left["out"] == [{"u": "ann", "n": 2}]
    assert counts(result, "agg") == {"in": 3, "out": {"out": 1}}
    assert [session.key for session in result.sessions[0].kept] == ['{"u":"bob"}']


def test_sessions_go_on_in_later_runs():
    stream = gatherer(f"{COUNT} if (session.data.n >= 3) {FLUSH}")
    two = [{"u": 5}, {"u": 5}]
    left, snapshot = runs(stream, (0, two), (1, two), (2, [{"u": 5}]), (3, [{"u": 5}]))
    assert left == [[], [{"u": 5, "n": 3}], [], [{"u": 5, "n": 3}]]
    assert open_sessions(snapshot) == []


def test_equal_numbers_are_one_key_and_texts_another():
    script = f"{COUNT} session.data.key = session.key; await session.push()"
    left, _ = runs(gatherer(script), (0, [{"u": 5}, {"u": "5"}, {"u": Decimal("5.0")}]))
    assert [record["n"] for record in left[0]] == [1, 1, 2]
    assert {record["key"] for record in left[0]} == {"5"}


def test_the_first_rule_whose_fields_are_all_there_gives_the_session():
    script = "session.data.key = session.key; await session.flush()"
    given_ = [{"a": "x", "b": 1}, {"b": 2}, {"a": "y", "c": "z"}, {"c": {"d": 1}}]
    stream = gatherer(script, "a,b", "a", "b", "c.d")
    left, _ = runs(stream, (0, given_))
    assert left[0] == [
        {"a": "x", "b": 1, "key": "x,1"},
        {"b": 2, "key": "2"},
        {"a": "y", "key": "y"},
        {"c.d": 1, "key": "1"},
    ]


def test_a_record_that_no_rule_takes_is_suspended():
    stream = gatherer(COUNT, "a,b", "b,c")
    _, result = passed(stream, [{"b": 1, "a": None}], scripts=JavaScriptSandbox())
    [suspended] = result.suspended
    assert suspended.reason is Reason.SCHEMA_INVALID
    assert suspended.detail == "no group-by rule has all its fields: a is missing, c is missing"
    assert counts(result, "agg") == {"in": 1, "suspended": 1}


def test_a_script_that_throws_suspends_its_record_and_leaves_the_session_as_it_was():
    script = f"{COUNT} if (payload.bad) throw new Error('bad'); await session.push()"
    given_ = [{"u": 1}, {"u": 1, "bad": 1}, {"u": 1}, {"u": 2, "bad": 1}]
    left, result = passed(gatherer(script), given_, scripts=JavaScriptSandbox())
    assert [record["n"] for record in left["out"]] == [1, 2]
    assert [(s.offset, s.reason, s.detail) for s in result.suspended] == [
        (1, Reason.SCRIPT_ERROR, "Error: bad (line 1)"),
        (3, Reason.SCRIPT_ERROR, "Error: bad (line 1)"),
    ]
    assert [session.key for session in result.sessions[0].kept] == ['{"u":1}']


HOURLY = f"{COUNT} session.setTimeout(60 * 60 * 1000)"


def test_time_outs_are_looked_at_when_a_run_begins_and_when_it_ends():
    stream = gatherer(HOURLY, onTimeout="await session.flush(false, 'T')", metaField="meta")
    left, snapshot = runs(stream, (0, [{"u": 1}]), (59, [{"u": 2}]), (60, [{"u": 1}]))
    assert [len(records) for records in left] == [0, 0, 1]
    [flushed] = left[2]
    assert (flushed["n"], flushed["meta"]["flushType"], flushed["meta"]["count"]) == (1, "T", 1)
    assert open_sessions(snapshot) == ['{"u":1}', '{"u":2}']
    left, _ = runs(stream, (0, [{"u": 1}]), end_at=AT + DAY)
    assert [record["n"] for record in left[0]] == [1]


def test_a_time_out_comes_once_and_nothing_leaves_by_itself():
    stream = gatherer(HOURLY, onTimeout="push({asked: session.key})")
    left, snapshot = runs(stream, (0, [{"u": 1}]), (60, []), (200, []))
    assert left == [[], [{"asked": "1"}], []]
    assert open_sessions(snapshot) == ['{"u":1}']
    left, _ = runs(gatherer(HOURLY), (0, [{"u": 1}]), (60, []), (120, [{"u": 1}]))
    assert left == [[], [], []]


def test_a_time_out_script_that_throws_fails_the_run():
    stream = gatherer(HOURLY, onTimeout="throw new Error('no')")
    _, snapshot = runs(stream, (0, [{"u": 1}]))
    with pytest.raises(ScriptFailed, match=r'timeout script of node "agg" failed .*\{"u":1\}.*no'):
        runs(stream, (60, []), snapshot=snapshot)


def test_a_flush_script_sees_the_sessions_of_the_run_at_its_end():
    stream = gatherer(COUNT, onFlush="if (session.data.n > 1) await session.flush()")
    left, snapshot = runs(stream, (0, [{"u": 1}, {"u": 2}, {"u": 1}]), (1, [{"u": 3}]), (2, []))
    assert left == [[{"u": 1, "n": 2}], [], []]
    assert open_sessions(snapshot) == ['{"u":2}', '{"u":3}']


def test_it_has_what_every_script_has():
    script = """
        state.node.n = (state.node.n ?? 0) + 1; store.set("seen", state.node.n);
        audit.count("records"); log.info("%s", meta.source);
        const month = require("moment").utc().format("YYYY-MM");
        await push({...payload, sum: session.meta.count, month});
    """
    left, result = passed(gatherer(script), [{"u": 1}, {"u": 1}], scripts=JavaScriptSandbox())
    assert left["out"] == [{"u": 1, "sum": n, "month": "2026-01"} for n in (1, 2)]
    assert result.script_store == {"agg": {"seen": 2}}
    assert result.audit == {"agg": {"records": 2}}
    assert [text for _, _, text in result.log] == ["a", "a"]


def test_a_preview_shows_what_leaves_and_meets_no_session():
    stream = chain(reader(), gatherer(f"{COUNT} {FLUSH}"), noop())
    services = Services(Files({"a": [{"u": 1}] * 20}), Spools(), JavaScriptSandbox())
    views = preview(load_graph(stream), facts(), snapshot=Snapshot(), services=services)
    assert views[1].out == {"out": [{"u": 1, "n": 1}] * 10}


RECORDS = st.lists(
    st.fixed_dictionaries({"u": st.sampled_from(["a", "b", 1])}, optional={"x": st.integers(0, 3)}),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(RECORDS, st.integers(1, 5), st.booleans())
def test_results_do_not_depend_on_the_cut(given_, cut, columnar):
    script = f"""
        {COUNT} if (payload.x === 3) throw new Error("three");
        if (payload.x === 2) {FLUSH}; else if (payload.x === 1) await session.push();
    """
    stream = gatherer(script, onFlush=FLUSH)
    both = []
    for chunk, form in ((100, False), (cut, columnar)):
        scripts = JavaScriptSandbox()
        left, result = passed(stream, given_, scripts=scripts, chunk_records=chunk, columnar=form)
        suspended = [(s.offset, s.detail) for s in result.suspended]
        both.append((canonical(left["out"]), suspended, result.sessions))
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"groupByRules": []}, "groupByRules: is empty"),
        ({"groupByRules": [{"fields": []}]}, "groupByRules[0].fields: is empty"),
        ({"groupByRules": [{"fields": [5]}]}, "groupByRules[0].fields: is [5]"),
        ({"onTransform": 5}, "onTransform: is 5"),
        ({"metaField": 5}, "metaField: is 5"),
    ],
)
def test_what_is_wrong_with_parameters_is_named(params, problem):
    with pytest.raises(DefinitionError) as refused:
        load_graph(chain(reader(), gatherer(COUNT, **params), noop()))
    assert problem in str(refused.value)
