"""A receiver of webhooks on this machine, as bad as a test wants it, in a thread of its own."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Fault(Enum):
    """What a receiver may do instead of answering; ``LOST`` accepts before it hangs up."""

    RESET = "reset"
    HANG = "hang"
    DRIP = "drip"
    LOST = "lost"


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def record(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Say:
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Behaviour = Callable[[Got], Say | Fault]


def good(_: Got) -> Say:
    return Say()


class Receiver:
    """Accepts what ``behave`` accepts; remembers every request, and what it accepted in order."""

    def __init__(self, behave: Behaviour = good, *, port: int = 0) -> None:
        self.behave = behave
        self.port = port
        self.got: list[Got] = []
        self.accepted: list[Got] = []
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def records(self) -> list[Any]:
        """What a receiver that forgets repeats has: the first of each key, in order."""
        return [got.record for got in {got.key: got for got in reversed(self.accepted)}.values()][
            ::-1
        ]

    def repeats(self) -> int:
        return len(self.accepted) - len({got.key for got in self.accepted})

    @contextmanager
    def serving(self) -> Iterator["Receiver"]:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(server.close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.run_until_complete(self._end())
            self._loop.close()

    async def _serve(self) -> asyncio.Server:
        made = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = made.sockets[0].getsockname()[1]
        return made

    async def _end(self) -> None:
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._unread = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._receiver.connections += 1

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (got := self._next()) is not None:
            self._answer(got)

    def _next(self) -> Got | None:
        head, mark, rest = self._unread.partition(b"\r\n\r\n")
        if not mark:
            return None
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._unread = rest[length:]
        method, path, _ = first.split(" ")
        return Got(method, path, headers, rest[:length])

    def _answer(self, got: Got) -> None:
        receiver = self._receiver
        receiver.got.append(got)
        said = receiver.behave(got)
        if said is Fault.LOST or (isinstance(said, Say) and said.status < 300):
            receiver.accepted.append(got)
        if isinstance(said, Say):
            self._say(said)
        elif said is Fault.DRIP:
            self._drip(b"HTTP/1.1 200 OK\r\nx-slow: " + b"a" * 1_000_000)
        elif said is not Fault.HANG:
            linger = struct.pack("ii", 1, 0)
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()

    def _say(self, said: Say) -> None:
        lines = [f"HTTP/1.1 {said.status} Said", f"content-length: {len(said.body)}"]
        lines += [f"{name}: {value}" for name, value in said.headers.items()]
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + said.body)

    def _drip(self, left: bytes) -> None:
        if left and not self._transport.is_closing():
            self._transport.write(left[:1])
            asyncio.get_running_loop().call_later(0.05, self._drip, left[1:])
