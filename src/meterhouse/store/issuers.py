"""The issuers in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.page import Page
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.party import Issuer
from meterhouse.core.party_reading import issuer_body, read_issuer
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("issuers")
_KIND = "issuer"


class IssuerTable(Recorder):
    """The part of the ledger that keeps issuers."""

    _database: Database

    def add_issuer(self, issuer: Issuer) -> None:
        """Add; refused where the id is taken."""
        with self._recorded("create", _KIND, issuer.id, name=issuer.party.name):
            if self._database.value(_SQL["insert"], (issuer.id, _text(issuer))) is None:
                message = f"There is an issuer {issuer.id!r} already"
                raise ConflictError(message, hint="Choose another id, or update that one")

    def issuer(self, id: str) -> Issuer | None:
        """Find one by id."""
        with self._database.read():
            row = self._database.row(_SQL["find"], (id,))
        return None if row is None else read_issuer(parse_json(row[1]))

    def issuers(self, *, limit: int = 100, after: str | None = None) -> Page[Issuer]:
        """List issuers."""
        with self._database.read():
            rows = self._database.rows(_SQL["page"], (number_after(after), limit + 1))
        return page_of(rows, _from_rows, limit=limit)

    def update_issuer(self, id: str, change: Callable[[Issuer], Issuer]) -> Issuer:
        """Replace; what was drafted and issued keeps what it says."""
        with self._recorded("update", _KIND, id) as note:
            no, present = issuer_at(self._database, id)
            issuer = change(present)
            note.detail["name"] = issuer.party.name
            self._database.execute(_SQL["update"], (_text(issuer), no))
        return issuer

    def delete_issuer(self, id: str, check: Callable[[Issuer], None]) -> None:
        """Delete; refused while customers or invoices have it."""
        with self._recorded("delete", _KIND, id) as note:
            no, issuer = issuer_at(self._database, id)
            check(issuer)
            note.detail["name"] = issuer.party.name
            if customer := self._database.value(_SQL["customers"], (no,)):
                message = f"Issuer {id!r} is that of customer {customer!r}"
                raise ConflictError(message, hint="Give its customers another issuer first")
            if self._database.value(_SQL["invoices"], (no,)):
                message = f"Issuer {id!r} has invoices"
                raise ConflictError(message, hint="What was issued stays, and so does its issuer")
            self._database.execute(_SQL["delete"], (no,))


def issuer_at(database: Database, id: str) -> tuple[int, Issuer]:
    """Return an issuer with its number; the caller holds the transaction."""
    row = database.row(_SQL["find"], (id,))
    if row is None:
        hint = "`issuer list` shows those that exist"
        raise NotFoundError(f"There is no issuer {id!r}", hint=hint)
    return row[0], read_issuer(parse_json(row[1]))


def _from_rows(rows: Sequence[Row]) -> list[Issuer]:
    return [read_issuer(parse_json(row[0])) for row in rows]


def _text(issuer: Issuer) -> str:
    return json_text(issuer_body(issuer))
