"""Records to JavaScript and back without losing a digit that a script did not change.

JavaScript knows doubles only. A record goes there with its numbers as written; what comes back
is the shortest decimal text of each double. Where a number comes back at the same path with
the same double, the script has left it alone, and the number that was written takes its place.
No number passes through a Python float on the way.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Any

import msgspec

# JSON has no text for these, so they travel as numbers beyond every double; values.js knows
# the same three.
_BEYOND = b"E+999999"
_TO_TEXT = {"NaN": "9E+999999", "Infinity": "1E+999999", "-Infinity": "-1E+999999"}
_FROM_TEXT = {text: Decimal(name) for name, text in _TO_TEXT.items()}

_encoder = msgspec.json.Encoder(decimal_format="number")


def _number(text: str) -> Decimal:
    return _FROM_TEXT.get(text) or Decimal(text)


_decoder = msgspec.json.Decoder(float_hook=Decimal)
_careful_decoder = msgspec.json.Decoder(float_hook=_number)


def encoded(value: Any) -> bytes:
    """Return `value` as JSON with its numbers as written.

    >>> encoded({"price": Decimal("1.50"), "count": 2**70})
    b'{"price":1.50,"count":1180591620717411303424}'
    """
    text = _encoder.encode(value)
    if b"NaN" in text or b"Infinity" in text:
        text = _encoder.encode(_finite(value))
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, Decimal) and not value.is_finite():
        name = "NaN" if value.is_nan() else str(value)
        return Decimal(_TO_TEXT[name])
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def decoded(text: bytes | str) -> Any:
    """Return the value of a JSON text from JavaScript: numbers are `int` or `Decimal`.

    >>> decoded(b'[1, 0.1, 9E+999999]')
    [1, Decimal('0.1'), Decimal('NaN')]
    """
    if isinstance(text, str):
        text = text.encode()
    return (_careful_decoder if _BEYOND in text else _decoder).decode(text)


def restored(new: Any, old: Any) -> Any:
    """Return `new` with the numbers of `old` where both are the same double; `new` is changed.

    >>> restored({"a": Decimal("0.1"), "b": 2}, {"a": Decimal("0.10"), "b": 3})
    {'a': Decimal('0.10'), 'b': 2}
    """
    kind = type(new)
    if kind is dict:
        if type(old) is dict:
            _restore_object(new, old)
    elif kind is list:
        if type(old) is list:
            _restore_list(new, old)
    elif kind is int or kind is Decimal:
        before = type(old)
        if (before is int or before is Decimal) and _unchanged(new, old):
            return old
    return new


# The three functions below see each field of each record: they ask for exact types, and the
# most common kinds of value first, because a call per field is most of their cost.


def _restore_object(new: dict[str, Any], old: dict[str, Any]) -> None:
    for key, value in new.items():
        kind = type(value)
        if kind is str or value is None or kind is bool:
            continue
        before = old.get(key)
        if before is not None:
            new[key] = restored(value, before)


def _restore_list(new: list[Any], old: Sequence[Any]) -> None:
    for index, (value, before) in enumerate(zip(new, old, strict=False)):
        new[index] = restored(value, before)


def _unchanged(new: int | Decimal, old: int | Decimal) -> bool:
    if type(old) is Decimal and not old.is_finite():
        return type(new) is Decimal and str(new) == str(old).replace("sNaN", "NaN")
    if new == old:
        return True
    double = _double(new)
    if double != _double(old):
        return False
    # A BigInt may be any integer: it was left alone only if a double could have written it.
    return type(new) is Decimal or new == Decimal(repr(double))


def _double(number: int | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return inf if number > 0 else -inf
