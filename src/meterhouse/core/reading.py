"""Reading API bodies: every check returns its problems, none raises.

A ``Reading`` walks one JSON object and collects what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import has_half_pair, json_text
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import ZERO, quantity
from meterhouse.core.suspense import Reason
from meterhouse.core.timezone import zone_names

_SHOWN_CHARS_MAX = 60
#: Looking for what somebody meant takes a while: after so many problems it is not done any more.
_MEANT_MAX = 100


class Reading:
    """Reads the fields of one API body and lists every problem.

    ``hides``: no problem shows a value, because any may be a secret in the wrong place.

    >>> reading = Reading({"name": 5})
    >>> reading.text("name", required=True, chars_max=80), [str(p) for p in reading.problems]
    (None, ['name: is 5, not a text (write it between double quotes)'])
    """

    def __init__(
        self,
        body: object,
        *,
        known: Collection[str] = (),
        read_only: Collection[str] = (),
        what: str = "object",
        hides: bool = False,
    ) -> None:
        self._hides = hides
        self.problems: list[Problem] = []
        self.body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        self._is_object = isinstance(body, Mapping)
        if not self._is_object:
            message = f"is {self._shown(body)}not a JSON object"
            self.problems.append(Problem("", message, f"write the {what} between {{ and }}"))
        elif known:
            self.only(known, what=what, read_only=read_only)

    def _shown(self, value: object) -> str:
        """Return a value for the beginning of a message."""
        return "" if self._hides else f"{shown(value)}, "

    def only(
        self,
        known: Collection[str],
        *,
        what: str,
        read_only: Collection[str] = (),
        hint: str = "",
    ) -> None:
        """Note every field that is not known. Read-only ones are let pass and not advertised."""
        for name in self.body:
            if name not in known and name not in read_only:
                guess = len(self.problems) < _MEANT_MAX
                remedy = hint or _field_hint(str(name), known, what, guess=guess)
                self.problems.append(Problem(str(name), "is not a known field", remedy))

    def fail(self, place: str, message: str, hint: str = "") -> None:
        """Note one more problem. Of what is no object at all, nothing more is said than that."""
        if self._is_object:
            self.problems.append(Problem(place, message, hint))

    def text(
        self, name: str, *, required: bool = False, chars_max: int | None = None
    ) -> str | None:
        """Return a text; required ones may not be empty."""
        value = self.body.get(name)
        if value is None or value == "":
            if required:
                self.fail(name, "is missing", "give it a text")
            return None
        if not isinstance(value, str):
            message = f"is {self._shown(value)}not a text"
            self.fail(name, message, "write it between double quotes")
            return None
        if has_half_pair(value):
            message = "has half a character" if self._hides else f"is {shown(value)}"
            self.fail(name, message, "half a surrogate pair is no character: remove it")
            return None
        if chars_max is not None and len(value) > chars_max:
            has = f"{len(value)} characters"
            message = f"has {has}" if self._hides else f"is {shown(value)}, which has {has}"
            self.fail(name, message, f"at most {chars_max} are allowed")
            return None
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(name, f"is {shown(value)}", "use true or false")
            return default
        return value

    def number(self, name: str, *, positive: bool = False) -> Decimal | None:
        """Return a number within the range of quantities."""
        value = self.body.get(name)
        if value is None:
            return None
        number = Reason.VALUE_NOT_NUMERIC if isinstance(value, str) else quantity(value)
        if isinstance(number, Reason):
            hint = "use a number with at most 20 digits before the point and 18 after it"
            self.fail(name, f"is {shown(value)}", hint)
            return None
        if positive and number <= ZERO:
            self.fail(name, f"is {shown(number)}", "use a number greater than 0")
            return None
        return number

    def instant(self, name: str) -> Instant | None:
        """Return an instant given as ISO 8601 text."""
        value = self.body.get(name)
        if value is None:
            return None
        instant = parse_instant(value) if isinstance(value, str) else None
        if instant is None:
            self.fail(name, f"is {shown(value)}", "use ISO 8601, such as 2026-01-31T00:00:00Z")
        return instant

    def timezone(self, name: str, *, default: str) -> str:
        """Return the name of an IANA time zone that there is."""
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in zone_names():
            self.fail(name, f"is {shown(value)}", _timezone_hint(value))
            return default
        return value

    def json_object(self, name: str) -> dict[str, Any]:
        """Return a free JSON object; ``{}`` where it is absent."""
        value = self.body.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            hint = 'write an object, such as {"team": "A"}'
            self.fail(name, f"is {shown(value)}, not a JSON object", hint)
            return {}
        return dict(value)

    def json_list(self, name: str, *, items_max: int) -> list[Any]:
        """Return a list of at most ``items_max`` items; ``[]`` where it is absent."""
        value = self.body.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(name, f"is {shown(value)}, not a list", "write it between [ and ]")
            return []
        if len(value) > items_max:
            self.fail(name, f"has {len(value)} items", f"at most {items_max} are allowed")
        return value[:items_max]


def _field_hint(name: str, known: Collection[str], what: str, *, guess: bool) -> str:
    lower = {field.lower(): field for field in sorted(known)}
    near = get_close_matches(name.lower(), lower, n=1) if guess else []
    meant = f"did you mean {lower[near[0]]}? " if near else ""
    article = "an" if what[0] in "aeiou" else "a"
    return f"{meant}fields of {article} {what} are {', '.join(sorted(known))}"


def _timezone_hint(value: object) -> str:
    near = get_close_matches(str(value), sorted(zone_names()), n=1)
    return f"did you mean {near[0]}?" if near else "use an IANA name such as Europe/Berlin"


def missing_or_shown(value: object) -> str:
    """Say of a value that will not do what it is."""
    return "is missing" if value is None else f"is {shown(value)}"


def shown(value: object) -> str:
    """Write a value for a message: as JSON, shortened.

    >>> shown([True, "x"]), shown("y" * 99)[-5:]
    ('[true,"x"]', 'yy...')
    """
    try:
        text = json_text(value)
    except TypeError:
        text = repr(value)
    return text if len(text) <= _SHOWN_CHARS_MAX else text[: _SHOWN_CHARS_MAX - 3] + "..."
