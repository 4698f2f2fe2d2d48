"""Where one run of an HTTP reader ends and the next begins: what was read is known again.

With ``since``, the greatest value seen is the watermark: records below it were
read, those at it are known by their digests. With a kept cursor, the page that it leads to may have
been read in part: what was read of it is known by digests. Equal records are counted.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import JsonValue, canonical_text, field_value
from meterhouse.core.reading import shown
from meterhouse.streams.nodes.http_pages import Page

_DIGEST_BYTES = 15
#: So many records at one value are remembered.
KNOWN_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Since:
    """Ask for records from a value on: the ``parameter`` that says so, the field, the start."""

    parameter: str
    path: str
    start: JsonValue = None


class TooManyAlike(ValueError):
    """More records at one value than are remembered."""


@dataclass(slots=True)
class Known:
    """Digests of records that were read, each as often as it was read."""

    counts: Counter[str] = field(default_factory=Counter)
    #: Those of the ledger that were not seen again yet in this run.
    left: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, kept: JsonValue) -> Known:
        """Read what ``to_json`` has written."""
        counts: Counter[str] = Counter({name: int(count) for name, count in (kept or {}).items()})
        return cls(Counter(), counts)

    def again(self, name: str) -> bool:
        """Whether this is one of those of the ledger; each is so as often as it was read."""
        if self.left[name] <= 0:
            return False
        self.left[name] -= 1
        return True

    def add(self, name: str) -> None:
        """Remember one. Raises ``TooManyAlike``."""
        self.counts[name] += 1
        if len(self.counts) > KNOWN_MAX:
            raise TooManyAlike

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the ledger keeps."""
        return dict(self.counts)

    def with_left(self) -> dict[str, JsonValue]:
        """Return the same with those that may still come again: the run may end before they do.

        Where they would be too many, those that came in this run are kept.
        """
        both = self.counts + self.left
        return dict(both if len(both) <= KNOWN_MAX else self.counts)


def digest(item: JsonValue) -> str:
    """Return what a record is known by: equal ones have equal digests.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    hashed = sha256(canonical_text(item).encode("utf-8", "surrogatepass")).digest()
    return b64encode(hashed[:_DIGEST_BYTES]).decode()


def ordered(value: JsonValue) -> tuple[str, Any] | None:
    """Return a value with its type, to be compared; ``None`` where it has no order.

    Texts that are moments are compared as such: ``...00Z`` is before ``...00.5Z``.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    if not isinstance(value, str):
        return ("number", value)
    instant = parse_instant(value)
    return ("text", value) if instant is None else ("moment", instant)


@dataclass(slots=True)
class SinceSeam:
    """The seam by a watermark, during one run."""

    since: Since
    #: what this run asks from, and what the next one will; below, as they are compared
    asked: JsonValue = None
    value: JsonValue = None
    floor: tuple[str, Any] | None = None
    top: tuple[str, Any] | None = None
    #: Whether each record was at or above the one before: only then may a run end early.
    ascending: bool = True
    _last: Any = None
    _at_top: Known = field(default_factory=Known)
    _placeless: Known = field(default_factory=Known)

    @classmethod
    def read(cls, since: Since, kept: JsonValue) -> SinceSeam:
        """Begin where the ledger says; where it says nothing, at the start."""
        if kept is None:
            floor = ordered(since.start)
            return cls(since, since.start, since.start, floor, floor)
        floor = ordered(kept["since"])
        known = Known.read(kept["known"])
        # What is known at the watermark stays so, unless the watermark moves on.
        at_top = Known(Counter(known.left), known.left)
        placeless = Known.read(kept["placeless"])
        return cls(since, kept["since"], kept["since"], floor, floor, True, None, at_top, placeless)

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the ledger keeps."""
        placeless = self._placeless.with_left()
        return {"since": self.value, "known": self._at_top.to_json(), "placeless": placeless}

    def takes(self, item: JsonValue) -> tuple[bool, str]:
        """Whether a record is new, and what is wrong with it. Raises ``TooManyAlike``."""
        found = field_value(item, self.since.path) if isinstance(item, Mapping) else None
        place = ordered(found)
        if place is None or (self.top is not None and place[0] != self.top[0]):
            return self._without_place(item, found)
        if self.floor is not None and place[1] < self.floor[1]:
            return False, ""
        self.ascending = self.ascending and (self._last is None or place[1] >= self._last)
        self._last = place[1]
        if self.top is None or place[1] > self.top[1]:
            self.top, self.value, self._at_top.counts = place, found, Counter()
        name = digest(item)
        at_floor = self.floor is not None and place[1] == self.floor[1]
        if at_floor and self._at_top.again(name):
            return False, ""
        if place[1] == self.top[1]:
            self._at_top.add(name)
        return True, ""

    def _without_place(self, item: JsonValue, found: JsonValue) -> tuple[bool, str]:
        # It may come with every run, since nothing says that it is old.
        name = digest(item)
        again = self._placeless.again(name)
        self._placeless.add(name)
        like = "" if self.top is None else f", like those before ({shown(self.value)})"
        return not again, f"{self.since.path} is {shown(found)}, no number or text{like}"

    def turned(self, page: Page, following: Page | None) -> None:
        """A page was read whole; which one it was does not matter."""


@dataclass(slots=True)
class CursorSeam:
    """The seam by a kept cursor, during one run."""

    cursor: str | int | None = None
    _known: Known = field(default_factory=Known)

    @classmethod
    def read(cls, kept: JsonValue) -> CursorSeam:
        """Begin where the ledger says; where it says nothing, at the first page."""
        return cls() if kept is None else cls(kept["cursor"], Known.read(kept["known"]))

    @property
    def ascending(self) -> bool:
        """A run may end anywhere: the next one knows what was read of the page."""
        return True

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the ledger keeps."""
        return {"cursor": self.cursor, "known": self._known.with_left()}

    def takes(self, item: JsonValue) -> tuple[bool, str]:
        """Whether a record is new. Raises ``TooManyAlike``."""
        name = digest(item)
        self._known.add(name)
        return not self._known.again(name), ""

    def turned(self, page: Page, following: Page | None) -> None:
        """Go on to the next page; where there is none, this one may grow."""
        if following is not None:
            self.cursor, self._known = following.cursor, Known()


@dataclass(slots=True)
class NoSeam:
    """Each run reads everything."""

    ascending: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """Return what the ledger keeps."""
        return {}

    def takes(self, item: JsonValue) -> tuple[bool, str]:
        """Every record is new."""
        return True, ""

    def turned(self, page: Page, following: Page | None) -> None:
        """A page was read whole."""


Seam = SinceSeam | CursorSeam | NoSeam
