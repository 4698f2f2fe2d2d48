"""The customers in the ledger, and which users they pay for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.page import Page
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.party import Customer
from meterhouse.core.party_reading import customer_body, read_customer
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.issuers import issuer_at
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("customers")
_KIND = "customer"


class CustomerTable(Recorder):
    """The part of the ledger that keeps customers."""

    _database: Database

    def add_customer(self, customer: Customer) -> None:
        """Add; refused where the id or a user is taken."""
        with self._recorded("create", _KIND, customer.id, name=customer.party.name):
            issuer_no, _ = issuer_at(self._database, customer.issuer)
            values = (customer.id, issuer_no, _text(customer))
            no = self._database.value(_SQL["insert"], values)
            if no is None:
                message = f"There is a customer {customer.id!r} already"
                raise ConflictError(message, hint="Choose another id, or update that one")
            _put_users(self._database, no, customer)

    def customer(self, id: str) -> Customer | None:
        """Find one by id."""
        with self._database.read():
            row = self._database.row(_SQL["find"], (id,))
        return None if row is None else read_customer(parse_json(row[1]))

    def customers(
        self, *, issuer: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Customer]:
        """List customers."""
        values = {"after": number_after(after), "issuer": issuer, "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
        return page_of(rows, _from_rows, limit=limit)

    def update_customer(self, id: str, change: Callable[[Customer], Customer]) -> Customer:
        """Replace; what was drafted and issued keeps what it says."""
        with self._recorded("update", _KIND, id) as note:
            no, present = customer_at(self._database, id)
            customer = change(present)
            note.detail["name"] = customer.party.name
            issuer_no, _ = issuer_at(self._database, customer.issuer)
            self._database.execute(_SQL["update"], (issuer_no, _text(customer), no))
            _put_users(self._database, no, customer)
        return customer

    def delete_customer(self, id: str, check: Callable[[Customer], None]) -> None:
        """Delete; refused while there are invoices or credits of it."""
        with self._recorded("delete", _KIND, id) as note:
            no, customer = customer_at(self._database, id)
            check(customer)
            note.detail["name"] = customer.party.name
            for noun in ("invoices", "grants"):
                if count := self._database.value(_SQL[noun], (no,)):
                    message = f"Customer {id!r} has {noun}: {count}"
                    raise ConflictError(message, hint="What was billed or granted stays")
            self._database.execute(_SQL["delete"], (no,))


def customer_at(database: Database, id: str) -> tuple[int, Customer]:
    """Return a customer with its number; the caller holds the transaction."""
    row = database.row(_SQL["find"], (id,))
    if row is None:
        hint = "`customer list` shows those that exist"
        raise NotFoundError(f"There is no customer {id!r}", hint=hint)
    return row[0], read_customer(parse_json(row[1]))


def _put_users(database: Database, no: int, customer: Customer) -> None:
    """Write whose usage it pays for; the one that has its id where none is named."""
    database.execute(_SQL["clear_users"], (no,))
    problems = []
    for place, user in enumerate(customer.users or (customer.id,)):
        if taken := database.value(_SQL["customer_of_user"], (user,)):
            where = f"users[{place}]" if customer.users else "id"
            hint = "a user is of one customer only: take it off that one first"
            problems.append(Problem(where, f"{user!r} is a user of customer {taken!r}", hint))
        else:
            database.execute(_SQL["insert_user"], (user, no))
    if problems:
        raise DefinitionError(problems, what=f"The customer {customer.id!r}")


def _from_rows(rows: Sequence[Row]) -> list[Customer]:
    return [read_customer(parse_json(row[0])) for row in rows]


def _text(customer: Customer) -> str:
    return json_text(customer_body(customer))
