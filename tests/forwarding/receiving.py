"""Receivers of the contract: real servers, what they have got, and how each is made to be away."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pysqlite3 import dbapi2 as sqlite

from tests.acceptance.small import node
from tests.servers.gate import Gate
from tests.servers.kafka import kafka_server
from tests.servers.nats import nats_server
from tests.servers.postgres import PASSWORD, USER, postgres_server
from tests.servers.rabbitmq import rabbitmq_server

#: What a receiver has got: idempotency key and record, in its order (of each meter at least).
Got = list[tuple[str, Any]]
#: No receiver takes a record with such a field that is longer than this.
LONG = 1_200_000


class Receiving(Protocol):
    """One receiver. ``login`` is the user and password that it asks for, if it does."""

    login: tuple[str, str] | None

    def make(self) -> str:
        """Make a place that nobody has used; its name."""
        ...

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        """A node that writes there."""
        ...

    def got(self, name: str) -> Got:
        """What has come."""
        ...

    def away(self) -> None:
        """Be out of reach."""
        ...

    def back(self) -> None:
        """Be there again."""
        ...

    def at(self, count: int, happen: Callable[[], None], name: str) -> None:
        """Let something happen when about so many more records have come."""
        ...


def _name() -> str:
    return f"t{uuid.uuid4().hex}"


class Gated:
    """A server behind a gate."""

    login: tuple[str, str] | None = None

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def away(self) -> None:
        self.gate.shut()

    def back(self) -> None:
        self.gate.open()

    def at(self, count: int, happen: Callable[[], None], name: str) -> None:
        left = [count * 150]

        def passing(size: int) -> None:
            left[0] -= size
            if left[0] <= 0:
                self.gate.passing = lambda _: None
                happen()

        self.gate.passing = passing


class Kafka(Gated):
    """A topic of three partitions."""

    def make(self) -> str:
        from confluent_kafka.admin import AdminClient, NewTopic

        name = _name()
        admin = AdminClient({"bootstrap.servers": self.gate.address, "log_level": 0})
        [made] = admin.create_topics([NewTopic(name, 3, 1)]).values()
        made.result()
        return name

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        servers = self.gate.address
        return node("Out", "writers/kafka", **{"bootstrapServers": servers, "topic": name} | params)

    def got(self, name: str) -> Got:
        return [
            (dict(m.headers())["idempotency-key"].decode(), json.loads(m.value()))
            for messages in self.partitions(name).values()
            for m in messages
        ]

    def partitions(self, name: str) -> dict[int, list[Any]]:
        """The messages of each partition."""
        from confluent_kafka import Consumer, TopicPartition

        options = {"bootstrap.servers": self.gate.address, "group.id": "test", "log_level": 0}
        consumer = Consumer({**options, "enable.auto.commit": False})
        found: dict[int, list[Any]] = {}
        try:
            for number in range(3):
                place = TopicPartition(name, number, 0)
                _, high = consumer.get_watermark_offsets(place, timeout=10)
                consumer.assign([place])
                messages: list[Any] = []
                while len(messages) < high:
                    messages += [m for m in consumer.consume(1_000, 1) if m.error() is None]
                found[number] = messages
        finally:
            consumer.close()
        return found


class Nats(Gated):
    """A stream that forgets identifiers at once: what is repeated, we want to see."""

    def _do(self, work: Any) -> Any:
        import nats

        async def done() -> Any:
            connection = await nats.connect(f"nats://{self.gate.address}")
            try:
                return await work(connection.jetstream())
            finally:
                await connection.close()

        return asyncio.run(done())

    def make(self, **config: Any) -> str:
        name = _name()
        config = {"duplicate_window": 0.1} | config
        self._do(lambda js: js.add_stream(name=name, subjects=[f"{name}.>"], **config))
        return name

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        where = {"servers": [self.gate.address], "subject": f"{name}.usage.${{payload.meterId}}"}
        return node("Out", "writers/nats", **where | params)

    def messages(self, name: str) -> list[Any]:
        """The messages of a stream."""

        async def read(js: Any) -> list[Any]:
            state = (await js.stream_info(name)).state
            numbers = range(state.first_seq, state.last_seq + 1)
            return await asyncio.gather(*(js.get_msg(name, n, direct=False) for n in numbers))

        return self._do(read)

    def got(self, name: str) -> Got:
        return [(m.headers["Nats-Msg-Id"], json.loads(m.data)) for m in self.messages(name)]


class Rabbitmq(Gated):
    """A queue."""

    login = ("guest", "guest")

    def _channel(self) -> Any:
        import pika

        return pika.BlockingConnection(
            pika.ConnectionParameters("127.0.0.1", self.gate.port)
        ).channel()

    def make(self) -> str:
        name = _name()
        channel = self._channel()
        channel.queue_declare(name, durable=True)
        channel.connection.close()
        return name

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        where = {"servers": self.gate.address, "routingKey": name}
        return node("Out", "writers/rabbitmq", **where | params)

    def got(self, name: str) -> Got:
        channel = self._channel()
        found: Got = []
        while (message := channel.basic_get(name))[0] is not None:
            assert message[1].delivery_mode == 2
            found.append((message[1].message_id, json.loads(message[2])))
        channel.connection.close()
        return found


_COLUMNS = "id text primary key, seq {}, meter text, n integer check (n >= 0), note varchar(2000)"


class Postgres(Gated):
    """A table whose key is its primary key."""

    login = (USER, PASSWORD)

    def execute(self, statement: str) -> list[Any]:
        """Run a statement."""
        import psycopg

        given = {"host": "127.0.0.1", "user": USER, "password": PASSWORD, "dbname": "postgres"}
        with psycopg.connect(port=self.gate.port, **given) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make(self) -> str:
        name = _name()
        self.execute(f"create table {name} ({_COLUMNS.format('serial')})")
        return name

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        url = f"postgresql://{self.gate.address}/postgres"
        return node("Out", "writers/sql", **_table(name) | {"url": url} | params)

    def got(self, name: str) -> Got:
        return _rows(self.execute(f"select id, meter, n from {name} order by seq"))


class Sqlite:
    """A table of a file; away is a file that is not there."""

    login = None

    def __init__(self, folder: Path) -> None:
        self.file = folder / "other.db"
        self._hidden = folder / "hidden.db"

    def execute(self, statement: str) -> list[Any]:
        """Run a statement."""
        connection = sqlite.connect(str(self.file), timeout=30)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def make(self) -> str:
        name = _name()
        self.execute("pragma journal_mode=wal")
        columns = "seq integer primary key, id text unique, meter text, n integer check (n >= 0)"
        note = "note text check (length(note) < 2000)"
        self.execute(f"create table {name} ({columns}, {note})")
        return name

    def writer(self, name: str, **params: Any) -> dict[str, Any]:
        url = f"sqlite:///{self.file}"
        slow = {"batchSize": 1}
        return node("Out", "writers/sql", **_table(name) | {"url": url} | slow | params)

    def got(self, name: str) -> Got:
        return _rows(self.execute(f"select id, meter, n from {name} order by seq"))

    def away(self) -> None:
        self.execute("pragma journal_mode=delete")
        self.file.rename(self._hidden)

    def back(self) -> None:
        self._hidden.rename(self.file)

    def at(self, count: int, happen: Callable[[], None], name: str) -> None:
        connection = sqlite.connect(str(self.file), timeout=30, isolation_level=None)
        deadline = time.monotonic() + 60
        try:

            def rows() -> int:
                return connection.execute(f"select count(*) from {name}").fetchone()[0]

            end = rows() + count
            while rows() < end:
                assert time.monotonic() < deadline, f"{rows()} rows, {end} were to come"
        finally:
            connection.close()
        happen()


def _table(name: str) -> dict[str, Any]:
    columns = {"meter": "meterId", "n": "n", "note": "note"}
    return {"table": name, "keyColumn": "id", "columns": columns, "batchSize": 5}


def _rows(rows: Sequence[Sequence[Any]]) -> Got:
    return [(key, {"meterId": meter, "n": n}) for key, meter, n in rows]


def _gated(server: Any, receiving: Callable[[Gate], Receiving]) -> Any:
    @contextmanager
    def started(folder: Path) -> Iterator[Receiving]:
        with ExitStack() as stack:
            gate = stack.enter_context(Gate().serving())
            options = {"gate": gate.port} if server is kafka_server else {}
            address = stack.enter_context(server(folder, **options))
            port = address.port if server is postgres_server else int(address.rpartition(":")[2])
            gate.target = port
            yield receiving(gate)

    return started


@contextmanager
def _sqlite(folder: Path) -> Iterator[Receiving]:
    yield Sqlite(folder)


#: Starts each.
RECEIVERS: dict[str, Any] = {
    "kafka": _gated(kafka_server, Kafka),
    "nats": _gated(nats_server, Nats),
    "rabbitmq": _gated(rabbitmq_server, Rabbitmq),
    "postgres": _gated(postgres_server, Postgres),
    "sqlite": _sqlite,
}
