"""An oracle of local time, read from a table of transitions and from nothing else.

The table is IANA 2025b. The `tzdata` package may be newer; what later versions changed within
2000 to 2040 is listed here, zone by zone, and the table is amended accordingly.
"""

import csv
import gzip
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import tzdata

FOREVER = 10**12
DAY = 86_400


class Stretch(NamedTuple):
    """Seconds since 1970, ``[begin, end)``, in which local time is UTC plus ``offset``."""

    begin: int
    end: int
    offset: int


Table = tuple[Stretch, ...]


def seconds(text: str) -> int:
    """The Unix time of an instant in UTC, such as ``2026-11-01T09:00``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Amendment:
    """What an IANA version after 2025b changed: an offset that holds, or changes an hour later."""

    version: str
    zones: tuple[str, ...]
    reason: str
    begin: str
    end: str = ""
    offset_hours: int | None = None

    @property
    def in_force(self) -> bool:
        return self.version <= tzdata.IANA_VERSION

    def apply(self, table: Table) -> Table:
        begin, end = seconds(self.begin), seconds(self.end) if self.end else FOREVER
        if self.offset_hours is None:
            return _delayed(table, begin)
        return _held(table, begin, end, self.offset_hours * 3600)


AMENDMENTS = (
    Amendment(
        "2026a",
        ("Europe/Chisinau",),
        "Moldova changes its clocks with the European Union, at 01:00 UTC, since 2022",
        begin="2022-03-27T00:00",
    ),
    Amendment(
        "2026b",
        ("America/Vancouver",),
        "British Columbia stays at UTC-7 for good",
        begin="2026-11-01T09:00",
        offset_hours=-7,
    ),
    Amendment(
        "2026c",
        ("Africa/Casablanca", "Africa/El_Aaiun"),
        "Morocco goes back to UTC for good, also outside Ramadan",
        begin="2026-09-20T01:00",
        offset_hours=0,
    ),
    Amendment(
        "2026c",
        ("America/Edmonton",),
        "Alberta stays at UTC-6 for good",
        begin="2026-11-01T08:00",
        offset_hours=-6,
    ),
    Amendment(
        "2026d",
        ("America/Inuvik",),
        "the Northwest Territories follow Alberta",
        begin="2026-11-01T08:00",
        offset_hours=-6,
    ),
    Amendment(
        "2026e",
        ("America/Winnipeg",),
        "Manitoba stays at UTC-5 for good",
        begin="2026-11-01T07:00",
        offset_hours=-5,
    ),
    Amendment(
        "2026f",
        ("America/Havana",),
        "Cuba keeps summer time through the winter of 2026",
        begin="2026-11-01T05:00",
        end="2027-03-14T05:00",
        offset_hours=-4,
    ),
)


def _held(table: Table, begin: int, end: int, offset: int) -> Table:
    """The table with one offset in ``[begin, end)``."""
    cut = [Stretch(s.begin, min(s.end, begin), s.offset) for s in table if s.begin < begin]
    rest = [Stretch(max(s.begin, end), s.end, s.offset) for s in table if s.end > end]
    return _joined([*cut, Stretch(begin, end, offset), *rest])


def _delayed(table: Table, begin: int) -> Table:
    """The table with every transition from ``begin`` on an hour later."""
    late = [bound + 3600 if begin <= bound < FOREVER else bound for _, bound, _ in table]
    starts = [-FOREVER, *late[:-1]]
    return tuple(Stretch(a, b, s.offset) for a, b, s in zip(starts, late, table, strict=True))


def _joined(stretches: Iterable[Stretch]) -> Table:
    joined: list[Stretch] = []
    for stretch in stretches:
        if joined and joined[-1].offset == stretch.offset:
            stretch = Stretch(joined.pop().begin, stretch.end, stretch.offset)
        joined.append(stretch)
    return tuple(joined)


def _rows(name: str) -> Iterator[dict[str, str]]:
    folder = os.environ.get("METERHOUSE_TEST_DATA")
    if not folder:
        pytest.skip("METERHOUSE_TEST_DATA is unset: there is no table of transitions to compare")
    path = Path(folder) / "reference" / name
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def published() -> dict[str, Table]:
    """The table as it is: every zone with its stretches."""
    stretches: dict[str, list[Stretch]] = {}
    for row in _rows("tz_transitions_2025b.csv.gz"):
        known = stretches.setdefault(row["zone"], [])
        begin = known[-1].end if known else -FOREVER
        end = int(row["until_epoch_s"]) if row["until_epoch_s"] else FOREVER
        known.append(Stretch(begin, end, -int(row["offset_seconds_west_of_utc"])))
    return {zone: tuple(table) for zone, table in stretches.items()}


@cache
def tables() -> dict[str, Table]:
    """The table as the installed version of the time zones has it."""
    amended = dict(published())
    for amendment in AMENDMENTS:
        if amendment.in_force:
            for zone in amendment.zones:
                amended[zone] = amendment.apply(amended[zone])
    return amended


@cache
def links() -> dict[str, str]:
    """Other names of zones."""
    return {row["alias"]: row["target"] for row in _rows("tz_links_2025b.csv.gz")}


def offset_at(table: Table, instant: int) -> int:
    """The offset of local time at an instant."""
    return table[bisect_right(table, instant, key=lambda stretch: stretch.end)].offset


def transitions(table: Table, begin: int, end: int) -> list[int]:
    """When the clocks were changed in ``(begin, end)``."""
    return [stretch.end for stretch in table if begin < stretch.end < end]


def first_shown(table: Table, walls: Iterable[int]) -> list[int]:
    """The first instant at which local clocks show each wall time, or a later one.

    Wall times are ascending, in seconds since 1970-01-01 00:00 local time.
    """
    instants: list[int] = []
    position = 0
    for wall in walls:
        while table[position].end + table[position].offset <= wall:
            position += 1
        begin, _, offset = table[position]
        instants.append(max(begin, wall - offset))
    return instants
