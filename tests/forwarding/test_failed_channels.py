"""An output that cannot be worked on at all: it is told of, and holds up no other."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.small import document, node, reader
from tests.cli.command import Meterhouse
from tests.forwarding.house import Forwarding, by_meter, forwarding, usage, webhook
from tests.forwarding.receiver import Receiver


@pytest.fixture
def broken(receiver: Receiver, tmp_path: Path) -> Iterator[Forwarding]:
    """Two writers have records waiting, and the spool of the first was removed by hand."""
    first = webhook(f"{receiver.url}first")
    with forwarding(tmp_path, first) as house:
        second = node("Second", "writers/http", uri=f"{receiver.url}second")
        stream = document(reader(house.usage / "*.ndjson"), first, more=(second,))
        stream["edges"].append({"id": "e", "from": "Reader", "to": "Second", "config": {}})
        command = Meterhouse(tmp_path / "data")
        command.done("stream", "update", "Small", "--file", "-", given=json.dumps(stream))
        house.clock.now = house.house.clock()
        house.run(usage(20, meters=2))
        oldest = house.waiting[0]
        (house.house.directory / oldest.entry.spool).unlink()
        yield house


def test_the_other_outputs_are_delivered_and_the_round_says_what_failed(
    broken: Forwarding, receiver: Receiver
):
    first, _ = broken.waiting
    tally = broken.deliver()
    assert (tally.sent, len(tally.failed), list(tally.held)) == (20, 1, [first.id])
    assert f"{first.entry.spool} cannot be read" in tally.held[first.id]
    assert by_meter(receiver.records()) == by_meter(usage(20, meters=2))
    assert [pending.id for pending in broken.waiting] == [first.id]
    assert broken.deliver().failed == frozenset(), "a failed one rests"


@pytest.mark.parametrize("option", [(), ("--until-done",)], ids=["once", "until done"])
def test_a_command_delivers_the_rest_and_warns(broken: Forwarding, option: tuple[str, ...]):
    first, _ = broken.waiting
    ended = Meterhouse(broken.house.directory)("delivery", "run", "--json", *option)
    assert ended.code == 1
    assert json.loads(ended.out) == {"files": 0, "sent": 20, "deadLetters": 0, "waiting": 1}
    assert ended.err.count("warning: output") == 1
    assert f"warning: output {first.id} waits: " in ended.err
