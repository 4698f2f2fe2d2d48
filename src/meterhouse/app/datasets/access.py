"""Who gets in to Kernel: tokens for clients, and what a token allows.

A token counts for what its client may do now: a scope that was taken away ends at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from meterhouse.app.access_ports import ClientSecretHasher
from meterhouse.app.datasets.client_ports import KernelClients, KernelToken, TokenMaker
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.instant import SECOND, Instant
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.reading import shown
from meterhouse.datasets.kernel_client import KernelClient
from meterhouse.datasets.scope import (
    Action,
    missing_scopes,
    not_covered,
    parse_scope,
    versioned,
)

#: How long a token lives.
TOKEN_SECONDS = 3_599


class KernelScopeMissing(MeterhouseError):
    """The token is good and lacks scopes, which ``missing`` names."""

    code = "scope_missing"

    def __init__(self, missing: tuple[str, ...]) -> None:
        text = " ".join(missing)
        super().__init__(
            f"The token does not have {text}",
            hint="Give the client the scope, or ask for a token that has it",
        )
        self.missing = missing


class OtherBusiness(MeterhouseError):
    """A client that is bound to one operating business asks for what is of another."""

    code = "ob_refused"


@dataclass(frozen=True, slots=True)
class KernelPrincipal:
    """Who asks: a client as it is now, and the scopes of its token."""

    client: KernelClient
    token_scopes: tuple[str, ...]

    @property
    def client_id(self) -> str:
        """The id of the client."""
        return self.client.client_id

    @property
    def scopes(self) -> frozenset[str]:
        """What the token was given for. Scopes of Kernel are none of the product's own API."""
        return frozenset(self.token_scopes)

    @property
    def ob(self) -> str | None:
        """The operating business that the client is bound to, if any."""
        return self.client.ob

    def demand(
        self, action: Action, *, dataset: str | None = None, major: int | None = None
    ) -> None:
        """Raise ``KernelScopeMissing`` unless both the token and the client may do it."""
        lacking = [
            scope
            for scopes in (self.token_scopes, self.client.scopes)
            for scope in missing_scopes(scopes, action, dataset=dataset, major=major)
        ]
        if lacking:
            raise KernelScopeMissing(tuple(dict.fromkeys(lacking)))

    def sees(self, ob: str | None) -> bool:
        """Whether files of an operating business are the client's business."""
        return self.ob is None or ob is None or self.ob == ob


@dataclass(frozen=True, slots=True)
class IssuedKernelToken:
    """The answer of the token endpoint.

    ``legacy`` has each scope with a version, and what replaces it.
    """

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    purpose: str
    legacy: tuple[tuple[str, str], ...] = ()

    def to_api(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
            "purpose": self.purpose,
        }


def issue_token(
    clients: KernelClients,
    hasher: ClientSecretHasher,
    *,
    tokens: TokenMaker,
    client_id: str,
    client_secret: str,
    scope: str | None,
    at: Instant,
) -> IssuedKernelToken:
    """Give a client a token; ``scope`` asks for some of its scopes, by default it gets them all.

    An unknown client and a wrong secret are refused alike, after the same steps.
    """
    if not hasher.matches(client_secret, clients.kernel_secret_hashes(client_id), at=at):
        raise AccessRefused(AccessFault.CLIENT_INVALID)
    client = clients.kernel_client(client_id)
    if client is None or client.client_id != client_id:  # It was deleted just now.
        raise AccessRefused(AccessFault.CLIENT_INVALID)
    scopes = tuple(dict.fromkeys(scope.split())) if scope else client.scopes
    if lacking := not_covered(scopes, client.scopes):
        raise AccessRefused(AccessFault.SCOPE_NOT_GRANTED, hint=_lacks(lacking))
    token = tokens.new_token()
    kept = KernelToken(tokens.hash(token), scopes, at, at + TOKEN_SECONDS * SECOND)
    if not clients.add_kernel_token(client.id, kept):
        raise AccessRefused(AccessFault.CLIENT_INVALID)
    purpose = client.purpose or ""
    return IssuedKernelToken(token, TOKEN_SECONDS, " ".join(scopes), purpose, versioned(scopes))


def _lacks(lacking: tuple[str, ...]) -> str:
    # What is no scope is not shown: it may be anything that went to the wrong place.
    known = [text for text in lacking if parse_scope(text) is not None]
    if not known:
        return "What it asks for is no scope of Kernel: write data:NAME:read"
    return f"It lacks {' '.join(known)}"


def authorize(
    clients: KernelClients, token: str | None, *, tokens: TokenMaker, at: Instant
) -> KernelPrincipal:
    """Return who sends a token. Raises ``AccessRefused``."""
    if not token:
        raise AccessRefused(AccessFault.MISSING)
    present = clients.kernel_token(tokens.hash(token))
    if present is None:
        raise AccessRefused(
            AccessFault.MALFORMED, hint="It is unknown, or ended: ask /kernel/token for a new one"
        )
    kept, client = present
    if at >= kept.expires_at:
        raise AccessRefused(AccessFault.EXPIRED)
    return KernelPrincipal(client, kept.scopes)


def check_ob(principal: KernelPrincipal, ob: str | None) -> None:
    """Refuse a file that a client adds for another operating business than its own."""
    if principal.ob is not None and ob != principal.ob:
        whose = "all operating businesses" if ob is None else shown(ob)
        raise OtherBusiness(
            f"The file is of {whose}, and the client is bound to {principal.ob}",
            hint=f"Its name begins with {principal.ob}_, or another client adds it",
        )
