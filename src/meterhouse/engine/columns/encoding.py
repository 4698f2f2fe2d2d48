"""Merged buckets as what is stored, some meters at a time.

What is stored takes more memory than the numbers it stands for, so it is made part by part; the
next part may be made while one is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from meterhouse.engine.changes import ContentsPart
from meterhouse.engine.column import QUANTITY, number_texts
from meterhouse.engine.columns.breakdowns import Breakdowns, SectionColumns
from meterhouse.engine.columns.cells import encode_carries
from meterhouse.engine.columns.table import Table
from meterhouse.engine.together import for_each

#: So many buckets of one section are looked up at a time, and so many are packed.
PART_ROWS = 300_000
PACK_ROWS = 15_000
#: Parts are made ahead of time until they take so much memory.
_AHEAD_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class Foreign:
    """Groups of a section that no table has: it is one of an earlier plan.

    ``cells`` has ``m`` and ``no`` (a meter's row and number), and ``c0`` ... as in
    ``SectionColumns.cells``.
    """

    section: tuple[str, ...]
    first: Sequence[str]
    last: Sequence[str]
    cells: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Encoding:
    """All buckets of a run: ``merged`` of each of ``tables``, unpacked, ascending by ``m``.

    The first table is the meters' own. ``kind``, ``volume`` and ``no`` are by meter row.
    """

    tables: Sequence[Table]
    merged: Sequence[pl.DataFrame]
    kind: pl.Series
    volume: pl.Series
    no: pl.Series
    foreign: Sequence[Foreign]
    _ahead: list[ContentsPart] = field(default_factory=list)

    @property
    def rows(self) -> pl.Series:
        """The rows of all touched meters, ascending."""
        return self.merged[0]["m"]

    def make_ahead(self, enough: Callable[[], bool]) -> None:
        """Make and pack parts until ``enough``, or until memory has no room for more."""
        size = 0
        for part in self._parts(0):
            size += sum(len(breakdowns.content()) for breakdowns in part.packed().breakdowns)
            self._ahead.append(part)
            if size > _AHEAD_BYTES or enough():
                return

    def parts(self) -> Iterator[ContentsPart]:
        """Yield contents; no meter has ``reached`` yet."""
        yield from self._ahead
        yield from self._parts(sum(part.frame.height for part in self._ahead))

    def _parts(self, start: int) -> Iterator[ContentsPart]:
        while start < len(self.rows):
            end = self._end(start)
            yield self._part(start, end)
            start = end

    def _end(self, start: int) -> int:
        """Where the part that begins with a touched meter ends: no section of it is too long."""
        first, end = self.rows[start], len(self.rows)
        for frame in self.merged:
            meters = frame["m"]
            past = int(meters.search_sorted(first)) + PART_ROWS
            if past < len(meters):
                end = min(end, int(self.rows.search_sorted(meters[past])))
        return max(end, start + 1)

    def _part(self, start: int, end: int) -> ContentsPart:
        rows = self.rows.slice(start, end - start)
        inside = [frame.slice(*_between(frame["m"], rows[0], rows[-1])) for frame in self.merged]
        pairs = zip(self.tables[1:], inside[1:], strict=True)
        sections = for_each(
            pairs, lambda pair: pair[0].columns(pair[1], kind=self.kind, no=self.no)
        )
        # Where the groups of each meter end in each section.
        ends = [frame["m"].search_sorted(rows, side="right") for frame in inside[1:]]
        breakdowns: list[Breakdowns] = []
        packs: list[int | None] = []
        first, places = 0, [0] * len(ends)
        foreign = [each.cells["m"].search_sorted(rows, side="right") for each in self.foreign]
        for last in _last_of_packs(rows, [*ends, *foreign]):
            until = [end[last] for end in ends]
            mine = [s.slice(a, z - a) for s, a, z in zip(sections, places, until, strict=True)]
            mine += self._foreign((rows[first], rows[last]))
            mine = [section for section in mine if section.frame.height]
            packs += [len(breakdowns) if mine else None] * (last + 1 - first)
            breakdowns += [Breakdowns(mine)] if mine else []
            first, places = last + 1, until
        frame = self._meters(inside[0]).with_columns(pl.Series("pack", packs, dtype=pl.Int64))
        return ContentsPart(frame, breakdowns)

    def _foreign(self, bounds: tuple[int, int]) -> Iterator[SectionColumns]:
        for each in self.foreign:
            cells = each.cells.filter(pl.col("m").is_between(*bounds))
            yield SectionColumns.of_cells(each.section, each.first, each.last, cells=cells)

    def _meters(self, merged: pl.DataFrame) -> pl.DataFrame:
        total = self.tables[0]
        merged = total.with_texts(merged)
        value = total.values(merged, self.kind)
        volume = self.volume.gather(merged["m"])
        plain = (volume == value.cast(QUANTITY).abs()).fill_null(value=False) | (volume == 0)
        count = len(total.first)
        return merged.select(
            self.no.gather(merged["m"]).alias("no"),
            number_texts(value).alias("value"),
            "count",
            number_texts(volume).set(plain, None).alias("volume"),
            encode_carries(total.first, total.carried[:count]).alias("carry_first"),
            encode_carries(total.last, total.carried[count:]).alias("carry_last"),
            pl.lit(None, dtype=pl.String).alias("reached"),
            pl.lit(None, dtype=pl.String).alias("groups"),
        )


def _last_of_packs(rows: pl.Series, ends: Sequence[pl.Series]) -> list[int]:
    """The place of the last meter of each pack: no section of it is much too long."""
    if not ends:
        return [len(rows) - 1]
    numbered = [(end // PACK_ROWS).alias(f"n{place}") for place, end in enumerate(ends)]
    # None of them ever falls: the sum rises where any section has enough for one more.
    pack = pl.DataFrame(numbered).select(pl.sum_horizontal(pl.all()).alias("n"))["n"]
    return (pack != pack.shift(-1)).fill_null(value=True).arg_true().to_list()


def _between(meters: pl.Series, first: int, last: int) -> tuple[int, int]:
    """Where the rows of the meters between two begin, both included, and how many there are."""
    start = int(meters.search_sorted(first))
    return start, int(meters.search_sorted(last, side="right")) - start
