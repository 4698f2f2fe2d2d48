"""Clients of Kernel: who they are, what they may do, and what is odd about their scopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterhouse.app.access_ports import ClientSecretHasher
from meterhouse.app.datasets.client_ports import KernelClients
from meterhouse.app.datasets.ports import Datasets
from meterhouse.app.listing import found, take
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.datasets.kernel_client import KernelClient, read_client
from meterhouse.datasets.scope import without_versions
from meterhouse.datasets.scope_lists import (
    BILLING,
    LISTED_DATASETS,
    ScopeFinding,
    default_clients,
    lint_scopes,
    needed_scopes,
)

#: What the client that bills says of why it reads, unless something else is said.
BILLING_PURPOSE = "aura-kpi-data-read-purpose"


@dataclass(frozen=True, slots=True)
class NewKernelClient:
    """A client with its secret, which is shown this once; ``None`` where it was there already."""

    client: KernelClient
    client_secret: str | None = field(repr=False)

    @property
    def new(self) -> bool:
        """Whether it was made just now, or got a new secret."""
        return self.client_secret is not None

    def to_api(self) -> dict[str, Any]:
        """Return the object that is shown once."""
        secret = {} if self.client_secret is None else {"clientSecret": self.client_secret}
        return self.client.to_api() | secret | {"new": self.new}


@dataclass(frozen=True, slots=True)
class ClientFindings:
    """What is odd about the scopes of a client."""

    client: KernelClient
    findings: Sequence[ScopeFinding]


def create_client(
    clients: KernelClients,
    hasher: ClientSecretHasher,
    body: Mapping[str, Any],
    *,
    id: str,
    at: Instant,
) -> NewKernelClient:
    """Create a client; the ledger keeps a keyed hash of its secret."""
    client = read_client(body, id=id, at=at)
    client_secret = hasher.new_secret()
    clients.add_kernel_client(client, hasher.hash(client_secret))
    return NewKernelClient(client, client_secret)


def create_default_clients(
    clients: KernelClients,
    hasher: ClientSecretHasher,
    environment: str,
    *,
    new_id: Callable[[], str],
    at: Instant,
    purpose: str | None = BILLING_PURPOSE,
    tokens: bool = False,
) -> list[NewKernelClient]:
    """Create the two clients of an environment; one that is there stays as it is, secret and all.

    ``purpose`` is that of the client that bills. With ``tokens`` both may have to do with the
    dataset by which tokens are billed.
    """
    made: list[NewKernelClient] = []
    for client_id, scopes in default_clients(environment, tokens=tokens).items():
        body: dict[str, Any] = {"clientId": client_id, "scopes": scopes}
        if client_id.startswith(BILLING) and purpose is not None:
            body["purpose"] = purpose
        made.append(_created(clients, hasher, body, id=new_id(), at=at))
    return made


def _created(
    clients: KernelClients,
    hasher: ClientSecretHasher,
    body: Mapping[str, Any],
    *,
    id: str,
    at: Instant,
) -> NewKernelClient:
    present = clients.kernel_client(body["clientId"])
    if present is None:
        try:
            return create_client(clients, hasher, body, id=id, at=at)
        except ConflictError:  # Somebody else was faster.
            present = find_client(clients, body["clientId"])
    return NewKernelClient(present, None)


def find_client(clients: KernelClients, reference: str) -> KernelClient:
    """Return a client by its id or client id. Raises ``NotFoundError``."""
    return found(
        clients.kernel_client(reference),
        or_raise=lambda: NotFoundError(
            f"There is no client {reference!r} of Kernel",
            hint="`meterhouse kernel-client list` shows those that exist",
        ),
    )


def update_client(
    clients: KernelClients, reference: str, *, patch: JsonValue, at: Instant
) -> KernelClient:
    """Apply a merge patch to scopes, purpose and OB; what is taken away ends at once."""
    id = find_client(clients, reference).id
    return clients.update_kernel_client(id, lambda present: present.changed(patch, at=at))


def rewrite_scopes(clients: KernelClients, reference: str, *, at: Instant) -> KernelClient:
    """Replace scopes that name a version by those that name none."""

    def change(present: KernelClient) -> KernelClient:
        scopes = without_versions(present.scopes)
        same = scopes == present.scopes
        return present if same else present.changed({"scopes": list(scopes)}, at=at)

    return clients.update_kernel_client(find_client(clients, reference).id, change)


def rotate_secret(
    clients: KernelClients,
    hasher: ClientSecretHasher,
    reference: str,
    *,
    old_until: Instant,
    at: Instant,
) -> NewKernelClient:
    """Give a client a new secret; the present one works until an instant."""
    client = find_client(clients, reference)
    client_secret = hasher.new_secret()
    hashed = hasher.hash(client_secret)
    clients.rotate_kernel_secret(client.id, hashed, old_until=old_until, at=at)
    return NewKernelClient(client, client_secret)


def delete_client(clients: KernelClients, reference: str) -> KernelClient:
    """Delete a client, and with it its tokens; returns what it was."""
    client = find_client(clients, reference)
    clients.delete_kernel_client(client.id)
    return client


def check_client(datasets: Datasets, client: KernelClient) -> ClientFindings:
    """Say what is odd about the scopes of a client, and which of those it needs are missing."""
    published = {summary.newest.name for summary in take(datasets.datasets, limit=None)}
    findings = lint_scopes(
        client.scopes,
        datasets=published | set(LISTED_DATASETS),
        needed=needed_scopes(client.client_id, held=client.scopes),
    )
    return ClientFindings(client, findings)
