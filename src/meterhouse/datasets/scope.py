"""Scopes of Kernel: their grammar, and what a set of them grants.

An operation on a dataset needs the generic scope and the scope of the dataset. A scope that names a
major version is of an earlier time: it grants that version only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

ADMIN = "admin:datasets:read"
_DATASET = re.compile(r"data:([A-Za-z][A-Za-z0-9_]{0,99})(?::([1-9][0-9]{0,5}))?:(read|write)")
_WHOLE_VERSION = re.compile(r"(data:[A-Za-z][A-Za-z0-9_]*:[1-9][0-9]*)\.[0-9.]+(:(?:read|write))")
_FORMS = "data:read, data:write, data:NAME:read, data:NAME:write or admin:datasets:read"


class Action(Enum):
    """What is done: reading the list of datasets, or reading or writing the data of one."""

    ADMIN = "admin"
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope, taken apart. A generic one names no dataset, a versioned one a ``major``."""

    action: Action
    dataset: str | None = None
    major: int | None = None

    def __str__(self) -> str:
        if self.action is Action.ADMIN:
            return ADMIN
        named = [self.dataset] if self.dataset is not None else []
        version = [str(self.major)] if self.major is not None else []
        return ":".join(["data", *named, *version, self.action.value])

    @property
    def unversioned(self) -> Scope:
        """The scope that replaces it: the same without a version."""
        return Scope(self.action, self.dataset)

    def covers(self, other: Scope) -> bool:
        """Whether it grants all that another one does."""
        same = (self.action, self.dataset) == (other.action, other.dataset)
        return same and self.major in (None, other.major)


def parse_scope(text: str) -> Scope | None:
    """Take a scope apart; ``None`` where it is none.

    >>> parse_scope("data:Aura_Audit:6:read")
    Scope(action=<Action.READ: 'read'>, dataset='Aura_Audit', major=6)
    >>> str(parse_scope("data:Aura_Audit:6:read").unversioned)
    'data:Aura_Audit:read'
    """
    if text == ADMIN:
        return Scope(Action.ADMIN)
    if text in ("data:read", "data:write"):
        return Scope(Action(text.removeprefix("data:")))
    found = _DATASET.fullmatch(text)
    if found is None:
        return None
    name, major, action = found.groups()
    return Scope(Action(action), name, None if major is None else int(major))


def scope_problems(given: Iterable[object], *, place: str = "scopes") -> list[Problem]:
    """Return one problem for each scope that is none, with the remedy."""
    return [
        Problem(f"{place}[{position}]", f"{shown(scope)} is no scope of Kernel", _remedy(scope))
        for position, scope in enumerate(given)
        if not isinstance(scope, str) or parse_scope(scope) is None
    ]


def _remedy(scope: object) -> str:
    text = scope.strip() if isinstance(scope, str) else ""
    if (found := _WHOLE_VERSION.fullmatch(text)) is not None:
        return f"a version is its first number: {found[1]}{found[2]}; or better, leave it out"
    parts = text.split(":")
    lowered = ":".join([parts[0].lower(), *parts[1:-1], parts[-1].lower()])
    turned = ":".join(["data", *parts[:-1], parts[-1]])
    for likely in (text, lowered, turned):
        if parse_scope(likely) is not None:
            return f"did you mean {likely}?"
    return f"write {_FORMS}"


def read_scopes(given: Iterable[object], *, place: str = "scopes") -> tuple[str, ...]:
    """Return the scopes, each once, in the order given. Raises ``DefinitionError``.

    >>> read_scopes(["data:read", "data:read", "admin:datasets:read"])
    ('data:read', 'admin:datasets:read')
    """
    texts = list(given)
    if problems := scope_problems(texts, place=place):
        raise DefinitionError(problems, what="The list of scopes")
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str)))


def missing_scopes(
    scopes: Collection[str],
    action: Action,
    *,
    dataset: str | None = None,
    major: int | None = None,
) -> tuple[str, ...]:
    """Return the scopes that an operation still needs; none where it is granted.

    >>> missing_scopes(["data:write", "data:Aura_Audit:read"], Action.WRITE, dataset="Aura_Audit")
    ('data:Aura_Audit:write',)
    """
    needed = [Scope(action)]
    if dataset is not None and action is not Action.ADMIN:
        needed.append(Scope(action, dataset, major))
    held = _parsed(scopes)
    lacking = [one for one in needed if not any(scope.covers(one) for scope in held)]
    return tuple(str(scope.unversioned) for scope in lacking)


def not_covered(asked: Sequence[str], held: Collection[str]) -> tuple[str, ...]:
    """Return what is asked for and not granted by what is held.

    A narrower scope is covered: who may read every version may ask for one.
    """
    scopes = _parsed(held)
    lacking: list[str] = []
    for text in asked:
        wanted = parse_scope(text)
        if wanted is None or not any(scope.covers(wanted) for scope in scopes):
            lacking.append(text)
    return tuple(lacking)


def without_versions(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return scopes without versions, each once.

    >>> without_versions(["data:Aura_Audit:6:read", "data:Aura_Audit:read", "data:read"])
    ('data:Aura_Audit:read', 'data:read')
    """
    plain = (str(found.unversioned) if (found := parse_scope(text)) else text for text in scopes)
    return tuple(dict.fromkeys(plain))


def versioned(scopes: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return each scope that names a version, with what replaces it."""
    found = ((text, parse_scope(text)) for text in scopes)
    return tuple(
        (text, str(scope.unversioned))
        for text, scope in found
        if scope is not None and scope.major is not None
    )


def _parsed(scopes: Iterable[str]) -> list[Scope]:
    return [found for text in scopes if (found := parse_scope(text)) is not None]
