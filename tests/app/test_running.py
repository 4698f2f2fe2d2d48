"""What becomes of a run when something else goes wrong than its input."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app import running
from meterhouse.app.running import Means, run_stream
from meterhouse.bootstrap import Installation
from meterhouse.connectors import delivery
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import Run, RunStatus, StreamDefinition
from meterhouse.streams.world import Progress
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, reader
from tests.cli.command import Meterhouse


class Broken(MeterhouseError):
    """What a world that is broken raises."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    usage = tmp_path / "usage.ndjson"
    usage.write_text('{"userId":"ann","value":1}\n')
    meterhouse = Meterhouse(tmp_path / "data")
    small.set_up(meterhouse, document(reader(usage), meter()))
    with bootstrap.open_installation(meterhouse.data) as installation:
        yield installation


def run(house: Installation, means: Means | None = None) -> running.EndedRun:
    means = means or house.means()
    return run_stream(
        house.ledger, small.STREAM, means=means, run_id=house.new_id(), seed=1, at=None
    )


@contextmanager
def _breaking(house: Installation, name: str) -> Iterator[None]:
    """Let one method of the ledger fail."""

    def fail(*_: object, **__: object) -> None:
        raise Broken(f"{name} failed")

    setattr(house.ledger, name, fail)
    try:
        yield
    finally:
        delattr(house.ledger, name)


def test_a_commit_that_fails_ends_the_run_as_failed(house: Installation):
    with _breaking(house, "commit_run"):
        ended = run(house)
    assert str(ended.error) == "commit_run failed"
    [stored] = running.list_runs(house.ledger)
    assert (stored.status, stored.error) == (RunStatus.FAILED, "commit_run failed")
    assert run(house).run.status is RunStatus.COMPLETE


def test_where_not_even_the_failure_can_be_written_both_are_told(house: Installation):
    with _breaking(house, "commit_run"), _breaking(house, "fail_run"):
        ended = run(house)
    assert ended.error is not None
    assert ended.error.__notes__ == [
        "the run could not be marked as failed either: fail_run failed"
    ]


def test_a_fault_of_ours_shows_itself_and_fails_the_run(house: Installation):
    def stumble(_: Progress) -> None:
        raise ZeroDivisionError("a fault of ours")

    means = house.means()
    means = replace(means, services=replace(means.services, progress=stumble))
    with pytest.raises(ZeroDivisionError):
        run(house, means)
    [stored] = running.list_runs(house.ledger)
    assert stored.status is RunStatus.FAILED
    assert stored.error == "ZeroDivisionError: a fault of ours"
    assert run(house).run.nodes[0].records_in == 1


def test_seeds_and_ids_are_new_each_time(house: Installation):
    assert house.new_seed() != house.new_seed()
    assert house.new_id() != house.new_id()


# ------------------------------------------------------------ around the commit and the delivery


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Installation]:
    """A stream that writes what it reads to ``out/RUN.ndjson``."""
    usage = tmp_path / "usage.ndjson"
    usage.write_text('{"userId":"ann","value":1}\n')
    writer = node("Writer", "writers/file", path=str(tmp_path / "out" / "{run}.ndjson"))
    meterhouse = Meterhouse(tmp_path / "data")
    small.set_up(
        meterhouse,
        document(reader(usage), meter(), more=(writer,), edges=("Reader -> Writer",)),
    )
    with bootstrap.open_installation(meterhouse.data) as installation:
        yield installation


def in_spool(house: Installation) -> list[str]:
    return [path.name for path in (house.directory / "spool").glob("*/*")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError(), Broken("late")])
def test_what_goes_wrong_just_after_the_commit_leaves_the_run_complete(
    writing: Installation, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    commit = writing.ledger.commit_run

    def stumble(*arguments: Any) -> None:
        commit(*arguments)
        raise error

    monkeypatch.setattr(writing.ledger, "commit_run", stumble)
    ended = run(writing)
    assert (ended.run.status, ended.error) == (RunStatus.COMPLETE, None)
    assert ended.run.nodes[0].records_in == 1
    assert [path.exists() for path in ended.delivered] == [True]
    assert in_spool(writing) == []


def test_a_commit_that_fails_leaves_nothing_in_the_spool(writing: Installation):
    with _breaking(writing, "commit_run"):
        assert run(writing).run.status is RunStatus.FAILED
    assert in_spool(writing) == []


def test_where_the_ledger_does_not_say_what_became_of_the_run_its_output_is_kept(
    writing: Installation,
):
    with _breaking(writing, "commit_run"), _breaking(writing, "run"):
        assert run(writing).run.status is RunStatus.FAILED
    assert len(in_spool(writing)) == 1
    assert run(writing).run.status is RunStatus.COMPLETE
    assert in_spool(writing) == []


def test_a_run_sweeps_what_dead_runs_left_and_nothing_else(writing: Installation):
    for folder in ("dead", "living"):
        path = writing.directory / "spool" / folder / "Writer.ndjson.part"
        path.parent.mkdir(parents=True)
        path.write_text("half of")
    writing.ledger.add_stream(StreamDefinition("other", "Other", {"nodes": []}, {}, 0, 0))
    living = Run("living", "other", "Other", RunStatus.RUNNING, 0, 1, 0)
    writing.ledger.start_run(living, writing.means().lease, alive=frozenset())
    run(writing)
    assert [path.parent.name for path in (writing.directory / "spool").glob("*/*")] == ["living"]


@pytest.mark.parametrize("name", ["delivered", "failed"])
def test_what_the_ledger_cannot_note_of_a_delivery_does_not_fail_the_run(
    writing: Installation, name: str
):
    if name == "failed":
        (writing.directory.parent / "out").write_text("a file where a folder is needed")
    with _breaking(writing, name):
        ended = run(writing)
    assert ended.run.status is RunStatus.COMPLETE
    if name == "delivered":
        assert ended.error is None
        assert [path.exists() for path in ended.delivered] == [True]
        assert len(in_spool(writing)) == 1
        assert [path.stem for path in run(writing).delivered] == [ended.run.id]
    else:
        assert isinstance(ended.error, running.DeliveryFailed)
    assert running.find_run(writing.ledger, ended.run.id).status is RunStatus.COMPLETE


def test_what_cannot_be_removed_from_the_spool_goes_with_the_next_run(
    writing: Installation, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise Broken("read-only now")

    means = writing.means()
    monkeypatch.setattr(type(means.delivery), "sweep", refuse)
    ended = run(writing, means)
    assert (ended.error, len(ended.delivered), len(in_spool(writing))) == (None, 1, 1)
    monkeypatch.undo()
    assert [path.stem for path in run(writing).delivered] != [ended.run.id]
    assert in_spool(writing) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Broken("no delivery")])
def test_a_delivery_that_is_stopped_leaves_the_run_complete(
    writing: Installation, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    def stop() -> None:
        raise error

    means = writing.means()
    monkeypatch.setattr(type(means.delivery), "alone", lambda _: stop())
    ended = run(writing, means)
    assert ended.run.status is RunStatus.COMPLETE
    assert isinstance(ended.error, running.DeliveryFailed)
    monkeypatch.undo()
    assert [path.stem for path in run(writing).delivered] == [ended.run.id]


def test_while_another_process_delivers_it_is_left_to_it(
    writing: Installation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(delivery, "_WAIT_SECONDS", 0.0)
    with writing.means().delivery.alone():
        ended = run(writing)
    assert ended.run.status is RunStatus.COMPLETE
    assert "another process is delivering" in str(ended.error)
    assert [pending.attempts for pending in writing.ledger.pending()] == [0]
    assert [path.stem for path in run(writing).delivered] == [ended.run.id]


def test_a_run_that_its_error_limit_stops_shows_its_counts_and_its_log(tmp_path: Path):
    usage = tmp_path / "usage.ndjson"
    usage.write_text('{"userId":"nobody","value":1}\n' * 3)
    limit = {"enabled": True, "eventThreshold": 2}
    stream = document(
        reader(usage),
        small.script("log.info('seen'); await push(payload);"),
        meter(suspenseManagement=limit),
    )
    meterhouse = Meterhouse(tmp_path / "data")
    small.set_up(meterhouse, stream)
    with bootstrap.open_installation(meterhouse.data) as house:
        ended = run(house)
        assert ended.run.status is RunStatus.FAILED
        assert [count.records_in for count in ended.run.nodes] == [3, 3, 3]
        assert running.find_run(house.ledger, ended.run.id) == ended.run
        assert house.ledger.run_log(ended.run.id) == [("Script", "info", "seen")] * 3
