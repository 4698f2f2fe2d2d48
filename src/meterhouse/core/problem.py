"""Problems of definitions: all found at once, each with its place, its value and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition.

    ``place`` is a path such as ``thresholds[0].name``; ``hint`` says what to do.
    """

    place: str
    message: str
    hint: str = ""

    def at(self, prefix: str) -> Problem:
        """Return the same problem, its place seen from further outside."""
        joint = "" if not self.place or self.place.startswith("[") else "."
        return Problem(f"{prefix}{joint}{self.place}", self.message, self.hint)

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.message}{hint}" if self.place else f"{self.message}{hint}"


class MeterhouseError(Exception):
    """Base of every error that this product raises on purpose.

    ``code`` is stable and for programs; ``hint`` says what to do.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        if code:
            self.code = code

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}. {self.hint}" if self.hint else message


class DefinitionError(MeterhouseError):
    """A definition is wrong; ``problems`` lists everything that is wrong with it."""

    code = "definition_invalid"

    def __init__(self, problems: Iterable[Problem], *, what: str = "The definition") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{what} has {count} {noun}:{lines}")


class NotFoundError(MeterhouseError):
    """What was asked for does not exist."""

    code = "not_found"


class ConflictError(MeterhouseError):
    """What was asked for contradicts what exists."""

    code = "conflict"
