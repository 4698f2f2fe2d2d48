"""Who gets in: the applications of the ledger, and the tokens that are given to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from meterhouse.api.authority import Forbidden, Principal, TokenRefused, Unauthenticated
from meterhouse.app import applications
from meterhouse.app.access_ports import Applications, ClientSecretHasher, TokenAuthority
from meterhouse.app.applications import NewClient
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError

#: What the client that is made at the first start is called.
FIRST_NAME = "Administrator"
#: Codes of RFC 6749, 5.2, and of RFC 8707, 2.
_TOKEN_ERRORS = {
    AccessFault.CLIENT_INVALID: "invalid_client",
    AccessFault.SCOPE_NOT_GRANTED: "invalid_scope",
    AccessFault.AUDIENCE_UNKNOWN: "invalid_target",
}


class Access:
    """The authority of an installation. ``lend`` gives each thread the ledger that it may use."""

    def __init__(
        self,
        lend: Callable[[], AbstractContextManager[Applications]],
        tokens: TokenAuthority,
        client_secrets: ClientSecretHasher,
        *,
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
    ) -> None:
        self._lend = lend
        self._tokens = tokens
        self._client_secrets = client_secrets
        self._clock = clock
        self._new_id = new_id

    def authorize(self, token: str | None, scope: str) -> Principal:
        """Return whose token it is. Raises ``Unauthenticated`` or ``Forbidden``."""
        try:
            with self._lend() as ledger:
                return applications.authorize(
                    ledger, self._tokens, token=token, scope=scope, at=self._clock()
                )
        except AccessRefused as refused:
            kind = Forbidden if refused.authenticated else Unauthenticated
            raise kind(refused.args[0], hint=refused.hint, code=refused.fault.value) from None

    def issue(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Answer a token request. ``resource`` (RFC 8707) may stand for ``audience``."""
        try:
            return self._issued(form).to_api()
        except AccessRefused as refused:
            error = _TOKEN_ERRORS[refused.fault]
            raise TokenRefused(error, refused.args[0], hint=refused.hint) from None

    def _issued(self, form: Mapping[str, str]) -> applications.IssuedToken:
        at = self._clock()
        with self._lend() as ledger:
            application = applications.authenticate(
                ledger,
                self._client_secrets,
                client_id=form["client_id"],
                client_secret=form["client_secret"],
                at=at,
            )
        named = [form[name] for name in ("audience", "resource") if form.get(name)]
        if any(not self._tokens.is_audience(audience) for audience in named):
            hint = f"Give {self._tokens.issuer}/, or leave it out"
            raise AccessRefused(AccessFault.AUDIENCE_UNKNOWN, hint=hint)
        return applications.issue_token(
            self._tokens,
            application,
            id=self._new_id(),
            at=at,
            scope=form.get("scope"),
            audience=next(iter(named), None),
        )

    def jwks(self) -> Mapping[str, Any]:
        """Return the public keys (RFC 7517)."""
        return self._tokens.public_keys(at=self._clock())

    def metadata(self) -> Mapping[str, Any]:
        """Return what it adds to the discovery document: its own name."""
        return {"issuer": self._tokens.issuer}

    def first_client(self) -> NewClient | None:
        """Make a client that may do everything, where there is no application at all."""
        with self._lend() as ledger:
            if ledger.applications(limit=1).items:
                return None
            try:
                return applications.create_application(
                    ledger,
                    self._client_secrets,
                    {"name": FIRST_NAME},
                    new_id=self._new_id,
                    at=self._clock(),
                )
            except ConflictError:
                return None  # Another server on this ledger was faster, and shows it.
