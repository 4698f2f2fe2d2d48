"""How an HTTP node says who it is: its parameters, and the credentials that they choose.

The document names a secret of the wallet (``secretsWalletEntry``) and never holds one. An export
that was made elsewhere names none: it is read all the same, and the run says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.reading import Reading, shown
from meterhouse.core.secret import GRANTS, Credentials, SecretType
from meterhouse.streams.ports import BasicAuth, BearerAuth, HttpAuth, OAuth2Auth
from meterhouse.streams.world import Services

_REMEDY = (
    "import the stream with --secret, or set params.secretsWalletEntry "
    '{"secretId", "secretType"} of the node over the API'
)
_SEND_IN_BODY = "sendInBody"


class AuthKind(Enum):
    """The ways of authentication; values are the stored ``authType``."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    OAUTH2 = "oAuth2"

    @property
    def secret_type(self) -> SecretType | None:
        """The type of secret that it takes."""
        return None if self is AuthKind.NONE else SecretType(self.value.lower())


@dataclass(frozen=True, slots=True)
class TokenParams:
    """``oAuth2Authentication``: where access tokens come from, and how they are sent."""

    url: str = ""
    audience: str | None = None
    scope: str | None = None
    in_body: bool = True
    prefix: str = "Bearer"


@dataclass(frozen=True, slots=True)
class AuthParams:
    """``authType`` and what belongs to it. ``secret_id`` names a secret of the wallet."""

    kind: AuthKind = AuthKind.NONE
    secret_id: str | None = None
    grant: str | None = None
    token: TokenParams = TokenParams()

    def obstacle(self, services: Services) -> Problem | None:
        """Say what keeps the node from being who it should be; ``None`` where nothing does."""
        try:
            self.resolve(services)
        except SecretMissing as missing:
            return missing.problem
        return None

    def resolve(self, services: Services) -> HttpAuth | None:
        """Return what requests are sent with; ``None`` where nothing is asked for."""
        return self.authorized(services.credentials)

    def authorized(self, credentials_of: Callable[[str], Credentials] | None) -> HttpAuth | None:
        """Return the same; ``credentials_of`` has the values of a secret by its id."""
        kind = self.kind.secret_type
        if kind is None:
            return None
        credentials = chosen_credentials(credentials_of, self.secret_id, kind)
        if kind is SecretType.BASIC:
            return BasicAuth(credentials["username"], credentials["password"])
        if kind is SecretType.BEARER:
            return BearerAuth(credentials["token"], self.token.prefix)
        return self._oauth2(credentials)

    def _oauth2(self, credentials: Credentials) -> OAuth2Auth:
        token = self.token
        return OAuth2Auth(
            token.url,
            credentials["clientId"],
            credentials["clientSecret"],
            grant=self._grant(credentials),
            username=credentials.get("username"),
            password=credentials.get("password"),
            audience=token.audience,
            scope=token.scope,
            in_body=token.in_body,
            prefix=token.prefix,
        )

    def _grant(self, credentials: Credentials) -> str:
        """The secret says how; where it does not, the node, if the secret has what that needs."""
        complete = credentials.get("username") and credentials.get("password")
        if credentials.get("authentication") is None and complete and self.grant is not None:
            return self.grant
        return credentials.grant


def chosen_credentials(
    credentials_of: Callable[[str], Credentials] | None, secret_id: str | None, kind: SecretType
) -> Credentials:
    """Return the values of the secret that a node names. Raises ``SecretMissing``."""
    if secret_id is None:
        raise SecretMissing(f"needs a secret of type {kind.value}, and names none", _REMEDY)
    if credentials_of is None:
        raise SecretMissing("needs a secret, and there is no wallet", _REMEDY)
    try:
        credentials = credentials_of(secret_id)
    except MeterhouseError as error:
        text = f"names the secret {shown(secret_id)}: {error.args[0]}"
        raise SecretMissing(text, error.hint or _REMEDY) from error
    if credentials.type is not kind:
        text = f"names the secret {shown(secret_id)}, of type {credentials.type.value}"
        raise SecretMissing(text, f"choose one of type {kind.value}: {_REMEDY}")
    return credentials


class SecretMissing(MeterhouseError):
    """A node names no secret, or none that will do; ``problem`` says it of the node."""

    code = "secret_missing"

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(text, hint=hint)
        self.problem = Problem("", text, hint)


def read_auth(reading: Reading) -> AuthParams:
    """Read what says who a node is; problems are noted."""
    kind = _read_kind(reading)
    _refuse_password(reading)
    if kind is AuthKind.NONE:
        return AuthParams()
    entry = _inner(reading, "secretsWalletEntry")
    secret_id = entry.text("secretId")
    _note(reading, entry, "secretsWalletEntry")
    grant = reading.text("authentication") if kind is AuthKind.OAUTH2 else None
    if grant is not None and grant not in GRANTS:
        reading.fail("authentication", f"is {shown(grant)}", f"one of {', '.join(GRANTS)}")
    return AuthParams(kind, secret_id, grant, _read_token(reading, kind))


def _read_kind(reading: Reading) -> AuthKind:
    given = reading.text("authType")
    kinds = {kind.value.lower(): kind for kind in AuthKind}
    kind = kinds.get((given or "none").lower())
    if kind is None:
        known = ", ".join(kind.value for kind in AuthKind)
        reading.fail("authType", f"is {shown(given)}", f"use one of {known}")
    return kind or AuthKind.NONE


def _read_token(reading: Reading, kind: AuthKind) -> TokenParams:
    inner = _inner(reading, "oAuth2Authentication")
    prefix = inner.text("headerPrefix") or "Bearer"
    if kind is not AuthKind.OAUTH2:
        return TokenParams(prefix=prefix)
    url = inner.text("accessTokenURL", required=True) or ""
    if url and not url.lower().startswith(("http://", "https://")):
        inner.fail("accessTokenURL", f"is {shown(url)}", "begin it with https://")
    where = inner.text("clientAuthentication") or _SEND_IN_BODY
    token = TokenParams(
        url, inner.text("audience"), inner.text("scope"), where == _SEND_IN_BODY, prefix
    )
    _note(reading, inner, "oAuth2Authentication")
    return token


def _refuse_password(reading: Reading) -> None:
    """Whoever may read a stream reads its document: no password belongs there."""
    given = reading.body.get("basicAuthentication")
    password = given.get("password") if isinstance(given, Mapping) else None
    value = password.get("value") if isinstance(password, Mapping) else password
    if value not in (None, ""):
        hint = (
            "keep it in the wallet (`meterhouse secret create --type basic`), and import the stream"
            " with --secret NAME, which takes the password out"
        )
        reading.fail("basicAuthentication.password", "is written in the document", hint)


def _inner(reading: Reading, name: str) -> Reading:
    given = reading.body.get(name)
    return Reading({} if given is None else given, what=name)


def _note(reading: Reading, inner: Reading, name: str) -> None:
    reading.problems += [problem.at(name) for problem in inner.problems]
