"""``NatsCollector``: messages of a JetStream stream, read from the ledger's sequence.

Theory of operation. A position is the sequence up to which the stream was looked at, and the
instant at which the stream was made: one that was made anew begins at 1 again. Each run makes its
own consumer from the next sequence on, which no other state of the server decides on, and takes
what is there up to the last sequence at its start. A durable consumer is for monitors, and for
streams that keep messages until they are acknowledged; it is made anew as well, and acknowledged
after the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.message import MESSAGES_MAX, MessageChunk
from meterhouse.connectors.nats.client import PATIENCE_SECONDS, LoopThread, connect, library
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import Collected, Collecting

_FETCHED = 500
#: How long the server keeps a consumer that nobody uses.
_IDLE_SECONDS = 60
#: How long it waits for an acknowledgement; the next run makes a new consumer anyway.
_ACK_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a run is to read: after ``start``, up to ``end``; ``pending`` messages."""

    start: int
    end: int
    created: str
    subscription: Any
    pending: int

    def at(self, sequence: int) -> dict[str, JsonValue]:
        return {"sequence": sequence, "created": self.created}


def open_collector(
    settings: Mapping[str, JsonValue], credentials: Credentials | None, *, guard: Guard
) -> NatsCollector:
    """Return a collector of a stream; nothing is connected yet."""
    library()
    return NatsCollector(settings, BrokerAccess.read(settings, credentials), guard)


class NatsCollector:
    """Reads a JetStream stream; a ``Collector``."""

    def __init__(
        self, settings: Mapping[str, JsonValue], access: BrokerAccess, guard: Guard
    ) -> None:
        self._settings = settings
        self._stream: str = settings["stream"]
        self._access = access
        self._guard = guard
        self._loop: LoopThread | None = None
        self._connection: Any = None
        #: what is to be acknowledged: subjects of replies
        self._replies: list[str] = []
        self._acks_each = False

    # ------------------------------------------------------------ reading

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Yield what is in the stream."""
        self._loop = LoopThread(f"nats {self._stream}")
        reach = self._call(self._open(wanted))
        reached, room = reach.start, wanted.records_max
        chunk: MessageChunk | None = None
        for sequence, payload in self._messages(reach):
            if chunk is None:
                source = wanted.number(f"nats:{self._stream}")
                chunk = MessageChunk(source, min(MESSAGES_MAX, wanted.chunk_records))
            chunk.add(sequence, payload)
            reached, room = sequence, room - 1
            if chunk.full or not room:
                yield Collected(chunk.closed(), chunk.source, {self._stream: reach.at(sequence)})
                chunk = None
            if not room:
                return
        position = {self._stream: reach.at(max(reached, reach.end))}
        if chunk is None:
            yield Collected(None, -1, position)
        else:
            yield Collected(chunk.closed(), chunk.source, position)

    def _call(self, coroutine: Any) -> Any:
        """Run something in the loop; what goes wrong there names the server."""
        assert self._loop is not None, "the collector is open"
        errors = library().errors
        try:
            return self._loop.call(coroutine)
        except (OSError, TimeoutError, errors.Error) as error:
            raise self._access.failed("NATS", _said(error)) from error

    async def _open(self, wanted: Collecting) -> _Reach:
        self._connection = await connect(self._access, self._guard)
        server = self._connection.jetstream(timeout=PATIENCE_SECONDS)
        info = await self._info(server)
        start = self._start(info, wanted)
        consumer = await self._consumer(server, info, start, preview=wanted.preview)
        subscription = await server.pull_subscribe_bind(consumer=consumer.name, stream=self._stream)
        end = info.state.last_seq
        return _Reach(start, end, _made(info), subscription, consumer.num_pending)

    async def _info(self, server: Any) -> Any:
        from nats.js.errors import NotFoundError

        try:
            info = await server.stream_info(self._stream)
        except NotFoundError as error:
            hint = "Check its name, and the account that the secret belongs to"
            text = f"there is no stream {self._stream}"
            raise self._access.failed("NATS", text, hint=hint) from error
        retention = str(getattr(info.config.retention, "value", info.config.retention))
        self._acks_each = retention == "workqueue"
        if retention == "interest" or (self._acks_each and not self._settings.get("durable")):
            text = f"stream {self._stream} has the retention {retention}"
            hint = "Give the node a durable name, which messages wait for"
            if retention == "interest":
                hint = "Let a stream with the retention limits or workqueue have it as its source"
            raise self._access.failed("NATS", text, hint=hint)
        return info

    def _start(self, info: Any, wanted: Collecting) -> int:
        """Return the sequence after which reading begins."""
        position = wanted.positions.get(self._stream)
        last, made = info.state.last_seq, _made(info)
        if position is None:
            # Not before the first one: what is gone already, nobody promised to meter.
            return last if self._settings.get("startFrom") == "latest" else 0
        sequence = position["sequence"]
        reset = (
            f"`meterhouse stream position reset STREAM --node NODE --part {self._stream}` lets "
            "the next run begin where startFrom of the node says"
        )
        if position["created"] != made or sequence > last:
            text = (
                f"stream {self._stream} was made at {made} and ends at {last}; what was read up "
                f"to {sequence} is of one made at {position['created']}"
            )
            raise self._access.failed("NATS", text, hint=f"If it was made anew, {reset}")
        if sequence + 1 < info.state.first_seq and not self._acks_each:
            lost = info.state.first_seq - sequence - 1
            text = (
                f"stream {self._stream} begins at {info.state.first_seq} now, and {sequence + 1} "
                f"was to be read next: up to {lost:,} messages were removed before they were read"
            )
            hint = f"Bring them in by other means, or do without them; then {reset}"
            raise self._access.failed("NATS", text, hint=hint)
        return sequence

    async def _consumer(self, server: Any, info: Any, start: int, *, preview: bool) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
        from nats.js.errors import NotFoundError

        durable = None if preview else self._settings.get("durable")
        if preview and self._acks_each:
            text = f"stream {self._stream} gives each message to one reader only"
            hint = "Run the stream: a preview would take messages from that reader"
            raise self._access.failed("NATS", text, hint=hint)
        if durable is not None:
            try:
                await server.delete_consumer(self._stream, durable)
            except NotFoundError:
                pass
        policy = AckPolicy.EXPLICIT if self._acks_each else AckPolicy.ALL
        all_of_it = self._acks_each or start == 0
        config = ConsumerConfig(
            durable_name=durable,
            description="meterhouse: made anew by each run",
            ack_policy=AckPolicy.NONE if durable is None else policy,
            ack_wait=_ACK_SECONDS,
            max_ack_pending=-1,
            deliver_policy=DeliverPolicy.ALL if all_of_it else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if all_of_it else start + 1,
            filter_subject=self._settings.get("subject"),
            inactive_threshold=_IDLE_SECONDS if durable is None else None,
        )
        return await server.add_consumer(self._stream, config=config)

    def _messages(self, reach: _Reach) -> Iterator[tuple[int, bytes]]:
        """Yield sequence and content of what was there when the run began, in order."""
        pending, last = reach.pending, 0
        while pending:
            for message in self._call(self._fetch(reach, min(pending, _FETCHED))):
                pending -= 1
                sequence = message.metadata.sequence.stream
                if sequence > reach.end:
                    return
                if sequence <= last:
                    raise self._access.failed("NATS", f"message {sequence} came after {last}")
                last = sequence
                self._keep_reply(message.reply)
                if sequence > reach.start:
                    yield sequence, message.data

    async def _fetch(self, reach: _Reach, count: int) -> list[Any]:
        return await reach.subscription.fetch(count, timeout=self._settings["idleSeconds"])

    def _keep_reply(self, reply: str) -> None:
        if self._acks_each:
            self._replies.append(reply)
        else:
            self._replies = [reply]

    # ------------------------------------------------------------ afterwards

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Acknowledge to the durable consumer, where the node names one."""
        if self._settings.get("durable") and self._replies:
            self._call(self._acknowledge())
        return {}

    async def _acknowledge(self) -> None:
        for reply in self._replies[:-1]:
            await self._connection.publish(reply, b"+ACK")
        # The server answers to the last one, and takes them in order.
        await self._connection.request(self._replies[-1], b"+ACK", timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        """Let go of the connection."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            if self._connection is not None:
                loop.call(self._connection.close())
        finally:
            loop.close()


def _made(info: Any) -> str:
    return info.created.isoformat()


def _said(error: BaseException) -> str:
    """Return what an error of the library says; some say nothing."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
