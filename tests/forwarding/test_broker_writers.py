"""What each writer to a broker does beside the contract: keys, subjects, and what is unroutable."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from meterhouse.core.reading import Reading
from meterhouse.streams.nodes.nats_writer import read_nats_writer
from meterhouse.streams.ports import Accepted, ForwardItem, TryAgain
from tests.acceptance.small import node
from tests.forwarding.house import Forwarding, usage
from tests.forwarding.receiving import Receiving
from tests.forwarding.test_contract import CANARY, secret
from tests.servers.kafka import kafka_server
from tests.servers.nats import nats_server

Make = Callable[[dict[str, Any]], Forwarding]
Start = Callable[[str], Any]


def reasons(house: Forwarding) -> list[tuple[int, str]]:
    """Place and reason of each dead letter."""
    return [(letter.place, letter.reason) for letter in house.house.ledger.dead_letters().items]


# ---------------------------------------------------------------- Kafka


def test_kafka_messages_of_a_meter_are_in_one_partition_with_its_id_as_key(
    start_receiving: Start, forwarding_to: Make
):
    kafka = start_receiving("kafka")
    name = kafka.make()
    house = forwarding_to(kafka.writer(name))
    house.run(usage(60, meters=12))
    assert house.deliver().sent == 60
    keys = [{m.key().decode() for m in messages} for messages in kafka.partitions(name).values()]
    assert sorted(key for part in keys for key in part) == sorted({f"m{n}" for n in range(12)})
    assert len([part for part in keys if part]) > 1


def test_kafka_takes_a_key_of_fields(start_receiving: Start, forwarding_to: Make):
    kafka = start_receiving("kafka")
    name = kafka.make()
    house = forwarding_to(kafka.writer(name, key="${payload.region}/${payload.n}"))
    house.run([{"meterId": "m", "n": 1, "region": "eu"}])
    house.deliver()
    [message] = [m for part in kafka.partitions(name).values() for m in part]
    assert message.key() == b"eu/1"


def test_kafka_without_the_topic_holds_the_lane_and_makes_none(
    start_receiving: Start, forwarding_to: Make
):
    kafka = start_receiving("kafka")
    house = forwarding_to(kafka.writer("nobody-made-this", lanes=1))
    house.run(usage(3))
    for _ in range(2):
        tally = house.deliver()
        assert (tally.sent, tally.dead) == (0, 0)
        house.clock.move(3_600)
    [waiting] = house.waiting
    assert "there is no topic nobody-made-this" in (waiting.error or "")


#: Each takes as long as a lane waits for a cluster.
_MECHANISMS = ["PLAIN", pytest.param("SCRAM-SHA-256", marks=pytest.mark.nightly)]


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_kafka_does_not_let_in_whom_it_does_not_know(
    mechanism: str, tmp_path: Path, forwarding_to: Make
):
    with kafka_server(tmp_path, "--authentication") as address:
        where = {"bootstrapServers": address, "topic": "t", "saslMechanism": mechanism}
        entry = secret(tmp_path, "ann", CANARY)
        house = forwarding_to(node("Out", "writers/kafka", **where, **entry))
        house.run(usage(2, meters=1))
        tally = house.deliver()
        assert (tally.sent, tally.dead, len(tally.held)) == (0, 0, 1)
        [waiting] = house.waiting
        assert address in (waiting.error or "")
        assert CANARY not in repr(waiting)


# ---------------------------------------------------------------- NATS


def test_nats_subjects_take_values_as_one_word_whatever_they_are(
    start_receiving: Start, forwarding_to: Make
):
    nats = start_receiving("nats")
    name = nats.make()
    house = forwarding_to(nats.writer(name, subject=f"{name}.${{payload.region}}", lanes=1))
    regions = ["eu", "eu.west", "a *>b", "\N{SNOWMAN}\r\n"]
    house.run([{"meterId": "m", "region": region} for region in regions] + [{"meterId": "m"}])
    assert (house.deliver().sent, house.waiting) == (4, [])
    words = [message.subject.partition(".")[2] for message in nats.messages(name)]
    assert words == ["eu", "eu%2Ewest", "a%20%2A%3Eb", "%E2%98%83%0D%0A"]
    [(place, reason)] = reasons(house)
    assert (place, "payload.region" in reason) == (4, True)


def test_a_nats_subject_of_no_stream_is_a_dead_letter_and_the_lane_goes_on(
    start_receiving: Start, forwarding_to: Make
):
    nats = start_receiving("nats")
    name = nats.make()
    house = forwarding_to(nats.writer(name, subject="${payload.to}.x", lanes=1))
    house.run([{"meterId": "m", "to": to} for to in (name, "gone", name)])
    tally = house.deliver()
    assert (tally.sent, tally.dead, house.waiting) == (2, 1, [])
    [(place, reason)] = reasons(house)
    assert (place, "no stream has the subject gone.x" in reason) == (1, True)


def test_a_nats_stream_drops_repeats_by_the_idempotency_key(
    start_receiving: Start, forwarding_to: Make
):
    nats = start_receiving("nats")
    name = nats.make(duplicate_window=120)
    house = forwarding_to(nats.writer(name))
    for run in ("1", "2"):
        house.run([{"meterId": "m", "recordId": "r-1", "n": 1}], name=run)
    assert house.deliver().sent == 2
    assert [key for key, _ in nats.got(name)] == ["r-1"]


def test_a_nats_stream_that_is_full_holds_the_lane(start_receiving: Start, forwarding_to: Make):
    from nats.js.api import DiscardPolicy

    nats = start_receiving("nats")
    name = nats.make(max_msgs=2, discard=DiscardPolicy.NEW)
    house = forwarding_to(nats.writer(name, lanes=1))
    house.run(usage(4))
    tally = house.deliver()
    assert (tally.sent, tally.dead, len(tally.held)) == (2, 0, 1)


def test_nats_does_not_let_in_whom_it_does_not_know(tmp_path: Path, forwarding_to: Make):
    with nats_server(tmp_path, "--user", "ann", "--pass", "right") as address:
        entry = secret(tmp_path, "ann", CANARY)
        where = {"servers": address, "subject": "s"}
        house = forwarding_to(node("Out", "writers/nats", **where, **entry))
        house.run(usage(2, meters=1))
        tally = house.deliver()
        assert (tally.sent, tally.dead, len(tally.held)) == (0, 0, 1)
        [waiting] = house.waiting
        assert "Authorization Violation" in (waiting.error or "")
        assert CANARY not in repr(waiting)


def test_the_subject_of_nats_is_no_longer_than_a_line_of_its_protocol():
    params = read_nats_writer(Reading({"servers": ["n:4222"], "subject": "a.${payload.x}"}))
    assert params is not None
    with pytest.raises(ValueError, match="more than 1,000 characters"):
        params.subject_of({"x": "y" * 1_000})


# ---------------------------------------------------------------- RabbitMQ


def test_what_no_queue_of_rabbitmq_takes_is_a_dead_letter_and_the_lane_goes_on(
    start_receiving: Start, forwarding_to: Make
):
    rabbitmq = start_receiving("rabbitmq")
    name = rabbitmq.make()
    house = forwarding_to(rabbitmq.writer(name, routingKey="${payload.to}", lanes=1))
    house.run([{"meterId": "m", "to": to} for to in (name, "gone", "x" * 300, name)])
    tally = house.deliver()
    assert (tally.sent, tally.dead, house.waiting) == (2, 2, [])
    assert len(rabbitmq.got(name)) == 2
    (first, gone), (second, long) = reasons(house)
    assert {first, second} == {1, 2}
    assert "no queue takes what has the routing key gone" in gone + long
    assert "more than 255 bytes" in gone + long


def test_an_exchange_that_is_not_there_holds_the_lane(start_receiving: Start, forwarding_to: Make):
    rabbitmq = start_receiving("rabbitmq")
    writer = node("Out", "writers/rabbitmq", servers=rabbitmq.gate.address, exchange="nowhere")
    house = forwarding_to(writer)
    house.run(usage(2, meters=1))
    tally = house.deliver()
    assert (tally.sent, tally.dead, len(tally.held)) == (0, 0, 1)
    assert "nowhere" in (house.waiting[0].error or "")


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("kind", ["kafka", "nats", "rabbitmq", "postgres"])
def test_a_stop_ends_a_send_that_waits_for_a_silent_server(
    kind: str, start_receiving: Start, forwarding_to: Make, tmp_path: Path
):
    receiving: Receiving = start_receiving(kind)
    name = receiving.make()
    entry = {} if receiving.login is None else secret(tmp_path, *receiving.login)
    writer = receiving.writer(name, timeoutSeconds=300, **entry)
    means = forwarding_to(writer).means
    forwarder = means.forwarders.open(
        writer["type"].partition("/")[2], writer["params"], means.credentials
    )

    def item(n: int) -> ForwardItem:
        return ForwardItem(f"k{n}", b'{"meterId":"m","n":%d}' % n)

    gate: Any = start_receiving(kind).gate
    assert forwarder.send([item(1)]) == [Accepted()]
    gate.silent = True
    said: list[Any] = []
    sending = Thread(target=lambda: said.extend(forwarder.send([item(2)])))
    sending.start()
    asyncio.run(asyncio.sleep(0.3))
    assert sending.is_alive()
    forwarder.close()
    sending.join(30)
    gate.shut()
    gate.open()
    assert not sending.is_alive()
    assert isinstance(said[0], TryAgain)
    assert said[0].away
