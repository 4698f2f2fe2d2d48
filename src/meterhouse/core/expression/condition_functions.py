"""Functions that decide: conditions, and values that are missing or of some kind."""

from __future__ import annotations

from collections.abc import Mapping

from meterhouse.core.expression import value
from meterhouse.core.expression.signature import Maker, function
from meterhouse.core.expression.value import Value


def _is_number(item: Value) -> bool:
    return value.numeric(item) is not None


def _is_empty(item: Value) -> bool:
    return item is None or (isinstance(item, str | list | tuple | Mapping) and not item)


def _null_if(item: Value, other: Value) -> Value:
    return None if value.equal(item, other) else item


#: In the order of the reference.
CONDITIONS: tuple[Maker, ...] = (
    function(
        "if condition:b then:a otherwise:a",
        "One of two values; only that one is computed. Also written `c ? a : b`.",
        None,
        ('if(5 > 3, "more", "less")', "more"),
    ),
    function(
        "case condition:b value:a more:a?*",
        "The value behind the first condition that holds, else the last value; null where none "
        "is left. Only what is needed is computed.",
        None,
        ('case(7 > 9, "high", 7 > 5, "mid", "low")', "mid"),
    ),
    function(
        "coalesce value:a*",
        "The first value that is not missing; null where all are.",
        None,
        ("coalesce(null, 0)", 0),
        ('coalesce(@{payload.nickname}, @{payload.name}, "nobody")', "Ann"),
    ),
    function(
        "isNull value:a",
        "Whether a value is missing: an absent field, or null.",
        lambda item: item is None,
        ("isNull(@{payload.nickname})", True),
    ),
    function(
        "isNumber value:a",
        "Whether a value is a number, or a text that is one.",
        _is_number,
        ('isNumber("1.5")', True),
        ('isNumber("n/a")', False),
    ),
    function(
        "isEmpty value:a",
        "Whether a value is missing, a text without characters, or a list or object without items.",
        _is_empty,
        ('isEmpty("")', True),
        ("isEmpty(0)", False),
    ),
    function(
        "isText value:a",
        "Whether a value is a text.",
        lambda item: isinstance(item, str),
        ('isText("5")', True),
        ("isText(5)", False),
    ),
    function(
        "nullIf value:a other:a",
        "The value, or null where it equals the other one.",
        _null_if,
        ('nullIf("n/a", "n/a")', None),
        ('nullIf("5", "n/a")', "5"),
    ),
)
