"""What is special about RabbitMQ: no places, marks of delivery, one consumer."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Rabbitmq
from tests.connectors.brokers.usage import messages, metered, new_name, run, set_up, whole


@pytest.fixture
def rabbitmq(start_broker: Callable[[str], Any]) -> Rabbitmq:
    return start_broker("rabbitmq")


@pytest.fixture
def name(rabbitmq: Rabbitmq) -> str:
    name = new_name()
    rabbitmq.make(name)
    return name


def counting(meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str) -> str:
    """A stream without deduplication: what is metered twice counts twice."""
    reader = node("Reader", "readers/rabbitmq", **rabbitmq.reader(name))
    return small.set_up(meterhouse, document(reader, meter()))


def touch(rabbitmq: Rabbitmq, name: str) -> None:
    """Have all messages delivered to a consumer that dies."""
    assert rabbitmq.state(name)


@pytest.mark.parametrize("ids", [("a", "a", "b"), (None, None, None)])
def test_what_a_publisher_sends_twice_is_metered_twice(
    meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str, ids: tuple[str | None, ...]
):
    key = counting(meterhouse, rabbitmq, name)
    [message] = messages([1])
    rabbitmq.publish(name, [message] * 3, ids=ids)
    assert run(meterhouse)["in"] == 3
    rabbitmq.publish(name, [message], ids=ids[:1])
    assert run(meterhouse)["in"] == 1
    assert small.values(meterhouse, key)["ann"] == 8


def test_a_message_alike_that_was_delivered_before_and_not_committed_is_metered(
    meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str
):
    key = counting(meterhouse, rabbitmq, name)
    for _ in range(2):
        rabbitmq.publish(name, messages([1]))
        touch(rabbitmq, name)
        assert run(meterhouse)["in"] == 1
    assert small.values(meterhouse, key)["ann"] == 4


def test_a_message_whose_acknowledgement_the_broker_lost_is_known_by_its_id(
    meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str
):
    key = counting(meterhouse, rabbitmq, name)
    rabbitmq.publish(name, messages([1]), ids=["a"])
    assert run(meterhouse)["in"] == 1
    # As if it had never been acknowledged: there again, and marked.
    rabbitmq.publish(name, messages([1]), ids=["a"])
    touch(rabbitmq, name)
    assert run(meterhouse)["in"] == 0
    assert (rabbitmq.unacknowledged(name), small.values(meterhouse, key)["ann"]) == (0, 2)


def test_offsets_go_on_from_run_to_run(meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str):
    counting(meterhouse, rabbitmq, name)
    for _ in range(3):
        rabbitmq.publish(name, [b"x"])
        run(meterhouse)
    entries = meterhouse.json("correction", "list")
    assert [entry["offset"] for entry in entries] == [0, 1, 2]


def test_a_queue_that_somebody_else_consumes_is_refused(
    meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str, monkeypatch: pytest.MonkeyPatch
):
    from meterhouse.connectors.rabbitmq import collector

    monkeypatch.setattr(collector, "PATIENCE_SECONDS", 0.3)
    counting(meterhouse, rabbitmq, name)
    with closing(rabbitmq._channel().connection) as connection:
        connection.channel().basic_consume(name, print)
        ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert f"somebody else consumes the queue {name}" in ended.err
    rabbitmq.publish(name, messages([1]))
    assert run(meterhouse)["in"] == 1


def test_a_queue_that_is_not_there_fails_the_run(meterhouse: Meterhouse, rabbitmq: Rabbitmq):
    counting(meterhouse, rabbitmq, "nowhere")
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert "no queue 'nowhere'" in ended.err
    assert "a run makes no queue" in ended.err


def test_a_password_that_is_refused_is_not_told(meterhouse: Meterhouse, rabbitmq: Rabbitmq):
    words = ("secret", "create", "--type", "basic", "--file", "-", "--name", "R")
    given = '{"username": "ann", "password": "s3cr3t-canary"}'
    [made] = meterhouse.json(*words, given=given)
    entry = {"secretId": made["id"], "secretType": "basic"}
    set_up(meterhouse, rabbitmq, "usage", secretsWalletEntry=entry)
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert f"RabbitMQ at {rabbitmq.address}" in ended.err
    assert "refused" in ended.err.lower() or "auth" in ended.err.lower()
    assert "s3cr3t-canary" not in ended.err


def test_more_messages_than_can_be_prefetched_are_read(
    meterhouse: Meterhouse, rabbitmq: Rabbitmq, name: str
):
    key = set_up(meterhouse, rabbitmq, name, maxRecords=70_000)
    rabbitmq.publish(name, messages(range(2_000)))
    assert run(meterhouse)["in"] == 2_000
    assert metered(meterhouse, key) == whole(range(2_000))
