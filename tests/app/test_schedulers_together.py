"""Schedulers in processes of their own, on one ledger: they race, and they are killed."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.schedules import find_schedule
from meterhouse.streams.record import RunStatus
from tests.app.scheduled import FIVE, NOON, add_schedule, add_stream, scheduled

STREAMS = ("One", "Two")
INSTANTS = 25
#: Kills of a scheduler, and as many more in the long suite.
KILLS = [3, pytest.param(8, marks=pytest.mark.nightly)]

#: Lives through the instants from the first given one on, and says which it has come to.
WORKER = """
import sys
from pathlib import Path

from meterhouse import bootstrap
from tests.app.scheduled import FIVE, NOON, performed

with bootstrap.open_installation(Path(sys.argv[1])) as house:
    means = house.means()
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(int(sys.argv[2]), int(sys.argv[3]) + 1):
        print(n, flush=True)
        at = NOON + n * FIVE
        # A claim that another process was faster to make is made anew, as the next tick would.
        while performed(house, at, means=means) or any(
            schedule.due(at) for schedule in house.ledger.due_schedules(at)
        ):
            pass
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with bootstrap.open_installation(tmp_path / "data") as house:
        for name in STREAMS:
            add_stream(house, name)
            add_schedule(house, stream=name)
    return tmp_path / "data"


def start(directory: Path, first: int, last: int = INSTANTS) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKER, str(directory), str(first), str(last)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    worker = subprocess.Popen(command, text=True, **pipes)
    assert worker.stdout.readline() == "ready\n"
    return worker


def go(worker: "subprocess.Popen[str]") -> None:
    worker.stdin.write("\n")
    worker.stdin.flush()


def end(worker: "subprocess.Popen[str]") -> list[int]:
    """Wait for a worker; returns the instants that it came to."""
    out, _ = worker.communicate(timeout=300)
    return [int(line) for line in out.split()]


def instants(directory: Path, name: str) -> list[int]:
    """The numbers of the instants for which a stream was run to its end."""
    with bootstrap.open_installation(directory) as house:
        complete = [run for run in scheduled(house) if run.stream_name == name]
    return [(run.cause.scheduled_for - NOON) // FIVE for run in complete]


def test_two_schedulers_on_one_ledger_run_each_instant_once(directory: Path):
    workers = [start(directory, 1) for _ in range(2)]
    for worker in workers:
        go(worker)
    for worker in workers:
        end(worker)
        assert worker.returncode == 0
    for name in STREAMS:
        ran = instants(directory, name)
        assert max(Counter(ran).values()) == 1
        with bootstrap.open_installation(directory) as house:
            schedule = find_schedule(house.ledger, stream=name)
            assert not scheduled(house, status=RunStatus.FAILED)
        # What came while the other one was running the stream is skipped, and said to be.
        assert len(ran) + schedule.skipped == INSTANTS
        assert (schedule.next_at, schedule.claimed) == (NOON + (INSTANTS + 1) * FIVE, None)


@pytest.mark.parametrize("kills", KILLS)
def test_a_scheduler_that_is_killed_again_and_again_skips_nothing_and_doubles_nothing(
    directory: Path, kills: int
):
    chance = random.Random(7)
    reached = 1
    for _ in range(kills):
        worker = start(directory, reached, 10**6)
        go(worker)
        time.sleep(chance.uniform(0, 0.12))
        worker.send_signal(signal.SIGKILL)
        reached = (end(worker) or [reached])[-1]
        assert worker.returncode == -signal.SIGKILL
    last = start(directory, reached, reached + 3)
    go(last)
    end(last)
    for name in STREAMS:
        assert instants(directory, name) == list(range(1, reached + 4))
    with bootstrap.open_installation(directory) as house:
        assert [find_schedule(house.ledger, stream=name).skipped for name in STREAMS] == [0, 0]
        complete = {run.cause.scheduled_for: run.at for run in scheduled(house)}
        killed = scheduled(house, status=RunStatus.FAILED)
        assert killed, "no kill hit a run"
        assert all(run.error.startswith("interrupted") for run in killed)
        assert all(complete[run.cause.scheduled_for] == run.at for run in killed)
        assert not scheduled(house, status=RunStatus.RUNNING)


def test_two_schedulers_of_which_one_is_killed_leave_nothing_undone(directory: Path):
    chance = random.Random(3)
    survivor = start(directory, 1)
    go(survivor)
    for _ in range(4):
        victim = start(directory, 1)
        go(victim)
        time.sleep(chance.uniform(0, 0.05))
        victim.kill()
        end(victim)
    end(survivor)
    final = start(directory, INSTANTS, INSTANTS + 1)
    go(final)
    end(final)
    for name in STREAMS:
        ran = instants(directory, name)
        assert max(Counter(ran).values()) == 1
        assert ran[-1] == INSTANTS + 1
        with bootstrap.open_installation(directory) as house:
            schedule = find_schedule(house.ledger, stream=name)
        assert schedule.claimed is None
        assert len(ran) + schedule.skipped == INSTANTS + 1
