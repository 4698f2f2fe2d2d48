"""``KafkaCollector``: partitions of topics, read from the ledger's offsets.

Theory of operation. There is no consumer group: partitions are assigned by hand, one after the
other, those with little first, so that each gets a fair share of what one run may take. A partition
is read from its offset in the ledger up to its high watermark as it is when its turn comes. Where
a partition ends, its position is its end and not the last message: what transactions leave behind
has offsets too, and would look like lost messages once retention has removed it. Offsets go to the
broker after the commit and only for people and their monitors: they are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.kafka.client import (
    PATIENCE_SECONDS,
    configuration,
    judge_members,
    library,
    reach,
)
from meterhouse.connectors.message import MESSAGES_MAX, MessageChunk
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import Collected, Collecting, InputError

#: The group in which offsets are shown where the node names none.
GROUP = "meterhouse"


@dataclass(frozen=True, slots=True)
class _Part:
    """A partition, where reading begins, and its offsets when the run began."""

    topic: str
    partition: int
    start: int
    low: int
    high: int

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    @property
    def waiting(self) -> int:
        return self.high - self.start


def open_collector(
    settings: Mapping[str, JsonValue], credentials: Credentials | None, *, guard: Guard
) -> KafkaCollector:
    """Return a collector of topics; nothing is connected yet."""
    library()
    return KafkaCollector(settings, BrokerAccess.read(settings, credentials), guard)


class KafkaCollector:
    """Reads topics; a ``Collector``."""

    def __init__(
        self, settings: Mapping[str, JsonValue], access: BrokerAccess, guard: Guard
    ) -> None:
        self._settings = settings
        self._access = access
        self._guard = guard
        self._kafka = library()
        self._consumer: Any = None
        self._read: dict[tuple[str, int], int] = {}
        self._trouble: object = None

    # ------------------------------------------------------------ reading

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        """Yield what is in the partitions."""
        reach(self._access, self._guard)
        self._consumer = self._kafka.Consumer(self._configuration())
        room = wanted.records_max
        parts = self._parts(wanted.positions)
        for left, part in zip(range(len(parts), 0, -1), parts, strict=True):
            share = -(-room // left)
            # Where reading begins is kept too: "latest" is decided once.
            if part.name not in wanted.positions:
                yield Collected(None, -1, {part.name: part.start})
            for chunk, reached in self._read_part(part, share, wanted):
                if chunk is None:
                    yield Collected(None, -1, {part.name: reached})
                    continue
                room -= chunk.messages
                yield Collected(chunk.closed(), chunk.source, {part.name: reached})

    def _configuration(self) -> dict[str, Any]:
        return {
            **configuration(self._access, self._settings, told=self._note),
            "group.id": self._settings.get("groupId") or GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
        }

    def _note(self, error: Any) -> None:
        self._trouble = error

    def _parts(self, positions: Mapping[str, JsonValue]) -> list[_Part]:
        """Return the partitions with where to begin, those with the fewest messages first."""
        parts = [
            self._part(topic, partition, positions)
            for topic in self._settings["topics"]
            for partition in self._partitions(topic)
        ]
        return sorted(parts, key=lambda part: part.waiting)

    def _partitions(self, topic: str) -> list[int]:
        try:
            metadata = self._consumer.list_topics(topic, timeout=PATIENCE_SECONDS)
        except self._kafka.KafkaException as error:
            raise self._failed(error) from error
        judge_members(metadata, self._guard)
        found = metadata.topics[topic]
        if found.error is not None:
            hint = "Check its name, and that the secret may read it"
            raise self._access.failed("Kafka", f"topic {topic}: {found.error.str()}", hint=hint)
        return sorted(found.partitions)

    def _part(self, topic: str, partition: int, positions: Mapping[str, JsonValue]) -> _Part:
        low, high = self._watermarks(topic, partition)
        start = positions.get(f"{topic}/{partition}")
        if start is None:
            start = high if self._settings.get("startFrom") == "latest" else low
        part = _Part(topic, partition, start, low, high)
        if start < low:
            raise self._out_of_range(part)
        return part

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        place = self._kafka.TopicPartition(topic, partition)
        try:
            found = self._consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)
        except self._kafka.KafkaException as error:
            raise self._failed(error) from error
        if found is None:
            raise self._failed(f"no answer within {PATIENCE_SECONDS:g} s")
        return found

    def _read_part(
        self, part: _Part, share: int, wanted: Collecting
    ) -> Iterator[tuple[MessageChunk | None, int]]:
        """Yield the chunks of a partition, and the offset that each leads to.

        None comes with the offset at which a partition ends, where that is not the last message.
        """
        if part.start == part.high or not share:
            return
        messages_max = min(MESSAGES_MAX, wanted.chunk_records)
        place = self._kafka.TopicPartition(part.topic, part.partition, part.start)
        self._consumer.assign([place])
        chunk: MessageChunk | None = None
        reached = part.start
        for message in self._messages(part, share):
            if message.error() is not None:
                end = message.offset()
                break
            if chunk is None:
                chunk = MessageChunk(wanted.number(f"kafka:{part.name}"), messages_max)
            chunk.add(message.offset(), message.value() or b"")
            reached = self._read[part.topic, part.partition] = message.offset() + 1
            if chunk.full:
                yield chunk, reached
                chunk = None
        else:
            end = reached
        if chunk is not None or end > reached:
            reached = self._read[part.topic, part.partition] = max(end, reached)
            yield chunk, reached

    def _messages(self, part: _Part, share: int) -> Iterator[Any]:
        """Yield messages up to what was there when the first of them came.

        Where the partition ends before that, the last one says so, and at which offset.
        """
        place = self._kafka.TopicPartition(part.topic, part.partition)
        end = part.high
        taken = 0
        while True:
            # The first one is waited for; what has come along with it is there already.
            messages = self._consumer.consume(1, timeout=self._settings["idleSeconds"])
            if not messages:
                raise self._failed(
                    self._trouble
                    or f"no message of {part.name} for {self._settings['idleSeconds']} s, "
                    f"and offset {end} is not reached"
                )
            messages += self._consumer.consume(min(share - taken, 10_000), timeout=0)
            if not taken and self._has_message(messages):
                end = max(end, self._consumer.get_watermark_offsets(place, cached=True)[1])
            for message in messages:
                if message.error() is not None:
                    if self._at_end(part, message.error()):
                        yield message
                        return
                    continue
                if message.offset() >= end:
                    return
                yield message
                taken += 1
                if taken == share or message.offset() + 1 >= end:
                    return

    @staticmethod
    def _has_message(messages: list[Any]) -> bool:
        return any(message.error() is None for message in messages)

    def _at_end(self, part: _Part, error: Any) -> bool:
        """Whether this says that a partition has no more; raises where it cannot be read on."""
        codes = self._kafka.KafkaError
        if error.code() == codes._PARTITION_EOF:
            return True
        if error.code() in (codes._AUTO_OFFSET_RESET, codes.OFFSET_OUT_OF_RANGE):
            raise self._out_of_range(part)
        if error.fatal() or not error.retriable():
            raise self._failed(error.str())
        return False

    def _out_of_range(self, part: _Part) -> InputError:
        remedy = (
            f"`meterhouse stream position reset STREAM --node NODE --part {part.name}` lets the "
            "next run begin where startFrom of the node says"
        )
        if part.start < part.low:
            lost = part.low - part.start
            text = (
                f"{part.name} begins at offset {part.low} now, and {part.start} was to be read "
                f"next: up to {lost:,} messages were removed before they were read"
            )
            hint = f"Bring them in by other means, or do without them; then {remedy}"
        else:
            text = (
                f"{part.name} ends at offset {part.high}, and {part.start} was to be read next: "
                "the topic seems to have been made anew"
            )
            hint = f"If so, {remedy}"
        return self._access.failed("Kafka", text, hint=hint)

    def _failed(self, error: object) -> InputError:
        if isinstance(error, self._kafka.KafkaException) and error.args:
            error = error.args[0].str()
        elif isinstance(error, self._kafka.KafkaError):
            error = error.str()
        if self._trouble is not None and isinstance(self._trouble, self._kafka.KafkaError):
            error = f"{error} ({self._trouble.str()})" if error else self._trouble.str()
        return self._access.failed("Kafka", error)

    # ------------------------------------------------------------ afterwards

    def acknowledge(self) -> Mapping[str, JsonValue]:
        """Show the broker's monitors how far the ledger is."""
        offsets = [
            self._kafka.TopicPartition(topic, partition, offset)
            for (topic, partition), offset in self._read.items()
        ]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            except self._kafka.KafkaException as error:
                hint = "The ledger knows what was read; only monitors of the group are behind"
                raise self._access.failed("Kafka", error.args[0].str(), hint=hint) from error
        return {}

    def close(self) -> None:
        """Let go of the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()
