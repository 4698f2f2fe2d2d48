"""Prepaid credit in the ledger: grants, and the entries that draw from them. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial

from meterhouse.app.page import Page
from meterhouse.core.credit import Grant
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import CreditUse
from meterhouse.core.problem import ConflictError
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.customers import customer_at
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("credits")


class CreditTable(Recorder):
    """The part of the ledger that keeps prepaid credit."""

    _database: Database

    def add_grant(self, grant: Grant) -> None:
        """Add; refused where there is no such customer."""
        amount = number_text(grant.amount)
        detail = {"customer": grant.customer, "amount": amount, "currency": grant.currency}
        with self._recorded("grant", "credit", grant.id, **detail):
            customer_no, _ = customer_at(self._database, grant.customer)
            values = (
                *(grant.id, customer_no, grant.name, amount, grant.currency, grant.priority),
                *(grant.effective, grant.expires, grant.paid, grant.granted_at),
            )
            self._database.execute(_SQL["insert"], values)

    def grant(self, id: str) -> Grant | None:
        """Find one by id, or by its first characters where they are those of one only."""
        with self._database.read():
            rows = self._database.rows(_SQL["find"], {"reference": id})
            exact = [row for row in rows if row[0] == id] or rows
            return _grant(self._database, exact[0]) if len(exact) == 1 else None

    def grants(
        self, *, customer: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Grant]:
        """List grants with what is left of them."""
        values = {"after": number_after(after), "customer": customer, "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, partial(_from_rows, self._database), limit=limit)

    def entries_of_grant(self, id: str) -> list[tuple[Instant, str, Decimal]]:
        """Return what changed a grant: when, the id of the invoice, the amount."""
        with self._database.read():
            rows = self._database.rows(_SQL["find"], {"reference": id})
            return _entries(self._database, rows[0][-1]) if rows else []


def draw(database: Database, uses: Iterable[CreditUse], *, invoice_no: int, at: Instant) -> None:
    """Write what an invoice draws; refused where a grant has less. The caller holds the write."""
    for use in uses:
        [row, *_] = database.rows(_SQL["find"], {"reference": use.grant})
        left = _grant(database, row).remaining
        if left < use.amount:
            message = (
                f"Grant {use.grant} has {number_text(left)} left, "
                f"and the draft draws {number_text(use.amount)}"
            )
            raise ConflictError(message, hint="Draft the invoice again")
        values = (row[-1], invoice_no, number_text(use.amount.copy_negate()), at)
        database.execute(_SQL["insert_entry"], values)


def give_back(database: Database, *, of: int, invoice_no: int, at: Instant) -> None:
    """Write the opposite of what an invoice has drawn, for the credit note that takes it back."""
    for grant_no, amount in database.rows(_SQL["entries_of_invoice"], (of,)):
        back = number_text(Decimal(amount).copy_negate())
        database.execute(_SQL["insert_entry"], (grant_no, invoice_no, back, at))


def _from_rows(database: Database, rows: Sequence[Row]) -> list[Grant]:
    return [_grant(database, row) for row in rows]


def _grant(database: Database, row: Row) -> Grant:
    id, customer, name, text, currency, priority, effective, expires, paid, granted_at, no = row
    amount = Decimal(text)
    changed = ZERO
    for _, _, entry in _entries(database, no):
        changed = EXACT.add(changed, entry)
    remaining = EXACT.add(amount, changed)
    head = (id, customer, name, amount, remaining, currency, priority)
    return Grant(*head, effective, expires, bool(paid), granted_at)


def _entries(database: Database, no: int) -> list[tuple[Instant, str, Decimal]]:
    rows = database.rows(_SQL["entries"], (no,))
    return [(at, invoice, Decimal(amount)) for at, invoice, amount in rows]
