"""Reading the fields of a price book's document.

Beside what other bodies have: exact numbers, days, choices and lists of names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from meterhouse.core.problem import Problem
from meterhouse.core.quantity import ZERO, fraction_digits, quantity
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason

Kind = TypeVar("Kind", bound=Enum)

NAME_CHARS_MAX = 200
_HUNDRED = Decimal(100)
_RANGE_HINT = "use a number with at most 20 digits before the point and 18 after it"


class BookFields(Reading):
    """Reads one object of a price book. Numbers may be written as text."""

    def decimal(
        self,
        name: str,
        *,
        default: Decimal | None = None,
        required: bool = False,
        positive: bool = False,
        digits_max: int | None = None,
    ) -> Decimal | None:
        """Return a number, at least 0, of at most so many digits after the point."""
        value = self.body.get(name)
        if value is None:
            if required:
                self.fail(name, "is missing", 'give it a number, such as "0.0025"')
            return default
        number, problem = checked_number(value, positive=positive, digits_max=digits_max)
        if problem is not None:
            self.problems.append(problem.at(name))
            return default
        return number

    def number_or(
        self, name: str, default: Decimal, *, positive: bool = False, digits_max: int | None = None
    ) -> Decimal:
        """Return a number as ``decimal`` does; there always is one."""
        found = self.decimal(name, positive=positive, digits_max=digits_max)
        return default if found is None else found

    def percent(self, name: str, *, required: bool = False) -> Decimal | None:
        """Return a share in percent: from 0 to 100."""
        found = self.decimal(name, required=required)
        if found is not None and found > _HUNDRED:
            self.fail(name, f"is {shown(found)}", "use percent, from 0 to 100")
            return None
        return found

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        """Return a whole number within a range."""
        value = self.body.get(name)
        if value is None:
            return default
        number, problem = checked_number(value, signed=True)
        fits = problem is None and number == number.to_integral_value()
        if not fits or not least <= number <= most:
            self.fail(name, f"is {shown(value)}", f"use a whole number from {least} to {most:,}")
            return default
        return int(number)

    def choice(self, name: str, kinds: type[Kind], *, default: Kind) -> Kind:
        """Return the member of an enumeration that a text names."""
        value = self.body.get(name)
        if value is None:
            return default
        known = {kind.value: kind for kind in kinds}
        if isinstance(value, str) and value in known:
            return known[value]
        self.fail(name, f"is {shown(value)}", choice_hint(value, list(known)))
        return default

    def day(self, name: str, *, required: bool = False) -> date | None:
        """Return a day, such as 2026-10-01."""
        value = self.body.get(name)
        if value is None:
            if required:
                self.fail(name, "is missing", "give it a day, such as 2026-10-01")
            return None
        try:
            assert isinstance(value, str) and len(value) == len("2026-10-01")
            return date.fromisoformat(value)
        except (AssertionError, ValueError):
            self.fail(name, f"is {shown(value)}, not a day", "write it as 2026-10-01")
            return None

    def names(self, name: str, *, items_max: int) -> tuple[str, ...]:
        """Return texts that differ: a list of them, or a single one."""
        value = self.body.get(name)
        if isinstance(value, str):
            value = [value]
        found = BookFields({name: value}).json_list(name, items_max=items_max)
        if value is not None and not isinstance(value, list):
            hint = "write a text, or texts between [ and ]"
            self.fail(name, f"is {shown(value)}, not a list of texts", hint)
            return ()
        if isinstance(value, list) and len(value) > items_max:
            self.fail(name, f"has {len(value)} items", f"at most {items_max} are allowed")
        for index, item in enumerate(found):
            if not isinstance(item, str) or not item:
                self.fail(f"{name}[{index}]", f"is {shown(item)}, not a text", "write a name")
            elif item in found[:index]:
                self.fail(f"{name}[{index}]", f"is {shown(item)} again", "name it once")
        return tuple(item for item in found if isinstance(item, str))

    def part(self, name: str) -> Mapping[str, Any] | None:
        """Return an object, or ``None`` where it is absent or no object."""
        value = self.body.get(name)
        return self.json_object(name) if value is not None else None

    def take(self, prefix: str, problems: Sequence[Problem]) -> None:
        """Note the problems of what lies within, at its place."""
        self.problems += [problem.at(prefix) for problem in problems]


def checked_number(
    value: object,
    *,
    positive: bool = False,
    signed: bool = False,
    digits_max: int | None = None,
) -> tuple[Decimal, Problem | None]:
    """Read a number, and say what is wrong with it; the place is empty.

    >>> checked_number("0.0025")
    (Decimal('0.0025'), None)
    """
    number = quantity(value)
    if isinstance(number, Reason):
        return ZERO, Problem("", f"is {shown(value)}", _RANGE_HINT)
    if (positive and number <= ZERO) or (number < ZERO and not signed):
        hint = "use a number greater than 0" if positive else "use 0 or a number greater than it"
        return ZERO, Problem("", f"is {shown(value)}", hint)
    if digits_max is not None and fraction_digits(number) > digits_max:
        hint = f"at most {digits_max} digits after the point are allowed"
        return ZERO, Problem("", f"is {shown(value)}", hint)
    return number, None


def choice_hint(value: object, known: Collection[str]) -> str:
    """Say which of the known words may have been meant, and which there are."""
    near = get_close_matches(str(value).lower(), sorted(known), n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}use one of {', '.join(known)}"
