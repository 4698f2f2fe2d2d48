"""What a run changed of the meters of one meter key, until it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.engine.bucket import Bucket, EncodedState, decode_state


class Contents:
    """New contents of meters in parts, each made when it is asked for: texts take much memory.

    A part has the columns ``no``, ``value``, ``count``, ``volume``, ``carry_first``,
    ``carry_last``, ``reached``, ``groups`` (as in ``METER_SCHEMA``), ascending by ``no``; no meter
    is in two parts. ``numbers`` are those of all meters, ascending. Parts may be asked for in
    another thread, and more than once.
    """

    def __init__(self, numbers: pl.Series, parts: Callable[[], Iterator[pl.DataFrame]]) -> None:
        self.numbers = numbers
        self._parts = parts

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Contents:
        """Wrap contents that are made already."""
        return cls(frame["no"], lambda: iter((frame,)))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return self._parts()

    def whole(self) -> pl.DataFrame:
        """Return all of them, ascending by ``no``."""
        return pl.concat(list(self)).sort("no")


@dataclass(slots=True)
class StateChanges:
    """What a run changed, to be stored in this order.

    ``buckets`` are whole (period and contents); ``deleted`` meters go last; ``contents`` are new
    ones of meters whose period stays as it is or was written with ``buckets``; all were updated
    at ``updated_at``. The buckets of event-time meters are their heads, which hold no contents.
    """

    buckets: list[Bucket] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    contents: Contents | None = None
    updated_at: Instant = 0
    #: periods of event-time meters, whole; those of deleted meters say what these had taken
    periods: list[Bucket] = field(default_factory=list)
    #: what is kept of the records that they took: the columns of ``retained.SCHEMA`` (to be stored,
    #: with the name of the source in the place of its number), and the
    #: ``meter`` and ``start`` of the period in the place of its slot; in order of arrival
    usage: pl.DataFrame | None = None
    #: what each rule of the plan folds, as text
    usage_rules: Sequence[str] = ()
    #: the numbers of waiting adjustments that the run has taken downstream
    released: list[int] = field(default_factory=list)


def with_contents(
    buckets: Mapping[int, Bucket], contents: pl.DataFrame, *, updated_at: Instant
) -> None:
    """Give buckets, by meter number, the contents that columns have folded for them."""
    for no, *cells in contents.iter_rows():
        bucket = buckets[no]
        bucket.state = decode_state(
            EncodedState(**dict(zip(contents.columns[1:], cells, strict=True))),
            period=bucket.state.period,
            timezone=bucket.state.timezone,
            updated_at=updated_at,
            aggregation=bucket.meter.aggregation,
        )
        bucket.changed = True
