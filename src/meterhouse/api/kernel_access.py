"""Who gets in to Kernel: its clients, by the opaque tokens that they are given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from meterhouse.api.authority import TokenRefused, Unauthenticated
from meterhouse.app.access_ports import ClientSecretHasher
from meterhouse.app.datasets.access import (
    IssuedKernelToken,
    KernelPrincipal,
    authorize,
    issue_token,
)
from meterhouse.app.datasets.client_ports import KernelClients, TokenMaker
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.instant import Instant

#: Codes of RFC 6749, 5.2.
_TOKEN_ERRORS = {
    AccessFault.CLIENT_INVALID: "invalid_client",
    AccessFault.SCOPE_NOT_GRANTED: "invalid_scope",
}


class KernelAccess:
    """Gives out tokens of Kernel and knows them. ``lend`` gives each thread its ledger."""

    def __init__(
        self,
        lend: Callable[..., AbstractContextManager[KernelClients]],
        tokens: TokenMaker,
        client_secrets: ClientSecretHasher,
        *,
        clock: Callable[[], Instant],
    ) -> None:
        self._lend = lend
        self._tokens = tokens
        self._client_secrets = client_secrets
        self._clock = clock

    def authorize(self, token: str | None) -> KernelPrincipal:
        """Return whose token it is. Raises ``Unauthenticated``."""
        try:
            with self._lend() as ledger:
                return authorize(ledger, token, tokens=self._tokens, at=self._clock())
        except AccessRefused as refused:
            raise Unauthenticated(
                refused.args[0], hint=refused.hint, code=refused.fault.value
            ) from None

    def issue(self, client_id: str, client_secret: str, *, scope: str | None) -> IssuedKernelToken:
        """Answer a token request with good syntax. Raises ``TokenRefused``."""
        try:
            with self._lend() as ledger:
                return issue_token(
                    ledger,
                    self._client_secrets,
                    tokens=self._tokens,
                    client_id=client_id,
                    client_secret=client_secret,
                    scope=scope,
                    at=self._clock(),
                )
        except AccessRefused as refused:
            error = _TOKEN_ERRORS[refused.fault]
            raise TokenRefused(error, refused.args[0], hint=refused.hint) from None
