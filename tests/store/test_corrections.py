from decimal import Decimal

import pytest

from meterhouse.app.correction_ports import SuspenseFilter, SuspenseSummary
from meterhouse.core.instant import MINUTE
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.suspense import Reason
from meterhouse.store import SqliteLedger, corrections, open_ledger
from meterhouse.streams.record import RunResult
from tests.store.factories import AT, HERE, a_run, a_stream, a_suspended, commit, fail, start

HOUR = 60 * MINUTE
FIRST = Reason.NOT_READABLE


def fix(ledger: SqliteLedger, id: int, values: dict, *, at: int = AT) -> list[int]:
    return ledger.change_suspense(
        [id], lambda records: [record | values for _, record in records], at=at
    )


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
        return [entry.id for entry in ledger.suspense(SuspenseFilter(**filters)).items]

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
    assert fix(ledger, ids[0], {"value": Decimal("1.5"), "new": [None]}, at=AT + 9) == [ids[0]]
    entry = ledger.suspense_entry(ids[0])
    fixed = {"userId": "ann", "value": Decimal("1.5"), "n": 1, "new": [None]}
    assert entry.suspended.record == fixed
    assert entry.updated_at == AT + 9


def test_a_fix_of_an_unreadable_record_starts_empty(ledger: SqliteLedger, ids):
    fix(ledger, ids[3], {"userId": "x"})
    entry = ledger.suspense_entry(ids[3])
    assert (entry.suspended.record, entry.suspended.raw) == ({"userId": "x"}, "{")


def test_deleting_and_queueing_are_all_or_none(ledger: SqliteLedger, ids):
    bad = [ids[0], 900, 901]
    with pytest.raises(NotFoundError, match="no records 900, 901 in Data Correction"):
        ledger.delete_suspense(bad)
    with pytest.raises(NotFoundError):
        ledger.requeue_suspense(bad, at=AT)
    with pytest.raises(NotFoundError, match="no record 900 in"):
        fix(ledger, 900, {})
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
    fix(ledger, ids[3], {"userId": "x"})
    ledger.requeue_suspense(ids, at=AT)


def test_queued_records_are_not_touched_while_their_stream_runs(ledger: SqliteLedger, ids):
    ledger.requeue_suspense(ids[:1], at=AT)
    run = start(ledger, a_run("busy"))
    for change in (
        lambda: ledger.delete_suspense(ids),
        lambda: ledger.requeue_suspense(ids[:2], at=AT),
        lambda: fix(ledger, ids[0], {"a": 1}),
    ):
        with pytest.raises(ConflictError, match="Stream 'Usage' is running and has taken record"):
            change()
    fix(ledger, ids[1], {"a": 1})
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
        fix(ledger, before.id, {"a": 1})
    assert ledger.suspense_entry(before.id) == before


def test_queued_records_that_a_dead_process_had_taken_are_free(ledger: SqliteLedger, ids):
    ledger.requeue_suspense(ids[:2], at=AT)
    start(ledger, a_run("killed"))
    beside = open_ledger(ledger._database.path.parent, dead=lambda lease: lease == HERE)
    fix(beside, ids[0], {"a": 1})
    beside.requeue_suspense(ids[:2], at=AT)
    beside.delete_suspense(ids[:1])
    beside.close()


# ------------------------------------------------------------ filters


def listed(ledger: SqliteLedger, **filters) -> list[int]:
    return [entry.suspended.offset for entry in ledger.suspense(SuspenseFilter(**filters)).items]


@pytest.fixture
def many(ledger: SqliteLedger) -> SqliteLedger:
    """Two runs of one stream, an hour apart, and one of another; offsets are 0 to 8."""
    ledger.add_stream(a_stream())
    ledger.add_stream(a_stream("Other", id="other", keys=()))
    for run, stream in enumerate(("stream-1", "stream-1", "other")):
        places = range(run * 3, run * 3 + 3)
        suspended = [
            a_suspended(
                place,
                node_name=("Meter", "Check", "Meter")[place % 3],
                reason=list(Reason)[place % 2],
                detail=f"user 10{place}% of A_b",
            )
            for place in places
        ]
        started = a_run(f"run-{run}", stream=stream, started_at=AT + run * HOUR)
        ledger.commit_run(start(ledger, started), RunResult(suspended=suspended))
    ledger.requeue_suspense([3, 7], at=AT)
    return ledger


@pytest.mark.parametrize(
    ("filters", "offsets"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ({"node": "Check"}, [1, 4, 7]),
        ({"stream_id": "stream-1", "node": "Check"}, [1, 4]),
        ({"stream_id": "stream-1", "reason": FIRST}, [0, 2, 4]),
        ({"stream_id": "stream-1", "reason": FIRST, "node": "Meter"}, [0, 2]),
        ({"run_id": "run-1"}, [3, 4, 5]),
        ({"run_id": "run-1", "node": "Check"}, [4]),
        ({"run_id": "run-1", "stream_id": "other"}, []),
        ({"run_id": "none"}, []),
        ({"stream_id": "none"}, []),
        ({"state": "queued"}, [2, 6]),
        ({"state": "queued", "stream_id": "other"}, [6]),
        ({"state": "open", "stream_id": "other"}, [7, 8]),
        ({"state": "queued", "reason": FIRST, "text": "106"}, [6]),
        ({"since": AT + HOUR}, [3, 4, 5, 6, 7, 8]),
        ({"until": AT + HOUR}, [0, 1, 2]),
        ({"since": AT + HOUR, "until": AT + 2 * HOUR}, [3, 4, 5]),
        ({"since": AT + 9 * HOUR}, []),
        ({"until": AT}, []),
        ({"text": "USER 104%"}, [4]),
        ({"text": "a_B"}, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ({"text": "A%b"}, []),
        ({"text": "\\"}, []),
    ],
    ids=str,
)
def test_filters(many: SqliteLedger, filters, offsets):
    assert listed(many, **filters) == offsets


def test_a_clock_that_was_put_back_hides_no_record(many: SqliteLedger):
    started = a_run("late", started_at=AT - HOUR)
    many.commit_run(start(many, started), RunResult(suspended=[a_suspended(9)]))
    assert listed(many, until=AT + 1) == [0, 1, 2, 9]
    assert listed(many, since=AT) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_actions_take_what_a_filter_means(many: SqliteLedger):
    check = SuspenseFilter(node="Check")
    taken = many.change_suspense(check, lambda rows: [{"new": id} for id, _ in rows], at=AT + 1)
    assert taken == [2, 5, 8]
    assert many.suspense_entry(5).suspended.record == {"new": 5}
    assert many.requeue_suspense(check, at=AT + 1) == [2, 5, 8]
    assert listed(many, state="queued") == [1, 2, 4, 6, 7]
    assert many.delete_suspense(SuspenseFilter(run_id="run-1")) == [4, 5, 6]
    assert listed(many) == [0, 1, 2, 6, 7, 8]


def test_an_action_takes_no_more_than_it_may_and_says_how_many_they_were(
    many: SqliteLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(corrections, "ACTION_RECORDS_MAX", 8)
    for chosen in (SuspenseFilter(), range(1, 10)):
        with pytest.raises(ConflictError, match="would take 9 records, and an action takes 8"):
            many.delete_suspense(chosen)
    assert len(listed(many)) == 9
    assert len(many.delete_suspense(SuspenseFilter(stream_id="stream-1"))) == 6


def test_what_is_written_with_an_action_is_undone_with_it(many: SqliteLedger):
    def refuse(ids):
        many.delete_suspense([1])
        raise ConflictError(f"no: {ids}")

    for act in (
        lambda: many.delete_suspense([2, 3], done=refuse),
        lambda: many.requeue_suspense([2, 3], at=AT, done=refuse),
        lambda: many.change_suspense([2, 3], lambda rows: [{}, {}], at=AT, done=refuse),
    ):
        with pytest.raises(ConflictError, match=r"no: \[2, 3\]"):
            act()
    assert listed(many) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert listed(many, state="queued") == [2, 6]


def test_a_change_that_fails_changes_nothing(many: SqliteLedger):
    def stumble(rows):
        raise ConflictError("no")

    with pytest.raises(ConflictError, match="no"):
        many.change_suspense([1, 2], stumble, at=AT + 1)
    assert many.suspense_entry(1).updated_at == AT


def test_the_summary_of_one_stream(many: SqliteLedger):
    found = many.suspense_summary(stream_id="other")
    assert {(s.stream_name, s.node_name, s.count) for s in found} == {
        ("Other", "Meter", 2),
        ("Other", "Check", 1),
    }
    assert many.suspense_summary(stream_id="none") == []


def test_a_purge_takes_the_oldest_that_nobody_has_touched(many: SqliteLedger):
    fix(many, 1, {"a": 1}, at=AT + 5 * HOUR)
    assert many.purge_suspense(before=AT + 2 * HOUR, limit=3) == 3
    assert many.purge_suspense(before=AT + 2 * HOUR, limit=100) == 3
    assert listed(many) == [0, 7, 8]


def test_a_purge_leaves_what_a_run_has_taken(many: SqliteLedger):
    start(many, a_run("busy"))
    many.purge_suspense(before=AT + 9 * HOUR, limit=100)
    assert listed(many) == [2]
