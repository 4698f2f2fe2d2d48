"""A connection to RabbitMQ, served by a thread of its own.

The thread answers heartbeats while a run computes: a broker that hears nothing for a minute takes
the messages back. Everything else is asked of it by ``ask``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.collectors import ExtraMissing
from meterhouse.connectors.http.guard import Guard

PATIENCE_SECONDS = 10
HEARTBEAT_SECONDS = 60
_TURN_SECONDS = 0.5


def library() -> Any:
    """Return the client library. Raises ``ExtraMissing``."""
    try:
        import pika
        import pika.exceptions
    except ImportError as error:
        raise ExtraMissing("rabbitmq", what="RabbitMQ") from error
    # What it has to say is in our messages.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    return pika


def connect(access: BrokerAccess, guard: Guard, *, virtual_host: str) -> Any:
    """Return a connection to the first server that takes it. Raises ``InputError``.

    The connection goes to an address that was judged.
    """
    pika = library()
    tls = access.tls_context()
    user = pika.PlainCredentials(access.username or "guest", access.password or "guest")
    error: Exception | None = None
    for server in access.judged(guard):
        for address in server.addresses:
            parameters = pika.ConnectionParameters(
                address,
                server.port,
                virtual_host,
                user,
                ssl_options=None if tls is None else pika.SSLOptions(tls, server.host),
                heartbeat=HEARTBEAT_SECONDS,
                socket_timeout=PATIENCE_SECONDS,
                stack_timeout=PATIENCE_SECONDS,
                blocked_connection_timeout=PATIENCE_SECONDS,
                client_properties={"connection_name": "meterhouse"},
            )
            try:
                return pika.BlockingConnection(parameters)
            except (OSError, pika.exceptions.AMQPError) as failed:
                error = failed
    assert error is not None, "every server has an address"
    raise access.failed("RabbitMQ", said(error)) from error


def _never() -> bool:
    return False


class Link:
    """A connection and the thread that serves it."""

    def __init__(self, open_connection: Callable[[], Any]) -> None:
        self._open = open_connection
        self._connection: Any = None
        self._ended = threading.Event()
        self._trouble: BaseException | None = None
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=(started,), name="rabbitmq", daemon=True
        )
        self._thread.start()
        started.result()

    def _serve(self, started: Future[None]) -> None:
        try:
            self._connection = self._open()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            while not self._ended.is_set():
                self._connection.process_data_events(time_limit=_TURN_SECONDS)
        except Exception as error:
            self._trouble = error
        finally:
            _close(self._connection)

    @property
    def trouble(self) -> BaseException | None:
        """Why the connection is lost; ``None`` where it is not."""
        return self._trouble

    def ask(self, question: Callable[[Any], Any], *, given_up: Callable[[], bool] = _never) -> Any:
        """Do something with the connection, in its thread, and return what came of it.

        Raises ``TimeoutError`` where the caller gives up: then the connection is of no more use.
        """
        answer: Future[Any] = Future()

        def answered() -> None:
            try:
                answer.set_result(question(self._connection))
            except BaseException as error:
                answer.set_exception(error)

        self._connection.add_callback_threadsafe(answered)
        while True:
            try:
                return answer.result(timeout=_TURN_SECONDS)
            except TimeoutError:
                if given_up():
                    raise
                if not self._thread.is_alive() and not answer.done():
                    raise self._trouble or ConnectionError("the connection is closed") from None

    def close(self) -> None:
        """Close the connection and end the thread."""
        self.leave()
        self._thread.join()

    def leave(self) -> None:
        """Let the thread close the connection when it can, and do not wait for it."""
        self._ended.set()
        with suppress(Exception):  # It may be closed already.
            self._connection.add_callback_threadsafe(lambda: None)


def _close(connection: Any) -> None:
    with suppress(Exception):  # What cannot be closed any more is gone.
        if connection.is_open:
            connection.close()


def said(error: BaseException) -> str:
    """Return what an error of the library says; most have the broker's words inside."""
    inner = getattr(error, "reply_text", "") or ""
    if inner:
        return f"{type(error).__name__}: {inner}"
    args = [text for arg in error.args if (text := str(getattr(arg, "exception", arg)))]
    return f"{type(error).__name__}: {', '.join(args)}" if args else type(error).__name__
