"""Requests with an Idempotency-Key in the ledger, and what was answered to them."""

from __future__ import annotations

from meterhouse.app.idempotency import (
    KEPT,
    UNANSWERED,
    KeyedRequest,
    KeyReused,
    RequestInFlight,
    StoredAnswer,
)
from meterhouse.app.ports import Lease
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.store.connection import Database
from meterhouse.store.sql_text import queries

_SQL = queries("idempotency")


class IdempotencyTable:
    """The part of the ledger that knows requests with a key."""

    _database: Database

    def begin_request(
        self, request: KeyedRequest, lease: Lease, *, alive: frozenset[str], at: Instant
    ) -> StoredAnswer | None:
        """Take the key, or return what was answered to it; that of a dead process is taken over."""
        named = (request.client_id, request.key)
        with self._database.write():
            self._database.execute(_SQL["sweep"], (at - KEPT,))
            row = self._database.row(_SQL["by_key"], named)
            if row is None:
                values = (*named, request.fingerprint, lease.host, lease.process, at)
                self._database.execute(_SQL["begin"], values)
                return None
            fingerprint, host, process, status, headers, body = row
            if fingerprint != request.fingerprint:
                message = f"The Idempotency-Key {request.key!r} was used for another request"
                raise KeyReused(message, hint="Use a new key for each request")
            if status is not None:
                return StoredAnswer(status, parse_json(headers), body)
            if host and (host != lease.host or process in alive):
                message = f"The request with the Idempotency-Key {request.key!r} is being answered"
                raise RequestInFlight(message, hint="Wait a moment and repeat it")
            values = (lease.host, lease.process, at, *named)
            self._database.execute(_SQL["take_over"], values)
        return UNANSWERED

    def finish_request(self, request: KeyedRequest, answer: StoredAnswer) -> None:
        """Keep the answer."""
        headers = json_text(dict(answer.headers))
        values = (answer.status, headers, answer.body, request.client_id, request.key)
        with self._database.write():
            self._database.execute(_SQL["finish"], values)

    def purge_requests(self, *, before: Instant) -> int:
        """Forget answers that were begun before an instant; returns how many."""
        total = 0
        while True:
            # A few at a time: requests wait for this.
            with self._database.write():
                count = self._database.execute(_SQL["sweep"], (before,)).rowcount
            total += count
            if not count:
                return total

    def abandon_request(self, request: KeyedRequest) -> None:
        """Give the key back: nothing was done."""
        with self._database.write():
            self._database.execute(_SQL["abandon"], (request.client_id, request.key))

    def leave_request(self, request: KeyedRequest) -> None:
        """Let a repeat take the key over: nobody knows how much was done."""
        with self._database.write():
            self._database.execute(_SQL["leave"], (request.client_id, request.key))
