from decimal import Decimal

import polars as pl
import pytest

from meterhouse.app.stream_ports import StreamEdit
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store import SqliteLedger, open_ledger
from meterhouse.streams.record import ConsumedFile, DuplicateKeys, RunResult, RunStatus
from tests.store.factories import (
    AT,
    HERE,
    KEY,
    STREAM,
    a_run,
    a_stream,
    a_suspended,
    commit,
    snapshot,
    start,
)


def test_a_stream_comes_back_as_it_was(ledger: SqliteLedger):
    stream = a_stream(keys=("k1", "k2"))
    ledger.add_stream(stream)
    assert ledger.stream("Usage") == ledger.stream(stream.id) == stream
    assert ledger.stream("Usage").document["nodes"][0]["limit"] == Decimal("0.1")
    assert ledger.stream("other") is None


def test_a_stream_named_like_the_id_of_another_does_not_take_its_place(ledger: SqliteLedger):
    one = a_stream("one", id="1", keys=())
    two = a_stream("1", id="2", keys=())
    ledger.add_stream(one)
    ledger.add_stream(two)
    assert ledger.stream("1") == one
    assert ledger.stream("2") == two
    assert ledger.streams().items == [one, two]


def test_a_taken_name_is_refused_with_the_remedy(ledger: SqliteLedger):
    ledger.add_stream(a_stream(id="1"))
    with pytest.raises(ConflictError, match=r"named 'Usage'.*--name"):
        ledger.add_stream(a_stream(id="2"))


def test_a_stream_is_found_by_the_key_of_its_meter_node(ledger: SqliteLedger):
    stream = a_stream(keys=("k1", "k2"))
    ledger.add_stream(a_stream("other", id="other"))
    ledger.add_stream(stream)
    assert ledger.stream_of_meter_key("k2") == stream
    assert ledger.stream_of_meter_key("k3") is None


def test_a_running_stream_cannot_be_deleted(ledger: SqliteLedger):
    ledger.add_stream(a_stream())
    run = start(ledger, a_run())
    with pytest.raises(ConflictError, match=r"is running \(run run-1\)"):
        ledger.delete_stream("stream-1", edit=StreamEdit(AT))
    ledger.fail_run(run, None)
    ledger.delete_stream("stream-1", edit=StreamEdit(AT))
    assert ledger.stream("stream-1") is None
    assert ledger.run("run-1") is not None


def test_a_stream_with_suspended_records_cannot_be_deleted(ledger: SqliteLedger):
    ledger.add_stream(a_stream())
    commit(ledger, RunResult(suspended=[a_suspended(0), a_suspended(1)]))
    with pytest.raises(ConflictError, match="has 2 records in Data Correction"):
        ledger.delete_stream("stream-1", edit=StreamEdit(AT))
    ledger.delete_suspense([entry.id for entry in ledger.suspense().items])
    ledger.delete_stream("stream-1", edit=StreamEdit(AT))


def test_what_runs_remember_goes_with_the_stream(ledger: SqliteLedger):
    ledger.add_stream(a_stream())
    digests = pl.Series([b"0" * 16])
    remembered = RunResult(
        consumed=[ConsumedFile("r", "a.csv", 1, 2)],
        duplicate_keys=[DuplicateKeys("d", digests, AT + 9)],
        script_store={"s": {"k": 1}, "": {"shared": 2}},
    )
    commit(ledger, remembered)
    ledger.delete_stream("stream-1", edit=StreamEdit(AT))
    ledger.add_stream(a_stream())
    with snapshot(ledger) as opened:
        assert opened.consumed("r") == {}
        assert opened.seen("d", digests, at=AT).to_list() == [False]
        assert opened.script_store("s") == {}
        assert opened.script_store("") == {"shared": 2}


def test_an_unknown_stream_cannot_be_deleted(ledger: SqliteLedger):
    with pytest.raises(NotFoundError):
        ledger.delete_stream("none", edit=StreamEdit(AT))


def test_two_streams_may_share_nothing_but_meters(ledger: SqliteLedger):
    ledger.add_stream(a_stream("one", id="1"))
    ledger.add_stream(a_stream("two", id="2"))
    assert ledger.stream_of_meter_key(KEY).name == "one"


def test_a_stream_whose_run_was_killed_can_be_deleted(ledger: SqliteLedger):
    ledger.add_stream(a_stream())
    start(ledger, a_run("killed"))
    beside = open_ledger(ledger._database.path.parent, dead=lambda lease: lease == HERE)
    beside.delete_stream(STREAM, edit=StreamEdit(AT))
    beside.close()
    killed = ledger.run("killed")
    assert (killed.status, killed.error) == (
        RunStatus.FAILED,
        "interrupted: its process 100 is gone",
    )
    assert killed.ended_at == AT
