"""What the use cases of Kernel's clients ask of the ledger.

The keyed hashes of secrets are those of ``app/access_ports``; a token is kept as a hash, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from meterhouse.app.access_ports import ClientSecretHashes
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.datasets.kernel_client import KernelClient


@dataclass(frozen=True, slots=True)
class KernelToken:
    """A token that was given out. ``scopes`` are those that it was asked for with."""

    hash: bytes = field(repr=False)
    scopes: tuple[str, ...]
    issued_at: Instant
    expires_at: Instant


class TokenMaker(Protocol):
    """Makes opaque tokens, and their hashes."""

    def new_token(self) -> str:
        """Return a token that was never used."""
        ...

    def hash(self, token: str) -> bytes:
        """Return the hash of a token."""
        ...


class KernelClients(Protocol):
    """The clients of Kernel, and the tokens that they have."""

    def add_kernel_client(self, client: KernelClient, secret_hash: bytes) -> None:
        """Add; ``ConflictError`` where the client id is taken."""
        ...

    def kernel_client(self, reference: str) -> KernelClient | None:
        """Find one by id or client id, in this order."""
        ...

    def kernel_secret_hashes(self, client_id: str) -> ClientSecretHashes:
        """Return the hashes of a client; empty ones, at the same cost, of an unknown one."""
        ...

    def kernel_clients(self, *, limit: int = 100, after: str | None = None) -> Page[KernelClient]:
        """List clients in the order of their creation."""
        ...

    def update_kernel_client(
        self, id: str, change: Callable[[KernelClient], KernelClient]
    ) -> KernelClient:
        """Replace by what ``change`` makes of it, in one transaction. ``NotFoundError``."""
        ...

    def rotate_kernel_secret(
        self, id: str, secret_hash: bytes, *, old_until: Instant, at: Instant
    ) -> None:
        """Put a new secret in front; the present one works until an instant. ``NotFoundError``."""
        ...

    def delete_kernel_client(self, id: str) -> None:
        """Delete; its tokens end with it. ``NotFoundError``."""
        ...

    def add_kernel_token(self, client_id: str, token: KernelToken) -> bool:
        """Keep a token; ``False`` where the client was deleted meanwhile."""
        ...

    def kernel_token(self, hash: bytes) -> tuple[KernelToken, KernelClient] | None:
        """Return a token with its client as it is now."""
        ...

    def purge_kernel_tokens(self, *, at: Instant) -> int:
        """Forget those that expired by an instant; how many."""
        ...
