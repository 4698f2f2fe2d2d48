"""Issuers and customers: creating, finding, changing and deleting them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from meterhouse.app.billing.ports import Customers, Issuers
from meterhouse.app.definitions import Item, placed, refuse
from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger
from meterhouse.core.json_text import JsonValue
from meterhouse.core.party import Customer, Issuer
from meterhouse.core.party_reading import (
    CUSTOMER_FIELDS,
    ISSUER_FIELDS,
    READ_ONLY,
    customer_body,
    issuer_body,
    merged,
    read_customer,
    read_issuer,
    shown_body,
)
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import Reading
from meterhouse.core.revision import check_revision

Made = TypeVar("Made")


def read_all(items: Sequence[Item], read: Callable[[JsonValue], Made], *, what: str) -> list[Made]:
    """Read the bodies of a file; raises ``DefinitionError`` with the problems of all of them."""
    made: list[Made] = []
    problems: list[Problem] = []
    for item in items:
        try:
            made.append(read(item.body))
        except DefinitionError as error:
            problems += placed(error.problems, item)
    refuse(problems, what=what)
    return made


def create_issuer(ledger: Ledger, body: JsonValue, *, repeatable: bool = False) -> Issuer:
    """Check an issuer and store it. ``repeatable``: one that is there, the same, is this one."""
    issuer = read_issuer(body)
    if not (repeatable and ledger.issuer(issuer.id) == issuer):
        ledger.add_issuer(issuer)
    return issuer


def find_issuer(issuers: Issuers, id: str) -> Issuer:
    """Return an issuer by id."""
    hint = "`issuer list` shows those that exist"
    return found(
        issuers.issuer(id),
        or_raise=lambda: NotFoundError(f"There is no issuer {id!r}", hint=hint),
    )


def update_issuer(
    issuers: Issuers, id: str, *, patch: JsonValue, revision: str | None = None
) -> Issuer:
    """Apply a merge patch. What was drafted and issued keeps what it says."""
    _check_fields(patch, ISSUER_FIELDS)

    def change(present: Issuer) -> Issuer:
        _check(issuer_shown(present), revision, what=f"Issuer {id!r}")
        return read_issuer(merged(issuer_body(present), patch, what="issuer"))

    return issuers.update_issuer(id, change)


def delete_issuer(issuers: Issuers, id: str, *, revision: str | None = None) -> None:
    """Delete an issuer that has no customers and no invoices."""
    issuers.delete_issuer(
        id, lambda present: _check(issuer_shown(present), revision, what=f"Issuer {id!r}")
    )


def issuer_shown(issuer: Issuer) -> dict[str, Any]:
    """Return the API's object of an issuer, with its revision."""
    return shown_body(issuer_body(issuer))


def create_customer(ledger: Ledger, body: JsonValue, *, repeatable: bool = False) -> Customer:
    """Check a customer and store it. ``repeatable``: one that is there, the same, is this one."""
    customer = read_customer(body)
    if not (repeatable and ledger.customer(customer.id) == customer):
        check_references(ledger, customer)
        ledger.add_customer(customer)
    return customer


def check_references(ledger: Ledger, customer: Customer) -> None:
    """Refuse a customer whose issuer or price book there is not."""
    problems = []
    if ledger.issuer(customer.issuer) is None:
        hint = "`issuer list` shows those that exist"
        problems.append(Problem("issuer", f"there is no issuer {customer.issuer!r}", hint))
    if ledger.price_book(customer.price_book) is None:
        hint = "`price-book list` shows those that exist"
        message = f"there is no price book {customer.price_book!r}"
        problems.append(Problem("priceBook", message, hint))
    refuse(problems, what=f"The customer {customer.id!r}")


def find_customer(customers: Customers, id: str) -> Customer:
    """Return a customer by id."""
    hint = "`customer list` shows those that exist"
    return found(
        customers.customer(id),
        or_raise=lambda: NotFoundError(f"There is no customer {id!r}", hint=hint),
    )


def update_customer(
    ledger: Ledger, id: str, *, patch: JsonValue, revision: str | None = None
) -> Customer:
    """Apply a merge patch. What was drafted and issued keeps what it says."""
    _check_fields(patch, CUSTOMER_FIELDS)

    def change(present: Customer) -> Customer:
        _check(customer_shown(present), revision, what=f"Customer {id!r}")
        changed = read_customer(merged(customer_body(present), patch, what="customer"))
        check_references(ledger, changed)
        return changed

    return ledger.update_customer(id, change)


def delete_customer(customers: Customers, id: str, *, revision: str | None = None) -> None:
    """Delete a customer that was never billed."""
    customers.delete_customer(
        id, lambda present: _check(customer_shown(present), revision, what=f"Customer {id!r}")
    )


def customer_shown(customer: Customer) -> dict[str, Any]:
    """Return the API's object of a customer, with its revision."""
    return shown_body(customer_body(customer))


def users_of(customer: Customer) -> tuple[str, ...]:
    """Return whose usage a customer pays for: the one that has its id where none is named."""
    return customer.users or (customer.id,)


def _check_fields(patch: JsonValue, known: Sequence[str]) -> None:
    """Refuse fields that there are not, whatever the patch is for."""
    reading = Reading(patch, known=known, read_only=READ_ONLY, what="merge patch")
    refuse(reading.problems, what="The merge patch")


def _check(shown: dict[str, Any], revision: str | None, *, what: str) -> None:
    check_revision(shown["revision"], expected=revision, what=what)
