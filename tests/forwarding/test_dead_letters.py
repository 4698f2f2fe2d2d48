"""Dead letters by command: why they are dead, sending them again, dropping them."""

import json
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


def _refusing(receiver: Receiver, forwarding_to: Make) -> Meterhouse:
    """A house with 9 records to read, of which its receiver refuses 3."""
    house = forwarding_to(webhook(receiver.url))
    lines = (json.dumps(record) + "\n" for record in usage(9))
    (house.usage / "1.ndjson").write_text("".join(lines))
    receiver.behave = lambda got: Say(422, b"odd") if got.record["n"] % 3 == 0 else Say()
    return Meterhouse(house.house.directory)


def test_a_run_tells_of_the_records_that_its_receiver_refused(
    receiver: Receiver, forwarding_to: Make
):
    command = _refusing(receiver, forwarding_to)
    ended = command.done("stream", "run", "Small")
    [run] = command.json("run", "list")
    where = f"`meterhouse dead-letter list --run {run['id']}` shows them"
    reason = f'Hook: POST {receiver.url} answered 422: "odd"'
    assert f"  3  {reason}\n  {where}\n" in ended.out
    assert f"warning: 3 records were refused: {reason}; {where}" in ended.err
    assert reason in command.done("run", "show", run["id"]).out
    doctor = command("doctor").out
    assert "warn deliveries: 0 outputs are stuck, and there are 3 dead letters" in doctor


def test_a_delivery_that_makes_dead_letters_says_why_and_fails(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url))
    house.clock.now = house.house.clock()
    house.run(usage(9))
    receiver.behave = lambda got: Say(422, b"odd") if got.record["n"] % 3 == 0 else Say()
    ended = Meterhouse(house.house.directory)("delivery", "run", "--json")
    assert (ended.code, ended.objects[0]["deadLetters"], ended.objects[0]["sent"]) == (1, 3, 6)
    assert f'warning: 3 records were refused: POST {receiver.url} answered 422: "odd"' in ended.err
    assert "`meterhouse dead-letter list` shows them" in ended.err


def test_a_list_shows_how_far_an_output_is_and_when_it_is_tried_again(
    receiver: Receiver, forwarding_to: Make
):
    house = forwarding_to(webhook(receiver.url, lanes=1))
    house.clock.now = house.house.clock()
    receiver.behave = lambda got: Say(503) if got.record["n"] >= 5 else Say()
    house.run(usage(9))
    house.deliver()
    command = Meterhouse(house.house.directory)
    [waiting] = command.json("delivery", "list")
    head, row = command.done("delivery", "list").out.splitlines()
    assert "Done" in head and "Next attempt" in head
    assert "5 of 9" in row and waiting["nextAttemptAt"] in row


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


def test_dropping_an_output_of_dead_letters_makes_dead_letters_of_them_again(
    receiver: Receiver, dead: Forwarding, command: Meterhouse
):
    first, *_ = command.json("dead-letter", "list")
    command.done("dead-letter", "redrive", first["id"])
    [waiting] = command.json("delivery", "list")
    command.done("delivery", "drop", waiting["id"])
    assert dead.deliver().sent == 0
    assert first["key"] not in {got.key for got in receiver.accepted}
    keys = [letter["key"] for letter in command.json("dead-letter", "list")]
    assert (len(keys), keys[-1]) == (10, first["key"])


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
    house.clock.move(120)  # What was not sent before the failure is due after a rest.
    house.deliver()
    letters = Meterhouse(house.house.directory).json("dead-letter", "list", "--all")
    assert {letter["record"]["n"] for letter in letters} == set(range(1, 600, 2))
    assert {got.record["n"] for got in receiver.accepted} == set(range(0, 600, 2))


@pytest.fixture
def stuck(receiver: Receiver, forwarding_to: Make) -> Forwarding:
    """An output of 6 records, of which 2 have left; the writer names a wrong address."""
    house = forwarding_to(webhook(receiver.url, lanes=1))
    house.clock.now = house.house.clock()
    receiver.behave = lambda got: Say(401, b"who?") if got.record["n"] >= 2 else Say()
    house.run(usage(6, meters=1))
    house.deliver()
    return house


def test_an_output_leaves_by_the_settings_that_its_writer_has_now(
    receiver: Receiver, stuck: Forwarding
):
    command = Meterhouse(stuck.house.directory)
    [stream] = command.json("stream", "export", "Small")
    [hook] = [node for node in stream["nodes"] if node["name"] == "Hook"]
    hook["params"]["uri"] = receiver.url + "/right"
    command.done("stream", "update", "Small", "--file", "-", given=json.dumps(stream))
    receiver.behave = lambda got: Say() if got.path == "/hook/right" else Say(401)
    [waiting] = stuck.waiting
    command.done("delivery", "retry", waiting.id)
    stuck.deliver()
    [shown] = command.json("delivery", "show", waiting.id)
    assert (shown["done"], shown["forward"]["settings"]["uri"]) == (2, receiver.url)
    assert "answered 401" in shown["lanesInTrouble"][0]["error"]
    command.done("delivery", "retry", waiting.id, "--current-settings")
    [shown] = command.json("delivery", "show", waiting.id)
    assert shown["forward"]["settings"]["uri"] == shown["destination"].removeprefix("POST ")
    assert command.json("delivery", "run")[0]["sent"] == 4
    assert [got.record["n"] for got in receiver.accepted] == [0, 1, 2, 3, 4, 5]


def test_what_an_output_had_left_to_send_becomes_dead_letters(
    receiver: Receiver, stuck: Forwarding
):
    command = Meterhouse(stuck.house.directory)
    [waiting] = stuck.waiting
    [said] = command.json("delivery", "drop", waiting.id)
    assert said["deadLetters"] == 4
    assert stuck.waiting == []
    letters = command.json("dead-letter", "list")
    assert [letter["record"]["n"] for letter in letters] == [2, 3, 4, 5]
    assert letters[0]["reason"].startswith("given up by hand: POST ")
    receiver.behave = lambda _: Say()
    command.done("dead-letter", "redrive", "--all")
    assert command.json("delivery", "run")[0]["sent"] == 4
    assert [got.key for got in receiver.accepted][2:] == [letter["key"] for letter in letters]


def test_an_output_that_is_forgotten_leaves_nothing(receiver: Receiver, stuck: Forwarding):
    command = Meterhouse(stuck.house.directory)
    [waiting] = stuck.waiting
    command.done("delivery", "drop", waiting.id, "--forget")
    assert (stuck.waiting, command.json("dead-letter", "list")) == ([], [])
