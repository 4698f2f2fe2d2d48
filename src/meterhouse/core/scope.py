"""Scopes: what a client may do, as `verb:noun`. The table is all there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

_ALL = ("create", "read", "update", "delete")
#: What there is to be done with each noun.
VERBS: dict[str, tuple[str, ...]] = {
    "meter_types": _ALL,
    "meters": _ALL,
    "streams": (*_ALL, "run"),
    "schedules": _ALL,
    "tables": _ALL,
    "runs": ("read",),
    "records": ("read",),
    "audit": ("read",),
    "metrics": ("read",),
    "corrections": ("read", "update", "delete"),
    "deliveries": ("read", "update", "delete"),
    "notifications": _ALL,
    "invoices": ("read", "write", "issue", "download"),
    "secrets": _ALL,
    "applications": _ALL,
    "prices": ("read", "write"),
    "datasets": ("read", "write"),
}
#: Every scope, in the order of the table.
SCOPES: tuple[str, ...] = tuple(f"{verb}:{noun}" for noun, verbs in VERBS.items() for verb in verbs)
_KNOWN = frozenset(SCOPES)


def scope_problems(given: Iterable[object], *, place: str = "scopes") -> list[Problem]:
    """Return one problem for each scope that there is not, with what may have been meant."""
    return [
        Problem(f"{place}[{position}]", f"{shown(scope)} is no scope", _hint(scope))
        for position, scope in enumerate(given)
        if not isinstance(scope, str) or scope not in _KNOWN
    ]


def _hint(scope: object) -> str:
    text = scope.strip().lower() if isinstance(scope, str) else ""
    verb, _, noun = text.partition(":")
    meant = next((likely for likely in (text, f"{noun}:{verb}") if likely in _KNOWN), None)
    if meant is None and noun in VERBS:
        return f"of {noun} there is {', '.join(f'{known}:{noun}' for known in VERBS[noun])}"
    near = [meant] if meant else get_close_matches(text, SCOPES, n=1)
    return f"did you mean {near[0]}?" if near else "a scope is verb:noun, such as read:meters"


def read_scopes(text: str) -> frozenset[str]:
    """Read a list separated by spaces, as OAuth writes it. Raises ``DefinitionError``.

    >>> sorted(read_scopes("read:meters  create:meters"))
    ['create:meters', 'read:meters']
    """
    given = text.split()
    if problems := scope_problems(given, place="scope"):
        raise DefinitionError(problems, what="The list of scopes")
    return frozenset(given)


def ordered_scopes(scopes: Iterable[str]) -> Sequence[str]:
    """Return scopes in the order of the table.

    >>> ordered_scopes({"read:meters", "create:meters"})
    ['create:meters', 'read:meters']
    """
    wanted = frozenset(scopes)
    return [scope for scope in SCOPES if scope in wanted]


def scopes_text(scopes: Iterable[str]) -> str:
    """Write scopes as OAuth does: separated by spaces, in the order of the table."""
    return " ".join(ordered_scopes(scopes))
