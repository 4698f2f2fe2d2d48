"""The server: uvicorn inside our process, and how it stops.

A first SIGTERM or SIGINT lets requests end and then the runs, each for a while; a second one
interrupts what still runs.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from meterhouse.api.run_threads import RunThreads
from meterhouse.core.problem import MeterhouseError

#: How long requests have to end.
_REQUEST_SECONDS = 10
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Loop(Protocol):
    """Something that works in threads of its own while the server does."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self) -> None:
        """End, and wait for that."""
        ...


class CannotListen(MeterhouseError):
    """The address cannot be had."""

    code = "cannot_listen"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens; port 0 is any that is free."""

    host: str
    port: int

    def listen(self) -> socket.socket:
        """Return a socket that listens there."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # With the protocol named, the event loop sends small answers at once (TCP_NODELAY).
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.host, self.port))
            listening.listen(1024)
        except OSError as error:
            listening.close()
            hint = "Choose another one with --host and --port"
            message = f"{self.host}:{self.port} cannot be listened on: {error.strerror}"
            raise CannotListen(message, hint=hint) from error
        return listening


def serve(
    app: FastAPI,
    listening: socket.socket,
    *,
    runs: RunThreads,
    loops: Sequence[Loop],
    grace_seconds: float,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests until a signal comes; then end the runs. ``ready`` is called once it does.

    ``loops`` work beside it all the while.
    """
    server = Server(app, runs=runs, ready=ready)
    for loop in loops:
        loop.start()
    try:
        server.run(sockets=[listening])
    finally:
        for loop in loops:
            loop.stop()
        runs.stop(grace_seconds=grace_seconds)


class Server(uvicorn.Server):
    """uvicorn, with our signals: its own would end the process before the runs have ended."""

    def __init__(
        self, app: FastAPI, *, runs: RunThreads, ready: Callable[[], None] = lambda: None
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_REQUEST_SECONDS,
            lifespan="off",
            ws="none",
        )
        super().__init__(config)
        self._ready = ready
        self._runs = runs

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        if not self.should_exit:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal. Outside of the main thread, nobody can be asked to."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        # They stay: a second signal may come while runs end.
        yield

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
            self._runs.hurry()
        self.should_exit = True
