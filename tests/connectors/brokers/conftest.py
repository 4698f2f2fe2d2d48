"""Real brokers, one of each for all tests of a process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command import Meterhouse
from tests.connectors.brokers.brokers import Broker, Kafka, Nats, Rabbitmq
from tests.servers.kafka import kafka_server
from tests.servers.nats import nats_server
from tests.servers.rabbitmq import rabbitmq_server

SERVERS = {
    "kafka": (kafka_server, Kafka),
    "nats": (nats_server, Nats),
    "rabbitmq": (rabbitmq_server, Rabbitmq),
}


@pytest.fixture(scope="session")
def start_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Broker]]:
    """Starts the broker of a kind once."""
    started: dict[str, Broker] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Broker:
            if kind not in started:
                server, broker = SERVERS[kind]
                address = stack.enter_context(server(tmp_path_factory.mktemp(kind)))
                started[kind] = broker(address)
            return started[kind]

        yield start


@pytest.fixture
def meterhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meterhouse:
    """The command line on an empty data directory; servers of this machine may be reached."""
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "127.0.0.1")
    return Meterhouse(tmp_path / "data")
