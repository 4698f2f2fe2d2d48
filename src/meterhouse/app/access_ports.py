"""What the use cases of access ask of the ledger, and of whoever seals and signs.

``store`` keeps secrets, applications and keys; ``security`` seals them, hashes and signs. Lists and
transactions: as ``ports`` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from meterhouse.app.page import Page
from meterhouse.core.application import Application
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.secret import Secret, SecretType


@dataclass(frozen=True, slots=True)
class SealedValue:
    """Something that only the wallet's key opens; the seal holds for this place alone."""

    purpose: str
    id: str
    version: int
    content: bytes = field(repr=False)


class SealedValues(Protocol):
    """All that is sealed, whoever keeps it there."""

    def has_sealed_values(self) -> bool:
        """Whether anything is sealed."""
        ...

    def sealed_value(self, purpose: str, id: str) -> SealedValue | None:
        """Return what is sealed there."""
        ...

    def reseal_values(self, reseal: Callable[[SealedValue], bytes]) -> int:
        """Replace the content of each by what ``reseal`` makes of it, all or none; how many."""
        ...


class Secrets(Protocol):
    """The secrets. What seals is called inside the transaction that writes."""

    def add_secret(self, secret: Secret, seal: Callable[[Secret], bytes]) -> None:
        """Add; ``ConflictError`` where the name is taken."""
        ...

    def secret(self, reference: str) -> Secret | None:
        """Find one by id or name, in this order."""
        ...

    def sealed_secret(self, id: str) -> tuple[Secret, SealedValue] | None:
        """Return one by id with its sealed credentials."""
        ...

    def secrets(
        self,
        *,
        type: SecretType | None = None,
        name: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[tuple[Secret, int]]:
        """List secrets with their numbers of streams; ``name`` may be any part of one."""
        ...

    def streams_of_secret(self, id: str) -> Sequence[str]:
        """Return the names of the streams whose nodes use it."""
        ...

    def update_secret(
        self, id: str, change: Callable[[Secret], tuple[Secret, bytes | None]]
    ) -> Secret:
        """Replace by what ``change`` makes of it, in one transaction; returns that.

        Sealed credentials of a new version replace those of the old one. ``ConflictError`` where
        the name is taken, ``NotFoundError``.
        """
        ...

    def delete_secret(self, id: str, check: Callable[[Secret], None]) -> None:
        """Delete; ``ConflictError`` names the streams that use it; ``NotFoundError``."""
        ...


#: Purposes of sealed values: a seal for one does not open for another.
SECRET, SIGNING_KEY, PEPPER = "secret", "signing key", "client secrets"


@dataclass(frozen=True, slots=True)
class ClientSecretHashes:
    """The keyed hashes of a client's secret and of the one before, which works until an instant."""

    current: bytes | None = field(default=None, repr=False)
    previous: bytes | None = field(default=None, repr=False)
    previous_until: Instant | None = None


class Applications(Protocol):
    """The applications: programs that may use the API."""

    def add_application(self, application: Application, client_secret_hash: bytes) -> None:
        """Add; ``ConflictError`` where the name is taken."""
        ...

    def application(self, reference: str) -> Application | None:
        """Find one by id, client id or name, in this order."""
        ...

    def application_of_client(self, client_id: str) -> Application | None:
        """Find one by client id."""
        ...

    def client_secret_hashes(self, client_id: str) -> ClientSecretHashes:
        """Return the hashes of a client; empty ones, at the same cost, of an unknown one."""
        ...

    def applications(self, *, limit: int = 100, after: str | None = None) -> Page[Application]:
        """List applications."""
        ...

    def update_application(
        self, id: str, change: Callable[[Application], Application]
    ) -> Application:
        """Replace by what ``change`` makes of it, in one transaction; returns that.

        ``ConflictError`` where the name is taken, ``NotFoundError``.
        """
        ...

    def rotate_client_secret(
        self, id: str, client_secret_hash: bytes, *, old_until: Instant, at: Instant
    ) -> None:
        """Put a new secret in front; the present one works until an instant. ``NotFoundError``."""
        ...

    def delete_application(self, id: str, check: Callable[[Application], None]) -> None:
        """Delete; its tokens end with it. ``NotFoundError``."""
        ...

    def client_secret_pepper(self, seal: Callable[[str], SealedValue]) -> SealedValue:
        """Return the sealed key of all client secrets' hashes; the first call has it made.

        ``seal`` is given the id under which it is kept, inside the transaction that writes.
        """
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens, or did until ``retired_at``."""

    kid: str
    created_at: Instant
    retired_at: Instant | None
    sealed: SealedValue


class SigningKeys(Protocol):
    """The keys that sign tokens."""

    def signing_keys(self) -> Sequence[SigningKey]:
        """Return all, oldest first; the one that signs is not retired."""
        ...

    def signing_key(self, kid: str) -> SigningKey | None:
        """Return one."""
        ...

    def rotate_signing_key(
        self,
        make: Callable[[], SigningKey],
        *,
        made_after: Instant,
        retired_after: Instant,
        at: Instant,
    ) -> SigningKey:
        """Return the key that signs.

        One that was not made after an instant is replaced by a new one and retires at ``at``; those
        that did not retire after an instant are forgotten.
        """
        ...


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that somebody did. ``actor`` is a client id, or says where it was done.

    ``detail`` holds no secret: everybody who may read the log sees it.
    """

    at: Instant
    actor: str
    action: str
    kind: str
    object_id: str
    detail: JsonValue = None


class Activities(Protocol):
    """The log of what people and programs did."""

    def add_activity(self, activity: Activity) -> None:
        """Add an entry."""
        ...

    def activities(
        self,
        *,
        actor: str | None = None,
        object_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Activity]:
        """List entries, newest first."""
        ...


class Sealer(Protocol):
    """Seals bytes for one place: purpose, id and version are bound in."""

    def seal(self, plain: bytes, *, purpose: str, id: str, version: int) -> bytes:
        """Return the sealed content."""
        ...

    def open(self, sealed: SealedValue) -> bytes:
        """Return what was sealed; raises where the key, the content or its place is wrong."""
        ...

    def reseal(self, sealed: SealedValue) -> bytes:
        """Return the content sealed by the wallet's first key; what is inside is not touched."""
        ...


class ClientSecretHasher(Protocol):
    """Makes client secrets and hashes them."""

    def new_secret(self) -> str:
        """Return a secret that was never used."""
        ...

    def hash(self, client_secret: str) -> bytes:
        """Return the keyed hash of a secret."""
        ...

    def matches(self, client_secret: str, hashes: ClientSecretHashes, *, at: Instant) -> bool:
        """Whether it is one of the secrets; as many steps whether it is or not."""
        ...


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token of ours says, after every check of the token itself."""

    client_id: str
    scopes: frozenset[str]
    id: str
    expires_at: Instant


class TokenAuthority(Protocol):
    """Issues and checks tokens."""

    @property
    def issuer(self) -> str:
        """The public URL under which tokens are issued."""
        ...

    @property
    def token_seconds(self) -> int:
        """How long a token lives."""
        ...

    def is_audience(self, audience: str) -> bool:
        """Whether tokens are issued for it; a slash at the end does not matter."""
        ...

    def issue(
        self,
        *,
        client_id: str,
        scopes: frozenset[str],
        audience: str | None,
        id: str,
        at: Instant,
    ) -> str:
        """Return a signed token for an audience of ours (by default the issuer)."""
        ...

    def verify(self, token: str, *, at: Instant) -> TokenClaims:
        """Check a token; ``AccessRefused`` where anything is wrong."""
        ...

    def renew_keys(self, *, at: Instant) -> None:
        """Make a key that signs where there is none, or where its time has come."""
        ...

    def public_keys(self, *, at: Instant) -> dict[str, Any]:
        """Return the JSON Web Key Set of the keys that tokens may be signed with."""
        ...
