"""Reading API bodies: every check returns its problems, none raises.

A ``Reading`` walks one JSON object and collects what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import quantity
from meterhouse.core.suspense import Reason


class Reading:
    """Reads the fields of one API body and lists every problem.

    >>> reading = Reading({"name": 5})
    >>> reading.text("name", required=True, chars_max=80), [str(p) for p in reading.problems]
    (None, ['name: is 5, not a text'])
    """

    def __init__(self, body: object, *, known: Collection[str] = (), what: str = "object") -> None:
        self.problems: list[Problem] = []
        self.body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        if not isinstance(body, Mapping):
            self.problems.append(Problem("", f"is {_show(body)}, not a JSON object"))
        elif known:
            hint = f"fields of a {what} are {', '.join(sorted(known))}"
            unknown = [name for name in body if name not in known]
            self.problems += [Problem(str(name), "is not a known field", hint) for name in unknown]

    def fail(self, place: str, message: str, hint: str = "") -> None:
        """Note one more problem."""
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
            self.fail(name, f"is {_show(value)}, not a text")
            return None
        if chars_max is not None and len(value) > chars_max:
            self.fail(name, f"has {len(value)} characters", f"at most {chars_max} are allowed")
            return None
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.body.get(name, default)
        if not isinstance(value, bool):
            self.fail(name, f"is {_show(value)}", "use true or false")
            return default
        return value

    def number(self, name: str) -> Decimal | None:
        """Return a number within the range of quantities."""
        value = self.body.get(name)
        if value is None:
            return None
        number = quantity(value) if not isinstance(value, str) else Reason.VALUE_NOT_NUMERIC
        if isinstance(number, Reason):
            self.fail(name, f"is {_show(value)}", "use a number of at most 20+18 digits")
            return None
        return number

    def instant(self, name: str) -> Instant | None:
        """Return an instant given as ISO 8601 text."""
        value = self.body.get(name)
        if value is None:
            return None
        instant = parse_instant(value) if isinstance(value, str) else None
        if instant is None:
            self.fail(name, f"is {_show(value)}", "use ISO 8601, such as 2026-01-31T00:00:00Z")
        return instant

    def timezone(self, name: str, *, default: str) -> str:
        """Return an IANA time zone name that this machine knows."""
        value = self.body.get(name, default)
        try:
            if not isinstance(value, str):
                raise ValueError
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):
            self.fail(name, f"is {_show(value)}", "use an IANA name such as Europe/Berlin")
            return default
        return value

    def json_object(self, name: str) -> dict[str, Any]:
        """Return a free JSON object; ``{}`` where it is absent."""
        value = self.body.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fail(name, f"is {_show(value)}, not a JSON object")
            return {}
        return dict(value)

    def json_list(self, name: str, *, items_max: int) -> list[Any]:
        """Return a list of at most ``items_max`` items; ``[]`` where it is absent."""
        value = self.body.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(name, f"is {_show(value)}, not a list")
            return []
        if len(value) > items_max:
            self.fail(name, f"has {len(value)} items", f"at most {items_max} are allowed")
            return []
        return value


def _show(value: object) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
