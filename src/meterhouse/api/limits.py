"""How often somebody may ask: so many times in so many seconds, evenly given back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Lock

from meterhouse.api.problems import ApiError

#: Beyond so many callers, those whose allowance is whole again are forgotten.
_CALLERS_MAX = 10_000


class RateLimit:
    """An allowance for each caller; what is used of it comes back evenly over time."""

    def __init__(
        self, requests: int, *, seconds: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = requests
        self._seconds = seconds
        self._now = now
        self._lock = Lock()
        self._used: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Use one request of a caller's allowance; raises ``ApiError`` where nothing is left."""
        rate = self._requests / self._seconds
        with self._lock:
            now = self._now()
            used, at = self._used.get(caller, (0.0, now))
            used = max(0.0, used - (now - at) * rate)
            if used + 1 > self._requests:
                raise self._refusal(math.ceil((used + 1 - self._requests) / rate))
            self._used[caller] = (used + 1, now)
            if len(self._used) > _CALLERS_MAX:
                self._forget(now, rate)

    def _forget(self, now: float, rate: float) -> None:
        self._used = {
            caller: (used, at)
            for caller, (used, at) in self._used.items()
            if used > (now - at) * rate
        }

    def _refusal(self, wait: int) -> ApiError:
        message = f"More than {self._requests} requests in {self._seconds} seconds"
        headers = {
            "Retry-After": str(wait),
            "RateLimit-Policy": f'"default";q={self._requests};w={self._seconds}',
            "RateLimit": f'"default";r=0;t={wait}',
        }
        hint = f"Ask again in {wait} s; a token is good for an hour"
        return ApiError("rate_limited", message, hint=hint, headers=headers)
