"""Merged buckets as the texts that are stored, some meters at a time.

Texts take far more memory than the numbers they stand for, so they are made part by part; the
next part may be made while one is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.engine.bucket import SECTION_MARK
from meterhouse.engine.column import QUANTITY, number_texts
from meterhouse.engine.columns.cells import encode_carries
from meterhouse.engine.columns.table import Table
from meterhouse.engine.together import for_each

#: So many buckets of one section are turned into texts at a time.
PART_ROWS = 300_000


@dataclass(frozen=True, slots=True)
class Encoding:
    """All buckets of a run: ``merged`` of each of ``tables``, unpacked, ascending by ``m``.

    The first table is the meters' own. ``kind`` and ``volume`` are by meter row; ``foreign`` are
    encoded sections (``m``, ``e``) that no table has.
    """

    tables: Sequence[Table]
    merged: Sequence[pl.DataFrame]
    kind: pl.Series
    volume: pl.Series
    foreign: Sequence[pl.DataFrame]

    @property
    def rows(self) -> pl.Series:
        """The rows of all touched meters, ascending."""
        return self.merged[0]["m"]

    def parts(self) -> Iterator[pl.DataFrame]:
        """Yield contents: ``m`` and the texts of ``EncodedState`` but for ``reached``."""
        start = 0
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

    def _part(self, start: int, end: int) -> pl.DataFrame:
        total = self.merged[0].slice(start, end - start)
        bounds = total["m"][0], total["m"][-1]
        sections = [
            (table, _between(frame, bounds))
            for table, frame in zip(self.tables[1:], self.merged[1:], strict=True)
        ]
        texts = for_each(sections, lambda section: section[0].encoded(section[1], self.kind))
        texts += [part.filter(pl.col("m").is_between(*bounds)) for part in self.foreign]
        return _with_groups(self._meters(total), texts)

    def _meters(self, merged: pl.DataFrame) -> pl.DataFrame:
        total = self.tables[0]
        merged = total.with_texts(merged)
        value = total.values(merged, self.kind)
        volume = self.volume.gather(merged["m"])
        plain = (volume == value.cast(QUANTITY).abs()).fill_null(value=False) | (volume == 0)
        count = len(total.first)
        return merged.select(
            "m",
            number_texts(value).alias("value"),
            "count",
            number_texts(volume).set(plain, None).alias("volume"),
            encode_carries(total.first, total.carried[:count]).alias("carry_first"),
            encode_carries(total.last, total.carried[count:]).alias("carry_last"),
        )


def _between(frame: pl.DataFrame, bounds: tuple[int, int]) -> pl.DataFrame:
    """The rows of the meters between two, both included."""
    start = int(frame["m"].search_sorted(bounds[0]))
    return frame.slice(start, int(frame["m"].search_sorted(bounds[1], side="right")) - start)


def _with_groups(frame: pl.DataFrame, sections: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join the encoded sections (``m``, ``e``) of each meter into its ``groups``."""
    names = [f"e{place}" for place in range(len(sections))]
    for name, section in zip(names, sections, strict=True):
        named = section.rename({"e": name})
        frame = frame.join(named, on="m", how="left", maintain_order="left")
    groups = pl.concat_str(names, separator=SECTION_MARK, ignore_nulls=True) if names else None
    text = pl.lit(None, dtype=pl.String) if groups is None else groups
    return frame.with_columns(pl.when(text != "").then(text).alias("groups")).drop(names)
