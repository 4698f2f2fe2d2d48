from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from meterhouse.core.instant import parse_instant
from meterhouse.core.suspense import Reason
from meterhouse.core.threshold import Threshold
from meterhouse.streams.law import RecordsUnaccounted, check_law, lawful
from meterhouse.streams.nodes import log as log_node
from meterhouse.streams.nodes import meter as meter_module
from meterhouse.streams.nodes import noop as noop_node
from meterhouse.streams.nodes.meter import MeterKeyMissing
from meterhouse.streams.nodes.script import ScriptFailed
from meterhouse.streams.ports import InputError
from meterhouse.streams.record import ConsumedFile, NodeCount, Requeued
from meterhouse.streams.world import LOG_LINES_MAX, RunLog, Services
from tests.streams.documents import (
    AT,
    chain,
    counts,
    document,
    facts,
    meter_node,
    node,
    noop,
    reader,
    run,
    state,
)
from tests.streams.meters import KEY
from tests.streams.twins import (
    Effects,
    Files,
    MemoryFile,
    Outcome,
    Scripts,
    Snapshot,
    Spools,
    records_of,
)

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
FEBRUARY = parse_instant("2026-02-01T00:00:00Z")


def writer(id: str = "w") -> dict:
    return node(id, "writers/file", path=f"{id}.ndjson")


def usage(*user_ids: str) -> list[dict]:
    return [{"userId": user, "value": 1} for user in user_ids]


# ---------------------------------------------------------------- readers/file


def test_files_are_read_in_order_and_remembered():
    spools = Spools()
    files = Files({"b": [{"n": 3}], "a": [{"n": 1}, {"n": 2}]})
    result = run(chain(reader(), writer()), files, spools=spools)
    assert [r["n"] for r in spools.opened["w"].records] == [1, 2, 3]
    assert result.consumed == [
        ConsumedFile("in", "a", 2, 1, records=2),
        ConsumedFile("in", "b", 1, 1, records=1),
    ]


@FORMS
def test_small_files_are_gathered_into_one_chunk(columnar):
    shown = []
    files = Files({name: [{"n": 1}, {"n": 2}] for name in "abcde"}, columnar=columnar)
    scripts = Scripts({"count": lambda record: shown.append(record["n"]) or Outcome((record,))})
    script = node("s", "transforms/script", transform="count")
    run(chain(reader(), script, noop()), files, scripts=scripts, chunk_records=4)
    # Two files make a chunk of four; the fifth is left for the last one.
    assert [len(call) if call else None for call in scripts.metas] == [None, None, None]
    assert len(shown) == 10


def test_a_consumed_file_is_not_read_again_and_a_changed_one_is_reported():
    known = {name: ConsumedFile("in", name, 1, 1) for name in ("same", "grown", "touched")}
    files = Files(
        {
            "same": [{"n": 1}],
            "grown": [{"n": 1}, {"n": 2}],
            "touched": MemoryFile([{"n": 1}], modified_ns=2),
            "new": [{"n": 9}],
        }
    )
    snapshot = Snapshot(consumed_files={"in": known})
    lines = []
    services = Services(files, Spools(), log=lambda *line: lines.append(line))
    result = run(chain(reader(), noop()), files, snapshot=snapshot, services=services)
    assert files.read_paths == ["new"]
    assert [file.path for file in result.consumed] == ["new"]
    warnings = [text.partition(" has changed")[0] for _, level, text in result.log]
    assert warnings == ["grown", "touched"]
    assert [level for _, level, _ in lines] == ["warning", "warning"]


def test_no_file_at_all_is_said():
    result = run(chain(reader(), noop()), Files({}))
    assert result.log == [("in", "warning", "no file matches *")]


def test_what_cannot_be_read_is_suspended_with_its_text_and_place():
    result = run(chain(reader(), noop()), [{"a": 1}, "{oops", {"a": 2}])
    (suspended,) = result.suspended
    assert (suspended.reason, suspended.raw, suspended.record) == (
        Reason.NOT_READABLE,
        "{oops",
        None,
    )
    assert (suspended.detail, suspended.source, suspended.offset) == ("line 2: not JSON", "a", 1)
    assert counts(result, "in") == {"in": 3, "out": {"out": 2}, "suspended": 1}


def test_a_broken_file_fails_the_run_and_leaves_nothing():
    spools = Spools()
    files = Files({"a": MemoryFile([{"n": 1}], broken=True)})
    with pytest.raises(InputError, match="a is truncated"):
        run(chain(reader(), writer()), files, spools=spools, chunk_records=1)
    assert spools.opened["w"].discarded


def test_progress_tells_records_files_and_bytes():
    seen = []
    files = Files({"a": [{"n": 1}] * 3, "b": [{"n": 1}]})
    services = Services(files, Spools(), progress=seen.append)
    run(chain(reader(), noop()), files, services=services, chunk_records=2)
    assert [(p.records, p.files, p.files_all, p.bytes, p.bytes_all) for p in seen] == [
        (2, 0, 2, 0, 4),
        (3, 0, 2, 0, 4),
        (3, 1, 2, 3, 4),
        (4, 1, 2, 3, 4),
        (4, 2, 2, 4, 4),
    ]


@pytest.mark.parametrize(
    ("nodes", "needed"),
    [
        ([node("m", "transforms/map", mappings=[{"x": "a"}, {"y": "b.c"}]), meter_node()], "a b"),
        ([meter_node()], None),
        ([noop()], ""),
        ([node("m", "transforms/map", mappings=[{"x": "a"}, {"y": "b"}])], ""),
        ([node("d", "transforms/deduplicate", key="${payload.k.l}"), noop()], "k"),
        ([node("d", "transforms/deduplicate", key="${payload}"), noop()], None),
        (
            [
                node("d", "transforms/deduplicate", key="${payload.k}"),
                node(
                    "s",
                    "transforms/split",
                    rules=[
                        {"key": "${payload.r}", "op": "eq", "value": "x", "output": "o"},
                    ],
                    multiOutput={"configurable": {"outputs": [{"id": "o"}]}},
                    onNoMatch="discard",
                ),
                node("m", "transforms/map", mappings=[{"x": "a"}]),
                writer(),
            ],
            "k r a",
        ),
        ([node("v", "transforms/validate", schema={}), noop()], None),
    ],
)
def test_a_reader_is_told_which_fields_anything_looks_at(nodes, needed):
    files = Files({"a": [{"a": 1}]})
    run(chain(reader(), *nodes), files)
    (asked,) = files.needed
    fields = None if asked is None else {field for field in asked if "." not in field}
    assert fields == (None if needed is None else set(needed.split()))


# ---------------------------------------------------------------- meter


@FORMS
@pytest.mark.parametrize("chunk_records", [1, 2, 100])
def test_records_are_metered_and_the_rest_is_suspended_with_what_is_wrong(columnar, chunk_records):
    given = records_of("""
    {"userId": "ann", "value": 2}
    {"value": 1}
    {"userId": "ann"}
    {"userId": "ann", "value": "x"}
    {"userId": "ann", "value": 0.1234567890123456789}
    {"userId": "ann", "value": 1, "timestamp": "soon"}
    {"userId": "ann", "value": 1, "timestamp": "2030-01-01"}
    {"userId": "bob", "value": 1}
    {"userId": {"b": 1, "a": 2}, "value": 1}
    """)
    result = run(
        chain(reader(), meter_node(), noop()),
        given,
        columnar=columnar,
        chunk_records=chunk_records,
        snapshot=Snapshot({KEY: state("ann")}),
    )
    assert [(s.reason.value, s.detail) for s in result.suspended] == [
        ("user_id_missing", "userId is missing"),
        ("value_missing", "value is missing"),
        ("value_not_numeric", 'value is "x"'),
        ("value_too_precise", "value is 0.1234567890123456789"),
        ("timestamp_invalid", 'timestamp is "soon"'),
        ("timestamp_in_future", 'timestamp is "2030-01-01"'),
        ("no_meter_found", 'userId is "bob"; the user has no meter of category "api"'),
        ("user_id_missing", 'userId is {"a":2,"b":1}'),
    ]
    assert counts(result, "meter") == {"in": 9, "suspended": 8, "metered": 1}
    ((node_id, changes),) = result.states
    assert node_id == "meter"
    assert [(b.meter.user_id, b.state.value) for b in changes.buckets] == [("ann", 2)]


#: Beyond this many records, a run folds columns.
MANY = 3_000


@FORMS
@pytest.mark.parametrize("times", [1, MANY], ids=["rows", "columns"])
@pytest.mark.parametrize(
    ("tolerance", "metered"),
    [
        ({}, 1),
        ({"futureToleranceSeconds": 0}, 1),
        ({"futureToleranceSeconds": Decimal("59.999999")}, 2),
        ({"futureToleranceSeconds": 60}, 3),
        ({"futureToleranceSeconds": 2592000}, 4),
    ],
)
def test_usage_of_the_future_is_metered_as_far_as_is_tolerated(columnar, times, tolerance, metered):
    stamps = [
        "2026-01-15T12:00:00Z",
        "2026-01-15T12:00:59.999999Z",
        "2026-01-15T12:01:00Z",
        "2026-01-15T12:01:00.000001Z",
    ]
    given = [{"userId": "ann", "value": 1, "timestamp": stamp} for stamp in stamps] * times
    result = run(
        chain(reader(), meter_node(**tolerance), noop()),
        given,
        columnar=columnar,
        chunk_records=MANY * 4,
        snapshot=Snapshot({KEY: state("ann")}),
    )
    expected = {"in": 4 * times, "metered": metered * times, "suspended": (4 - metered) * times}
    assert counts(result, "meter") == {name: count for name, count in expected.items() if count}
    assert {s.reason for s in result.suspended} <= {Reason.TIMESTAMP_IN_FUTURE}


def test_a_meter_may_discard_its_bad_records():
    off = meter_node(suspenseManagement={"enabled": False})
    snapshot = Snapshot({KEY: state("ann")})
    result = run(chain(reader(), off, noop()), usage("ann", "bob"), snapshot=snapshot)
    assert counts(result, "meter") == {"in": 2, "filtered": 1, "metered": 1}


def test_meters_whose_period_has_ended_are_flushed_before_the_first_record():
    spools = Spools()
    stream = document([reader(), meter_node(), writer()], "in -> meter", "meter:reset -> w")
    snapshot = Snapshot({KEY: state("ann", "bob")})
    result = run(stream, usage("ann"), snapshot=snapshot, spools=spools, at=FEBRUARY)
    left = spools.opened["w"].records
    assert [(r["userId"], r["value"]) for r in left] == [("ann", 0), ("bob", 0)]
    assert all(list(record)[-1] == "recordId" for record in left)
    assert [emitted.record.body for emitted in result.records] == left
    assert counts(result, "meter") == {"in": 1, "out": {"reset": 2}, "metered": 1}


@FORMS
@pytest.mark.parametrize("chunk_records", [1, 100])
def test_partial_pushes_leave_by_their_own_port_in_order_of_crossing(columnar, chunk_records):
    spools = Spools()
    stream = document([reader(), meter_node(), writer()], "in -> meter", "meter:threshold -> w")
    limits = [Threshold(f"at {n}", absolute_value=Decimal(n)) for n in (1, 2, 3)]
    snapshot = Snapshot({KEY: state("ann", "bob", thresholds=tuple(limits))})
    given = [{"userId": user, "value": value} for user, value in (("bob", 2), ("ann", 9))]
    result = run(
        stream,
        given,
        columnar=columnar,
        chunk_records=chunk_records,
        snapshot=snapshot,
        spools=spools,
    )
    left = [(r["userId"], r["thresholdReached"]["name"]) for r in spools.opened["w"].records]
    assert left == [
        *(("bob", name) for name in ("at 1", "at 2")),
        *(("ann", name) for name in ("at 1", "at 2", "at 3")),
    ]
    assert counts(result, "meter") == {"in": 2, "out": {"threshold": 5}, "metered": 2}


def test_the_end_scan_has_a_clock_of_its_own():
    snapshot = Snapshot({KEY: state("ann")})
    stream = chain(reader(), meter_node(), noop())
    result = run(stream, usage("ann"), snapshot=snapshot, end_at=FEBRUARY)
    (emitted,) = result.records
    assert emitted.record.body["value"] == 1


def test_a_stream_execution_flushes_every_meter_at_its_end():
    spools = Spools()
    meter = meter_node(flushType="END_OF_STREAM")
    stream = document([reader(), meter, writer()], "in -> meter", "meter:reset -> w")
    run(stream, usage("ann", "ann"), snapshot=Snapshot({KEY: state("ann")}), spools=spools)
    assert [r["value"] for r in spools.opened["w"].records] == [2]


@pytest.mark.parametrize("page_records", [1, 2, 10_000])
def test_a_huge_reset_goes_down_in_pages(monkeypatch, page_records):
    monkeypatch.setattr(meter_module, "PAGE_RECORDS", page_records)
    spools = Spools()
    stream = document([reader(), meter_node(), writer()], "in -> meter", "meter:reset -> w")
    snapshot = Snapshot({KEY: state("a", "b", "c", "d", "e")})
    result = run(stream, [], snapshot=snapshot, spools=spools, at=FEBRUARY)
    assert [r["userId"] for r in spools.opened["w"].records] == list("abcde")
    assert len(result.records) == 5


def test_meters_further_down_are_scanned_before_records_come_to_them():
    second_key = "22222222-2222-4222-8222-222222222222"
    first, second = state("ann"), state("ann")
    for bucket in first:
        bucket.state.value, bucket.state.count = Decimal(5), 1
    stream = document(
        [reader(), meter_node(), meter_node("meter2"), noop()],
        "in -> meter",
        "meter:reset -> meter2",
        "meter2:reset -> end",
    )
    result = run(
        stream,
        [],
        snapshot=Snapshot({KEY: first, second_key: second}),
        meter_keys={"meter": KEY, "meter2": second_key},
        at=FEBRUARY,
    )
    golden = {emitted.node_id: emitted.record.body["value"] for emitted in result.records}
    # The golden record of the first meter counts in the new period of the second one.
    assert golden == {"meter": 5, "meter2": 0}
    assert counts(result, "meter2")["metered"] == 1


def test_a_meter_node_without_a_key_is_refused():
    with pytest.raises(MeterKeyMissing, match="import the stream again"):
        run(chain(reader(), meter_node(), noop()), [], meter_keys={})


# ---------------------------------------------------------------- script


def script(transform: str = "t", **params) -> dict:
    return node("s", "transforms/script", transform=transform, **params)


def test_a_script_pushes_any_number_of_records_for_one():
    spools = Spools()
    scripts = Scripts({"t": lambda r: Outcome(tuple({"n": n} for n in range(r["n"])))})
    stream = chain(reader(), script(), writer())
    result = run(stream, [{"n": n} for n in (2, 0, 1)], scripts=scripts, spools=spools)
    assert [r["n"] for r in spools.opened["w"].records] == [0, 1, 0]
    assert counts(result, "s") == {"in": 3, "out": {"out": 3}}
    assert scripts.closed == 1
    assert scripts.opened == {"at_us": AT, "seed": 7, "shared_store": {}}


def test_a_record_for_which_the_script_fails_is_suspended():
    scripts = Scripts({"t": lambda r: Outcome((r,)) if r["n"] else Outcome(error="boom (line 3)")})
    result = run(chain(reader(), script(), noop()), [{"n": 1}, {"n": 0}], scripts=scripts)
    assert [(s.reason, s.detail, s.record) for s in result.suspended] == [
        (Reason.SCRIPT_ERROR, "boom (line 3)", {"n": 0})
    ]
    assert counts(result, "s") == {"in": 2, "out": {"out": 1}, "suspended": 1}


@pytest.mark.parametrize("name", ["flush", "onFlush"])
def test_a_flush_script_runs_at_the_end_and_its_records_go_on(name):
    kept = []
    scripts = Scripts(
        {
            "t": lambda r: kept.append(r["n"]) or Outcome(),
            "f": lambda meta: Outcome(({"sum": sum(kept), **meta},)),
        }
    )
    spools = Spools()
    stream = chain(reader(), script(**{name: "f"}), writer())
    run(stream, [{"n": 1}, {"n": 2}], scripts=scripts, spools=spools, chunk_records=1)
    assert spools.opened["w"].records == [{"sum": 3, "lastCall": True}]


def test_scripts_end_before_the_meters_that_they_feed():
    scripts = Scripts({"t": lambda r: Outcome(), "f": lambda meta: Outcome(tuple(usage("ann")))})
    meter = meter_node(flushType="END_OF_STREAM")
    stream = chain(reader(), script(flush="f"), meter, noop())
    snapshot = Snapshot({KEY: state("ann")})
    result = run(stream, [{"n": 1}], scripts=scripts, snapshot=snapshot)
    assert [emitted.record.body["value"] for emitted in result.records] == [1]


@pytest.mark.parametrize("chunk_records", [1, 100])
def test_what_a_script_pushes_keeps_the_origin_of_its_record(chunk_records):
    scripts = Scripts({"t": lambda r: Outcome(({"n": r["n"]}, {"n": -r["n"]}))})
    check = node("v", "transforms/validate", schema={"properties": {"n": {"minimum": 0}}})
    stream = chain(reader(), script(), check, noop())
    given = [{"n": n} for n in (1, 2)]
    result = run(stream, given, scripts=scripts, chunk_records=chunk_records)
    assert [(s.source, s.offset, s.record["n"]) for s in result.suspended] == [
        ("a", 0, -1),
        ("a", 1, -2),
    ]


def test_a_flush_script_that_fails_fails_the_run():
    scripts = Scripts({"f": lambda meta: Outcome(error="boom")})
    with pytest.raises(ScriptFailed, match='flush script of node "s" failed: boom'):
        run(chain(reader(), script(flush="f"), noop()), [], scripts=scripts)
    assert scripts.closed == 1


def test_a_script_that_mentions_meta_is_told_where_records_come_from():
    scripts = Scripts({"push(meta)": lambda r: Outcome()})
    run(chain(reader(), script("push(meta)"), noop()), [{"n": 1}, {"n": 2}], scripts=scripts)
    assert scripts.metas == [[{"source": "a", "offset": 0}, {"source": "a", "offset": 1}]]


@pytest.mark.parametrize("chunk_records", [1, 100])
def test_effects_of_scripts_are_part_of_the_result(chunk_records):
    gone = Enum("Gone", "GONE").GONE
    scripts = Scripts()
    calls = iter(
        [
            Effects({"s": {"a": 1, "b": 2}}, {"c": [1]}, {"s": {"rows": 1}}, [("s", "info", "1")]),
            Effects({"s": {"b": gone}}, {}, {"s": {"rows": 2}}, [("s", "error", "2")], 5),
        ]
    )
    scripts.functions = {"t": lambda r: scripts.will_return(next(calls))}
    stream = chain(reader(), script(), noop())
    result = run(stream, [{"n": 1}, {"n": 2}], scripts=scripts, chunk_records=chunk_records)
    if chunk_records == 1:
        assert result.script_store == {"s": {"a": 1, "b": None}, "": {"c": [1]}}
        assert result.log[0] == ("s", "info", "1")
    assert result.audit == {"s": {"rows": 2}}
    assert ("s", "error", "2") in result.log
    assert any("5 more lines" in text for _, _, text in result.log)


# ---------------------------------------------------------------- log


def test_a_log_writer_writes_records_to_the_log_of_the_run():
    lines = []
    files = Files({"a": [{"n": 1}, {"n": 2}]})
    services = Services(files, Spools(), log=lambda *line: lines.append(line))
    result = run(chain(reader(), node("l", "writers/log", "My log")), files, services=services)
    assert result.log == [("l", "info", '{"n":1}'), ("l", "info", '{"n":2}')]
    assert lines[0] == ("My log", "info", '{"n":1}')


@pytest.mark.parametrize("chunk_records", [7, 100_000])
def test_a_log_keeps_the_first_records_and_counts_the_others(chunk_records):
    stream = chain(node("c", "readers/counter", max=LOG_LINES_MAX + 5), node("l", "writers/log"))
    result = run(stream, chunk_records=chunk_records)
    assert len(result.log) == LOG_LINES_MAX
    assert result.log[-1] == ("l", "info", "6 more records are not shown here")
    assert log_node.TYPE.writes


def test_a_log_keeps_warnings_and_says_how_many_lines_are_left_out():
    log = RunLog(lambda *_: None)
    for n in range(LOG_LINES_MAX + 5):
        log.add("n", "N", text=f"line {n}")
    log.add("n", "N", level="warning", text="look here")
    log.add("n", "N", level="error", text="and here")
    assert log.lines[LOG_LINES_MAX:] == [
        ("n", "warning", "look here"),
        ("n", "error", "and here"),
        ("n", "warning", "5 more lines of this node are left out"),
    ]


# ---------------------------------------------------------------- data correction


def queued(id: int, node_id: str, record: Any) -> Requeued:
    """A record that was first read in a file of another day."""
    return Requeued(id, node_id, record, "old.csv", id * 10)


def test_what_came_back_is_not_among_the_inputs_that_were_read():
    result = run(
        chain(reader(), noop()), [{"n": 1}], snapshot=Snapshot(queue=[queued(1, "in", {})])
    )
    assert result.sources == ["a"]


def test_a_script_is_told_where_a_record_that_came_back_was_first_read():
    scripts = Scripts({"pass; meta": lambda record: Outcome((record,))})
    stream = chain(reader(), node("s", "transforms/script", transform="pass; meta"), noop())
    snapshot = Snapshot(queue=[queued(3, "s", {"n": 1})])
    run(stream, [{"n": 2}], snapshot=snapshot, scripts=scripts)
    assert scripts.metas == [
        [{"source": "old.csv", "offset": 30}],
        [{"source": "a", "offset": 0}],
    ]


def test_queued_records_enter_a_reader_with_the_types_of_its_fields():
    spools = Spools()
    stream = chain(reader(fields={"n": "number"}), writer())
    queue = [queued(1, "in", {"n": "5", "x": "5"}), queued(2, "in", {"n": "bad"})]
    result = run(stream, [{"n": 3}], snapshot=Snapshot(queue=queue), spools=spools)
    assert spools.opened["w"].records == [{"n": 5, "x": "5"}, {"n": 3}]
    (suspended,) = result.suspended
    assert (suspended.reason, suspended.record) == (Reason.NOT_READABLE, {"n": "bad"})
    assert suspended.detail == 'n is "bad", which is not a number'
    assert counts(result, "in") == {"in": 3, "out": {"out": 2}, "suspended": 1}


def test_queued_records_enter_the_node_that_rejected_them_before_all_others():
    spools = Spools()
    schema = {"properties": {"n": {"type": "integer"}}}
    check = node("v", "transforms/validate", schema=schema)
    stream = chain(reader(), check, writer())
    queue = [queued(7, "v", {"n": 1}), queued(4, "in", {"n": 2}), queued(9, "v", {"n": "x"})]
    result = run(stream, [{"n": 3}], snapshot=Snapshot(queue=queue), spools=spools)
    assert [r["n"] for r in spools.opened["w"].records] == [1, 2, 3]
    assert result.requeued == [4, 7, 9]
    (suspended,) = result.suspended
    assert (suspended.source, suspended.offset, suspended.returned) == ("old.csv", 90, True)
    assert counts(result, "in") == {"in": 2, "out": {"out": 2}}
    assert counts(result, "v") == {"in": 4, "out": {"valid": 3}, "suspended": 1}


def test_queued_records_of_a_node_that_is_gone_stay_queued():
    queue = [queued(1, "gone", {"n": 1})]
    result = run(chain(reader(), noop()), [], snapshot=Snapshot(queue=queue))
    assert result.requeued == []
    assert ("gone", "warning") in [line[:2] for line in result.log]


def test_what_is_still_no_record_is_suspended_again():
    queue = [queued(1, "in", None)]
    result = run(chain(reader(), noop()), [], snapshot=Snapshot(queue=queue))
    assert result.requeued == [1]
    [suspended] = result.suspended
    assert suspended.reason is Reason.NOT_READABLE
    assert (suspended.source, suspended.offset, suspended.returned) == ("old.csv", 10, True)
    assert counts(result, "in") == {"in": 1, "suspended": 1}


# ---------------------------------------------------------------- the law


def test_a_node_that_loses_records_breaks_the_law():
    count = NodeCount("n", "Node", "transforms/map", 5, {"out": 3}, filtered=1)
    assert not lawful(count)
    with pytest.raises(RecordsUnaccounted, match=r'node "Node" .* cannot account for 1 of them'):
        check_law([count])


def test_a_run_that_breaks_the_law_fails(monkeypatch):
    monkeypatch.setattr(noop_node._Noop, "take", lambda self, batch: {})
    with pytest.raises(RecordsUnaccounted, match="cannot account for 2"):
        run(chain(reader(), noop()), [{"n": 1}, {"n": 2}])


def test_what_a_meter_lets_out_does_not_count():
    assert lawful(NodeCount("n", "M", "transforms/meter", 5, {"reset": 9}, suspended=2, metered=3))


def test_scripts_may_create_records():
    assert lawful(NodeCount("n", "S", "transforms/script", 5, {"out": 9}))


def test_the_facts_of_a_run_have_defaults():
    assert facts().end_at is None


def test_a_run_for_correction_takes_what_is_queued_and_looks_at_no_input():
    files = Files({"a": [{"n": 3}], "b": MemoryFile([{"n": 4}], broken=True)})
    spools = Spools()
    check = node("v", "transforms/validate", schema={"properties": {"n": {"type": "integer"}}})
    stream = chain(reader(), check, writer())
    queue = [queued(7, "v", {"n": 1}), queued(8, "v", {"n": "x"})]
    result = run(stream, files, snapshot=Snapshot(queue=queue), spools=spools, correction=True)
    assert spools.opened["w"].records == [{"n": 1}]
    assert (files.read_paths, result.consumed) == ([], [])
    assert result.requeued == [7, 8]
    assert counts(result, "in") == {}
    assert counts(result, "v") == {"in": 2, "out": {"valid": 1}, "suspended": 1}


def test_a_run_for_correction_scans_the_meters_and_flushes_by_execution_as_others_do():
    stream = chain(reader(), meter_node(flushType="END_OF_STREAM"), noop())
    snapshot = Snapshot(states={KEY: state("ann")}, queue=[queued(1, "meter", usage("ann")[0])])
    result = run(stream, snapshot=snapshot, correction=True)
    assert [emitted.record.body["value"] for emitted in result.records] == [1]
