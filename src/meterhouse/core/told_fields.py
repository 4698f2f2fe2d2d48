"""Which fields of usage people are told: not those without a value, and names instead of ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def told_fields(fields: Mapping[str, Value], *, null: Value | None = None) -> dict[str, Value]:
    """Leave out fields that are ``null``, and ``x`` where ``x_name`` says the same in words.

    >>> told_fields({"app": 7, "app_name": "shop", "preset": None, "service": "ai"})
    {'app_name': 'shop', 'service': 'ai'}
    """
    there = {name: value for name, value in fields.items() if value is not None and value != null}
    return {name: value for name, value in there.items() if f"{name}_name" not in there}
