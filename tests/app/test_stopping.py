"""A run that is asked to stop ends as failed, before its next chunk, and leaves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.running import EndedRun, Means, RunStopped, run_stream
from meterhouse.app.stopping import stop_run
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.streams.record import RunStatus
from meterhouse.streams.world import Progress
from tests.acceptance import small
from tests.acceptance.small import document, meter, reader
from tests.app.scheduled import NOON
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
