"""Group breakdowns of many meters in columns, and the bytes in which they are stored.

A run over many records leaves millions of groups. As texts of their meters they would take most of
the run's time, so that they stay columns and are stored in *packs*, a few hundred meters in each.
A pack is a line of JSON (what its sections are) and an Arrow IPC stream for each section.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import polars as pl

from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter_state import GroupKey, GroupState, Section
from meterhouse.core.quantity import number_text
from meterhouse.engine.bucket import decode_entry
from meterhouse.engine.column import QUANTITY, Column, ColumnKind, number_texts

#: The breakdowns of one meter.
Groups = dict[Section, dict[GroupKey, GroupState]]
#: Texts that differ so often are no smaller as numbers.
_CODED_SHARE = 4
#: Meters are looked up one by one where they have less of a pack's groups than one of so many.
_FEW_METERS = 100
#: Texts by chance are most of it, which is soon packed or never.
_COMPRESSION = "lz4"


@dataclass(frozen=True, slots=True)
class SectionColumns:
    """The groups of many meters in one section.

    ``frame`` has ``no`` (the meter), ``g0`` ... (texts of the group fields), ``value``, and ``f0``
    ..., ``l0`` ... (what is carried first and last; null where nothing is). Texts are canonical
    JSON, but for the columns that ``plain`` names: they hold strings as they are. Where there is a
    column ``s0`` ..., it says that the last value of that place is the first of the same field.
    """

    section: Section
    first: Sequence[str]
    last: Sequence[str]
    frame: pl.DataFrame
    plain: frozenset[str] = frozenset()

    @classmethod
    def of_cells(
        cls, section: Section, first: Sequence[str], last: Sequence[str], *, cells: pl.DataFrame
    ) -> SectionColumns:
        """Take what ``cells`` returns; values may be texts."""
        names = [f"g{place}" for place in range(len(section))] + ["value"]
        names += [f"f{place}" for place in range(len(first))]
        names += [f"l{place}" for place in range(len(last))]
        frame = cells.select("no", *(pl.col(f"c{at}").alias(n) for at, n in enumerate(names)))
        return cls(section, first, last, frame.with_columns(pl.col("value").cast(QUANTITY)))

    def cells(self) -> pl.DataFrame:
        """Return ``no``, then ``c0`` ... as in the entries of ``engine.bucket``; values as such."""
        frame = self.frame
        columns = [frame[f"g{place}"].cast(pl.String) for place in range(len(self.section))]
        columns.append(frame["value"])
        columns += [self._texts(f"f{place}") for place in range(len(self.first))]
        columns += [self._last(place, name) for place, name in enumerate(self.last)]
        named = [column.alias(f"c{place}") for place, column in enumerate(columns)]
        return pl.DataFrame([frame["no"], *named])

    def slice(self, start: int, length: int) -> SectionColumns:
        """Return some groups."""
        frame = self.frame.slice(start, length)
        return SectionColumns(self.section, self.first, self.last, frame, self.plain)

    def of_meters(self, numbers: Sequence[int]) -> Iterator[tuple[int, GroupKey, GroupState]]:
        """Yield the groups of some meters, whose numbers ascend: meter, key and state of each."""
        there = self.frame["no"]
        if len(numbers) * _FEW_METERS > len(there) or not there.is_sorted():
            frame = self.frame.filter(there.is_in(numbers))
            yield from replace(self, frame=frame).rows()
            return
        edges = pl.Series([*numbers, *(no + 1 for no in numbers)], dtype=pl.Int64)
        bounds = there.search_sorted(edges, side="left").to_list()
        for start, end in zip(bounds[: len(numbers)], bounds[len(numbers) :], strict=True):
            # Objects at once: columns of a few groups cost more than these have values.
            yield from self._objects(self.frame.slice(start, end - start))

    def _objects(self, frame: pl.DataFrame) -> Iterator[tuple[int, GroupKey, GroupState]]:
        width = len(self.section)
        for row in frame.iter_rows(named=True):
            # An empty string is a text, too.
            text = {n: json_text(row[n]) for n in self.plain if row[n] is not None}
            text = row | text
            value = row["value"]
            cells = [None if value is None else number_text(Decimal(value))]
            cells += [text[f"f{place}"] for place in range(len(self.first))]
            for place, name in enumerate(self.last):
                same = row.get(f"s{place}")
                cells.append(text[f"f{self.first.index(name)}" if same else f"l{place}"])
            key = tuple(row[f"g{place}"] for place in range(width))
            yield row["no"], key, decode_entry(cells, self.first, self.last)

    def joined(self, meters: pl.DataFrame) -> SectionColumns:
        """Return the groups of some meters, whose ``no`` and ``m`` are given: ``m`` is added."""
        frame = self.frame.join(meters, on="no", how="inner", maintain_order="left")
        return SectionColumns(self.section, self.first, self.last, frame, self.plain)

    def _texts(self, name: str) -> pl.Series:
        texts = self.frame[name].cast(pl.String)
        return Column(ColumnKind.TEXT, texts).canonical() if name in self.plain else texts

    def _last(self, place: int, field: str) -> pl.Series:
        texts, same = self._texts(f"l{place}"), f"s{place}"
        if same not in self.frame.columns:
            return texts
        first = self._texts(f"f{list(self.first).index(field)}")
        return first.zip_with(self.frame[same], texts)

    def rows(self) -> Iterator[tuple[int, GroupKey, GroupState]]:
        """Yield the groups: the meter, the key and the state of each."""
        width = len(self.section)
        cells = self.cells()
        value = number_texts(cells[f"c{width}"])
        for no, *row in cells.with_columns(value.alias(f"c{width}")).iter_rows():
            yield no, tuple(row[:width]), decode_entry(row[width:], self.first, self.last)


class Breakdowns:
    """The breakdowns of some meters, as columns or packed."""

    def __init__(self, sections: Sequence[SectionColumns]) -> None:
        self._sections: Sequence[SectionColumns] | None = sections
        self._content = b""

    @classmethod
    def of_content(cls, content: bytes) -> Breakdowns:
        """Wrap what ``content`` returned."""
        made = cls(())
        made._sections, made._content = None, content
        return made

    @property
    def sections(self) -> Sequence[SectionColumns]:
        """The sections; one may come more than once, with other meters."""
        return _unpacked(self._content) if self._sections is None else self._sections

    def content(self) -> bytes:
        """Return the pack; the columns are let go of."""
        if self._sections is not None:
            self._content = _packed(self._sections)
            self._sections = None
        return self._content

    def groups(self, numbers: Collection[int]) -> dict[int, Groups]:
        """Return the breakdowns of some meters, by number."""
        found: dict[int, Groups] = {}
        wanted = sorted(numbers)
        for section in self.sections:
            for no, key, state in section.of_meters(wanted):
                found.setdefault(no, {}).setdefault(section.section, {})[key] = state
        return found


#: Returns the breakdowns that a pack has, by its number.
PackSource = Callable[[int], Breakdowns]


def no_packs(number: int) -> Breakdowns:
    """Stand for a source of meters that have no packs."""
    raise AssertionError(f"no meter can have its breakdowns in pack {number}")


def coded_texts(numbers: pl.Series, texts: pl.Series) -> pl.Series:
    """Return the texts of numbers: as an ``Enum`` where few of them come often, else as they are.

    >>> coded_texts(pl.Series([1, None] * 9), pl.Series(["a", "b"])).to_list()[:2]
    ['b', None]
    """
    used = numbers.unique().drop_nulls()
    if len(used) * _CODED_SHARE > len(numbers):
        return texts.gather(numbers)
    mine = texts.gather(used)
    places = pl.zeros(len(texts), dtype=pl.UInt32, eager=True)
    places = places.scatter(used, pl.int_range(len(used), dtype=pl.UInt32, eager=True))
    return mine.cast(pl.Enum(mine.unique())).gather(places.gather(numbers))


def _packed(sections: Sequence[SectionColumns]) -> bytes:
    told, files = [], []
    for each in sections:
        file = io.BytesIO()
        each.frame.write_ipc_stream(
            file, compression=_COMPRESSION, compat_level=pl.CompatLevel.oldest()
        )
        files.append(file.getbuffer())
        told.append(
            {
                "section": list(each.section),
                "first": list(each.first),
                "last": list(each.last),
                "plain": sorted(each.plain),
                "bytes": file.tell(),
            }
        )
    return b"".join([json_text(told).encode(), b"\n", *files])


def _unpacked(content: bytes) -> list[SectionColumns]:
    line, _, _ = content.partition(b"\n")
    start, sections = len(line) + 1, []
    for told in parse_json(line.decode()):
        end = start + told["bytes"]
        frame = pl.read_ipc_stream(io.BytesIO(content[start:end]))
        names = tuple(told["section"]), told["first"], told["last"]
        sections.append(SectionColumns(*names, frame, frozenset(told["plain"])))
        start = end
    return sections
