"""Applications: who they are, what they may do, and the tokens that they get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from meterhouse.app.access_ports import Applications, ClientSecretHasher, TokenAuthority
from meterhouse.app.listing import found, take
from meterhouse.app.refusal import AccessFault, AccessRefused
from meterhouse.core.application import Application, read_application
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError
from meterhouse.core.revision import check_revision
from meterhouse.core.scope import VERBS, ordered_scopes, scopes_text

#: Who has all of these looks after applications.
_ADMINISTRATION = frozenset(f"{verb}:applications" for verb in VERBS["applications"])


class ScopesNotOwned(MeterhouseError):
    """A client would give away what it does not have itself."""

    code = "scopes_not_owned"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may do: the scopes of the token that the application still has."""

    client_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class NewClient:
    """An application with its client secret, which is shown this once."""

    application: Application
    client_secret: str = field(repr=False)

    def to_api(self) -> dict[str, Any]:
        """Return the object that is shown once."""
        return {
            "id": self.application.id,
            "name": self.application.name,
            "clientId": self.application.client_id,
            "clientSecret": self.client_secret,
            "scopes": list(ordered_scopes(self.application.scopes)),
        }


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """The answer of the token endpoint."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    token_type: str = "Bearer"  # noqa: S105 -- a word of OAuth

    def to_api(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "access_token": self.access_token,
            "expires_in": self.expires_in,
            "scope": self.scope,
            "token_type": self.token_type,
        }


def create_application(
    applications: Applications,
    hasher: ClientSecretHasher,
    body: JsonValue,
    *,
    new_id: Callable[[], str],
    at: Instant,
    by: Principal | None = None,
) -> NewClient:
    """Create an application; the ledger keeps a keyed hash of its client secret.

    ``by``, here and below, is the client that asks: it gives no scope that it does not have
    (``ScopesNotOwned``), and names those that it gives. Whoever has the ledger itself may do
    everything, and is nobody.
    """
    application = read_application(
        body, id=new_id(), client_id=new_id(), at=at, all_scopes=by is None
    )
    _refuse_escalation(application.scopes, by)
    client_secret = hasher.new_secret()
    applications.add_application(application, hasher.hash(client_secret))
    return NewClient(application, client_secret)


def find_application(applications: Applications, reference: str) -> Application:
    """Return an application by id, client id or name."""
    return found(
        applications.application(reference),
        or_raise=lambda: NotFoundError(
            f"There is no application {reference!r}",
            hint="`meterhouse access list` shows those that exist",
        ),
    )


def update_application(
    applications: Applications,
    reference: str,
    *,
    patch: JsonValue,
    at: Instant,
    revision: str | None = None,
    by: Principal | None = None,
) -> Application:
    """Apply a merge patch to name and scopes; a scope that is taken away ends at once.

    Where ``revision`` is given, ``StaleRevision`` if the application has another one by now. A
    client (``by``) cannot narrow the last application that looks after applications.
    """

    def change(present: Application) -> Application:
        _check(present, revision)
        changed = present.merged(patch, at=at)
        _refuse_escalation(changed.scopes - present.scopes, by)
        if by is not None and not changed.scopes >= _ADMINISTRATION:
            _refuse_last(applications, present)
        return changed

    return applications.update_application(find_application(applications, reference).id, change)


def delete_application(
    applications: Applications,
    reference: str,
    *,
    revision: str | None = None,
    by: Principal | None = None,
) -> Application:
    """Delete an application, and with it its tokens; returns what it was.

    A client (``by``) cannot delete the last one that looks after applications.
    """
    application = find_application(applications, reference)

    def check(present: Application) -> None:
        _check(present, revision)
        if by is not None:
            _refuse_last(applications, present)

    applications.delete_application(application.id, check)
    return application


def _refuse_escalation(given: frozenset[str], by: Principal | None) -> None:
    if by is not None and (missing := ordered_scopes(given - by.scopes)):
        message = f"A client gives no scope that it does not have: {' '.join(missing)}"
        hint = "Name the scopes, and leave these out; or ask with a token that has them"
        raise ScopesNotOwned(message, hint=hint)


def _refuse_last(applications: Applications, present: Application) -> None:
    """Keep the door open: refuse to lose the last application that may let others in."""
    if not present.scopes >= _ADMINISTRATION:
        return
    others = (one for one in take(applications.applications, limit=None) if one != present)
    if not any(one.scopes >= _ADMINISTRATION for one in others):
        message = f"Application {present.name!r} is the last that looks after applications"
        hint = f"Give another one {scopes_text(_ADMINISTRATION)} first"
        raise ConflictError(message, hint=hint, code="last_administrator")


def _check(present: Application, revision: str | None) -> None:
    check_revision(present.revision, expected=revision, what=f"Application {present.name!r}")


def rotate_client_secret(
    applications: Applications,
    hasher: ClientSecretHasher,
    reference: str,
    *,
    old_until: Instant,
    at: Instant,
    by: Principal | None = None,
) -> NewClient:
    """Give an application a new client secret; the present one works until an instant.

    A client that may less than the application does not get its secret.
    """
    application = find_application(applications, reference)
    _refuse_escalation(application.scopes, by)
    client_secret = hasher.new_secret()
    applications.rotate_client_secret(
        application.id, hasher.hash(client_secret), old_until=old_until, at=at
    )
    return NewClient(application, client_secret)


def authenticate(
    applications: Applications,
    hasher: ClientSecretHasher,
    *,
    client_id: str,
    client_secret: str,
    at: Instant,
) -> Application:
    """Return the application whose credentials these are.

    An unknown client and a wrong secret are refused alike, after the same steps.
    """
    hashes = applications.client_secret_hashes(client_id)
    if not hasher.matches(client_secret, hashes, at=at):
        raise AccessRefused(AccessFault.CLIENT_INVALID)
    application = applications.application_of_client(client_id)
    if application is None:  # It was deleted just now.
        raise AccessRefused(AccessFault.CLIENT_INVALID)
    return application


def issue_token(
    authority: TokenAuthority,
    application: Application,
    *,
    id: str,
    at: Instant,
    scope: str | None = None,
    audience: str | None = None,
) -> IssuedToken:
    """Issue a token to an application that has been authenticated.

    ``scope`` asks for some of its scopes, separated by spaces; by default it gets them all.
    """
    if audience is not None and not authority.is_audience(audience):
        hint = f"Give {authority.issuer}/, or leave it out"
        raise AccessRefused(AccessFault.AUDIENCE_UNKNOWN, hint=hint)
    scopes = application.scopes if not scope else frozenset(scope.split())
    if missing := scopes - application.scopes:
        # What is no scope of ours is not shown: it may be anything that went to the wrong place.
        known = ordered_scopes(missing)
        hint = (
            f"It lacks {' '.join(known)}" if known else "There are others: /openapi.json lists them"
        )
        raise AccessRefused(AccessFault.SCOPE_NOT_GRANTED, hint=hint)
    token = authority.issue(
        client_id=application.client_id, scopes=scopes, audience=audience, id=id, at=at
    )
    return IssuedToken(token, authority.token_seconds, scopes_text(scopes))


def authorize(
    applications: Applications,
    authority: TokenAuthority,
    *,
    token: str | None,
    scope: str | None,
    at: Instant,
) -> Principal:
    """Return who sends a token, if they may do what needs ``scope`` (``None``: a token is enough).

    ``AccessRefused`` says with ``authenticated`` whether a scope is missing (403) or the token is
    no good (401). The token of a client that was deleted, or that lost the scope, is refused.
    """
    if not token:
        raise AccessRefused(AccessFault.MISSING)
    claims = authority.verify(token, at=at)
    application = applications.application_of_client(claims.client_id)
    if application is None:
        raise AccessRefused(AccessFault.CLIENT_GONE)
    principal = Principal(application.client_id, claims.scopes & application.scopes)
    if scope is not None and scope not in principal.scopes:
        raise AccessRefused(AccessFault.SCOPE_MISSING, hint=f"It needs the scope {scope}")
    return principal
