"""The parts of an expression as data: what a parser makes, and evaluators and compilers read.

Every part is frozen and knows its place in the text, for messages. The names of functions are
those of ``table.FUNCTIONS``; nothing here says what anything means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class Operator(Enum):
    """The operators between two operands."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    REMAINDER = "%"
    EQUAL = "=="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    IN = "in"
    NOT_IN = "not in"
    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false or null."""

    value: Decimal | str | bool | None
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the record by its dotted path; the whole record where the path is empty."""

    path: str
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list written out: ``[1, 2]``."""

    items: tuple[Part, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Negation:
    """``-x``."""

    operand: Part
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """``not x``."""

    operand: Part
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and what joins them. ``and`` and ``or`` look at the right one only if needed."""

    operator: Operator
    left: Part
    right: Part
    at: int


@dataclass(frozen=True, slots=True)
class Conditional:
    """``c ? a : b``, also written ``if(c, a, b)``; only one of the two is computed."""

    condition: Part
    then: Part
    otherwise: Part
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the table. The number of arguments is right."""

    function: str
    arguments: tuple[Part, ...]
    at: int


Part = Literal | Field | Items | Negation | Not | Binary | Conditional | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A text that was read."""

    text: str
    root: Part

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The paths of the fields that it names; ``None`` where it names the whole record."""
        paths = tuple(
            dict.fromkeys(part.path for part in parts(self.root) if isinstance(part, Field))
        )
        return None if "" in paths else paths


def parts(root: Part) -> Iterator[Part]:
    """Yield a part and all that it is made of, outer ones first, left before right."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(inner(part))


def inner(part: Part) -> tuple[Part, ...]:
    """Return the parts that a part is made of."""
    match part:
        case Literal() | Field():
            return ()
        case Items():
            return part.items
        case Negation() | Not():
            return (part.operand,)
        case Binary():
            return (part.left, part.right)
        case Conditional():
            return (part.condition, part.then, part.otherwise)
        case _:
            return part.arguments
