"""What every writer to a broker or a database keeps: all of it, in order, repeats with one key."""

import json
import random
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Meterhouse
from tests.forwarding.house import Forwarding, by_meter, usage
from tests.forwarding.receiving import LONG, RECEIVERS, Got

Make = Callable[[dict[str, Any]], Forwarding]
#: Kills of a deliverer, and as many more in the long suite; records for each, so that they last.
KILLS = [2, pytest.param(10, marks=pytest.mark.nightly)]
PER_KILL = 200
CANARY = "s3cr3t-of-the-wrong-one"


@pytest.fixture(params=sorted(RECEIVERS))
def receiving(request: pytest.FixtureRequest, start_receiving: Callable[[str], Any]) -> Any:
    return start_receiving(request.param)


def secret(folder: Path, user: str, password: str) -> dict[str, Any]:
    """Keep a name and a password in the wallet of the house; how a node names them."""
    fields = json.dumps({"username": user, "password": password})
    words = ("secret", "create", "--name", "Way in", "--type", "basic", "--file", "-")
    [made] = Meterhouse(folder / "data").json(*words, given=fields)
    return {"secretsWalletEntry": {"secretId": made["id"], "secretType": "basic"}}


def writer(receiving: Any, folder: Path, name: str, **params: Any) -> dict[str, Any]:
    """A node that writes there, with a secret where one is asked for."""
    if receiving.login is not None:
        params = secret(folder, *receiving.login) | params
    return receiving.writer(name, **params)


def exact(got: Got, records: list[dict[str, Any]]) -> None:
    """Each record is there, each meter's in order, and one that is repeated has one key."""
    first: dict[str, Any] = {}
    for key, record in got:
        first.setdefault(key, record)
    assert by_meter(first.values()) == by_meter(records)
    keys = defaultdict(set)
    for key, record in got:
        keys[record["n"]].add(key)
    assert [n for n, own in keys.items() if len(own) != 1] == []


def test_all_arrive_once_and_in_the_order_of_their_meter(
    receiving: Any, forwarding_to: Make, tmp_path: Path
):
    name = receiving.make()
    house = forwarding_to(writer(receiving, tmp_path, name))
    records = usage(400)
    house.run(records)
    tally = house.deliver()
    assert (tally.sent, tally.dead, tally.held, house.waiting) == (400, 0, {}, [])
    got = receiving.got(name)
    exact(got, records)
    assert len(got) == 400


@pytest.mark.parametrize("kills", KILLS)
def test_a_deliverer_that_is_killed_again_and_again_loses_nothing(
    receiving: Any, forwarding_to: Make, tmp_path: Path, kills: int
):
    name = receiving.make()
    house = forwarding_to(writer(receiving, tmp_path, name, lanes=3))
    records = usage(PER_KILL * kills, meters=9)
    house.run(records)
    chance = random.Random(1)
    meterhouse = Meterhouse(tmp_path / "data")
    for _ in range(kills):
        process: subprocess.Popen[str] = meterhouse.start("delivery", "run")
        receiving.at(
            chance.randrange(20, 100), lambda p=process: p.send_signal(signal.SIGKILL), name
        )
        said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
    assert meterhouse.process("delivery", "run").code == 0
    assert house.waiting == []
    exact(receiving.got(name), records)


def test_a_receiver_that_is_away_holds_the_lanes_and_has_all_when_it_is_back(
    receiving: Any, forwarding_to: Make, tmp_path: Path
):
    name = receiving.make()
    house = forwarding_to(writer(receiving, tmp_path, name, timeoutSeconds=5, lanes=2))
    records = usage(60)
    house.run(records)
    receiving.away()
    try:
        tally = house.deliver()
    finally:
        receiving.back()
    assert (tally.sent, tally.dead) == (0, 0)
    [reason] = tally.held.values()
    assert reason
    house.deliver_all()
    exact(receiving.got(name), records)
    assert house.house.ledger.dead_letters().items == []


def test_what_is_too_large_or_violates_is_a_dead_letter_and_its_lane_goes_on(
    receiving: Any, forwarding_to: Make, tmp_path: Path
):
    name = receiving.make()
    house = forwarding_to(writer(receiving, tmp_path, name, lanes=1))
    records = usage(30, meters=1)
    records[11]["note"] = "x" * LONG
    house.run(records)
    tally = house.deliver()
    assert (tally.sent, tally.dead, house.waiting) == (29, 1, [])
    [letter] = house.house.ledger.dead_letters().items
    assert letter.place == 11
    assert len(letter.reason) < 1_000
    del records[11]
    exact(receiving.got(name), records)


def test_who_is_not_let_in_holds_the_lane_and_the_password_is_told_nobody(
    receiving: Any, forwarding_to: Make, tmp_path: Path
):
    if receiving.login is None:
        pytest.skip("lets everybody in; see the tests of its own")
    name = receiving.make()
    entry = secret(tmp_path, receiving.login[0], CANARY)
    house = forwarding_to(receiving.writer(name, lanes=1, **entry))
    house.run(usage(5))
    tally = house.deliver()
    assert (tally.sent, tally.dead, len(tally.held)) == (0, 0, 1)
    [waiting] = house.waiting
    assert waiting.error
    assert CANARY not in waiting.error
    assert CANARY not in repr(waiting)
    assert receiving.got(name) == []
