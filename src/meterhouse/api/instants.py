"""The clock and the seed that a run or a preview may be given."""

from __future__ import annotations

from collections.abc import Callable

from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown

_SEED_BITS_MAX = 63


def read_clock(body: JsonValue, *, otherwise: Callable[[], int]) -> tuple[Instant | None, int]:
    """Read ``at`` and ``seed``. Raises ``DefinitionError``.

    >>> read_clock({"at": "1970-01-01T00:00:01Z"}, otherwise=lambda: 7)
    (1000000, 7)
    """
    reading = Reading(body, known=("at", "seed"), what="request")
    at = reading.instant("at")
    seed = reading.body.get("seed")
    if seed is not None:
        good = isinstance(seed, int) and not isinstance(seed, bool)
        if not good or seed < 0 or seed.bit_length() > _SEED_BITS_MAX:
            reading.fail(
                "seed", f"is {shown(seed)}", f"use a whole number below 2^{_SEED_BITS_MAX}"
            )
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    return at, otherwise() if seed is None else seed
