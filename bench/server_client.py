"""The client of the server's benchmark: keep-alive connections, each with one request at a time.

Use: python -m bench.server_client < orders. Each line is an order: port, and a list of requests for
each connection. A line of the answer has the seconds it took, each request's, and the statuses.
It does next to nothing for a request, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Taken:
    """What the requests of an order took."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


class Connection(asyncio.Protocol):
    """Sends its requests, one after the other."""

    def __init__(self, requests: Sequence[bytes], taken: Taken, done: asyncio.Future[None]) -> None:
        self._requests = iter(requests)
        self._taken = taken
        self._done = done
        self._received = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection; the first request waits for all connections."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def send_next(self) -> None:
        """Send the next request, if there is one."""
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        head = self._received[:end].lower()
        length = int(head.partition(_LENGTH)[2].partition(b"\r\n")[0])
        if len(self._received) < end + len(_HEAD_END) + length:
            return
        self._taken.seconds.append(time.perf_counter() - self._sent_at)
        self._taken.statuses[head[9:12].decode()] += 1
        self._received = b""
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless everything was answered."""
        if not self._done.done():
            self._done.set_exception(exc or ConnectionResetError("the server hung up"))


def request_bytes(
    method: str, target: str, *, headers: dict[str, str] | None = None, body: str = ""
) -> str:
    """Return the text of a request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


async def _carry_out(order: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    taken = Taken()
    waiting: list[asyncio.Future[None]] = []
    connections: list[Connection] = []
    for texts in order["connections"]:
        done: asyncio.Future[None] = loop.create_future()
        connection = Connection([text.encode() for text in texts], taken, done)
        await loop.create_connection(lambda c=connection: c, "127.0.0.1", order["port"])
        waiting.append(done)
        connections.append(connection)
    began = time.perf_counter()
    for connection in connections:
        connection.send_next()
    await asyncio.gather(*waiting)
    took = time.perf_counter() - began
    return {"took": took, "seconds": taken.seconds, "statuses": dict(taken.statuses)}


def main() -> None:
    """Carry out the orders of standard input."""
    for line in sys.stdin:
        print(json.dumps(asyncio.run(_carry_out(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
