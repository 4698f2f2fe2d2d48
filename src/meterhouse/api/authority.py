"""Who asks, and whether they may: what the API needs of whoever checks and gives out tokens.

Every route has a ``Guard``: the scope that it needs, or that it is open to all. Whoever forgets
one gets a route that refuses everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from meterhouse.core.problem import MeterhouseError
from meterhouse.datasets.scope import Action

_BEARER = "bearer"


class Unauthenticated(MeterhouseError):
    """No token, or none that counts."""

    code = "unauthenticated"


class Forbidden(MeterhouseError):
    """The token is good and does not allow this."""

    code = "forbidden"


class TokenRefused(MeterhouseError):
    """The token endpoint gives no token; ``error`` is a code of RFC 6749, 5.2."""

    code = "token_refused"

    def __init__(self, error: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.error = error


class Principal(Protocol):
    """A client whose token is good."""

    @property
    def client_id(self) -> str:
        """The id of the client."""
        ...

    @property
    def scopes(self) -> frozenset[str]:
        """What its token allows."""
        ...


class Authority(Protocol):
    """Checks tokens and gives them out. Called from threads."""

    def authorize(self, token: str | None, scope: str) -> Principal:
        """Return whose token it is. Raises ``Unauthenticated`` or ``Forbidden``."""
        ...

    def issue(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Answer a token request with good syntax (RFC 6749, 4.4). Raises ``TokenRefused``."""
        ...

    def jwks(self) -> Mapping[str, Any]:
        """Return the public keys (RFC 7517)."""
        ...

    def metadata(self) -> Mapping[str, Any]:
        """Return what it adds to, or changes in, the discovery document (RFC 8414)."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """What a route asks of whoever calls it: a scope; ``None`` where it is open to all.

    A route of Kernel says with ``kernel`` what is done: its scopes depend on the dataset, and its
    clients and tokens are not those of the product's own API.
    """

    scope: str | None
    kernel: Action | None = None


OPEN = Guard(None)
#: What routes of Kernel ask for; ``{name}`` is the dataset of the address.
KERNEL_SCOPES = {
    Action.ADMIN: "admin:datasets:read",
    Action.READ: "data:read data:{name}:read",
    Action.WRITE: "data:write data:{name}:write",
}


def admit(guard: Guard, authorization: str | None, authority: Callable[[], Authority]) -> Any:
    """Return the principal of a request, or ``None`` on an open route; refuse everybody else."""
    if guard.scope is None:
        return None
    return authority().authorize(bearer_token(authorization), guard.scope)


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an ``Authorization`` header.

    >>> bearer_token("Bearer abc"), bearer_token("Basic abc"), bearer_token(None)
    ('abc', None, None)
    """
    if authorization is None:
        return None
    kind, _, token = authorization.partition(" ")
    return token.strip() or None if kind.lower() == _BEARER else None
