"""What is special about Kafka: partitions, offsets, retention."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Kafka
from tests.connectors.brokers.usage import messages, metered, new_name, run, set_up, whole


@pytest.fixture
def kafka(start_broker: Callable[[str], Any]) -> Kafka:
    return start_broker("kafka")


def positions(meterhouse: Meterhouse) -> dict[str, int]:
    found = meterhouse.json("stream", "position", "list", small.STREAM)
    return {position["part"]: position["value"] for position in found}


def test_a_run_takes_a_fair_share_of_each_partition(meterhouse: Meterhouse, kafka: Kafka):
    name = new_name()
    kafka.make(name, partitions=3)
    key = set_up(meterhouse, kafka, name, maxRecords=9)
    for partition, numbers in enumerate([range(1), range(1, 11), range(11, 21)]):
        kafka.publish(name, messages(numbers), partition=partition)
    assert run(meterhouse)["in"] == 9
    assert positions(meterhouse) == {f"{name}/0": 1, f"{name}/1": 4, f"{name}/2": 4}
    while run(meterhouse)["in"]:
        pass
    assert metered(meterhouse, key) == whole(range(21))


def test_several_topics_are_read_by_one_node(meterhouse: Meterhouse, kafka: Kafka):
    names = [new_name(), new_name()]
    for number, name in enumerate(names):
        kafka.make(name)
        kafka.publish(name, messages([number]))
    params: dict[str, Any] = {"bootstrapServers": [kafka.address], "topics": names}
    key = small.set_up(meterhouse, document(node("Reader", "readers/kafka", **params), meter()))
    assert run(meterhouse)["in"] == 2
    assert small.values(meterhouse, key)["ann"] == 1 + 2


def publish_together(kafka: Kafka, name: str, contents: list[bytes]) -> None:
    """Publish messages in a transaction; a mark in the partition says that it is committed."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    for content in contents:
        producer.produce(name, content, partition=0)
    producer.commit_transaction(30)


def test_the_position_is_the_end_of_a_partition_also_behind_the_marks_of_transactions(
    meterhouse: Meterhouse, kafka: Kafka
):
    name = new_name()
    kafka.make(name)
    key = set_up(meterhouse, kafka, name)
    publish_together(kafka, name, messages(range(3)))
    assert run(meterhouse)["in"] == 3
    assert positions(meterhouse) == {f"{name}/0": 4}
    kafka.publish(name, messages([3]))
    assert run(meterhouse)["in"] == 1
    assert (positions(meterhouse), metered(meterhouse, key)) == ({f"{name}/0": 5}, whole(range(4)))


def test_a_run_that_finds_nothing_but_a_mark_goes_behind_it(meterhouse: Meterhouse, kafka: Kafka):
    name = new_name()
    kafka.make(name)
    key = set_up(meterhouse, kafka, name, maxRecords=3)
    publish_together(kafka, name, messages(range(3)))
    assert (run(meterhouse)["in"], positions(meterhouse)) == (3, {f"{name}/0": 3})
    assert (run(meterhouse)["in"], positions(meterhouse)) == (0, {f"{name}/0": 4})
    assert metered(meterhouse, key) == whole(range(3))


def test_latest_is_decided_by_the_first_run(meterhouse: Meterhouse, kafka: Kafka):
    name = new_name()
    kafka.make(name)
    kafka.publish(name, messages(range(5)))
    key = set_up(meterhouse, kafka, name, startFrom="latest")
    assert run(meterhouse)["in"] == 0
    assert positions(meterhouse) == {f"{name}/0": 5}
    kafka.publish(name, messages([5, 6]))
    assert run(meterhouse)["in"] == 2
    assert metered(meterhouse, key) == whole([5, 6])


def test_a_topic_that_is_not_there_fails_the_run(meterhouse: Meterhouse, kafka: Kafka):
    set_up(meterhouse, kafka, "nowhere")
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert f"Kafka at {kafka.address}: topic nowhere: " in ended.err


@pytest.fixture
def small_kafka() -> Iterator[Kafka]:
    """The cluster that the client library brings along: it keeps a few megabytes a partition."""
    from confluent_kafka import Producer

    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    brokers = cluster.list_topics(timeout=10).brokers
    [broker] = brokers.values()
    yield Kafka(f"{broker.host}:{broker.port}")
    cluster.flush(1)


def test_messages_that_retention_removed_before_they_were_read_fail_the_run(
    meterhouse: Meterhouse, small_kafka: Kafka
):
    small_kafka.publish("usage", messages(range(3)))
    set_up(meterhouse, small_kafka, "usage")
    counts = run(meterhouse)
    before = sum(positions(meterhouse).values())
    assert (counts["in"], before) == (3, 3)
    small_kafka.publish("usage", [b" " * 900_000] * 12)
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert "messages were removed before they were read" in ended.err
    assert "stream position reset STREAM --node NODE --part usage/0" in ended.err
    meterhouse.done("stream", "position", "reset", small.STREAM, "--node", "Reader")
    meterhouse.done("stream", "run", small.STREAM)


def test_a_topic_that_was_made_anew_fails_the_run(meterhouse: Meterhouse, small_kafka: Kafka):
    small_kafka.publish("usage", messages(range(5)))
    set_up(meterhouse, small_kafka, "usage")
    assert run(meterhouse)["in"] == 5
    # Another cluster with fewer messages, as if its topics had been made anew.
    from confluent_kafka import Producer

    other = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    [broker] = other.list_topics(timeout=10).brokers.values()
    fewer = Kafka(f"{broker.host}:{broker.port}")
    fewer.publish("usage", messages(range(2)))
    exported = meterhouse.json("stream", "export", small.STREAM)[0]
    exported["nodes"][0]["params"]["bootstrapServers"] = fewer.address
    words = ("stream", "update", small.STREAM, "--file", "-")
    meterhouse.done(*words, given=json.dumps(exported))
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert "seems to have been made anew" in ended.err
