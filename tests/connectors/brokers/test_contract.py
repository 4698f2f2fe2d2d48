"""What holds for every broker: each message is metered once, whatever happens."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.acceptance import small
from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Broker
from tests.connectors.brokers.usage import messages, metered, new_name, run, set_up, whole


@pytest.fixture(params=["kafka", "nats", "rabbitmq"])
def broker(request: pytest.FixtureRequest, start_broker: Callable[[str], Broker]) -> Broker:
    return start_broker(request.param)


def failing(meterhouse: Meterhouse) -> str:
    """Run the stream, which must fail, and return what is said."""
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    return ended.err


@pytest.fixture
def name(broker: Broker) -> str:
    name = new_name()
    broker.make(name)
    return name


def test_several_runs_meter_each_message_once(meterhouse: Meterhouse, broker: Broker, name: str):
    key = set_up(meterhouse, broker, name)
    assert run(meterhouse)["in"] == 0
    broker.publish(name, messages(range(30)))
    assert run(meterhouse)["in"] == 30
    broker.publish(name, messages(range(30, 50)))
    assert run(meterhouse)["in"] == 20
    assert run(meterhouse)["in"] == 0
    assert metered(meterhouse, key) == whole(range(50))
    assert broker.unacknowledged(name) == 0


def test_a_run_takes_as_many_as_it_may_and_the_next_goes_on(
    meterhouse: Meterhouse, broker: Broker, name: str
):
    key = set_up(meterhouse, broker, name, maxRecords=7)
    broker.publish(name, messages(range(20)))
    assert [run(meterhouse)["in"] for _ in range(4)] == [7, 7, 6, 0]
    assert metered(meterhouse, key) == whole(range(20))


def test_one_message_may_hold_several_records(meterhouse: Meterhouse, broker: Broker, name: str):
    key = set_up(meterhouse, broker, name)
    one, two, three = messages(range(3))
    broker.publish(name, [b"[" + one + b"," + two + b"]", b"[]", three])
    assert run(meterhouse)["in"] == 3
    assert metered(meterhouse, key) == whole(range(3))


def test_what_is_no_record_waits_in_data_correction_with_its_place(
    meterhouse: Meterhouse, broker: Broker, name: str
):
    set_up(meterhouse, broker, name)
    broker.publish(name, [*messages([0]), b"\xff", *messages([1]), b'["x"]', b"5"])
    counts = run(meterhouse)
    assert (counts["in"], counts["suspended"], counts["out"]) == (5, 3, {"out": 2})
    entries = meterhouse.json("correction", "list")
    first = 1 if broker.kind == "nats" else 0
    assert [(e["source"], e["offset"] - first, e["raw"]) for e in entries] == [
        (broker.source(name), 1, "\\xff"),
        (broker.source(name), 3, '["x"]'),
        (broker.source(name), 4, "5"),
    ]
    assert run(meterhouse)["in"] == 0


def test_a_preview_changes_nothing(meterhouse: Meterhouse, broker: Broker, name: str):
    set_up(meterhouse, broker, name)
    broker.publish(name, messages(range(20)))
    before = None if broker.kind == "rabbitmq" else broker.state(name)
    [reader, *_] = meterhouse.json("stream", "preview", small.STREAM)
    shown = [record["id"] for record in reader["out"]["out"]]
    assert shown == ([] if broker.kind == "rabbitmq" else list(range(10)))
    assert meterhouse.json("stream", "position", "list", small.STREAM) == []
    if broker.kind == "rabbitmq":
        assert broker.state(name) == [(False, message) for message in messages(range(20))]
    else:
        assert broker.state(name) == before
    assert run(meterhouse)["in"] == 20


def test_positions_can_be_shown_and_reset(meterhouse: Meterhouse, broker: Broker, name: str):
    set_up(meterhouse, broker, name)
    broker.publish(name, messages(range(3)))
    run(meterhouse)
    [position] = meterhouse.json("stream", "position", "list", small.STREAM)
    assert position["node"] == "Reader"
    words = ("stream", "position", "reset", small.STREAM, "--node", "Reader", "--json")
    reset = meterhouse(*words)
    assert json.loads(reset.out)["parts"] == [position["part"]]
    begins = "what the queue hands out" if broker.kind == "rabbitmq" else "startFrom of the node"
    assert begins in reset.err
    assert meterhouse.json("stream", "position", "list", small.STREAM) == []
    assert run(meterhouse)["in"] == (0 if broker.kind == "rabbitmq" else 3)


def test_a_broker_that_is_away_fails_the_run_and_names_its_address(
    meterhouse: Meterhouse, broker: Broker
):
    gone = type(broker)("127.0.0.1:1")
    given = json.dumps({"username": "ann", "password": "s3cr3t-canary"})
    words = ("secret", "create", "--name", "Broker", "--type", "basic", "--file", "-")
    [made] = meterhouse.json(*words, given=given)
    entry = {"secretId": made["id"], "secretType": "basic"}
    set_up(meterhouse, gone, "usage", secretsWalletEntry=entry)
    said = failing(meterhouse)
    assert "127.0.0.1:1" in said
    assert "Check the address" in said
    assert "s3cr3t-canary" not in said
    [failed] = meterhouse.json("run", "list")
    assert failed["status"] == "failed"


def test_a_private_address_is_refused_unless_it_is_allowed(
    meterhouse: Meterhouse, broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch
):
    set_up(meterhouse, broker, name)
    monkeypatch.delenv("METERHOUSE_HTTP_ALLOW")
    said = failing(meterhouse)
    assert "not a public address" in said
    assert "METERHOUSE_HTTP_ALLOW" in said


LIBRARIES = {"kafka": "confluent_kafka", "nats": "nats", "rabbitmq": "pika"}


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    meterhouse: Meterhouse, broker: Broker, name: str, monkeypatch: pytest.MonkeyPatch
):
    set_up(meterhouse, broker, name)
    monkeypatch.setitem(sys.modules, LIBRARIES[broker.kind], None)
    assert f"pip install 'meterhouse[{broker.kind}]'" in failing(meterhouse)


READER_TYPES = ("readers/kafka", "readers/nats", "readers/rabbitmq")


@pytest.mark.parametrize("type_", READER_TYPES)
def test_wrong_parameters_are_all_named_at_once(meterhouse: Meterhouse, type_: str):
    servers = "bootstrapServers" if type_ == "readers/kafka" else "servers"
    wrong = {servers: ["nowhere", "a:99999"], "maxRecords": 0, "caCertificate": "x", "tls": False}
    wrong |= {"secretsWalletEntry": {"secretType": "aws"}, "odd": 1, "format": "xml"}
    document = small.document(small.node("Reader", type_, **wrong), small.meter())
    said = meterhouse.refused("stream", "validate", "-", given=json.dumps(document))
    for place in (f"{servers}[0]", f"{servers}[1]", "maxRecords", "caCertificate", "odd", "format"):
        assert f"params.{place}: " in said
    assert "params.secretsWalletEntry.secretId: is missing" in said
