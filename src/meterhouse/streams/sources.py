"""The inputs of a run: numbers for the order of arrival, names for people and the ledger."""

from __future__ import annotations


class Sources:
    """The inputs of a run, numbered in the order in which they are read.

    >>> sources = Sources()
    >>> sources.add("a.csv"), sources.add("b.csv"), sources.name(1)
    (0, 1, 'b.csv')
    """

    def __init__(self) -> None:
        self._names: list[str] = []

    def add(self, name: str) -> int:
        """Begin a new source; the same name may come again, for records that came later."""
        self._names.append(name)
        return len(self._names) - 1

    def names(self) -> list[str]:
        """Return the names of all sources, in the order in which they were read."""
        return list(self._names)

    def name(self, number: int) -> str:
        """Return the name of a source."""
        return self._names[number]
