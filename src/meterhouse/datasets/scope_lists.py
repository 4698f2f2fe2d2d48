"""The scopes that the two clients of an environment need, and what is odd about a list of scopes.

``aura-bot-<env>`` writes the datasets, ``aura-billing-<env>`` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.scope import (
    ADMIN,
    Scope,
    not_covered,
    parse_scope,
    versioned,
)

#: Datasets that the components of an operating business write.
ENTITIES = ("Aura_Audit", "Aura_Gateway_Message")
DIMENSIONS = (
    "D_Aura_App",
    "D_Aura_Channel",
    "D_Aura_Component",
    "D_Aura_Preset",
    "D_Aura_Recognizer",
    "D_Aura_Skill",
)
#: Global dimensions, which no operating business writes.
GLOBAL_DIMENSIONS = ("D_Gbl_Brand", "D_Gbl_Contact_Channel", "D_Gbl_Country")
_GENERIC = (ADMIN, "data:read", "data:write")
_ENVIRONMENT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
BOT, BILLING = "aura-bot-", "aura-billing-"


def _data(names: Sequence[str], *actions: str) -> tuple[str, ...]:
    return tuple(f"data:{name}:{action}" for name in names for action in actions)


#: The 22 scopes of ``aura-bot-<env>``, and the 14 of ``aura-billing-<env>``.
BOT_SCOPES: tuple[str, ...] = (
    *_GENERIC,
    *_data(ENTITIES + DIMENSIONS, "read", "write"),
    *_data(GLOBAL_DIMENSIONS, "read"),
)
BILLING_SCOPES: tuple[str, ...] = (
    *_GENERIC,
    *_data(ENTITIES + DIMENSIONS + GLOBAL_DIMENSIONS, "read"),
)
_LISTS = {BOT: BOT_SCOPES, BILLING: BILLING_SCOPES}
#: Tokens are counted by this one; an environment that bills them has its scopes too.
TOKENS = "Aura_Atria_Message"
_TOKEN_LISTS = {BOT: _data((TOKENS,), "read", "write"), BILLING: _data((TOKENS,), "read")}


def default_clients(environment: str, *, tokens: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the clients of an environment with their scopes. Raises ``DefinitionError``.

    With ``tokens`` they have those of the dataset by which tokens are billed too.

    >>> {name: len(scopes) for name, scopes in default_clients("es-pro").items()}
    {'aura-bot-es-pro': 22, 'aura-billing-es-pro': 14}
    >>> default_clients("es-pro", tokens=True)["aura-billing-es-pro"][-1]
    'data:Aura_Atria_Message:read'
    """
    if not _ENVIRONMENT.fullmatch(environment):
        hint = "use up to 40 lower-case letters, digits and hyphens, such as global-int-current"
        problem = Problem("environment", f"is {shown(environment)}", hint)
        raise DefinitionError([problem], what="The environment")
    more = _TOKEN_LISTS if tokens else dict.fromkeys(_LISTS, ())
    return {prefix + environment: scopes + more[prefix] for prefix, scopes in _LISTS.items()}


def needed_scopes(client_id: str, *, held: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what a client of that name is to have; nothing where the name says nothing.

    One that holds a scope of the dataset of tokens is to have all that its name needs of it.

    >>> len(needed_scopes("aura-bot-es-pro")), needed_scopes("mine")
    (22, ())
    """
    prefix = next((prefix for prefix in _LISTS if client_id.startswith(prefix)), None)
    if prefix is None:
        return ()
    scopes = (parse_scope(text) for text in held)
    counts = any(scope is not None and scope.dataset == TOKENS for scope in scopes)
    return _LISTS[prefix] + (_TOKEN_LISTS[prefix] if counts else ())


@dataclass(frozen=True, slots=True)
class ScopeFinding:
    """What is odd about a scope, or which one is missing, and the remedy.

    ``kind``: ``versioned``, ``generic_missing``, ``dataset_unknown``, ``missing``, ``beyond``.
    """

    kind: str
    scope: str
    message: str
    hint: str

    def to_api(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return {
            "kind": self.kind,
            "scope": self.scope,
            "message": self.message,
            "hint": self.hint,
        }


def lint_scopes(
    scopes: Sequence[str], *, datasets: Collection[str], needed: Sequence[str] = ()
) -> list[ScopeFinding]:
    """Return what is odd about a list of scopes; nothing where all is well.

    ``datasets`` are those that are published or will be, ``needed`` the scopes that there are to
    be: those that are missing are named, and so are those that go beyond.
    """
    return [
        *_versioned(scopes),
        *_without_generic(scopes),
        *_unknown(scopes, datasets),
        *_missing(scopes, needed),
        *_beyond(scopes, needed),
    ]


def _versioned(scopes: Sequence[str]) -> list[ScopeFinding]:
    return [
        ScopeFinding(
            "versioned",
            text,
            f"{text} names a version, and grants that one only",
            f"replace it by {plain} (--rewrite does it)",
        )
        for text, plain in versioned(scopes)
    ]


def _without_generic(scopes: Sequence[str]) -> list[ScopeFinding]:
    found: dict[str, ScopeFinding] = {}
    for text in scopes:
        scope = parse_scope(text)
        if scope is None or scope.dataset is None:
            continue
        generic = str(Scope(scope.action))
        if generic not in scopes and generic not in found:
            message = f"{text} grants nothing without {generic}"
            found[generic] = ScopeFinding("generic_missing", generic, message, f"add {generic}")
    return list(found.values())


def _unknown(scopes: Sequence[str], datasets: Collection[str]) -> list[ScopeFinding]:
    found: list[ScopeFinding] = []
    for text in scopes:
        scope = parse_scope(text)
        if scope is None or scope.dataset is None or scope.dataset in datasets:
            continue
        near = get_close_matches(scope.dataset, datasets, n=1)
        hint = f"did you mean {near[0]}?" if near else "publish the dataset, or remove the scope"
        message = f"{text} names the dataset {scope.dataset}, which there is not"
        found.append(ScopeFinding("dataset_unknown", text, message, hint))
    return found


def _missing(scopes: Sequence[str], needed: Sequence[str]) -> list[ScopeFinding]:
    lacking: list[str] = []
    for text in needed:
        wanted = parse_scope(text)
        held = (parse_scope(scope) for scope in scopes)
        # A versioned scope is there, if only for its version: that is reported by itself.
        if wanted and not any(scope and scope.unversioned == wanted for scope in held):
            lacking.append(text)
    return [ScopeFinding("missing", text, f"{text} is missing", f"add {text}") for text in lacking]


def _beyond(scopes: Sequence[str], needed: Sequence[str]) -> list[ScopeFinding]:
    if not needed:
        return []
    return [
        ScopeFinding("beyond", text, f"{text} is more than the client needs", f"remove {text}")
        for text in not_covered(scopes, needed)
    ]


#: Every dataset that the lists name.
LISTED_DATASETS: tuple[str, ...] = (*ENTITIES, TOKENS, *DIMENSIONS, *GLOBAL_DIMENSIONS)
