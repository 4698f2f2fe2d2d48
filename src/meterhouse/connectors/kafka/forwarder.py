"""The forwarder of ``writers/kafka``: messages of one lane, by an idempotent producer.

Theory of operation. Each message is a request of its own, five of them on their way at a time: what
a broker refuses is one record then, and none that comes after it has to be sent once more. The
producer numbers them, so that a broker takes them in order and each once; that ends with the
producer, and from then on the header ``idempotency-key`` tells repeats. Nothing is given up by a
timer of the library: what was not confirmed in time is taken back and told
of, the first one and all behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Event
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
from meterhouse.connectors.sending import away, brief, read_settings, record_of
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.secret import Credentials
from meterhouse.streams.forward import order_key
from meterhouse.streams.nodes.http_body import plain
from meterhouse.streams.nodes.http_request import filled
from meterhouse.streams.nodes.kafka_writer import KafkaWriterParams, read_kafka_writer
from meterhouse.streams.ports import (
    Accepted,
    ForwardItem,
    InputError,
    Outcome,
    Refused,
    TryAgain,
)

HEADER = "idempotency-key"
_TURN_SECONDS = 0.1
_ASK_SECONDS = 2.0
#: What will not do better with the next try.
_PERMANENT = (
    *("MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP"),
)
#: What an operator can mend, and the record is not to blame for.
_MENDABLE = (
    *("TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"),
    *("SASL_AUTHENTICATION_FAILED", "TOPIC_EXCEPTION"),
)


def open_forwarder(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    guard: Guard,
) -> KafkaForwarder:
    """Return the forwarder of a lane; nothing is connected yet. Raises ``MeterhouseError``."""
    params = read_settings(settings, read_kafka_writer)
    receiver = params.receiver
    access = BrokerAccess.read(receiver.access, receiver.credentials(credentials))
    return KafkaForwarder(params, access, guard)


class KafkaForwarder:
    """Sends the records of one lane to a topic."""

    batch = 100

    def __init__(self, params: KafkaWriterParams, access: BrokerAccess, guard: Guard) -> None:
        self._params = params
        self._access = access
        self._guard = guard
        self._kafka = library()
        self._producer: Any = None
        self._ended = Event()
        self._trouble: Any = None

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Send records, and wait until the broker has confirmed them."""
        try:
            if self._producer is None:
                self._producer = self._connected()
        except InputError as error:
            return [away(error)]
        found: dict[int, Outcome] = {}
        sent = self._produced(items, found)
        self._wait(sent, found)
        outcomes: list[Outcome] = []
        for place in range(sent):
            outcomes.append(found.get(place) or away(self._said("no confirmation in time")))
            if isinstance(outcomes[-1], TryAgain):
                self._drop()
                break
        return outcomes

    def close(self) -> None:
        """Wait for no more confirmations; whoever waits for them takes the messages back."""
        self._ended.set()

    # ------------------------------------------------------------ messages

    def _produced(self, items: Sequence[ForwardItem], found: dict[int, Outcome]) -> int:
        """Hand records to the producer; returns how many of them it has, or were judged."""
        for place, item in enumerate(items):
            try:
                self._produce(item, partial(self._confirmed, found, place))
            except BufferError:
                return place  # Memory is full: what it has goes first.
            except self._kafka.KafkaException as error:
                found[place] = self._judged(error.args[0])
                if isinstance(found[place], TryAgain):
                    return place + 1
        return len(items)

    def _produce(self, item: ForwardItem, confirmed: Callable[[Any, Any], None]) -> None:
        self._producer.produce(
            self._params.topic,
            item.text,
            self._key(record_of(item)),
            headers={HEADER: item.key},
            on_delivery=confirmed,
        )

    def _key(self, record: Record) -> bytes | None:
        template = self._params.key
        text = plain(order_key(record)) if template is None else filled(template, record)
        return text.encode("utf-8", "replace") or None

    def _confirmed(self, found: dict[int, Outcome], place: int, error: Any, _: Any) -> None:
        found[place] = Accepted() if error is None else self._judged(error)

    def _judged(self, error: Any) -> Outcome:
        codes = self._kafka.KafkaError
        code = error.code()
        text = self._said(error.str())
        if code in [getattr(codes, name) for name in _PERMANENT]:
            return Refused(text)
        mendable = code in [getattr(codes, name) for name in _MENDABLE]
        # Codes of the library itself are below 0: no broker has answered.
        return TryAgain(text, away=code < 0 or error.retriable() or mendable)

    def _wait(self, sent: int, found: dict[int, Outcome]) -> None:
        deadline = time.monotonic() + self._params.receiver.seconds
        while len(found) < sent and not self._ended.is_set() and time.monotonic() < deadline:
            self._producer.poll(_TURN_SECONDS)
        if len(found) < sent:
            self._producer.purge()
            self._producer.poll(_TURN_SECONDS)

    def _said(self, text: str) -> str:
        trouble = "" if self._trouble is None else f" ({self._trouble.str()})"
        said = self._access.without_secrets(f"{text}{trouble}")
        return brief(f"Kafka at {self._access.address}, topic {self._params.topic}: {said}")

    # ------------------------------------------------------------ the producer

    def _connected(self) -> Any:
        """Return a producer whose cluster has the topic. Raises ``InputError``."""
        reach(self._access, self._guard)
        self._trouble = None
        producer = self._kafka.Producer(self._configuration())
        metadata = self._metadata(producer)
        judge_members(metadata, self._guard)
        if self._params.topic not in metadata.topics:
            raise self._access.failed("Kafka", f"there is no topic {self._params.topic}")
        return producer

    def _metadata(self, producer: Any) -> Any:
        # Asked for all topics: asking for one may make it.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return producer.list_topics(timeout=_ASK_SECONDS)
            except self._kafka.KafkaException as error:
                if self._ended.is_set() or time.monotonic() > deadline or self._refused:
                    told = self._trouble or error.args[0]
                    raise self._access.failed("Kafka", told.str()) from error

    @property
    def _refused(self) -> bool:
        """Whether the cluster does not let us in: waiting will not help."""
        codes = self._kafka.KafkaError
        return self._trouble is not None and self._trouble.code() == codes._AUTHENTICATION

    def _configuration(self) -> dict[str, Any]:
        return {
            **configuration(self._access, self._params.receiver.access, told=self._note),
            "enable.idempotence": True,
            "acks": "all",
            "batch.num.messages": 1,
            "linger.ms": 0,
            "message.timeout.ms": 0,
            "message.max.bytes": self._params.bytes_max,
            # As clients of other languages choose it.
            "partitioner": "murmur2_random",
        }

    def _note(self, error: Any) -> None:
        self._trouble = error

    def _drop(self) -> None:
        self._producer = None
