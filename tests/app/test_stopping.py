"""A run that is asked to stop ends as failed, before its next chunk, and leaves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.running import EndedRun, Means, RunStopped, run_stream
from meterhouse.app.stopping import end_dead, stop_run
from meterhouse.app.stream_groups import create_group, new_group_run
from meterhouse.app.streams import find_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.streams.record import BY_HAND, Run, RunStatus
from meterhouse.streams.world import Progress
from tests.acceptance import small
from tests.acceptance.small import document, meter, reader
from tests.app.scheduled import NOON, of_the_dead
from tests.cli.command import Meterhouse

FILES = 200


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    for number in range(FILES):
        line = '{"userId":"ann","value":1}\n'
        (tmp_path / f"{number:03}.ndjson").write_text(line)
    meterhouse = Meterhouse(tmp_path / "data")
    small.set_up(meterhouse, document(reader(tmp_path / "*.ndjson"), meter()))
    with bootstrap.open_installation(meterhouse.data) as installation:
        yield installation


def run(house: Installation, means: Means) -> EndedRun:
    return run_stream(house.ledger, "Small", means=means, run_id=house.new_id(), seed=1, at=None)


def asked(house: Installation, seen: list[Progress]) -> Means:
    """Means of a run that somebody with a connection of their own asks to stop at once."""

    def ask(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 1:
            with bootstrap.open_installation(house.directory) as other:
                [running] = other.ledger.runs(status=RunStatus.RUNNING).items
                assert stop_run(other.ledger, running.id, at=NOON) == "Small"

    means = house.means()
    return replace(means, services=replace(means.services, progress=ask))


def test_it_is_seen_between_small_files(house: Installation):
    seen: list[Progress] = []
    ended = run(house, asked(house, seen))
    assert isinstance(ended.error, RunStopped)
    assert (ended.run.status, ended.run.error) == (RunStatus.FAILED, "stopped by request")
    # Long before the files, which are one chunk, have all been read.
    assert len(seen) < FILES
    assert house.ledger.run(ended.run.id) == ended.run


def test_nothing_of_it_is_kept_and_the_next_run_reads_all(house: Installation):
    run(house, asked(house, []))
    assert {bucket.state.count for bucket in house.ledger.meters().items} == {0}
    assert run(house, house.means()).run.nodes[0].out == {"out": FILES}


def test_a_run_that_has_ended_cannot_be_stopped(house: Installation):
    ended = run(house, house.means())
    with pytest.raises(ConflictError, match="of stream 'Small' has ended"):
        stop_run(house.ledger, ended.run.id, at=NOON)
    with pytest.raises(NotFoundError, match="no run 'x'"):
        stop_run(house.ledger, "x", at=NOON)


def killed_run(house: Installation) -> Run:
    """A run by hand of a process that is gone."""
    stream = find_stream(house.ledger, "Small")
    run = Run("killed", stream.id, "Small", RunStatus.RUNNING, NOON, 1, NOON)
    house.ledger.start_run(run, of_the_dead(house).lease, alive=frozenset())
    return run


def test_what_nobody_lived_to_end_is_ended(house: Installation):
    killed = killed_run(house)
    assert end_dead(house.ledger, at=NOON + 7) == 1
    ended = house.ledger.run(killed.id)
    assert ended is not None
    assert (ended.status, ended.ended_at) == (RunStatus.FAILED, NOON + 7)
    assert ended.error == "interrupted: its process 0-0 is gone"
    assert house.ledger.lease_of(killed.stream_id) is None
    assert end_dead(house.ledger, at=NOON + 8) == 0


def test_what_lives_is_not_ended(house: Installation):
    seen: list[int] = []

    def look(_: Progress) -> None:
        with bootstrap.open_installation(house.directory) as other:
            seen.append(end_dead(other.ledger, at=NOON))

    means = house.means()
    ended = run(house, replace(means, services=replace(means.services, progress=look)))
    assert (ended.run.status, set(seen)) == (RunStatus.COMPLETE, {0})


def test_to_stop_a_run_of_a_dead_process_ends_it(house: Installation):
    killed = killed_run(house)
    with pytest.raises(ConflictError, match="has ended"):
        stop_run(house.ledger, killed.id, at=NOON + 7)
    ended = house.ledger.run(killed.id)
    assert ended is not None
    assert (ended.status, ended.ended_at) == (RunStatus.FAILED, NOON + 7)


def test_a_group_that_nobody_lived_to_end_is_ended(house: Installation):
    group = create_group(house.ledger, "G", streams=["Small"], new_id=house.new_id, at=NOON)
    begun = new_group_run(group, "killed", at=NOON, cause=BY_HAND)
    house.ledger.start_group_run(begun, of_the_dead(house).lease)
    assert end_dead(house.ledger, at=NOON + 7) == 1
    ended = house.ledger.group_run("killed")
    assert ended is not None
    assert (ended.status, ended.ended_at) == (RunStatus.FAILED, NOON + 7)
