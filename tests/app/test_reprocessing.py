"""Queued records run now, in a run of their own that reads no input."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app import correcting
from meterhouse.app.correcting import Action, Correction
from meterhouse.app.reprocessing import reprocess
from meterhouse.app.running import EndedRun, run_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.expression import parse_expression
from meterhouse.core.instant import parse_instant
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.streams.record import RunStatus
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, reader
from tests.cli.command import Meterhouse

JANUARY, LATER = parse_instant(small.JANUARY), parse_instant("2026-01-21T00:00:00Z")
FEBRUARY = parse_instant(small.FEBRUARY)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    """A stream that counts, and writes what passes; one of its two records waits, corrected."""
    (tmp_path / "a.ndjson").write_text('{"userId":"ann","value":1}\n{"userId":"ann","n":7}\n')
    rename = node("Map", "transforms/map", mappings=[{n: n} for n in ("userId", "value", "n")])
    counter = node("Count", "readers/counter", max=3)
    golden = node("Golden", "writers/file", path=str(tmp_path / "golden" / "{run}.ndjson"))
    meterhouse = Meterhouse(tmp_path / "data")
    stream = document(
        reader(tmp_path / "*.ndjson"),
        rename,
        meter(),
        golden,
        more=(counter,),
        edges=("Count -> Map",),
    )
    small.set_up(meterhouse, stream)
    with bootstrap.open_installation(meterhouse.data) as installation:
        run(installation, at=JANUARY)
        yield installation


def run(house: Installation, *, at: int | None) -> EndedRun:
    return run_stream(
        house.ledger, small.STREAM, means=house.means(), run_id=house.new_id(), seed=1, at=at
    )


def again(house: Installation, *, at: int | None = LATER) -> EndedRun:
    return reprocess(
        house.ledger, small.STREAM, means=house.means(), run_id=house.new_id(), seed=1, at=at
    )


def correct_and_queue(house: Installation) -> None:
    """Correct the record of the file, and queue it alone."""
    id = next(e.id for e in house.ledger.suspense().items if e.suspended.record.get("n") == 7)
    wanted = Correction({}, {"value": parse_expression("n * 10")})
    correcting.correct(house.ledger, [id], correction=wanted, action=Action(house.clock()))
    correcting.requeue(house.ledger, [id], action=Action(house.clock()))


def counts(ended: EndedRun) -> dict[str, Any]:
    return {n.name: (n.records_in, sum(n.out.values()), n.metered) for n in ended.run.nodes}


def values(house: Installation) -> dict[str, Any]:
    return {b.meter.user_id: b.state.value for b in house.ledger.meters().items}


def test_only_what_is_queued_enters_the_node_that_rejected_it(house: Installation, tmp_path: Path):
    correct_and_queue(house)
    (tmp_path / "b.ndjson").write_text('{"userId":"bob","value":5}\n')
    ended = again(house)
    assert (ended.run.status, ended.error) == (RunStatus.COMPLETE, None)
    assert counts(ended) == {
        "Reader": (0, 0, 0),
        "Count": (0, 0, 0),
        "Map": (0, 0, 0),
        "Meter": (1, 0, 1),
        "Golden": (0, 0, 0),
    }
    assert values(house) == {"ann": 71, "bob": 0}
    # The counter's three records have no user; the one that was corrected is gone.
    assert [e.suspended.record for e in house.ledger.suspense().items] == [
        {"value": 1},
        {"value": 2},
        {"value": 3},
    ]
    # Input that came meanwhile is still new to the stream's next run.
    assert counts(run(house, at=LATER))["Reader"] == (1, 1, 0)
    assert values(house)["bob"] == 5


def test_the_audit_counts_what_was_unreadable_and_what_came_back(
    house: Installation, tmp_path: Path
):
    correct_and_queue(house)
    again(house)
    (tmp_path / "c.ndjson").write_text('{"userId":"ann","value":1}\nno record\n[1]\n')
    run(house, at=LATER)
    later, corrected, first = (entry.usage for entry in house.ledger.usage_audit().items)
    assert (first.input, first.to_correction) == (5, 4)
    assert (corrected.input, corrected.to_correction) == (1, 0)
    assert (later.input, later.to_correction) == (6, 5), "two of them are no records"


def test_what_comes_back_into_a_reader_is_counted_once(house: Installation, tmp_path: Path):
    (tmp_path / "c.ndjson").write_text("no record\n")
    run(house, at=LATER)
    [bad] = [e.id for e in house.ledger.suspense().items if e.suspended.node_name == "Reader"]
    record = {"userId": "ann", "value": 2}
    house.ledger.change_suspense([bad], lambda _: [record], at=LATER)
    house.ledger.requeue_suspense([bad], at=LATER)
    again(house)
    usage = house.ledger.usage_audit().items[0].usage
    assert (usage.input, usage.to_correction) == (1, 0)


def test_it_is_a_run_like_others_in_the_list_of_runs(house: Installation):
    correct_and_queue(house)
    ended = again(house)
    stored = house.ledger.run(ended.run.id)
    assert stored == ended.run
    assert stored.at == LATER
    with pytest.raises(ConflictError, match="lies before that of the last run"):
        run(house, at=JANUARY)


def test_periods_that_have_ended_are_flushed_first_and_delivered(
    house: Installation, tmp_path: Path
):
    correct_and_queue(house)
    ended = again(house, at=FEBRUARY)
    [golden] = (tmp_path / "golden").glob(f"{ended.run.id}.ndjson")
    assert ended.delivered == [golden]
    assert sorted(entry.kind for entry in house.ledger.records().items) == ["golden", "golden"]
    assert values(house) == {"ann": 70, "bob": 0}


def test_a_record_that_is_bad_again_comes_back(house: Installation):
    before = house.ledger.suspense().items
    places = {("open", e.suspended.source, e.suspended.offset) for e in before}
    every = [entry.id for entry in before]
    correcting.requeue(house.ledger, every, action=Action(house.clock()))
    assert counts(again(house))["Meter"] == (4, 0, 0)
    entries = house.ledger.suspense().items
    assert {(e.state, e.suspended.source, e.suspended.offset) for e in entries} == places
    assert len(entries) == 4


def test_where_nothing_is_queued_no_run_begins(house: Installation):
    before = len(house.ledger.runs().items)
    with pytest.raises(ConflictError, match="Nothing of stream 'Small' is queued"):
        again(house)
    assert len(house.ledger.runs().items) == before


def test_a_stream_that_is_not_there_is_not_found(house: Installation):
    with pytest.raises(NotFoundError, match="'none'"):
        reprocess(house.ledger, "none", means=house.means(), run_id="x", seed=1)


def test_a_stream_that_runs_is_not_run_beside_it(house: Installation):
    correct_and_queue(house)
    [ran] = house.ledger.runs().items
    means = house.means()
    busy = replace(ran, id="busy", status=RunStatus.RUNNING, ended_at=None)
    house.ledger.start_run(busy, means.lease, alive=means.living())
    with pytest.raises(ConflictError, match="Stream 'Small' is running"):
        again(house)
    assert values(house)["ann"] == 1
