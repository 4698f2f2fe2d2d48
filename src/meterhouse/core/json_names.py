"""Names that stand twice in one JSON object: readers of JSON forgive them, and keep the last.

Which of two values was meant cannot be known, so a record with such a name is not readable.
"""

from __future__ import annotations

import re
from collections import Counter
from json import JSONDecoder

from meterhouse.core.json_text import JsonValue

_NAME = re.compile(rb'"[ \t\r\n]*:')
_BLANK_COLONS = (b" :", b"\t:", b"\r:", b"\n:")


class _Repeated(Exception):
    """Carries the name out of the decoder."""


def may_repeat(text: bytes, names: int) -> bool:
    """Whether JSON may have more names than what was read of it; quick, and never wrongly false.

    >>> may_repeat(b'{"a": 1, "b": 2}', 2), may_repeat(b'{"a": 1, "a": 2}', 1)
    (False, True)
    """
    found = text.count(b'":')
    if any(blank in text for blank in _BLANK_COLONS):
        found = len(_NAME.findall(text))
    return found > names


def count_names(value: JsonValue) -> int:
    """Count the names of all objects within a value.

    >>> count_names({"a": [{"b": 1}, {"b": 2}]})
    3
    """
    if not isinstance(value, dict):
        return sum(map(count_names, value)) if isinstance(value, list) else 0
    found = len(value)
    for member in value.values():
        if isinstance(member, dict | list):
            found += count_names(member)
    return found


def repeated_name(text: bytes) -> str | None:
    """Return a name that stands twice in one object of valid JSON.

    >>> repeated_name(b'{"a": {"b": 1, "b": 2}}')
    'b'
    """
    try:
        _DECODER.decode(text.decode("utf-8-sig"))
    except _Repeated as found:
        return str(found)
    return None


def _once(pairs: list[tuple[str, JsonValue]]) -> None:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise _Repeated(name)


# Numbers are of no interest here, and huge ones are refused by their own readers.
_DECODER = JSONDecoder(object_pairs_hook=_once, parse_float=len, parse_int=len)
