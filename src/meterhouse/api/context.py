"""What the API needs from the world; ``bootstrap`` gives it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from meterhouse.api.authority import Authority
from meterhouse.api.run_threads import RunThreads
from meterhouse.app.ports import Lease, Ledger
from meterhouse.app.running import Means
from meterhouse.core.instant import Instant

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may send, and how often it may ask for a token."""

    body_bytes: int = 10 * MEBIBYTE
    bulk_bytes: int = 1024 * MEBIBYTE
    line_bytes: int = MEBIBYTE
    slice_items: int = 5_000
    token_requests: int = 1_000
    token_seconds: int = 300
    free_bytes_min: int = 100 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class Context:
    """The world, as the API sees it.

    ``ledger`` lends a ledger to one thread. ``public_url`` is where clients find this server,
    without a slash at its end. ``log`` takes one line of JSON.
    """

    ledger: Callable[[], AbstractContextManager[Ledger]]
    authority: Authority
    runs: RunThreads
    means: Callable[[], Means]
    lease: Lease
    living: Callable[[], frozenset[str]]
    clock: Callable[[], Instant]
    new_id: Callable[[], str]
    new_seed: Callable[[], int]
    cursor_key: bytes
    public_url: str
    free_bytes: Callable[[], int]
    log: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
