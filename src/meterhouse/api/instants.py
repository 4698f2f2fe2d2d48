"""The clock and the seed that a run or a preview may be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown

_SEED_BITS_MAX = 63
_ALLOW = "allowFutureClock"


def _written(text: str) -> str:
    """Return an instant of a query as it is always written."""
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(f"{shown(text)} is no instant: use ISO 8601, such as 2026-01-31T00:00:00Z")
    return instant_text(instant)


#: An instant among the parameters of a query.
When = Annotated[str, AfterValidator(_written)]
Since = Annotated[When | None, Query(description="What began then or later. ISO 8601")]
Until = Annotated[When | None, Query(description="What began before. ISO 8601")]


def instant_of(text: str | None) -> Instant | None:
    """Return the instant of a parameter.

    >>> instant_of("1970-01-01T00:00:01.000Z")
    1000000
    """
    return None if text is None else parse_instant(text)


def read_clock(
    body: JsonValue,
    *,
    otherwise: Callable[[], int],
    beside: tuple[str, ...] = (),
    now: Instant | None = None,
) -> tuple[Instant | None, int]:
    """Read ``at`` and ``seed``; ``beside`` are fields that others read. ``DefinitionError``.

    Where ``now`` is given, ``at`` may lie after it with ``allowFutureClock`` only: no run of the
    stream may have an earlier clock afterwards, so what is scheduled would not run any more.

    >>> read_clock({"at": "1970-01-01T00:00:01Z"}, otherwise=lambda: 7)
    (1000000, 7)
    """
    known = ("at", "seed", *beside, *(() if now is None else (_ALLOW,)))
    reading = Reading(body, known=known, what="request")
    at = reading.instant("at")
    allowed = now is None or reading.boolean(_ALLOW, default=False)
    if not allowed and at is not None and now is not None and at > now:
        later = f"is {instant_text(at)}, later than now, {instant_text(now)}"
        hint = f"leave it out: no later run could have an earlier clock; or set {_ALLOW} to true"
        reading.fail("at", later, hint)
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
