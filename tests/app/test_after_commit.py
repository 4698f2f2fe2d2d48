"""What a run tells the world outside once it is committed, and what becomes of failures there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app.ports import PositionEntry
from meterhouse.app.running import EndedRun, run_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import InputPosition, RunStatus
from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse
from tests.streams.twins import Queues

READER = node("Reader", "readers/rabbitmq", servers="rabbit.example.com:5672", queue="usage")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    meterhouse = Meterhouse(tmp_path / "data")
    small.set_up(meterhouse, document(READER, meter()))
    with bootstrap.open_installation(meterhouse.data) as installation:
        yield installation


@pytest.fixture
def queues() -> Queues:
    return Queues({"a": [[{"userId": "ann", "value": 1}]]})


def run(house: Installation, queues: Queues, log: list[Any] | None = None) -> EndedRun:
    lines = [] if log is None else log
    means = house.means(log=lambda *line: lines.append(line))
    means = replace(means, services=replace(means.services, collectors=queues))
    words = {"means": means, "run_id": house.new_id(), "seed": 1, "at": None}
    return run_stream(house.ledger, small.STREAM, **words)


def positions(house: Installation) -> list[PositionEntry]:
    stream = house.ledger.stream(small.STREAM)
    assert stream is not None
    return list(house.ledger.positions(stream.id))


def test_the_other_side_is_told_after_the_commit_and_the_connection_closed(
    house: Installation, queues: Queues
):
    ended = run(house, queues)
    assert ended.run.status is RunStatus.COMPLETE
    assert (queues.told, queues.closed) == ([{"a": 1}], 1)
    assert positions(house) == [PositionEntry(InputPosition("Reader", "a", 1), ended.run.id)]


def test_what_the_other_side_says_then_replaces_the_position(house: Installation, queues: Queues):
    queues.settled = {"a": "settled"}
    run(house, queues)
    assert [entry.position.value for entry in positions(house)] == ["settled"]


def test_where_telling_fails_the_run_is_complete_and_a_warning_says_so(
    house: Installation, queues: Queues, monkeypatch: pytest.MonkeyPatch
):
    log: list[Any] = []
    acknowledge = queues.acknowledge

    def lost() -> Any:
        queues.broken = True
        return acknowledge()

    monkeypatch.setattr(queues, "acknowledge", lost)
    ended = run(house, queues, log)
    assert (ended.run.status, ended.error, queues.closed) == (RunStatus.COMPLETE, None, 1)
    [(_, level, text)] = log
    assert level == "warning"
    assert "queue: the connection is lost" in text


def test_where_the_commit_fails_nobody_is_told_and_the_connection_is_closed(
    house: Installation, queues: Queues, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise MeterhouseError("the disk is full")

    monkeypatch.setattr(house.ledger, "commit_run", fail, raising=False)
    ended = run(house, queues)
    assert ended.run.status is RunStatus.FAILED
    assert (queues.told, queues.closed, positions(house)) == ([], 1, [])


def test_where_the_run_fails_nobody_is_told_and_the_connection_is_closed(
    house: Installation, queues: Queues
):
    queues.broken = True
    assert run(house, queues).run.status is RunStatus.FAILED
    assert (queues.told, queues.closed, positions(house)) == ([], 1, [])
