"""The forwarder of ``writers/rabbitmq``: messages of one lane, each confirmed before the next.

They are persistent and mandatory: what no queue takes comes back, and is a dead letter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.rabbitmq.client import Link, connect, library, said
from meterhouse.connectors.sending import away, brief, read_settings, record_of, unfit
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.nodes.rabbitmq_writer import (
    RabbitmqWriterParams,
    read_rabbitmq_writer,
)
from meterhouse.streams.ports import (
    Accepted,
    ForwardItem,
    InputError,
    Outcome,
    Refused,
    TryAgain,
)

_PERSISTENT = 2
#: What a broker closes a channel with over one message: it is too large.
_TOO_LARGE = frozenset({311, 406})


def open_forwarder(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    guard: Guard,
) -> RabbitmqForwarder:
    """Return the forwarder of a lane; nothing is connected yet. Raises ``MeterhouseError``."""
    params = read_settings(settings, read_rabbitmq_writer)
    receiver = params.receiver
    access = BrokerAccess.read(receiver.access, receiver.credentials(credentials))
    return RabbitmqForwarder(params, access, guard)


class RabbitmqForwarder:
    """Sends the records of one lane to an exchange."""

    batch = 100

    def __init__(self, params: RabbitmqWriterParams, access: BrokerAccess, guard: Guard) -> None:
        self._params = params
        self._access = access
        self._guard = guard
        self._pika = library()
        self._ended = Event()
        self._link: Link | None = None
        #: Belongs to the thread of the link.
        self._channel: Any = None

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Publish records one after another, up to the first that is to be tried again."""
        outcomes: list[Outcome] = []
        for item in items:
            outcomes.append(self._outcome(item))
            if isinstance(outcomes[-1], TryAgain):
                self._drop()
                break
        if self._ended.is_set():
            self._drop()
        return outcomes

    def close(self) -> None:
        """Let the connection go; whoever waits for it gives up."""
        self._ended.set()
        self._drop()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.leave()

    # ------------------------------------------------------------ one message

    def _outcome(self, item: ForwardItem) -> Outcome:
        if self._ended.is_set():
            return away("was stopped")
        try:
            key = self._params.key_of(record_of(item))
        except ValueError as error:
            return unfit(error)
        exceptions = self._pika.exceptions
        try:
            self._publish(key, item)
        except InputError as error:
            return away(error)
        except exceptions.UnroutableError:
            return Refused(self._told(f"no queue takes what has the routing key {key}"))
        except exceptions.NackError:
            return away(self._told("the message was not taken: a queue is full, or in trouble"))
        except exceptions.ChannelClosedByBroker as error:
            refused = error.reply_code in _TOO_LARGE
            text = self._told(error.reply_text)
            return Refused(text) if refused else away(text)
        except TimeoutError:
            return away(self._told("no confirmation in time"))
        except (OSError, exceptions.AMQPError) as error:
            return away(self._told(said(error)))
        return Accepted()

    def _publish(self, key: str, item: ForwardItem) -> None:
        properties = self._pika.BasicProperties(
            content_type="application/json", delivery_mode=_PERSISTENT, message_id=item.key
        )

        def publish(connection: Any) -> None:
            if self._channel is None or not self._channel.is_open:
                self._channel = connection.channel()
                self._channel.confirm_delivery()
            exchange = self._params.exchange
            self._channel.basic_publish(exchange, key, item.text, properties, mandatory=True)

        deadline = time.monotonic() + self._params.receiver.seconds
        self._connected().ask(
            publish, given_up=lambda: self._ended.is_set() or time.monotonic() > deadline
        )

    def _connected(self) -> Link:
        link = self._link
        if link is None:
            host = self._params.virtual_host
            link = Link(lambda: connect(self._access, self._guard, virtual_host=host))
            self._link, self._channel = link, None
        return link

    def _told(self, text: str) -> str:
        return brief(f"RabbitMQ at {self._access.address}: {self._access.without_secrets(text)}")
