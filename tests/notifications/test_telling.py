"""What groups are told of runs, when they are silent, and that messages are delivered."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from standardwebhooks import Webhook

from meterhouse.app.stopping import end_dead
from meterhouse.core.instant import MINUTE
from meterhouse.streams.record import RunStatus
from tests.forwarding.mailbox import Mailbox
from tests.forwarding.receiver import Got, Receiver, Say
from tests.notifications.told import BAD, CANARY, GOOD, KEY, STREAM, Told


def _types(receiver: Receiver) -> list[str]:
    return [got.record["type"] for got in receiver.accepted]


def _by_type(receiver: Receiver) -> dict[str, Any]:
    return {got.record["type"]: got.record for got in receiver.accepted}


# ---------------------------------------------------------------- the events


def test_a_complete_run_tells_how_much_came_in_and_went_out(receiver: Receiver, told: Told):
    told.hook(receiver.url)
    told.file("1", GOOD, GOOD)
    run = told.run().run
    assert told.deliver().sent == 1
    [got] = receiver.accepted
    verified = Webhook(KEY).verify(got.body, got.headers)
    assert verified == {
        "type": "stream_complete",
        "at": verified["at"],
        "stream": STREAM,
        "run": run.id,
        "reason": None,
        "counts": {"input": 2, "output": 2},
    }
    assert told.waiting == []


def test_records_in_data_correction_are_counted_by_reason(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["suspense_arrived"])
    told.file("1", GOOD, BAD, GOOD)
    assert told.run().error is None
    told.deliver()
    [got] = receiver.accepted
    assert (got.record["type"], got.record["counts"]) == ("suspense_arrived", {"not_readable": 1})


def test_a_run_that_fails_tells_so_and_what_it_left(receiver: Receiver, told: Told):
    told.hook(receiver.url)
    told.file("1", BAD, BAD, BAD)
    ended = told.run()
    assert ended.run.status is RunStatus.FAILED
    told.deliver()
    found = _by_type(receiver)
    assert sorted(found) == ["stream_failed", "suspense_arrived"]
    assert found["stream_failed"]["reason"] == "suspense_limit_reached"
    assert found["stream_failed"]["run"] == ended.run.id
    # What the failed run has kept is kept, and its message, too.
    stored = told.house.ledger.run(ended.run.id)
    assert stored is not None and stored.status is RunStatus.FAILED
    kept = told.house.ledger.suspense().items
    assert found["suspense_arrived"]["counts"] == {"not_readable": len(kept)}


def test_a_run_without_a_new_file_tells_of_the_node(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["no_file_found"])
    told.run()
    told.deliver()
    assert [got.record["reason"] for got in receiver.accepted] == ['no new file at "Reader"']
    told.file("1", GOOD)
    told.clock.now += 30 * MINUTE
    told.run()
    assert told.waiting == [], "it found one"
    told.run()
    told.deliver()
    assert len(receiver.accepted) == 2, "what was read before is no new file"


def test_a_run_of_data_correction_misses_no_file(receiver: Receiver, told: Told):
    told.file("1", GOOD, BAD)
    told.run()
    told.hook(receiver.url)
    [entry] = told.command.json("correction", "list")
    told.command.done("correction", "fix", entry["id"], "--set", "value=1")
    told.command.done("correction", "requeue", entry["id"])
    told.command.done("correction", "reprocess", STREAM)
    assert _types(receiver) == ["stream_complete"]


def test_a_run_whose_process_is_gone_has_failed(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["stream_failed"])
    told.file("1", GOOD)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from meterhouse import bootstrap\n"
        "from meterhouse.app.running import run_stream\n"
        "with bootstrap.open_installation(Path(sys.argv[1])) as house:\n"
        "    run_stream(house.ledger, 'Small', means=house.means(), run_id='killed', seed=1,\n"
        "               at=None, started=lambda _: os._exit(0))\n"
    )
    subprocess.run([sys.executable, "-c", code, told.house.directory], check=True, timeout=60)
    assert end_dead(told.house.ledger, at=told.house.clock(), beside="nobody") == 1
    told.deliver()
    [got] = receiver.accepted
    assert (got.record["run"], got.record["reason"]) == ("killed", "run_interrupted")


# ---------------------------------------------------------------- silence


def test_the_same_event_of_the_same_stream_is_silent_for_exactly_half_an_hour(
    receiver: Receiver, told: Told
):
    told.hook(receiver.url, events=["stream_complete"])
    for after, sent in ((0, 1), (30 * MINUTE - 1, 0), (1, 1), (30 * MINUTE - 1, 0), (1, 1)):
        told.clock.now += after
        told.run()
        assert told.deliver().sent == sent, after


def test_a_clock_that_was_put_back_silences_for_no_longer(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["stream_failed"])
    told.file("1", BAD, BAD, BAD)
    for back, sent in ((0, 1), (30 * MINUTE - 1, 0), (1, 1)):
        told.clock.now -= back
        told.run()
        assert told.deliver().sent == sent, back


def test_other_events_streams_and_groups_are_not_silenced(receiver: Receiver, told: Told):
    told.hook(receiver.url, name="First", events=["stream_complete"])
    told.run()
    told.hook(receiver.url, name="Second", events=["stream_complete", "no_file_found"])
    told.run()
    told.run("Other")
    assert told.deliver().sent == 6
    found = [(got.record["stream"], got.record["type"]) for got in receiver.accepted]
    assert sorted(found) == [
        ("Other", "no_file_found"),
        ("Other", "stream_complete"),
        ("Other", "stream_complete"),
        ("Small", "no_file_found"),
        ("Small", "stream_complete"),
        ("Small", "stream_complete"),
    ]


def test_silence_is_for_messages_and_outlives_the_process(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["stream_complete"])
    told.command.done("stream", "run", STREAM, "--quiet")
    told.command.done("stream", "run", STREAM, "--quiet")
    assert _types(receiver) == ["stream_complete"]


def test_a_group_for_some_streams_is_told_of_those_alone(receiver: Receiver, told: Told):
    told.hook(receiver.url, events=["stream_complete"], streams=["Other"])
    told.run()
    assert told.waiting == []
    told.run("Other")
    told.deliver()
    assert [got.record["stream"] for got in receiver.accepted] == ["Other"]


# ---------------------------------------------------------------- mails


def test_a_mail_says_what_happened_where_and_what_shows_more(mailbox: Mailbox, told: Told):
    told.group(events=["suspense_arrived"], emails=["ann@example.com", "bob@example.com"])
    told.file("1", GOOD, BAD)
    run = told.run().run
    assert told.deliver().sent == 2
    assert sorted(mail.rcpt_tos for mail in mailbox.mails) == [
        ["ann@example.com"],
        ["bob@example.com"],
    ]
    [mail, other] = mailbox.messages
    assert mail["From"] == "bill@example.com"
    assert mail["Subject"] == '[meterhouse] Stream "Small": 1 record arrived in Data Correction'
    assert mail["Message-ID"] != other["Message-ID"]
    text = mail.get_content()
    for line in (
        "  not_readable:           1",
        "  meterhouse correction list --summary --stream Small",
        f"  meterhouse run show {run.id}",
    ):
        assert line in text.splitlines()
    # The commands are real ones.
    assert told.command.json("correction", "list", "--summary", "--stream", "Small")
    assert told.command.json("run", "show", run.id)


def test_one_mailbox_that_is_gone_keeps_nobody_elses_mail(mailbox: Mailbox, told: Told):
    told.group(events=["stream_complete"], emails=["gone@example.com", "ann@example.com"])
    mailbox.unknown = {"gone@example.com"}
    told.run()
    tally = told.deliver()
    assert (tally.sent, tally.dead) == (1, 1)
    assert [mail.rcpt_tos for mail in mailbox.mails] == [["ann@example.com"]]
    [letter] = told.command.json("dead-letter", "list")
    assert (letter["node"], "no such mailbox" in letter["reason"]) == (
        "notification group Ops",
        True,
    )
    mailbox.unknown = set()
    told.command.done("dead-letter", "redrive", letter["id"])
    assert told.deliver().sent == 1
    assert mailbox.mails[-1].rcpt_tos == ["gone@example.com"]


def test_without_the_server_mails_wait_and_go_when_it_is_named(
    mailbox: Mailbox, told: Told, monkeypatch: pytest.MonkeyPatch
):
    told.group(events=["stream_complete"], emails=["ann@example.com"])
    told.run()
    with monkeypatch.context() as without:
        without.delenv("METERHOUSE_SMTP_HOST")
        assert told.deliver().sent == 0
    [waits] = told.waiting
    assert "No mail server is configured" in str(waits.error)
    told.clock.move(3_600)
    assert told.deliver().sent == 1


# ---------------------------------------------------------------- no customer data, no secrets


def test_no_message_has_customer_data_or_a_secret(receiver: Receiver, mailbox: Mailbox, told: Told):
    told.hook(receiver.url, emails=["ann@example.com"])
    told.file("1", GOOD, BAD)
    told.run()
    told.file("2", BAD, BAD, BAD)
    assert told.run().error is not None
    waiting = json.dumps([str(item) for item in told.waiting])
    told.deliver()
    sent = b"".join(got.body for got in receiver.accepted)
    sent += b"".join(bytes(mail.content or b"") for mail in mailbox.mails)
    assert _types(receiver) == ["stream_complete", "suspense_arrived", "stream_failed"]
    for forbidden in (CANARY, KEY, KEY.removeprefix("whsec_")):
        assert forbidden.encode() not in sent
        assert forbidden not in waiting
    shown = told.command.done("notification", "show", "Ops", "--json").out
    shown += told.command.done("activity", "list", "--json").out
    assert KEY.removeprefix("whsec_") not in shown


# ---------------------------------------------------------------- delivery


def test_a_command_line_delivers_at_its_end_also_what_it_failed_at(receiver: Receiver, told: Told):
    told.hook(receiver.url)
    told.file("1", BAD, BAD, BAD)
    ended = told.command("stream", "run", STREAM, "--quiet")
    assert ended.code == 1
    assert sorted(_types(receiver)) == ["stream_failed", "suspense_arrived"]


def test_a_receiver_that_is_down_makes_no_run_fail_and_is_told_later(
    receiver: Receiver, told: Told
):
    told.hook(receiver.url, events=["stream_complete"])
    receiver.behave = lambda _: Say(503)
    ended = told.command.done("stream", "run", STREAM)
    assert "waits" in ended.err
    [waits] = told.waiting
    assert "503" in str(waits.error)
    receiver.behave = lambda _: Say()
    told.clock.now = told.house.clock()
    told.clock.move(2)
    assert told.deliver().sent == 1
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1


def test_killed_between_commit_and_delivery_it_is_delivered_after_the_restart(
    receiver: Receiver, told: Told
):
    told.hook(receiver.url, events=["stream_complete"])
    process: list[subprocess.Popen[str]] = []

    def behave(_: Got) -> Say:
        if len(receiver.got) == 1:
            os.kill(process[0].pid, signal.SIGKILL)
        return Say()

    receiver.behave = behave
    process.append(told.command.start("stream", "run", STREAM))
    process[0].communicate()
    assert process[0].returncode == -signal.SIGKILL
    [run] = told.command.json("run", "list")
    assert run["status"] == "complete"
    assert len(told.waiting) == 1
    assert told.command.process("delivery", "run").code == 0
    assert told.waiting == []
    first, second = receiver.got
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)


def test_one_receiver_that_is_away_holds_up_no_other_address(
    receiver: Receiver, mailbox: Mailbox, told: Told
):
    away = receiver.url.replace("/hook", "/away")
    hooks = [{"uri": uri, "secret": "Hooks"} for uri in (away, receiver.url)]
    told.group(events=["stream_complete"], emails=["ann@example.com"], webhooks=hooks)
    receiver.behave = lambda got: Say(503) if got.path == "/away" else Say()
    told.run()
    assert told.deliver().sent == 2
    assert [item.entry.destination for item in told.waiting] == [f"POST {away}"]
