"""Which fields an expression counts on: those whose absence it does not provide for."""

from __future__ import annotations

from collections.abc import Iterator

from meterhouse.core.expression.condition_functions import CONDITIONS
from meterhouse.core.expression.syntax import (
    Binary,
    Call,
    Conditional,
    Expression,
    Field,
    Literal,
    Operator,
    Part,
    inner,
    parts,
)

_EQUALITY = (Operator.EQUAL, Operator.UNEQUAL)
#: Functions for values that may be missing.
_PROVIDENT = frozenset(make("").name for make in CONDITIONS)


def expected_fields(expression: Expression) -> tuple[str, ...]:
    """Return the paths of the fields that records should have for an expression to make sense.

    Left out are fields that a function for missing values looks at anywhere, those compared with
    null, and those that only one branch needs.

    >>> from meterhouse.core.expression import parse_expression
    >>> [expected_fields(parse_expression(text)) for text in (
    ...     'a.b * 2 > c', 'coalesce(a, b) + c', 'a != null and a > b', 'a == 1 ? b : c')]
    [('a.b', 'c'), ('c',), ('b',), ('a',)]
    """
    provided = {
        found.path
        for part in parts(expression.root)
        if _provides(part)
        for found in parts(part)
        if isinstance(found, Field)
    }
    named = dict.fromkeys(_counted_on(expression.root))
    return tuple(path for path in named if path and path not in provided)


def _provides(part: Part) -> bool:
    if isinstance(part, Binary):
        operands = (part.left, part.right)
        nulls = [item for item in operands if isinstance(item, Literal) and item.value is None]
        return part.operator in _EQUALITY and bool(nulls)
    return isinstance(part, Call) and part.function in _PROVIDENT


def _counted_on(part: Part) -> Iterator[str]:
    if isinstance(part, Field):
        yield part.path
        return
    for item in (part.condition,) if isinstance(part, Conditional) else inner(part):
        yield from _counted_on(item)
