"""JSON text of records: numbers written exactly, one canonical form for comparing values.

Records hold ``str``, ``int``, ``Decimal``, ``bool``, ``None``, ``list`` and ``dict``; no floats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring  # the C version where there is one
from typing import Any

from meterhouse.core.quantity import number_text

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
        return encode_basestring(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return number_text(value) if value.is_finite() else f'"{value}"'
    if isinstance(value, Mapping):
        return _object_text(value)
    if isinstance(value, Sequence):
        return "[" + ",".join(map(json_text, value)) + "]"
    raise TypeError(f"a record cannot hold {type(value).__name__} {value!r}")


def _object_text(members: Mapping[str, JsonValue]) -> str:
    return "{" + ",".join(f"{encode_basestring(k)}:{json_text(v)}" for k, v in members.items()) + "}"


def canonical_text(value: JsonValue) -> str:
    """Write a value so that equal values have equal texts: as ``json_text``, keys sorted.

    The number 5, 5.0 and 5e0 are one text; the text "5" is another.

    >>> canonical_text(Decimal("5.0")), canonical_text("5")
    ('5', '"5"')
    """
    if isinstance(value, Mapping):
        ordered = sorted(value.items())
        inner = ",".join(f"{encode_basestring(k)}:{canonical_text(v)}" for k, v in ordered)
        return "{" + inner + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(canonical_text, value)) + "]"
    return json_text(value)


def parse_json(text: str | bytes) -> JsonValue:
    """Read JSON, numbers as written (``int`` or ``Decimal``). Raises ``ValueError``."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is not JSON")


def field_value(record: Mapping[str, JsonValue], path: str) -> JsonValue:
    """Return a field by its name or dotted path; ``None`` where it is absent.

    A field that is literally named like the path goes before the nested one. An absent field and
    an explicit ``null`` are one and the same to every node.

    >>> field_value({"a": {"b": 1}}, "a.b")
    1
    """
    if path in record or "." not in path:
        return record.get(path)
    value: JsonValue = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
