"""What becomes of a run when something else goes wrong than its input."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app import running
from meterhouse.app.running import Means, run_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import RunStatus
from meterhouse.streams.world import Progress
from tests.acceptance import small
from tests.acceptance.small import document, meter, reader
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
