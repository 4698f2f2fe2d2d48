"""A connection to NATS, in an event loop of its own thread: the rest of the program has none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from meterhouse.connectors.broker import BrokerAccess
from meterhouse.connectors.collectors import ExtraMissing
from meterhouse.connectors.http.guard import Guard

PATIENCE_SECONDS = 10
#: So often a server is asked that hangs up without an answer.
_TRIES = 5
Value = TypeVar("Value")


def library() -> Any:
    """Return the client library. Raises ``ExtraMissing``."""
    try:
        import nats
    except ImportError as error:
        raise ExtraMissing("nats", what="NATS") from error
    return nats


class LoopThread:
    """An event loop in a thread; ``call`` runs a coroutine there and returns what came of it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        """Run a coroutine to its end."""
        return self.begin(coroutine).result()

    def begin(self, coroutine: Coroutine[Any, Any, Value]) -> Future[Value]:
        """Begin to run a coroutine; what it returns is told when it has ended."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """End the thread, and with it whatever still waits in the loop."""
        self.call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    waiting = asyncio.all_tasks() - {asyncio.current_task()}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def connect(access: BrokerAccess, guard: Guard) -> Any:
    """Return a connection to the first server that takes it. Raises ``InputError``.

    The connection goes to an address that was judged; other servers that the cluster tells of are
    not gone to.
    """
    nats = library()
    tls = access.tls_context()
    error: Exception | None = None
    told: list[Exception] = []
    answered: list[Any] = []

    async def note(trouble: Exception) -> None:
        told.append(trouble)

    addresses = [(server, one) for server in access.judged(guard) for one in server.addresses]
    for server, address in (one for one in addresses for _ in range(_TRIES)):
        if (server, address) in answered:
            continue
        host = f"[{address}]" if ":" in address else address
        client = nats.NATS()
        try:
            await client.connect(
                f"{'tls' if tls else 'nats'}://{host}:{server.port}",
                name="meterhouse",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=PATIENCE_SECONDS,
                error_cb=note,
                tls=tls,
                tls_hostname=server.host if tls else None,
                user=access.username,
                password=access.password,
                token=access.token,
            )
        except (OSError, TimeoutError, nats.errors.Error) as failed:
            # A server that lets nobody in may hang up before its reason is read: ask once more.
            if not isinstance(failed, ConnectionResetError):
                answered.append((server, address))
            if error is None or not isinstance(failed, ConnectionResetError):
                error = failed
            # It leaves a connection open on which it was not let in.
            await client.close()
        else:
            return client
    reasons = [one for one in told if not isinstance(one, ConnectionResetError)]
    raise access.failed("NATS", reasons[-1] if reasons else error) from error
