"""The brokers of the contract: how each is given messages, and what it knows of its readers."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol


class Broker(Protocol):
    """One broker, with topics, streams or queues by name."""

    kind: str
    address: str

    def make(self, name: str) -> None:
        """Make an empty one."""
        ...

    def publish(self, name: str, messages: Sequence[bytes]) -> None:
        """Add messages; the broker has them when this returns."""
        ...

    def reader(self, name: str) -> dict[str, Any]:
        """The parameters of a node that reads it."""
        ...

    def unacknowledged(self, name: str) -> int:
        """How many messages nobody has acknowledged, as the broker sees it."""
        ...

    def state(self, name: str) -> Any:
        """Everything that a reader could have changed there."""
        ...

    def source(self, name: str) -> str:
        """The source that suspended records name (of the first part)."""
        ...


class Kafka:
    kind = "kafka"
    group = "billing"

    def __init__(self, address: str) -> None:
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient

        self.address = address
        self._admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 0, "log_level": 0})

    def make(self, name: str, *, partitions: int = 1) -> None:
        from confluent_kafka.admin import NewTopic

        [made] = self._admin.create_topics([NewTopic(name, partitions, 1)]).values()
        made.result()

    def publish(self, name: str, messages: Sequence[bytes], *, partition: int = 0) -> None:
        for message in messages:
            self._producer.produce(name, message, partition=partition)
            # One by one: tansu miscounts the end of a partition where batches are larger.
            assert self._producer.flush(10) == 0

    def reader(self, name: str) -> dict[str, Any]:
        return {"bootstrapServers": self.address, "topic": name, "groupId": self.group}

    def _consumer(self) -> Any:
        from confluent_kafka import Consumer

        options = {"bootstrap.servers": self.address, "group.id": self.group, "log_level": 0}
        return Consumer({**options, "enable.auto.commit": False})

    def unacknowledged(self, name: str) -> int:
        from confluent_kafka import TopicPartition

        consumer = self._consumer()
        try:
            place = TopicPartition(name, 0)
            _, high = consumer.get_watermark_offsets(place, timeout=10)
            [committed] = consumer.committed([place], timeout=10)
            return high - max(committed.offset, 0)
        finally:
            consumer.close()

    def state(self, name: str) -> Any:
        return self.unacknowledged(name)

    def source(self, name: str) -> str:
        return f"kafka:{name}/0"


class Nats:
    kind = "nats"

    def __init__(self, address: str) -> None:
        self.address = address

    def _do(self, work: Any) -> Any:
        import nats

        async def done() -> Any:
            connection = await nats.connect(f"nats://{self.address}")
            try:
                return await work(connection.jetstream())
            finally:
                await connection.close()

        return asyncio.run(done())

    def make(self, name: str, **config: Any) -> None:
        self._do(lambda js: js.add_stream(name=name, subjects=[f"{name}.>"], **config))

    def publish(self, name: str, messages: Sequence[bytes], *, subject: str = "usage") -> None:
        def all_of_them(js: Any) -> Coroutine[Any, Any, Any]:
            return asyncio.gather(*(js.publish(f"{name}.{subject}", m) for m in messages))  # type: ignore[bad-return]

        async def publish(js: Any) -> None:
            await all_of_them(js)

        self._do(publish)

    def reader(self, name: str) -> dict[str, Any]:
        return {"servers": [self.address], "stream": name, "durable": "billing"}

    def unacknowledged(self, name: str) -> int:
        from nats.js.errors import NotFoundError

        async def ask(js: Any) -> int:
            stream = await js.stream_info(name)
            try:
                consumer = await js.consumer_info(name, "billing")
            except NotFoundError:
                return stream.state.messages
            return consumer.num_pending + consumer.num_ack_pending

        return self._do(ask)

    def state(self, name: str) -> Any:
        async def ask(js: Any) -> Any:
            stream = await js.stream_info(name)
            consumers = await js.consumers_info(name)
            durable = [c for c in consumers if c.config.durable_name]
            return (stream.state.messages, [(c.name, c.delivered, c.ack_floor) for c in durable])

        return self._do(ask)

    def source(self, name: str) -> str:
        return f"nats:{name}"


class Rabbitmq:
    kind = "rabbitmq"

    def __init__(self, address: str) -> None:
        self.address = address

    def _channel(self) -> Any:
        import pika

        host, port = self.address.split(":")
        return pika.BlockingConnection(pika.ConnectionParameters(host, int(port))).channel()

    def make(self, name: str) -> None:
        channel = self._channel()
        channel.queue_declare(name, durable=True)
        channel.connection.close()

    def publish(
        self, name: str, messages: Sequence[bytes], *, ids: Sequence[str | None] = ()
    ) -> None:
        import pika

        channel = self._channel()
        channel.tx_select()
        for number, message in enumerate(messages):
            id = ids[number] if ids else None
            properties = pika.BasicProperties(delivery_mode=2, message_id=id)
            channel.basic_publish("", name, message, properties)
        channel.tx_commit()
        channel.connection.close()

    def reader(self, name: str) -> dict[str, Any]:
        return {"servers": self.address, "queue": name}

    def unacknowledged(self, name: str) -> int:
        channel = self._channel()
        count = channel.queue_declare(name, passive=True).method.message_count
        channel.connection.close()
        return count

    def state(self, name: str) -> Any:
        """The messages with their mark of delivery; looking marks them."""
        channel = self._channel()
        seen = []
        while (found := channel.basic_get(name))[0] is not None:
            seen.append((found[0].redelivered, found[2]))
        channel.connection.close()
        return seen

    def source(self, name: str) -> str:
        return f"rabbitmq:{name}"
