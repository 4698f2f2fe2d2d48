"""The forwarder of ``writers/nats``: messages of one lane, each confirmed before the next is sent.

The stream drops a message whose ``Nats-Msg-Id`` it has had within its window of duplicates; that
id is the record's idempotency key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from threading import Lock
from typing import Any

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.nats.client import LoopThread, connect, library
from meterhouse.connectors.sending import away, brief, read_settings, record_of, unfit
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Credentials
from meterhouse.streams.nodes.nats_writer import NatsWriterParams, read_nats_writer
from meterhouse.streams.ports import (
    Accepted,
    ForwardItem,
    InputError,
    Outcome,
    Refused,
    TryAgain,
)

HEADER = "Nats-Msg-Id"
_TOO_LARGE = 10_054
#: A stream that is full, and takes nothing new.
_FULL = 10_077
_UNAVAILABLE = 503


def open_forwarder(
    settings: Mapping[str, JsonValue],
    credentials: Callable[[str], Credentials],
    *,
    guard: Guard,
) -> NatsForwarder:
    """Return the forwarder of a lane; nothing is connected yet. Raises ``MeterhouseError``."""
    library()
    params = read_settings(settings, read_nats_writer)
    receiver = params.receiver
    access = BrokerAccess.read(receiver.access, receiver.credentials(credentials))
    return NatsForwarder(params, access, guard)


class NatsForwarder:
    """Sends the records of one lane to subjects of a stream."""

    batch = 100

    def __init__(self, params: NatsWriterParams, access: BrokerAccess, guard: Guard) -> None:
        self._params = params
        self._access = access
        self._guard = guard
        self._lock = Lock()
        self._ended = False
        self._loop: LoopThread | None = None
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None

    def send(self, items: Sequence[ForwardItem]) -> Sequence[Outcome]:
        """Publish records one after another, up to the first that is to be tried again."""
        outcomes: list[Outcome] = []
        with self._lock:
            if self._ended:
                return [away("was stopped")]
            self._loop = self._loop or LoopThread("nats writer")
            sending = self._loop.begin(self._publish(items, outcomes))
        try:
            sending.result()
        except CancelledError:
            outcomes.append(away("was stopped"))
        except InputError as error:
            outcomes.append(away(error))
        return outcomes

    def close(self) -> None:
        """Let the connection go, and end whatever waits for it."""
        with self._lock:
            self._ended = True
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call(self._end())
            loop.close()

    # ------------------------------------------------------------ in the loop

    async def _publish(self, items: Sequence[ForwardItem], outcomes: list[Outcome]) -> None:
        self._task = asyncio.current_task()
        for item in items:
            outcomes.append(await self._outcome(item))
            if isinstance(outcomes[-1], TryAgain):
                return

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._drop()

    async def _outcome(self, item: ForwardItem) -> Outcome:
        try:
            subject = self._params.subject_of(record_of(item))
        except ValueError as error:
            return unfit(error)
        if self._connection is None:
            self._connection = await connect(self._access, self._guard)
        errors = library().errors
        try:
            return await self._sent(subject, item)
        except errors.MaxPayloadError:
            most = self._connection.max_payload
            return Refused(self._said(f"a message has {most:,} bytes at most there"))
        except (OSError, TimeoutError, errors.Error) as error:
            await self._drop()
            timed_out = isinstance(error, TimeoutError)
            return away(self._said("no answer in time" if timed_out else error))

    async def _sent(self, subject: str, item: ForwardItem) -> Outcome:
        from nats.js.errors import APIError, NoStreamResponseError

        server = self._connection.jetstream(timeout=self._params.receiver.seconds)
        try:
            await server.publish(subject, item.text, headers={HEADER: item.key})
        except NoStreamResponseError:
            return await self._unheard(server, subject)
        except APIError as error:
            return self._judged(error)
        except (ValueError, KeyError, TypeError):
            return TryAgain(self._said(f"who answers at {subject} is no stream"))
        return Accepted()

    async def _unheard(self, server: Any, subject: str) -> Outcome:
        """Nobody answered: either no stream has the subject, or its server is away."""
        from nats.js.errors import NotFoundError

        try:
            name = await server.find_stream_name_by_subject(subject)
        except NotFoundError:
            return Refused(self._said(f"no stream has the subject {subject}"))
        return away(self._said(f"the stream {name} does not answer"))

    def _judged(self, error: Any) -> Outcome:
        text = self._said(error.description or error)
        if error.err_code == _TOO_LARGE:
            return Refused(text)
        return TryAgain(text, away=error.code == _UNAVAILABLE or error.err_code == _FULL)

    def _said(self, error: object) -> str:
        said = self._access.without_secrets(str(error) or type(error).__name__)
        return brief(f"NATS at {self._access.address}: {said}")

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
