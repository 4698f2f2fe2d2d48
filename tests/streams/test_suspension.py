"""The limit of bad records: counts follow the order of arrival, whatever the batches."""

import pytest

from meterhouse.core.suspense import Reason
from meterhouse.streams.ports import OutputError
from meterhouse.streams.suspension import SuspenseLimitReached
from tests.streams.documents import (
    chain,
    counts,
    document,
    meter_node,
    node,
    noop,
    reader,
    run,
    state,
)
from tests.streams.meters import KEY
from tests.streams.twins import Files, Snapshot, Spools

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
CUTS = pytest.mark.parametrize("chunk_records", [1, 2, 3, 5, 100])


def check(id: str = "check", **policy) -> dict:
    schema = {"properties": {"ok": {"const": True}}, "required": ["ok"]}
    return node(id, "transforms/validate", schema=schema, suspenseManagement=policy)


def usage(text: str) -> list[dict]:
    """``+`` is a good record, ``-`` a bad one."""
    return [{"ok": sign == "+", "n": n} for n, sign in enumerate(text)]


def stopped(stream: dict, records: list, **more) -> SuspenseLimitReached:
    with pytest.raises(SuspenseLimitReached) as caught:
        run(stream, records, **more)
    return caught.value


@FORMS
@CUTS
def test_consecutive_bad_records_up_to_the_limit_end_the_run(columnar, chunk_records):
    stream = chain(reader(), check(eventThreshold=3, resetOnValidEvent=True), noop())
    error = stopped(stream, usage("--+-+---+-"), columnar=columnar, chunk_records=chunk_records)
    assert [s.offset for s in error.suspended] == [0, 1, 3, 5, 6, 7]
    assert 'node "check": the limit of 3 consecutive bad records is reached' in str(error)
    assert {s.reason for s in error.suspended} == {Reason.SCHEMA_INVALID}


@FORMS
@CUTS
def test_a_good_record_resets_the_count(columnar, chunk_records):
    stream = chain(reader(), check(eventThreshold=3), noop())
    result = run(stream, usage("--+--+--"), columnar=columnar, chunk_records=chunk_records)
    assert counts(result, "check") == {"in": 8, "out": {"valid": 2}, "suspended": 6}


@FORMS
@CUTS
def test_or_all_bad_records_count(columnar, chunk_records):
    stream = chain(reader(), check(eventThreshold=3, resetOnValidEvent=False), noop())
    error = stopped(stream, usage("-+-++-+-"), columnar=columnar, chunk_records=chunk_records)
    assert [s.offset for s in error.suspended] == [0, 2, 5]
    assert "the limit of 3 bad records is reached" in str(error)


@pytest.mark.parametrize(
    "middle", [check(), check(resetOnValidEvent=True), meter_node()], ids=["check", "set", "meter"]
)
def test_unless_told_otherwise_10_000_consecutive_bad_records_end_the_run(middle):
    records = [{"ok": False}] * 9_999
    snapshot = Snapshot(states={KEY: state("ann")})
    stream = chain(reader(), middle, noop())
    run(stream, [*records, {"ok": True, "userId": "ann", "value": 1}, *records], snapshot=snapshot)
    error = stopped(stream, [*records, {"ok": False}], snapshot=snapshot)
    assert "the limit of 10000 consecutive bad records is reached" in str(error)


@CUTS
@pytest.mark.parametrize("size", [2, 100])
def test_unreadable_records_count_too_from_one_file_to_the_next(chunk_records, size):
    lines = ["-", {"n": 1}, "-", "-", {"n": 2}, "-", "-", "-", {"n": 3}, "-"]
    files = Files({f"{n:02}": lines[n : n + size] for n in range(0, len(lines), size)})
    stream = chain(reader(suspenseManagement={"eventThreshold": 3}), noop())
    error = stopped(stream, files, chunk_records=chunk_records)
    assert len(error.suspended) == 6
    assert 'node "in": the limit of 3 consecutive bad records is reached' in str(error)
    relaxed = chain(reader(suspenseManagement={"eventThreshold": 4}), noop())
    assert len(run(relaxed, files, chunk_records=chunk_records).suspended) == 7


def test_input_without_any_record_ends_the_run_at_the_limit():
    error = stopped(chain(reader(), noop()), ["-"] * 10_001)
    assert len(error.suspended) == 10_000


def test_scattered_unreadable_records_do_not_end_a_run():
    lines = ["-" if n % 2 else {"n": n} for n in range(30_000)]
    assert len(run(chain(reader(), noop()), lines).suspended) == 15_000


def test_unreadable_records_may_be_discarded_or_end_the_run():
    off = {"enabled": False}
    result = run(chain(reader(suspenseManagement=off), noop()), [{"n": 1}, "-"])
    assert counts(result, "in") == {"in": 2, "out": {"out": 1}, "filtered": 1}
    abort = off | {"abortOnDisabled": True}
    error = stopped(chain(reader(suspenseManagement=abort), noop()), [{"n": 1}, "-"])
    assert "a bad record came (not_readable" in str(error)


@CUTS
def test_where_two_nodes_reach_their_limits_the_earlier_record_decides(chunk_records):
    # The first node would stop at record 6, the second one at record 3.
    second = node(
        "second",
        "transforms/validate",
        schema={"properties": {"n": {"maximum": 1}}},
        suspenseManagement={"eventThreshold": 1},
    )
    stream = document(
        [reader(), check(eventThreshold=2), second, noop()],
        "in -> check",
        "check -> second",
        "second -> end",
    )
    error = stopped(stream, usage("++-+-" + "--"), chunk_records=chunk_records)
    assert 'node "second"' in str(error)
    assert [(s.node_id, s.offset) for s in error.suspended] == [("check", 2), ("second", 3)]
    assert {count.id for count in error.nodes} == {"in", "check", "second", "end"}


@CUTS
def test_data_correction_may_be_off_and_a_bad_record_end_the_run(chunk_records):
    stream = chain(reader(), check(enabled=False, abortOnDisabled=True), noop())
    error = stopped(stream, usage("+-+-"), chunk_records=chunk_records)
    assert "a bad record came (schema_invalid: ok: true was expected" in str(error)
    assert error.suspended == ()


@FORMS
@CUTS
def test_the_meter_counts_its_bad_records_too(columnar, chunk_records):
    meter = meter_node(suspenseManagement={"enabled": True, "eventThreshold": 2})
    stream = chain(reader(), meter, noop())
    given = [{"userId": user, "value": 1} for user in ("ann", "bob", "ann", "bob", "bob", "ann")]
    error = stopped(
        stream,
        given,
        columnar=columnar,
        chunk_records=chunk_records,
        snapshot=Snapshot({KEY: state("ann")}),
    )
    assert [(s.offset, s.reason) for s in error.suspended] == [
        (n, Reason.NO_METER_FOUND) for n in (1, 3, 4)
    ]


def failing_stream() -> dict:
    writers = [node(id_, "writers/file", path=f"{id_}.csv") for id_ in ("w1", "w2")]
    return document(
        [reader(), check(eventThreshold=1), *writers], "in -> check", "in -> w1", "in -> w2"
    )


def test_a_failed_run_discards_its_outputs():
    spools = Spools()
    stopped(failing_stream(), Files({"a": usage("+++-")}), spools=spools, chunk_records=2)
    assert [spool.discarded for spool in spools.opened.values()] == [True, True]
    assert [spool.format for spool in spools.opened.values()] == [None, None]


def test_what_cannot_be_discarded_does_not_hide_why_the_run_failed():
    class Stuck(Spools):
        def open(self, run_id, node_id):
            spool = super().open(run_id, node_id)
            if node_id == "w1":
                spool.discard = refuse
            return spool

    def refuse() -> None:
        raise OutputError("the disk is gone")

    spools = Stuck()
    error = stopped(failing_stream(), usage("+-"), spools=spools)
    assert error.__notes__ == ["an output of the run could not be removed: the disk is gone"]
    assert spools.opened["w2"].discarded
