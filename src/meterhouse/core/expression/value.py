"""What expressions compute with: kinds of values, and which values are taken for which kind.

A number may be a text that is one; a text may be a number, a truth value or a date, as it is
written; a date may be ISO 8601 text or Unix milliseconds. ``null`` is taken for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from enum import Enum

from meterhouse.core.expression.fault import Unfit
from meterhouse.core.instant import Instant, instant_text, read_timestamp
from meterhouse.core.json_text import JsonValue, canonical_text
from meterhouse.core.quantity import EXACT, ZERO, number_from_text, number_text
from meterhouse.core.reading import shown

#: Texts that would be longer are refused.
TEXT_CHARS_MAX = 1_000_000
#: Whole numbers, as counts and positions, lie below this.
WHOLE_LIMIT = 10**15


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A date: an instant that a function gave. It is written as the instants of records are."""

    instant: Instant


#: Fields of records, and dates.
Value = JsonValue | Moment


class Kind(Enum):
    """The kinds of values, as messages and signatures name them."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    LIST = "list"
    OBJECT = "object"
    NULL = "null"
    ANY = "any"
    WHOLE = "whole number"


def kind_of(value: Value) -> Kind:
    """Return the kind of a value.

    >>> kind_of(True).value, kind_of("5").value
    ('boolean', 'text')
    """
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int() | Decimal():
            return Kind.NUMBER
        case str():
            return Kind.TEXT
        case Moment():
            return Kind.DATE
        case list() | tuple():
            return Kind.LIST
        case Mapping():
            return Kind.OBJECT
    raise TypeError(f"a record cannot hold {type(value).__name__} {value!r}")


def to_json(value: Value) -> JsonValue:
    """Return a value as a record holds it."""
    return instant_text(value.instant) if isinstance(value, Moment) else value


def fitted(value: Value, kind: Kind) -> Value:
    """Return a value as one of a kind. Raises ``Unfit``."""
    match kind:
        case Kind.NUMBER:
            return number(value)
        case Kind.WHOLE:
            return whole(value)
        case Kind.TEXT:
            return text(value)
        case Kind.BOOLEAN:
            return truth(value)
        case Kind.DATE:
            return moment(value)
        case Kind.LIST if isinstance(value, list | tuple):
            return value
        case Kind.ANY:
            return value
    raise _unfit(value, kind)


def number(value: Value) -> Decimal:
    """Return a value as a number.

    >>> number("1.50")
    Decimal('1.50')
    """
    found = numeric(value)
    if found is None:
        raise _unfit(value, Kind.NUMBER)
    try:
        exact = EXACT.plus(found) if found else ZERO
    except DecimalException:
        exact = None
    if exact is None or exact.adjusted() >= EXACT.prec:
        raise Unfit(f"A number here has more than {EXACT.prec} digits", "leave it out")
    return exact


def numeric(value: Value) -> Decimal | None:
    """Return the number that a value is or says; ``None`` where it is none."""
    if isinstance(value, str):
        return number_from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    found = Decimal(value)
    return found if found.is_finite() else None


def whole(value: Value) -> int:
    """Return a value as a whole number."""
    found = number(value)
    if found.copy_abs() >= WHOLE_LIMIT or found != found.to_integral_value():
        raise Unfit(f"{shown(value)} is no whole number below {WHOLE_LIMIT:,}")
    return int(found)


def text(value: Value) -> str:
    """Return a value as text: numbers plainly, dates as records show them."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return number_text(number(value))
        case Moment():
            return instant_text(value.instant)
    raise _unfit(value, Kind.TEXT)


def truth(value: Value) -> bool:
    """Return true or false; nothing else stands for them."""
    if not isinstance(value, bool):
        raise _unfit(value, Kind.BOOLEAN)
    return value


def moment(value: Value) -> Moment:
    """Return a value as a date."""
    if isinstance(value, Moment):
        return value
    instant = read_timestamp(value) if not isinstance(value, bool) else None
    if instant is None:
        raise _unfit(value, Kind.DATE)
    return Moment(instant)


def equal(left: Value, right: Value) -> bool:
    """Whether two values are equal: a number and a text as numbers where the text is one."""
    kinds = {kind_of(left), kind_of(right)}
    if Kind.DATE in kinds:
        return _dates_equal(left, right)
    if kinds in ({Kind.NUMBER}, {Kind.NUMBER, Kind.TEXT}):
        first, second = numeric(left), numeric(right)
        return first is not None and second is not None and first == second
    return len(kinds) == 1 and canonical_text(left) == canonical_text(right)


def _dates_equal(left: Value, right: Value) -> bool:
    instants = [_instant(value) for value in (left, right)]
    return None not in instants and instants[0] == instants[1]


def _instant(value: Value) -> Instant | None:
    return value.instant if isinstance(value, Moment) else read_timestamp(value)


def compared(left: Value, right: Value) -> int:
    """Return -1, 0 or 1 as the first value is below, equal to or above the second.

    Two texts compare by their characters, dates in time, everything else as numbers.
    """
    if isinstance(left, Moment) or isinstance(right, Moment):
        first, second = moment(left).instant, moment(right).instant
        return (first > second) - (first < second)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    small, large = number(left), number(right)
    return (small > large) - (small < large)


def bounded(length: int) -> None:
    """Refuse a text that would become too long."""
    if length > TEXT_CHARS_MAX:
        raise Unfit(f"The text would have {length:,} characters, more than {TEXT_CHARS_MAX:,}")


_REMEDIES = {
    Kind.NUMBER: "a number is needed here",
    Kind.TEXT: "a text is needed here",
    Kind.BOOLEAN: "a condition is needed here, such as a > 0",
    Kind.DATE: "a date is needed here: ISO 8601, Unix milliseconds, or date(text, format)",
    Kind.LIST: "a list is needed here, such as [1, 2]",
    Kind.WHOLE: "a whole number is needed here",
}


def _unfit(value: Value, kind: Kind) -> Unfit:
    if value is None:
        hint = "use coalesce(field, 0) to say what a missing field counts as, or isNull(field)"
        return Unfit(f"A value is missing (null), and a {kind.value} is needed", hint)
    return Unfit(f"{shown_value(value)} is no {kind.value}", _REMEDIES[kind])


def shown_value(value: Value) -> str:
    """Return a value as messages show it; members of objects in the order of their names.

    >>> shown_value({"b": 1, "a": [True]})
    '{"a":[true],"b":1}'
    """
    return shown(_ordered(to_json(value)))


def _ordered(value: JsonValue) -> JsonValue:
    if isinstance(value, Mapping):
        return {name: _ordered(member) for name, member in sorted(value.items())}
    return [_ordered(item) for item in value] if isinstance(value, list | tuple) else value
