from contextlib import closing

import pytest

from meterhouse.app.access_ports import Acting
from meterhouse.app.ports import PositionEntry
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import InputPosition, Run, RunResult
from tests.store.factories import AT, STREAM, a_run, a_stream, commit, start

VALUES = [7, {"sequence": 9, "created": "x"}, "text", None]


@pytest.fixture
def ledger(ledger: SqliteLedger) -> SqliteLedger:
    ledger.add_stream(a_stream())
    return ledger


def read(ledger: SqliteLedger, **positions: object) -> Run:
    result = RunResult(positions=[InputPosition("in", p, v) for p, v in positions.items()])
    return commit(ledger, result)


def seen(ledger: SqliteLedger) -> dict[str, object]:
    with closing(ledger.snapshot(STREAM)) as snapshot:
        return dict(snapshot.positions("in"))


def test_positions_of_a_run_are_what_the_next_one_begins_from(ledger: SqliteLedger):
    run = read(ledger, **{f"p{n}": value for n, value in enumerate(VALUES)})
    assert list(seen(ledger).values()) == VALUES
    assert ledger.positions(STREAM)[0] == PositionEntry(InputPosition("in", "p0", 7), run.id)


def test_a_part_that_a_run_does_not_name_stays_as_it_was(ledger: SqliteLedger):
    read(ledger, a=1, b=1)
    read(ledger, b=2)
    assert seen(ledger) == {"a": 1, "b": 2}


def test_a_snapshot_without_a_stream_knows_no_positions(ledger: SqliteLedger):
    read(ledger, a=1)
    with closing(ledger.snapshot(None)) as snapshot:
        assert snapshot.positions("in") == {}


def test_positions_are_settled_for_the_run_that_wrote_them(ledger: SqliteLedger):
    first = read(ledger, a=1, b=1)
    read(ledger, b=2)
    settled = [InputPosition("in", part, "settled") for part in "abc"]
    ledger.settle_positions(first, settled)
    assert seen(ledger) == {"a": "settled", "b": 2}


def test_a_reset_forgets_one_part_or_all_and_is_written_down(ledger: SqliteLedger):
    read(ledger, a=1, b=1, c=1)
    ledger.acting = Acting("ann", lambda: AT)
    assert ledger.reset_positions(STREAM, node_id="in", part="a") == ["a"]
    assert ledger.reset_positions(STREAM, node_id="other") == []
    assert ledger.reset_positions(STREAM, node_id="in") == ["b", "c"]
    assert seen(ledger) == {}
    said = [(a.action, a.detail) for a in ledger.activities().items]
    assert said == [
        ("reset positions", {"node": "in", "name": "Usage", "parts": ["b", "c"]}),
        ("reset positions", {"node": "in", "name": "Usage", "parts": ["a"]}),
    ]


def test_a_reset_is_refused_while_the_stream_runs(ledger: SqliteLedger):
    read(ledger, a=1)
    run = start(ledger, a_run())
    with pytest.raises(ConflictError, match=f"is running \\(run {run.id}\\)"):
        ledger.reset_positions(STREAM, node_id="in")


def test_positions_go_with_their_stream(ledger: SqliteLedger):
    read(ledger, a=1)
    ledger.delete_stream(STREAM, edit=StreamEdit(AT))
    with pytest.raises(NotFoundError):
        ledger.positions(STREAM)
    with pytest.raises(NotFoundError):
        ledger.reset_positions(STREAM, node_id="in")
