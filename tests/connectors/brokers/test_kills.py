"""Processes that are killed while they read a broker: nothing is lost and nothing metered twice."""

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Broker
from tests.connectors.brokers.consuming import POINTS, Plan, consume
from tests.connectors.brokers.usage import messages, metered, new_name, run, set_up, whole

#: Each point of a run once, and as many random moments; more in the long suite.
KILLS = [2 * len(POINTS), pytest.param(100, marks=pytest.mark.nightly)]
PER_RUN = 25
PER_KILL = 40
PATIENCE_SECONDS = 20.0
JUNK = b"no usage"


@pytest.fixture(params=["kafka", "nats", "rabbitmq"])
def broker(request: pytest.FixtureRequest, start_broker: Callable[[str], Broker]) -> Broker:
    return start_broker(request.param)


def kill_one(data: Path, tally: Path, plan: Plan, *, after_seconds: float) -> None:
    """Start a process and see it killed: by itself where the plan says so, else by us."""
    processes = multiprocessing.get_context("forkserver")
    process = processes.Process(target=consume, args=(data, tally, plan), daemon=True)
    process.start()
    if plan.point:
        process.join(PATIENCE_SECONDS)
    else:
        time.sleep(after_seconds)
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def plans(kills: int, chance: random.Random) -> list[tuple[Plan, float]]:
    """Each point in turn, and as often some random moment."""
    planned = []
    for number in range(kills):
        point = POINTS[number // 2 % len(POINTS)] if number % 2 else ""
        planned.append((Plan(point, chance.randint(1, 2)), chance.uniform(0.02, 0.4)))
    return planned


def check_kills(meterhouse: Meterhouse, broker: Broker, folder: Path, *, kills: int) -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload([consume.__module__])
    name, tally = new_name(), folder / "tally"
    broker.make(name)
    key = set_up(meterhouse, broker, name, maxRecords=PER_RUN)
    chance = random.Random(random.random())  # The seed of the whole test run is printed.
    sent = bad = 0
    for plan, seconds in plans(kills, chance):
        broker.publish(name, [*messages(range(sent, sent + PER_KILL)), JUNK])
        sent, bad = sent + PER_KILL, bad + 1
        kill_one(meterhouse.data, tally, plan, after_seconds=seconds)
    in_the_end = 0
    while taken := run(meterhouse)["in"]:
        in_the_end += taken
    assert metered(meterhouse, key) == whole(range(sent))
    places = [(e["source"], e["offset"]) for e in meterhouse.json("correction", "list", "--all")]
    assert (len(places), len(set(places))) == (bad, bad)
    assert broker.unacknowledged(name) == 0
    runs = meterhouse.json("run", "list", "--all")
    complete = [r for r in runs if r["status"] == "complete"]
    assert sum(r["nodes"][0]["in"] for r in complete) == sent + bad
    # Killed processes took messages that were handed out again, those of the last runs aside.
    taken = sum(int(line) for line in tally.read_text("utf-8").splitlines())
    assert taken + in_the_end > sent + bad


@pytest.mark.parametrize("kills", KILLS)
def test_messages_are_metered_once_whenever_processes_are_killed(
    meterhouse: Meterhouse, broker: Broker, tmp_path: Path, kills: int
):
    check_kills(meterhouse, broker, tmp_path, kills=kills)
