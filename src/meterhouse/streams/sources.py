"""The inputs of a run: numbers for the order of arrival, names for people and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record was first read: the name of its source, and its place there, from 0.

    ``returned`` says that it came into this run from Data Correction.
    """

    source: str
    offset: int
    returned: bool = False


class Sources:
    """The inputs of a run, numbered in the order in which they are read.

    >>> sources = Sources()
    >>> sources.add("a.csv"), sources.add("b.csv"), sources.place((1, 7)).source
    (0, 1, 'b.csv')
    """

    def __init__(self) -> None:
        #: names; of what came back from Data Correction, where each record was first read
        self._sources: list[str | Mapping[int, Place]] = []

    def add(self, name: str) -> int:
        """Begin a new source; the same name may come again, for records that came later."""
        self._sources.append(name)
        return len(self._sources) - 1

    def add_returned(self, places: Sequence[tuple[str, int]]) -> int:
        """Begin the source of records that come back; each was first read at its place."""
        self._sources.append({n: Place(*place, returned=True) for n, place in enumerate(places)})
        return len(self._sources) - 1

    def names(self) -> list[str]:
        """Return the names of what was read in this run, in the order in which it was read."""
        return [source for source in self._sources if isinstance(source, str)]

    def named(self, origins: pl.DataFrame) -> pl.DataFrame:
        """Return where records were first read, by ``source`` and ``offset``.

        The same columns: the name of the source in the place of its number.
        """
        known = [source if isinstance(source, str) else None for source in self._sources]
        names = pl.Series("source", known, dtype=pl.String).gather(origins["source"])
        offsets = origins["offset"]
        returned = names.is_null().arg_true()
        if returned.is_empty():
            return pl.DataFrame([names, offsets])
        places = [self.place(origin) for origin in origins.select(pl.all().gather(returned)).rows()]
        names = names.scatter(returned, [place.source for place in places])
        offsets = offsets.clone().scatter(returned, [place.offset for place in places])
        return pl.DataFrame([names, offsets])

    def place(self, origin: tuple[int, int]) -> Place:
        """Return where a record of that origin was first read."""
        number, offset = origin
        source = self._sources[number]
        return Place(source, offset) if isinstance(source, str) else source[offset]
