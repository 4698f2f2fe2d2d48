from decimal import Decimal

import pytest

from meterhouse.app.ports import SuspenseSummary
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.suspense import Reason
from meterhouse.store import SqliteLedger, open_ledger
from meterhouse.streams.record import RunResult
from tests.store.factories import AT, HERE, a_run, a_stream, a_suspended, commit, fail, start


@pytest.fixture
def ids(ledger: SqliteLedger) -> list[int]:
    ledger.add_stream(a_stream())
    ledger.add_stream(a_stream("Other", id="other", keys=()))
    mine = [
        a_suspended(0),
        a_suspended(1, reason=Reason.VALUE_MISSING),
        a_suspended(2),
        a_suspended(3, reason=Reason.NOT_READABLE, record=None, raw="{", node_name="Read"),
    ]
    commit(ledger, RunResult(suspended=mine))
    run = start(ledger, a_run("other-1", stream="other", stream_name="Other"))
    ledger.commit_run(run, RunResult(suspended=[a_suspended(7)]))
    return [entry.id for entry in ledger.suspense().items]


def test_the_list_filters_by_stream_and_reason(ledger: SqliteLedger, ids):
    def listed(**filters):
        return [entry.id for entry in ledger.suspense(**filters).items]

    reason = Reason.NO_METER_FOUND
    assert listed() == ids
    assert listed(stream_id="stream-1") == ids[:4]
    assert listed(reason=reason) == [ids[0], ids[2], ids[4]]
    assert listed(stream_id="stream-1", reason=reason) == [ids[0], ids[2]]
    assert listed(stream_id="none") == listed(reason=Reason.SCRIPT_ERROR) == []


def test_the_summary_counts_by_stream_node_and_reason(ledger: SqliteLedger, ids):
    assert ledger.suspense_summary() == [
        SuspenseSummary("Other", "Meter", Reason.NO_METER_FOUND, 1),
        SuspenseSummary("Usage", "Meter", Reason.NO_METER_FOUND, 2),
        SuspenseSummary("Usage", "Meter", Reason.VALUE_MISSING, 1),
        SuspenseSummary("Usage", "Read", Reason.NOT_READABLE, 1),
    ]


def test_one_entry_is_found_by_its_number(ledger: SqliteLedger, ids):
    assert ledger.suspense_entry(ids[1]).suspended.offset == 1
    assert ledger.suspense_entry(ids[-1] + 1) is None
    assert ledger.suspense_entry(0) is None
    assert ledger.suspense_entry(-5) is None


def test_a_fix_sets_fields_and_keeps_the_others(ledger: SqliteLedger, ids):
    fixed = ledger.fix_suspense(ids[0], {"value": Decimal("1.5"), "new": [None]}, at=AT + 9)
    assert fixed == {"userId": "ann", "value": Decimal("1.5"), "n": 1, "new": [None]}
    entry = ledger.suspense_entry(ids[0])
    assert entry.suspended.record == fixed
    assert entry.updated_at == AT + 9


def test_a_fix_of_an_unreadable_record_starts_empty(ledger: SqliteLedger, ids):
    assert ledger.fix_suspense(ids[3], {"userId": "x"}, at=AT) == {"userId": "x"}
    entry = ledger.suspense_entry(ids[3])
    assert (entry.suspended.record, entry.suspended.raw) == ({"userId": "x"}, "{")


def test_deleting_and_queueing_are_all_or_none(ledger: SqliteLedger, ids):
    bad = [ids[0], 900, 901]
    with pytest.raises(NotFoundError, match="no records 900, 901 in Data Correction"):
        ledger.delete_suspense(bad)
    with pytest.raises(NotFoundError):
        ledger.requeue_suspense(bad, at=AT)
    with pytest.raises(NotFoundError, match="no record 900 in"):
        ledger.fix_suspense(900, {}, at=AT)
    assert [entry.state for entry in ledger.suspense().items] == ["open"] * 5


def test_a_long_list_of_unknown_records_is_cut(ledger: SqliteLedger, ids):
    with pytest.raises(NotFoundError, match="and 80 more"):
        ledger.delete_suspense(range(1000, 1100))


def test_deleted_records_are_gone(ledger: SqliteLedger, ids):
    ledger.delete_suspense(ids[:3])
    assert [entry.id for entry in ledger.suspense().items] == ids[3:]


def test_queueing_twice_changes_nothing(ledger: SqliteLedger, ids):
    ledger.requeue_suspense(ids[:1], at=AT + 1)
    ledger.requeue_suspense(ids[:1], at=AT + 2)
    entry = ledger.suspense_entry(ids[0])
    assert (entry.state, entry.updated_at) == ("queued", AT + 1)


def test_an_unreadable_record_is_queued_only_after_a_fix(ledger: SqliteLedger, ids):
    with pytest.raises(ConflictError, match=r"Nothing could be read of record .*Set its fields"):
        ledger.requeue_suspense(ids, at=AT)
    ledger.fix_suspense(ids[3], {"userId": "x"}, at=AT)
    ledger.requeue_suspense(ids, at=AT)


def test_queued_records_are_not_touched_while_their_stream_runs(ledger: SqliteLedger, ids):
    ledger.requeue_suspense(ids[:1], at=AT)
    run = start(ledger, a_run("busy"))
    for change in (
        lambda: ledger.delete_suspense(ids),
        lambda: ledger.requeue_suspense(ids[:2], at=AT),
        lambda: ledger.fix_suspense(ids[0], {"a": 1}, at=AT),
    ):
        with pytest.raises(ConflictError, match="Stream 'Usage' is running and has taken record"):
            change()
    ledger.fix_suspense(ids[1], {"a": 1}, at=AT)
    ledger.delete_suspense([ids[2]])
    ledger.fail_run(run, None)
    ledger.delete_suspense(ids[:1])


def test_records_of_a_failed_run_are_read_again_and_so_cannot_be_queued(ledger: SqliteLedger, ids):
    fail(ledger, RunResult(suspended=[a_suspended(8, source="c.csv")]))
    entry = ledger.suspense(limit=1000).items[-1]
    with pytest.raises(ConflictError, match="will be read again"):
        ledger.requeue_suspense([entry.id], at=AT)
    ledger.delete_suspense([entry.id])


def test_records_of_a_failed_run_are_replaced_and_so_cannot_be_fixed(ledger: SqliteLedger, ids):
    fail(ledger, RunResult(suspended=[a_suspended(8, source="c.csv")]))
    before = ledger.suspense(limit=1000).items[-1]
    with pytest.raises(ConflictError, match=r"will be read again.*Mend the input"):
        ledger.fix_suspense(before.id, {"a": 1}, at=AT)
    assert ledger.suspense_entry(before.id) == before


def test_queued_records_that_a_dead_process_had_taken_are_free(ledger: SqliteLedger, ids):
    ledger.requeue_suspense(ids[:2], at=AT)
    start(ledger, a_run("killed"))
    beside = open_ledger(ledger._database.path.parent, dead=lambda lease: lease == HERE)
    beside.fix_suspense(ids[0], {"a": 1}, at=AT)
    beside.requeue_suspense(ids[:2], at=AT)
    beside.delete_suspense(ids[:1])
    beside.close()
