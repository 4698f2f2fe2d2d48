"""Dead letters by command: why they are dead, sending them again, dropping them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meterhouse.store.connection import StoreError
from meterhouse.store.forwards import ForwardTable
from tests.cli.command import Meterhouse
from tests.forwarding.house import Forwarding, by_meter, usage, webhook
from tests.forwarding.receiver import Receiver, Say

Make = Callable[[dict[str, Any]], Forwarding]


@pytest.fixture
def dead(receiver: Receiver, forwarding_to: Make) -> Forwarding:
    """Two runs of which the odd records were refused."""
    house = forwarding_to(webhook(receiver.url, lanes=2))
    receiver.behave = lambda got: Say(400, b"odd") if got.record["n"] % 2 else Say()
    for name in ("1", "2"):
        house.run(usage(10, meters=2), name=name)
    house.deliver()
    receiver.behave = lambda _: Say()
    return house


@pytest.fixture
def command(dead: Forwarding) -> Meterhouse:
    return Meterhouse(dead.house.directory)


def test_each_says_what_was_refused_and_why(command: Meterhouse):
    listed = command.json("dead-letter", "list")
    assert len(listed) == 10
    [shown] = command.json("dead-letter", "show", listed[0]["id"])
    assert shown == listed[0]
    assert (shown["stream"], shown["node"], shown["place"]) == ("Small", "Hook", 1)
    assert shown["record"] == {"meterId": "m1", "n": 1}
    assert shown["reason"].endswith('answered 400: "odd"')
    assert len(command.json("dead-letter", "list", "--run", shown["run"])) == 5
    assert len(command.json("dead-letter", "list", "--node", "Hook", "--stream", "Small")) == 10
    assert command.json("dead-letter", "list", "--node", "Other") == []
    assert len(command.json("dead-letter", "list", "--limit", 3)) == 3


def test_sent_again_they_keep_their_keys_and_their_order(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    listed = command.json("dead-letter", "list")
    refused = {got.key for got in receiver.got} - {got.key for got in receiver.accepted}
    assert {letter["key"] for letter in listed} == refused
    [done] = command.json("dead-letter", "redrive", "--all")
    assert done == {"redriven": [letter["id"] for letter in listed]}
    assert command.json("dead-letter", "list") == []
    assert [(w["records"], w["kind"]) for w in command.json("delivery", "list")] == [
        (5, "http")
    ] * 2
    dead.deliver()
    again = receiver.accepted[10:]
    assert [got.key for got in again] == [letter["key"] for letter in listed]
    assert by_meter(got.record for got in again) == {"m1": [1, 3, 5, 7, 9] * 2}
    assert command.json("delivery", "list") == []


def test_sent_again_from_a_batch_each_has_the_key_that_it_had(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url, lanes=1, batchSize=10))
    receiver.behave = lambda _: Say(422)
    house.run(usage(3, meters=1))
    house.deliver()
    command = Meterhouse(house.house.directory)
    keys = [letter["key"] for letter in command.json("dead-letter", "list")]
    receiver.behave = lambda _: Say()
    command.done("dead-letter", "redrive", "--all")
    house.deliver()
    assert [(got.key, len(got.record)) for got in receiver.accepted] == [(key, 1) for key in keys]


def test_what_is_refused_once_more_is_dead_once_more(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    before = command.json("dead-letter", "list")
    receiver.behave = lambda got: Say(410) if got.record["n"] == 3 else Say()
    command.done("dead-letter", "redrive", before[0]["id"], before[1]["id"])
    dead.deliver()
    after = command.json("dead-letter", "list")
    assert len(after) == 9
    assert (after[-1]["key"], after[-1]["record"]["n"]) == (before[1]["key"], 3)
    assert after[-1]["id"] > before[-1]["id"]
    assert "answered 410" in after[-1]["reason"]


def test_an_action_takes_all_or_none(dead: Forwarding, command: Meterhouse):
    ids = [letter["id"] for letter in command.json("dead-letter", "list")]
    said = command.refused("dead-letter", "redrive", ids[0], 999)
    assert "There is no dead letter 999" in said
    assert len(command.json("dead-letter", "list")) == 10
    assert command.json("delivery", "list") == []
    assert command("dead-letter", "drop").code == 2
    assert command("dead-letter", "drop", ids[0], "--all").code == 2


def test_what_is_dropped_is_gone_and_both_acts_are_written_down(
    dead: Forwarding, command: Meterhouse
):
    first, *_ = command.json("dead-letter", "list")
    command.done("dead-letter", "drop", first["id"])
    command.done("dead-letter", "redrive", "--all", "--run", first["run"])
    command.done("dead-letter", "drop", "--all")
    assert command.json("dead-letter", "list") == []
    acts = [
        (a["action"], a["objectId"], a["detail"]["records"])
        for a in command.json("activity", "list")
        if a["kind"] == "dead letter"
    ]
    assert acts == [("drop", "", 5), ("redrive", "", 4), ("drop", str(first["id"]), 1)]


def test_dropping_an_output_of_dead_letters_drops_its_records(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    first, *_ = command.json("dead-letter", "list")
    command.done("dead-letter", "redrive", first["id"])
    [waiting] = command.json("delivery", "list")
    command.done("delivery", "drop", waiting["id"])
    assert dead.deliver().sent == 0
    assert first["key"] not in {got.key for got in receiver.accepted}
    assert len(command.json("dead-letter", "list")) == 9


def test_a_retry_ends_the_pause_and_a_round_delivers(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    receiver.behave = lambda _: Say(503, headers={"retry-after": "3000"})
    dead.clock.now = dead.house.clock()
    dead.run(usage(4, meters=1), name="3")
    dead.deliver()
    receiver.behave = lambda _: Say()
    [waiting] = command.json("delivery", "list")
    assert (waiting["done"], waiting["records"], waiting["attempts"]) == (0, 4, 1)
    assert waiting["nextAttemptAt"] is not None
    assert command.json("delivery", "run")[0]["sent"] == 0
    command.done("delivery", "retry", waiting["id"])
    assert command.json("delivery", "run") == [
        {"files": 0, "sent": 4, "deadLetters": 0, "waiting": 0}
    ]


def test_a_round_forgets_what_was_delivered_long_ago_and_keeps_dead_letters(
    dead: Forwarding, command: Meterhouse, monkeypatch: pytest.MonkeyPatch
):
    database = dead.house.ledger._database

    def outputs() -> int:
        return database.value("SELECT count(*) FROM outbox")

    # Two were delivered in the January of the clock, which is not the one of the command.
    assert outputs() == 2
    command.done("delivery", "run")
    assert outputs() == 0
    dead.clock.now = dead.house.clock()
    dead.run(usage(3, meters=1), name="3")
    command.done("delivery", "run")
    assert (outputs(), dead.waiting) == (1, [])
    assert len(command.json("dead-letter", "list")) == 10
    monkeypatch.setenv("METERHOUSE_DELIVERED_DAYS", "0")
    assert 'METERHOUSE_DELIVERED_DAYS is "0"' in command("delivery", "run").err


def test_the_end_of_a_run_forgets_what_was_delivered_long_ago(
    receiver: Receiver, dead: Forwarding, command: Meterhouse, tmp_path: Path
):
    (tmp_path / "usage" / "3.ndjson").write_text('{"n":100}\n')
    command.done("stream", "run", "Small")
    assert dead.house.ledger._database.value("SELECT count(*) FROM outbox") == 1


def test_until_done_waits_for_what_is_not_due_yet(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    tries = iter([Say(503), Say(503)])
    receiver.behave = lambda _: next(tries, Say())
    dead.clock.now = dead.house.clock()
    dead.run(usage(3, meters=1), name="3")
    [done] = command.json("delivery", "run", "--until-done")
    assert done == {"files": 0, "sent": 3, "deadLetters": 0, "waiting": 0}


def test_a_run_by_command_forwards_at_its_end_and_says_what_waits(
    receiver: Receiver, dead: Forwarding, command: Meterhouse, tmp_path: Path
):
    (tmp_path / "usage" / "3.ndjson").write_text('{"n":100}\n')
    command.done("stream", "run", "Small")
    assert receiver.accepted[-1].record == {"n": 100}
    receiver.behave = lambda _: Say(500)
    (tmp_path / "usage" / "4.ndjson").write_text('{"n":101}\n')
    ended = command("stream", "run", "Small")
    assert ended.code == 1
    assert "The run is complete, but not all of its output was delivered: 1 records wait" in (
        ended.err
    )


def test_progress_that_could_not_be_written_once_loses_no_dead_letter(
    receiver: Receiver, forwarding_to: Make, monkeypatch: pytest.MonkeyPatch
):
    house = forwarding_to(webhook(receiver.url, lanes=2))
    receiver.behave = lambda got: Say(400, b"odd") if got.record["n"] % 2 else Say()
    house.run(usage(600, meters=2))
    write, failures = ForwardTable.advance, [StoreError("the ledger is being written")]

    def advance(ledger: ForwardTable, *given: Any, **more: Any) -> set[int]:
        if failures:
            raise failures.pop()
        return write(ledger, *given, **more)

    monkeypatch.setattr(ForwardTable, "advance", advance)
    assert list(house.deliver().held.values()) == ["the ledger is being written"]
    house.deliver()
    letters = Meterhouse(house.house.directory).json("dead-letter", "list", "--all")
    assert {letter["record"]["n"] for letter in letters} == set(range(1, 600, 2))
    assert {got.record["n"] for got in receiver.accepted} == set(range(0, 600, 2))
