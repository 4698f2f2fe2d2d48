"""JSON text of records: numbers written exactly, one canonical form for comparing values.

Records hold ``str``, ``int``, ``Decimal``, ``bool``, ``None``, ``list`` and ``dict``; no floats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from json import JSONDecodeError, JSONDecoder
from json.encoder import encode_basestring  # the C version where there is one
from typing import Any

from meterhouse.core.quantity import number_text

#: How deep lists and objects may nest. It keeps every recursion over a value well within
#: Python's own limit, so that a hostile record is refused where it is read and nowhere later.
NESTING_MAX = 100
#: Whole numbers with more digits are read as ``Decimal``: Python refuses to make huge ``int``.
_INT_DIGITS_MAX = 100
_HALF_PAIR = re.compile("[\ud800-\udfff]")

#: What a field of a record may hold.
JsonValue = Any
#: A usage record: a JSON object.
Record = dict[str, JsonValue]


def json_text(value: JsonValue) -> str:
    """Write a value as compact JSON; numbers plainly, keys in their order.

    >>> json_text({"a": Decimal("0.10"), "b": [True, None, "x"]})
    '{"a":0.1,"b":[true,null,"x"]}'
    """
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return number_text(value)
    if isinstance(value, Decimal):
        return number_text(value) if value.is_finite() else f'"{value}"'
    if isinstance(value, Mapping):
        return _object_text(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    raise TypeError(f"a record cannot hold {type(value).__name__} {value!r}")


def _object_text(members: Mapping[str, JsonValue]) -> str:
    return "{" + ",".join(f"{_quoted(k)}:{json_text(v)}" for k, v in members.items()) + "}"


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    if not has_half_pair(quoted):
        return quoted
    return _HALF_PAIR.sub(lambda half: f"\\u{ord(half[0]):04x}", quoted)


def has_half_pair(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which JSON can name and UTF-8 cannot."""
    return not text.isascii() and _HALF_PAIR.search(text) is not None


def canonical_text(value: JsonValue) -> str:
    """Write a value so that equal values have equal texts: as ``json_text``, keys sorted.

    The number 5, 5.0 and 5e0 are one text; the text "5" is another.

    >>> canonical_text(Decimal("5.0")), canonical_text("5")
    ('5', '"5"')
    """
    if isinstance(value, Mapping):
        ordered = sorted(value.items())
        inner = ",".join(f"{_quoted(k)}:{canonical_text(v)}" for k, v in ordered)
        return "{" + inner + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical_text, value)) + "]"
    return json_text(value)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INT_DIGITS_MAX else Decimal(text)


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def _keys_once(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {encode_basestring(twice)} is there twice in one object")
    return found


_BRACKETS = re.compile(r"[\[\]{}]")
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_DECODER = JSONDecoder(parse_float=Decimal, parse_int=_whole, parse_constant=_refuse_constant)
_STRICT = JSONDecoder(
    parse_float=Decimal,
    parse_int=_whole,
    parse_constant=_refuse_constant,
    object_pairs_hook=_keys_once,
)


def parse_json(
    text: str | bytes, *, nesting_max: int = NESTING_MAX, keys_once: bool = False
) -> JsonValue:
    """Read JSON, numbers as written (``int`` or ``Decimal``). Raises ``ValueError``.

    Documents of our own that hold records in them may nest a little deeper: give ``nesting_max``.
    With ``keys_once`` a key that an object has twice is refused; else the last one counts.

    >>> parse_json('{"a": 0.10, "b": 7}')
    {'a': Decimal('0.10'), 'b': 7}
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        value = (_STRICT if keys_once else _DECODER).decode(text)
    except InvalidOperation:
        raise ValueError("a number has an exponent beyond all reach") from None
    except RecursionError:
        raise ValueError(f"nests deeper than {nesting_max} levels") from None
    if _nests_deeper(text, nesting_max):
        raise ValueError(f"nests deeper than {nesting_max} levels")
    return value


def json_fault(error: JSONDecodeError) -> str:
    """Say what is wrong with a text that is no JSON, without the place.

    >>> json_fault(JSONDecodeError("Unterminated string starting at", "", 0))
    'Unterminated string'
    """
    return error.msg.rstrip(": ").removesuffix(" at").removesuffix(" starting")


def _nests_deeper(text: str, levels: int) -> bool:
    """Whether valid JSON nests deeper than so many levels."""
    if text.count("[") + text.count("{") <= levels:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > levels:
            return True
    return False


def field_value(record: Mapping[str, JsonValue], path: str) -> JsonValue:
    """Return a field by its name or dotted path; ``None`` where it is absent.

    A field that is literally named like the path goes before the nested one. An absent field and
    an explicit ``null`` are one and the same to every node.

    >>> field_value({"a": {"b": 1}}, "a.b")
    1
    """
    value = record.get(path)
    if value is not None or "." not in path:
        return value
    return nested_value(record, path.split("."))


def nested_value(value: JsonValue, names: Sequence[str]) -> JsonValue:
    """Return what lies inside a value, one name after the other; ``None`` where it is absent."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
