"""``RabbitmqCollector``: messages of a queue, acknowledged once the ledger has them.

Theory of operation. A run is the only consumer of the queue. When the broker lets it in, the one
before it is gone, and what that had not acknowledged is back in the queue, marked as delivered
before. Such a message that the ledger's position knows (see ``pending``) is acknowledged and not
metered; all others are, also those that a publisher has sent twice. The run takes what is there
when it begins; after the commit one acknowledgement covers all of it. An offset is the number of a
message among all that were ever taken from the queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from queue import Empty, Queue
from typing import Any, NamedTuple

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.message import MESSAGES_MAX, MessageChunk
from meterhouse.connectors.rabbitmq.client import PATIENCE_SECONDS, Link, connect, library, said
from meterhouse.connectors.rabbitmq.pending import (
    Identity,
    Pending,
    identity,
    read_text,
    text_of,
    with_id,
)
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import Collected, Collecting

_PREFETCH_MAX = 65_535
_REFUSED = 403
_NOT_FOUND = 404
_PAUSE_SECONDS = 0.1
_NOTHING: dict[str, Any] = {"taken": 0, "pending": "", "settled": ""}
_ALONE = "Give the stream a queue of its own, which nobody else consumes"


class _Message(NamedTuple):
    tag: int
    #: whether it was delivered before, to this run or another consumer
    redelivered: bool
    identity: Identity
    body: bytes


def open_collector(
    settings: Mapping[str, JsonValue], credentials: Credentials | None, *, guard: Guard
) -> RabbitmqCollector:
    """Return a collector of a queue; nothing is connected yet."""
    library()
    return RabbitmqCollector(settings, BrokerAccess.read(settings, credentials), guard)


class RabbitmqCollector:
    """Reads a queue; a ``Collector``."""

    def __init__(
        self, settings: Mapping[str, JsonValue], access: BrokerAccess, guard: Guard
    ) -> None:
        self._settings = settings
        self._queue: str = settings["queue"]
        self._access = access
        self._guard = guard
        self._link: Link | None = None
        self._channel: Any = None
        self._arrived: Queue[_Message] = Queue()
        self._last_tag = 0
        self._taken = 0
        self._committed: list[Identity] = []
        self._seen_all = False

    # ------------------------------------------------------------ reading

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Yield what is in the queue. A preview yields nothing: reading marks a message."""
        host = self._settings["virtualHost"]
        self._link = Link(lambda: connect(self._access, self._guard, virtual_host=host))
        if wanted.preview:
            self._ask(lambda link: link.channel().queue_declare(self._queue, passive=True))
            return
        position: dict[str, Any] = wanted.positions.get(self._queue) or _NOTHING
        known = Pending(read_text(position["pending"]), settled=read_text(position["settled"]))
        self._taken = position["taken"]
        # What is known takes no room from what is new.
        arriving = self._messages(self._consume(wanted.records_max + len(known)))
        room, chunk = wanted.records_max, None
        for message in self._new(arriving, known):
            if chunk is None:
                source = wanted.number(f"rabbitmq:{self._queue}")
                chunk = MessageChunk(source, min(MESSAGES_MAX, wanted.chunk_records))
            chunk.add(self._taken, message.body)
            self._taken += 1
            room -= 1
            if chunk.full or not room:
                yield Collected(chunk.closed(), chunk.source, self._position(known.left()))
                chunk = None
            if not room:
                return
        # Where all was seen, what is known and did not come again never will.
        position = self._position([] if self._seen_all else known.left())
        if chunk is None:
            yield Collected(None, -1, position)
        else:
            yield Collected(chunk.closed(), chunk.source, position)

    def _new(self, arriving: Iterator[_Message], known: Pending) -> Iterator[_Message]:
        """Yield the messages that were not committed before."""
        head: list[_Message] = []
        if known.ordered:
            head = list(islice(arriving, len(known)))
            before = [message.identity for message in head if message.redelivered]
            if known.back(before) and len(before) == len(head):
                for message in head:
                    self._hold(message)
                    known.take(message.identity)
                head = []
        for message in chain(head, arriving):
            self._hold(message)
            if not (message.redelivered and known.take(message.identity)):
                yield message

    def _hold(self, message: _Message) -> None:
        """Count a message among those that one acknowledgement will cover."""
        self._last_tag = message.tag
        self._committed.append(message.identity)

    def _position(self, left: list[Identity]) -> dict[str, JsonValue]:
        texts = {"pending": text_of(self._committed), "settled": text_of(left)}
        return {self._queue: {"taken": self._taken, **texts}}

    def _ask(self, question: Any) -> Any:
        assert self._link is not None, "the collector is open"
        exceptions = library().exceptions
        try:
            return self._link.ask(question)
        except exceptions.ChannelClosedByBroker as error:
            raise self._refused(error) from error
        except (OSError, exceptions.AMQPError) as error:
            raise self._access.failed("RabbitMQ", said(error)) from error

    def _refused(self, error: Any) -> Exception:
        hint = ""
        if error.reply_code == _NOT_FOUND:
            hint = "Check queue and virtualHost; a run makes no queue"
        elif error.reply_code == _REFUSED:
            hint = f"{_ALONE}; and check what its user may do"
        return self._access.failed("RabbitMQ", error.reply_text, hint=hint)

    def _consume(self, most: int) -> int:
        """Become the only consumer; return how many messages are there."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (there := self._ask(lambda link: self._begin(link, most))) is None:
            # The consumer before may have died so lately that the broker does not know.
            if time.monotonic() > until:
                text = f"somebody else consumes the queue {self._queue}"
                raise self._access.failed("RabbitMQ", text, hint=_ALONE)
            time.sleep(_PAUSE_SECONDS)
        return there

    def _begin(self, connection: Any, most: int) -> int | None:
        """Consume alone; ``None`` where somebody else does."""
        self._channel = connection.channel()
        queue = self._channel.queue_declare(self._queue, passive=True).method
        if queue.consumer_count:
            self._channel.close()
            return None
        self._channel.basic_qos(prefetch_count=most if most <= _PREFETCH_MAX else 0)
        self._channel.basic_consume(self._queue, self._arrive, exclusive=True)
        return queue.message_count

    def _arrive(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        known_by = identity(properties.message_id, body)
        message = _Message(method.delivery_tag, method.redelivered, known_by, body)
        self._arrived.put(message)

    def _messages(self, there: int) -> Iterator[_Message]:
        """Yield so many messages, or fewer where others have expired."""
        for _ in range(there):
            try:
                yield self._arrived.get(timeout=self._settings["idleSeconds"])
            except Empty:
                assert self._link is not None
                if (trouble := self._link.trouble) is not None:
                    raise self._access.failed("RabbitMQ", said(trouble)) from trouble
                return
        self._seen_all = True

    # ------------------------------------------------------------ afterwards

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Acknowledge everything that was taken, and wait until the broker has heard it."""
        if not self._last_tag:
            return {}
        self._ask(self._tell)
        self._committed = with_id(self._committed)
        texts = {"pending": "", "settled": text_of(self._committed)}
        return {self._queue: {"taken": self._taken, **texts}}

    def _tell(self, _connection: Any) -> None:
        self._channel.basic_ack(self._last_tag, multiple=True)
        # Answered in order: after this the acknowledgement has been taken in.
        self._channel.close()

    def close(self) -> None:
        """Let go of the connection; what was not acknowledged goes back into the queue."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
