import sqlite3
from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.core.metered_record import Kind
from meterhouse.engine.flush import flush_expired
from meterhouse.engine.metering import StateChanges
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import (
    ConsumedFile,
    OutboxEntry,
    Requeued,
    RunResult,
    RunStatus,
)
from tests.store.factories import (
    AT,
    KEY,
    a_meter_type,
    a_month_later,
    a_run,
    a_stream,
    a_suspended,
    add_meters,
    an_emitted,
    commit,
    fail,
    snapshot,
    start,
)


@pytest.fixture
def meters(ledger: SqliteLedger) -> list[str]:
    ledger.add_stream(a_stream())
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    return add_meters(ledger, ["ann", "bob", "cid"], meter_type=meter_type)


def changed(ledger: SqliteLedger, id: str, **changes):
    bucket = ledger.meter(id)
    for name, value in changes.items():
        setattr(bucket.state, name, value)
    return bucket


def dump(ledger: SqliteLedger) -> list[str]:
    with sqlite3.connect(ledger._database.path) as connection:
        return list(connection.iterdump())


def test_a_bucket_is_stored_whole(ledger: SqliteLedger, meters):
    touched = changed(ledger, meters[0], value=Decimal("2.5"), count=2, volume=Decimal("4.5"))
    touched.state.carry_first = {"a": '"x"'}
    touched.state.groups = {("model",): {('"gpt"',): replace_group("2.5")}}
    touched.state.reached = {"half": AT}
    touched.state.updated_at = AT + 7
    commit(ledger, RunResult(states=[("node-0", StateChanges(buckets=[touched]))]))
    assert ledger.meter(meters[0]).state == touched.state
    assert ledger.meter(meters[1]).state.count == 0


def replace_group(value: str):
    from meterhouse.core.meter_state import GroupState

    return GroupState(Decimal(value), {}, {"b": "1"})


def test_a_reset_bucket_is_untouched_again(ledger: SqliteLedger, meters):
    touched = changed(ledger, meters[0], value=Decimal(3), count=1, volume=Decimal(3))
    commit(ledger, RunResult(states=[("node-0", StateChanges(buckets=[touched]))]))
    bucket = ledger.meter(meters[0])
    later = a_month_later()
    flush_expired(bucket, at=later, sections=())
    commit(ledger, RunResult(states=[("node-0", StateChanges(buckets=[bucket]))]), at=later)
    assert ledger.meter(meters[0]).state == bucket.state
    assert bucket.state.period.sequence == 1
    assert ledger._database.value("SELECT count(*) FROM meter_contents") == 0


def test_deleted_meters_are_gone_with_their_states(ledger: SqliteLedger, meters):
    touched = changed(ledger, meters[1], value=Decimal(3), count=1, volume=Decimal(3))
    commit(ledger, RunResult(states=[("node-0", StateChanges(buckets=[touched]))]))
    commit(ledger, RunResult(states=[("node-0", StateChanges(deleted=[2]))]))
    assert [bucket.meter.id for bucket in ledger.meters().items] == [meters[0], meters[2]]
    assert ledger._database.value("SELECT count(*) FROM meter_contents") == 0


def test_metered_records_keep_their_text_and_order(ledger: SqliteLedger, meters):
    golden, threshold = an_emitted("ü\ud800"), an_emitted(kind=Kind.THRESHOLD)
    run = commit(ledger, RunResult(records=[threshold, golden]))
    first, second = ledger.records().items
    assert (first.kind, second.kind) == ("threshold", "golden")
    assert (first.run_id, first.node_id) == (run.id, "node-0")
    id = golden.record.record_id
    assert second.text == f'{{"value":1.5,"text":"ü\\ud800","recordId":"{id}"}}'
    assert [r.kind for r in ledger.records(kind="golden").items] == ["golden"]
    assert len(ledger.records(run_id=run.id).items) == 2
    assert [r.kind for r in ledger.records(run_id=run.id, kind="golden").items] == ["golden"]
    assert ledger.records(run_id="none").items == []


def test_a_record_written_twice_is_a_mistake_of_ours_and_nothing_is_kept(
    ledger: SqliteLedger, meters
):
    emitted = an_emitted()
    commit(ledger, RunResult(records=[emitted]))
    run = start(ledger, a_run("second"))
    before = dump(ledger)
    with pytest.raises(AssertionError, match="second time"):
        ledger.commit_run(run, RunResult(log=[("", "info", "x")], records=[an_emitted(), emitted]))
    assert dump(ledger) == before


def test_consumed_files_are_seen_by_the_next_run_of_the_stream(ledger: SqliteLedger, meters):
    ledger.add_stream(a_stream("other", id="other", keys=()))
    files = [ConsumedFile("r", "a.csv", 1, 2), ConsumedFile("q", "b\udcff.csv", 3, 2**62)]
    commit(ledger, RunResult(consumed=files))
    commit(ledger, RunResult(consumed=[replace(files[0], size=9)]))
    with snapshot(ledger) as opened:
        assert opened.consumed("r") == {"a.csv": ConsumedFile("r", "a.csv", 9, 2)}
        assert opened.consumed("q") == {"b\udcff.csv": files[1]}
    with snapshot(ledger, "other") as opened:
        assert opened.consumed("r") == {}


def test_the_script_store_is_per_node_but_for_the_shared_one(ledger: SqliteLedger, meters):
    ledger.add_stream(a_stream("other", id="other", keys=()))
    store = {"s": {"a": {"x": [1, Decimal("0.5")]}, "b": 1}, "": {"c": "shared"}}
    commit(ledger, RunResult(script_store=store))
    commit(ledger, RunResult(script_store={"s": {"b": None, "d": False}, "": {"e": 0}}))
    with snapshot(ledger) as opened:
        assert opened.script_store("s") == {"a": {"x": [1, Decimal("0.5")]}, "d": False}
        assert opened.script_store("t") == {}
    with snapshot(ledger, "other") as opened:
        assert opened.script_store("s") == {}
        assert opened.script_store("") == {"c": "shared", "e": 0}


def test_the_custom_audit_is_kept_with_the_run(ledger: SqliteLedger, meters):
    commit(ledger, RunResult(audit={"s": {"rows": 5, "name": "x"}}))
    rows = ledger._database.rows("SELECT node_id, key, value FROM run_audit ORDER BY key")
    assert rows == [("s", "name", '"x"'), ("s", "rows", "5")]


def test_outputs_are_pending_until_they_are_delivered(ledger: SqliteLedger, meters):
    one = OutboxEntry("w", "spool-1", "/out/a.csv")
    two = OutboxEntry("w", "spool-2", "/out/b\udcff.csv")
    run = commit(ledger, RunResult(outbox=[one, two]))
    first, second = ledger.pending()
    assert (first.run_id, first.entry, first.attempts) == (run.id, one, 0)
    ledger.failed(first.id, "disk full", at=AT)
    ledger.delivered(second.id, at=AT)
    (left,) = ledger.pending()
    assert (left.entry, left.attempts) == (one, 1)
    assert (left.attempted_at, left.error) == (AT, "disk full")
    ledger.delivered(left.id, at=AT)
    ledger.delivered(left.id, at=AT + 1)
    assert ledger.pending() == []
    assert second.entry == two


def test_an_output_that_is_dropped_is_forgotten_unless_it_was_delivered(
    ledger: SqliteLedger, meters
):
    commit(ledger, RunResult(outbox=[OutboxEntry("w", f"spool-{n}", "/out") for n in range(3)]))
    first, second, third = ledger.pending()
    ledger.delivered(first.id, at=AT)
    for output in (first, second):
        ledger.drop(output.id)
    assert ledger.pending() == [third]
    assert ledger._database.value("SELECT count(*) FROM outbox") == 2


def test_what_was_delivered_long_ago_is_forgotten_and_what_waits_is_not(
    ledger: SqliteLedger, meters
):
    commit(ledger, RunResult(outbox=[OutboxEntry("w", f"spool-{n}", "/out") for n in range(5)]))
    waiting, long_ago, just_now, *many = ledger.pending()
    ledger.failed(waiting.id, "away", at=AT)
    for output in (long_ago, *many):
        ledger.delivered(output.id, at=AT)
    ledger.delivered(just_now.id, at=AT + 5)
    assert ledger.purge_delivered(before=AT, limit=2) == 0
    assert ledger.purge_delivered(before=AT + 5, limit=1) == 1
    assert ledger.purge_delivered(before=AT + 5, limit=9) == 2
    kept = ledger._database.rows("SELECT id FROM outbox ORDER BY id")
    assert kept == [(waiting.id,), (just_now.id,)]


def test_suspended_records_come_back_as_they_were(ledger: SqliteLedger, meters):
    ended = a_run(status=RunStatus.COMPLETE, ended_at=AT + 4)
    record = {"n": 5, "t": "5", "d": Decimal("0.10"), "half": "\ud800"}
    suspended = [
        a_suspended(3, record=record),
        a_suspended(1, record=None, raw="not json \udcff", source="b"),
    ]
    start(ledger, a_run())
    ledger.commit_run(ended, RunResult(suspended=suspended))
    first, second = ledger.suspense().items
    assert first.suspended == suspended[0]
    assert second.suspended == replace(suspended[1], raw="not json \\udcff")
    assert (first.stream_id, first.stream_name, first.run_id) == ("stream-1", "Usage", "run-1")
    assert (first.state, first.created_at, first.updated_at) == ("open", AT + 4, AT + 4)


def test_requeued_records_are_seen_by_the_next_run_and_gone_after_it(ledger: SqliteLedger, meters):
    commit(ledger, RunResult(suspended=[a_suspended(0), a_suspended(1), a_suspended(2)]))
    ids = [entry.id for entry in ledger.suspense().items]
    ledger.requeue_suspense([ids[2], ids[0]], at=AT)
    with snapshot(ledger) as opened:
        record = a_suspended().record
        queued = [
            Requeued(id, "node-0", record, "a.csv", place)
            for id, place in ((ids[0], 0), (ids[2], 2))
        ]
        assert opened.requeued() == queued
    again = a_suspended(0, returned=True)
    commit(ledger, RunResult(requeued=[ids[0], ids[2]], suspended=[again]))
    left = ledger.suspense().items
    assert [(e.suspended.source, e.suspended.offset) for e in left] == [("a.csv", 1), ("a.csv", 0)]
    with snapshot(ledger) as opened:
        assert opened.requeued() == []


def offsets(ledger: SqliteLedger, source: str = "a.csv") -> list[int]:
    entries = ledger.suspense(limit=1000).items
    return [e.suspended.offset for e in entries if e.suspended.source == source]


def test_a_failed_run_keeps_its_suspended_records_only(ledger: SqliteLedger, meters):
    result = RunResult(
        suspended=[a_suspended(4)],
        records=[an_emitted()],
        consumed=[ConsumedFile("r", "a.csv", 1, 2)],
        states=[("node-0", StateChanges(deleted=[1]))],
        log=[("n", "info", "x")],
    )
    run = fail(ledger, result)
    assert offsets(ledger) == [4]
    assert ledger.suspense().items[0].run_id == run.id
    assert ledger.records().items == []
    assert len(ledger.meters().items) == 3
    assert ledger.run_log(run.id) == [("n", "info", "x")]
    with snapshot(ledger) as opened:
        assert opened.consumed("r") == {}


def test_what_a_failed_run_kept_is_replaced_when_its_input_is_read_again(
    ledger: SqliteLedger, meters
):
    fail(ledger, RunResult(suspended=[a_suspended(4), a_suspended(9), a_suspended(1, source="b")]))
    fail(ledger, RunResult(suspended=[a_suspended(4), a_suspended(6)]))
    assert offsets(ledger) == [9, 4, 6]
    consumed = [ConsumedFile("r", "a.csv", 1, 2)]
    commit(ledger, RunResult(suspended=[a_suspended(6)], consumed=consumed))
    assert offsets(ledger) == [6]
    assert offsets(ledger, "b") == [1]
    commit(ledger, RunResult(consumed=[ConsumedFile("r", "b", 1, 2)]))
    assert offsets(ledger, "b") == []
    assert offsets(ledger) == [6]


def test_what_failed_runs_of_another_stream_kept_stays(ledger: SqliteLedger, meters):
    ledger.add_stream(a_stream("other", id="other", keys=()))
    fail(ledger, RunResult(suspended=[a_suspended(4)]))
    run = start(ledger, a_run("x", stream="other"))
    ledger.commit_run(run, RunResult(suspended=[a_suspended(4)]))
    assert offsets(ledger) == [4, 4]


def test_records_from_data_correction_are_not_kept_twice_by_a_failed_run(
    ledger: SqliteLedger, meters
):
    commit(ledger, RunResult(suspended=[a_suspended(0)]))
    (entry,) = ledger.suspense().items
    ledger.requeue_suspense([entry.id], at=AT)
    fail(ledger, RunResult(suspended=[a_suspended(0, returned=True)]))
    (left,) = ledger.suspense().items
    assert (left.id, left.state) == (entry.id, "queued")


def test_a_record_that_came_back_does_not_replace_what_a_failed_run_kept_of_its_source(
    ledger: SqliteLedger, meters
):
    fail(ledger, RunResult(suspended=[a_suspended(4)]))
    commit(ledger, RunResult(suspended=[a_suspended(2, returned=True)], sources=["b.csv"]))
    assert offsets(ledger) == [4, 2]


def test_a_commit_changes_nothing_else(ledger: SqliteLedger, meters):
    before = [ledger.meter(id) for id in meters]
    commit(ledger, RunResult())
    assert [ledger.meter(id) for id in meters] == before
    assert ledger.stream_of_meter_key(KEY) == a_stream()
