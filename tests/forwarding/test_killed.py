"""A deliverer that is killed: nothing is lost, and what is repeated has the same key."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.forward_ports import Advance
from meterhouse.app.forwarding import claim_next
from meterhouse.core.problem import ConflictError
from tests.cli.command import Meterhouse
from tests.forwarding.house import Forwarding, by_meter, usage, webhook
from tests.forwarding.receiver import Got, Receiver, Say

Make = Callable[[dict[str, Any]], Forwarding]
#: Kills of a deliverer, and as many more in the long suite; records for each, so that they last.
KILLS = [4, pytest.param(20, marks=pytest.mark.nightly)]
PER_KILL = 600
PATIENCE_SECONDS = 60


def wait_until_more_is_done(house: Forwarding, process: "subprocess.Popen[str]") -> None:
    """Wait until a deliverer has written down how far it has come."""
    before = sum(pending.done for pending in house.waiting)
    end = time.monotonic() + PATIENCE_SECONDS
    while sum(pending.done for pending in house.waiting) <= before:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < end, "it writes nothing down"
        time.sleep(0.005)


@pytest.mark.parametrize("kills", KILLS)
def test_a_deliverer_that_is_killed_again_and_again_loses_nothing(
    receiver: Receiver, forwarding_to: Make, tmp_path: Path, kills: int
):
    house = forwarding_to(webhook(receiver.url, lanes=4))
    records = usage(PER_KILL * kills, meters=9)
    house.run(records)
    chance = random.Random(1)
    pid: list[subprocess.Popen[str]] = []
    limit = [0]

    def behave(got: Got) -> Say:
        # So slow that the output outlives the kills; a killed one leaves records on their way.
        time.sleep(0.002)
        if 0 < limit[0] <= len(receiver.got):
            limit[0] = 0
            pid[-1].send_signal(signal.SIGKILL)
        return Say()

    receiver.behave = behave
    meterhouse = Meterhouse(tmp_path / "data")
    for kill in range(kills):
        pid.append(meterhouse.start("delivery", "run"))
        # Half of them have written nothing down, and half of them have.
        if kill % 2:
            wait_until_more_is_done(house, pid[-1])
        limit[0] = len(receiver.got) + chance.randrange(1, 250)
        pid[-1].communicate()
        assert pid[-1].returncode == -signal.SIGKILL
    done = sum(pending.done for pending in house.waiting)
    assert 0 < done < len(records), "nothing was written down, or all of it"
    assert meterhouse.process("delivery", "run").code == 0
    assert by_meter(receiver.records()) == by_meter(records)
    assert house.waiting == []
    keys = {got.record["n"]: set() for got in receiver.accepted}
    for got in receiver.accepted:
        keys[got.record["n"]].add(got.key)
    assert [n for n, own in keys.items() if len(own) != 1] == []
    # At most what was sent in a second, and what was on its way.
    assert 0 < receiver.repeats() < kills * 2_000


def test_a_claim_is_for_one_process_until_it_is_given_back_or_lapses(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(3))
    ledger = house.house.ledger
    first = claim_next(ledger, house.means)
    assert first is not None
    assert claim_next(ledger, house.means) is None
    house.clock.move(61)
    second = claim_next(ledger, house.means)
    assert second is not None
    channel, claim = first
    with pytest.raises(ConflictError, match="taken this delivery over"):
        ledger.advance(channel.no, claim, Advance(finished=[1]), at=house.clock())
    assert len(house.waiting) == 1
    ledger.release_channel(channel, claim, due_at=None)
    assert claim_next(ledger, house.means) is None
    ledger.release_channel(*second, due_at=0)
    assert house.deliver().sent == 3


def test_the_claim_of_a_process_that_died_is_taken_over_at_once(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    house.run(usage(3))
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from meterhouse import bootstrap\n"
        "from meterhouse.app.forwarding import claim_next\n"
        "with bootstrap.open_installation(Path(sys.argv[1])) as house:\n"
        "    assert claim_next(house.ledger, house.forwarding()) is not None\n"
        "    os._exit(0)\n"
    )
    command = [sys.executable, "-c", code, str(house.house.directory)]
    subprocess.run(command, check=True, timeout=60)
    house.clock.now = house.house.clock()
    assert house.deliver().sent == 3
