"""Any invoices: values of all fields, made by chance, that need not add up."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from hypothesis import strategies as st

from meterhouse.core.instant import EARLIEST, LATEST
from meterhouse.core.invoice import Invoice

_TEXTS = st.text(max_size=8)
_LEAVES = {
    str: _TEXTS,
    bool: st.booleans(),
    date: st.dates(),
    Decimal: st.decimals(
        min_value=-(10**20), max_value=10**20, allow_nan=False, allow_infinity=False, places=12
    )
    | st.sampled_from([Decimal("-0"), Decimal("1E+3"), Decimal("0E-20"), Decimal("9" * 60)]),
    int: st.integers(EARLIEST, LATEST),  # instants; the only other whole number is named below
}


def any_invoices() -> st.SearchStrategy[Invoice]:
    """Return invoices with anything in any field."""
    return _made(Invoice)


def _made(kind: type) -> st.SearchStrategy:
    hints = typing.get_type_hints(kind)
    made = {name: _of(hint) for name, hint in hints.items()}
    if kind is Invoice:
        made["currency_digits"] = st.integers(0, 4)
    return st.builds(kind, **made)


def _of(hint: object) -> st.SearchStrategy:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(_of, arguments))
    if origin is Mapping:
        return st.dictionaries(_TEXTS, _TEXTS, max_size=3)
    if origin in (typing.Union, types.UnionType):
        return st.none() | _of(arguments[0])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        return _made(hint)
    return _LEAVES[hint]
