"""Prepaid credit: granting it, and finding what is left.

The time of a grant is said in instants, or in days: those of the customer's price book, as its
billing periods are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.app.billing.books import version_and_period
from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.ports import Credits
from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger
from meterhouse.core.credit import Grant
from meterhouse.core.currency import currency_digits
from meterhouse.core.instant import Instant, instant_text, to_datetime
from meterhouse.core.json_text import JsonValue
from meterhouse.core.money import rounded
from meterhouse.core.problem import DefinitionError, NotFoundError
from meterhouse.core.quantity import ZERO, in_range, number_from_text, number_text
from meterhouse.core.reading import Reading, missing_or_shown, shown

GRANT_FIELDS = (
    *("customer", "name", "amount", "currency", "priority", "effective", "expires"),
    "promotional",
)
_PRIORITY_MAX = 1_000_000
#: Days of the years in which every zone's clock is within the calendar.
_DAY = re.compile(r"(?!0001|9999)\d{4}-\d{2}-\d{2}", re.ASCII)


def grant_credit(
    ledger: Ledger, body: JsonValue, *, new_id: Callable[[], str], at: Instant
) -> Grant:
    """Read a grant and store it. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=GRANT_FIELDS, what="grant")
    customer = reading.text("customer", required=True) or ""
    currency = reading.text("currency", required=True) or ""
    digits = currency_digits(currency)
    if currency and digits is None:
        reading.fail("currency", f"is {shown(currency)}", "use a code of ISO 4217, such as EUR")
    amount = _amount(reading, digits or 0)
    effective = _bound(reading, "effective", ledger, customer)
    expires = _bound(reading, "expires", ledger, customer)
    begins = at if effective is None else effective
    if expires is not None and expires <= begins:
        text = instant_text(expires)
        reading.fail("expires", f"is {text}, not after it begins", "give a later instant")
    grant = Grant(
        id=new_id(),
        customer=customer,
        name=reading.text("name", chars_max=200) or "",
        amount=amount,
        remaining=amount,
        currency=currency,
        priority=_priority(reading),
        effective=begins,
        expires=expires,
        paid=not reading.boolean("promotional", default=False),
        granted_at=at,
    )
    if reading.problems:
        raise DefinitionError(reading.problems, what="The grant")
    ledger.add_grant(grant)
    return grant


def _bound(reading: Reading, name: str, ledger: Ledger, customer_id: str) -> Instant | None:
    """Return an instant; of a day, its first one where the customer's billing periods are."""
    given = reading.body.get(name)
    instant = reading.instant(name)
    if instant is None or not (isinstance(given, str) and _DAY.fullmatch(given)):
        return instant
    day, customer = to_datetime(instant).date(), ledger.customer(customer_id)
    if customer is None:
        return instant  # storing says that there is no such customer
    timezone = _timezone(ledger, customer.price_book, day)
    if timezone is None:
        hint = f"say the instant with its zone, such as {given}T00:00:00+01:00"
        message = f"is {given}, a day of price book {customer.price_book!r}, which does not exist"
        reading.fail(name, message, hint)
        return None
    return Days(day, day).in_zone(timezone).start


def _timezone(ledger: Ledger, book_id: str, day: date) -> str | None:
    """Return the time zone of a book on a day; that of its newest version where none holds."""
    try:
        return version_and_period(ledger, book_id, Days(day, day))[0].timezone
    except NotFoundError:
        newest = ledger.price_book(book_id)
        return None if newest is None else newest.about.timezone


def _amount(reading: Reading, digits: int) -> Decimal:
    given = reading.body.get("amount")
    amount = number_from_text(given) if isinstance(given, str) else None
    hint = f"write it as text, above 0, with at most 20 digits before the point, {digits} after it"
    fits = amount is not None and amount > ZERO and in_range(amount)
    if amount is None or not fits or amount != rounded(amount, digits):
        reading.fail("amount", missing_or_shown(given), hint)
        return ZERO
    return amount


def _priority(reading: Reading) -> int:
    value = reading.body.get("priority", 0)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _PRIORITY_MAX:
        reading.fail("priority", f"is {shown(value)}", "use a whole number; lower is drawn first")
        return 0
    return value


def find_grant(credits: Credits, id: str) -> Grant:
    """Return a grant by id, or by the first characters of it."""
    hint = "`credit list` shows those that exist"
    return found(
        credits.grant(id), or_raise=lambda: NotFoundError(f"There is no grant {id!r}", hint=hint)
    )


def grant_shown(
    grant: Grant, entries: Sequence[tuple[Instant, str, Decimal]] | None = None
) -> dict[str, Any]:
    """Return the API's object of a grant, with its entries where they are given."""
    shown: dict[str, Any] = {
        "id": grant.id,
        "customer": grant.customer,
        "name": grant.name,
        "amount": number_text(grant.amount),
        "remaining": number_text(grant.remaining),
        "currency": grant.currency,
        "promotional": not grant.paid,
        "priority": grant.priority,
        "effective": instant_text(grant.effective),
        "expires": None if grant.expires is None else instant_text(grant.expires),
        "grantedAt": instant_text(grant.granted_at),
    }
    if entries is not None:
        shown["entries"] = [
            {"at": instant_text(at), "invoice": invoice, "amount": number_text(amount)}
            for at, invoice, amount in entries
        ]
    return shown
