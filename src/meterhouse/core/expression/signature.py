"""What a function of expressions is: its name, its parameters, what it does, and examples.

A function takes values that were fitted to the kinds of its parameters. Examples run as tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meterhouse.core.expression.value import Kind

Example = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``many`` takes any number of arguments, at least one."""

    name: str
    kind: Kind
    optional: bool = False
    many: bool = False

    @property
    def written(self) -> str:
        """How a signature shows it."""
        return f"{self.name}, …" if self.many else self.name


@dataclass(frozen=True, slots=True)
class Function:
    """A function. ``compute`` is ``None`` where the evaluator itself knows what to do.

    ``examples`` are expressions and their results as JSON values.
    """

    name: str
    group: str
    parameters: tuple[Parameter, ...]
    doc: str
    compute: Callable[..., Any] | None
    examples: tuple[Example, ...]

    @property
    def signature(self) -> str:
        """How it is written: ``round(number, [places])``."""
        shown = (f"[{p.written}]" if p.optional else p.written for p in self.parameters)
        return f"{self.name}({', '.join(shown)})"

    def takes(self, count: int) -> bool:
        """Whether it takes so many arguments."""
        least = sum(not parameter.optional for parameter in self.parameters)
        many = any(parameter.many for parameter in self.parameters)
        return least <= count and (many or count <= len(self.parameters))

    def parameter(self, place: int) -> Parameter:
        """Return the parameter that the argument at a place is for."""
        return self.parameters[min(place, len(self.parameters) - 1)]


#: Makes a function, given the name of its group.
Maker = Callable[[str], Function]

_KINDS = {
    "n": Kind.NUMBER,
    "w": Kind.WHOLE,
    "t": Kind.TEXT,
    "b": Kind.BOOLEAN,
    "d": Kind.DATE,
    "l": Kind.LIST,
    "a": Kind.ANY,
}


def _parameters(words: str) -> tuple[Parameter, ...]:
    """Read parameters as ``name:kind``, with ``?`` where optional and ``*`` where many."""
    pairs = (word.split(":") for word in words.split())
    return tuple(
        Parameter(name, _KINDS[kind[0]], optional="?" in kind, many="*" in kind)
        for name, kind in pairs
    )


def function(
    signature: str, doc: str, compute: Callable[..., Any] | None, *examples: Example
) -> Maker:
    """Return what makes a function of a group; the signature is read by ``_parameters``."""
    name, _, rest = signature.partition(" ")
    parameters = _parameters(rest)
    return lambda group: Function(name, group, parameters, doc, compute, examples)
