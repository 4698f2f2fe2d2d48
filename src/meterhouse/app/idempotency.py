"""Requests that must not repeat: what was answered to a key, and who is answering it now.

Ids that such a request creates are derived from the client and its key. So a repeat after a crash
makes the same ids, and finds by them what the first call did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid5

from meterhouse.core.instant import DAY, Instant
from meterhouse.core.problem import ConflictError, MeterhouseError

if TYPE_CHECKING:
    from meterhouse.app.ports import Lease

#: How long an answer is kept at least.
KEPT: Instant = 2 * DAY
_NAMESPACE = UUID("7b0fd1f4-9d0d-5a3c-8a35-5f4f0c9e9a11")


class RequestInFlight(ConflictError):
    """The same key is being answered at this moment."""

    code = "request_in_flight"


class KeyReused(MeterhouseError):
    """The key was used for another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


#: An earlier call of the same request had begun, and ended before it was answered.
UNANSWERED = StoredAnswer(0)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with a key: ``fingerprint`` tells it from another one under the same key."""

    client_id: str
    key: str
    fingerprint: bytes


class KeyedRequests(Protocol):
    """The part of the ledger that knows requests with a key."""

    def begin_request(
        self, request: KeyedRequest, lease: Lease, *, alive: frozenset[str], at: Instant
    ) -> StoredAnswer | None:
        """Take the key, or return what was answered to it.

        ``KeyReused`` where the fingerprint differs, ``RequestInFlight`` where another one has it;
        that of a dead process, or one that was left, is taken over: ``UNANSWERED``. Old answers are
        swept.
        """
        ...

    def finish_request(self, request: KeyedRequest, answer: StoredAnswer) -> None:
        """Keep the answer."""
        ...

    def purge_requests(self, *, before: Instant) -> int:
        """Forget answers that were begun before an instant; returns how many."""
        ...

    def abandon_request(self, request: KeyedRequest) -> None:
        """Give the key back: nothing was done."""
        ...

    def leave_request(self, request: KeyedRequest) -> None:
        """Let a repeat take the key over: nobody knows how much was done."""
        ...


def purge_requests(requests: KeyedRequests, *, at: Instant) -> int:
    """Forget what is older than it is kept; returns how many answers. Run it now and then."""
    return requests.purge_requests(before=at - KEPT)


def derived_ids(request: KeyedRequest) -> Callable[[], str]:
    """Return what makes the ids of a request: the same ones, in the same order, each time.

    >>> request = KeyedRequest("client", "key", b"")
    >>> derived_ids(request)() == derived_ids(request)()
    True
    """
    place = 0

    def next_id() -> str:
        nonlocal place
        place += 1
        name = f"{len(request.client_id)}/{request.client_id}/{request.key}/{place}"
        return str(uuid5(_NAMESPACE, name))

    return next_id
