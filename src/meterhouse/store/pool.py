"""Open ledgers for threads: each borrows one, nobody shares one, and closed ones are none.

Reads never wait for a commit (WAL), so a borrowed ledger may be as long in use as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from meterhouse.app.ports import Lease
from meterhouse.store.ledger import SqliteLedger, open_ledger

#: Requests are small: what a commit of a run needs would be wasted on each thread.
_CACHE_KIB = 4 * 1024
#: A request waits so long for the commit of somebody else, and is told to come again then.
_BUSY_SECONDS = 10.0
#: So many ledgers stay open while nobody uses them.
_IDLE_MAX = 16


class LedgerPool:
    """Lends ledgers of one data directory."""

    def __init__(
        self,
        directory: Path,
        *,
        dead: Callable[[Lease], bool] = lambda _: False,
        busy_seconds: float = _BUSY_SECONDS,
    ) -> None:
        self._directory = directory
        self._dead = dead
        self._busy_seconds = busy_seconds
        self._lock = Lock()
        self._idle: list[SqliteLedger] = []
        self._closed = False

    @contextmanager
    def ledger(self) -> Iterator[SqliteLedger]:
        """Lend a ledger for the block, to one thread."""
        ledger = self._take()
        try:
            yield ledger
        finally:
            self._give_back(ledger)

    @contextmanager
    def ledger_of_run(self) -> Iterator[SqliteLedger]:
        """Open a ledger with the memory and the patience that the commit of a run needs."""
        ledger = open_ledger(self._directory, dead=self._dead)
        try:
            yield ledger
        finally:
            ledger.close()

    def close(self) -> None:
        """Close what is idle now, and the rest as it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for ledger in idle:
            ledger.close()

    def _take(self) -> SqliteLedger:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return open_ledger(
            self._directory,
            dead=self._dead,
            cache_kib=_CACHE_KIB,
            busy_seconds=self._busy_seconds,
        )

    def _give_back(self, ledger: SqliteLedger) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_MAX:
                self._idle.append(ledger)
                return
        ledger.close()
