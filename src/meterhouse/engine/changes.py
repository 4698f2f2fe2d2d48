"""What a run changed of the meters of one meter key, until it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from meterhouse.core.instant import Instant
from meterhouse.engine.bucket import Bucket, EncodedState, decode_state
from meterhouse.engine.columns.breakdowns import Breakdowns, Groups
from meterhouse.engine.together import for_each


@dataclass(frozen=True, slots=True)
class ContentsPart:
    """New contents of some meters.

    ``frame`` has the columns ``no``, ``value``, ``count``, ``volume``, ``carry_first``,
    ``carry_last``, ``reached``, ``groups`` and ``pack``, as in ``METER_SCHEMA``; but ``pack`` is
    the place in ``breakdowns`` of those that have the meter's.
    """

    frame: pl.DataFrame
    breakdowns: Sequence[Breakdowns] = ()

    def packed(self) -> ContentsPart:
        """Return itself when the breakdowns are packed."""
        for_each(self.breakdowns, Breakdowns.content)
        return self

    def filter(self, mask: pl.Series) -> ContentsPart:
        """Return the contents of those meters where ``mask`` is true."""
        return ContentsPart(self.frame.filter(mask), self.breakdowns)

    def states(self) -> Iterator[tuple[int, EncodedState, Groups]]:
        """Yield each meter's number, contents, and those breakdowns that are no text."""
        for (pack,), frame in self.frame.partition_by("pack", as_dict=True).items():
            groups: dict[int, Groups] = {}
            if isinstance(pack, int):
                groups = self.breakdowns[pack].groups(frame["no"].to_list())
            for no, *cells, _ in frame.iter_rows():
                yield no, EncodedState(*cells), groups.get(no, {})


class Contents:
    """New contents of meters in parts, each made when it is asked for: they take much memory.

    No meter is in two parts. ``numbers`` are those of all meters, ascending. Parts may be asked for
    in another thread, and more than once.
    """

    def __init__(self, numbers: pl.Series, parts: Callable[[], Iterator[ContentsPart]]) -> None:
        self.numbers = numbers
        self._parts = parts

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Contents:
        """Wrap contents that are texts."""
        return cls(frame["no"], lambda: iter((ContentsPart(frame),)))

    def __iter__(self) -> Iterator[ContentsPart]:
        return self._parts()

    def split(self, mine: pl.Series) -> tuple[Contents, Contents]:
        """Return the contents of those of ``numbers`` where ``mine`` is true, and the others'."""
        return self._only(self.numbers.filter(mine)), self._only(self.numbers.filter(~mine))

    def _only(self, numbers: pl.Series) -> Contents:
        def parts() -> Iterator[ContentsPart]:
            # Parts are made anew each time: not for nobody.
            for part in self._parts() if len(numbers) else ():
                kept = part.filter(part.frame["no"].is_in(numbers.implode()))
                if kept.frame.height:
                    yield kept

        return Contents(numbers, parts)


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
    buckets: Mapping[int, Bucket], contents: Contents, *, updated_at: Instant
) -> None:
    """Give buckets, by meter number, the contents that columns have folded for them."""
    for part in contents:
        for no, encoded, groups in part.states():
            bucket = buckets[no]
            bucket.state = decode_state(
                encoded,
                period=bucket.state.period,
                timezone=bucket.state.timezone,
                updated_at=updated_at,
                aggregation=bucket.meter.aggregation,
            )
            bucket.state.groups |= groups
            bucket.changed = True
