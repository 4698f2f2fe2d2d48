"""What if: past usage rated by another price book, beside what it costs by the present one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.periods import Days
from meterhouse.app.billing.priced import PricedPeriod, priced_period
from meterhouse.app.billing.usage import gather_all
from meterhouse.app.billing.versions import one_version, versions_within
from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger
from meterhouse.core.currency import currency_digits
from meterhouse.core.money import amount_text
from meterhouse.core.party import Customer
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import ConflictError
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import sum_of


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a period costs a customer, net, by its book and by the other one.

    ``unpriced`` is how many kinds of usage the other book has no price for. Credits, adjustments
    and lines by hand count in neither.
    """

    customer: str
    currency: str
    now: Decimal
    then: Decimal
    unpriced: int

    @property
    def difference(self) -> Decimal:
        """How much more it costs by the other book."""
        return EXACT.subtract(self.then, self.now)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        digits = currency_digits(self.currency) or 0
        return {
            "customer": self.customer,
            "currency": self.currency,
            "now": amount_text(self.now, digits),
            "then": amount_text(self.then, digits),
            "difference": amount_text(self.difference, digits),
            "unpriced": self.unpriced,
        }


def what_if(
    ledger: Ledger, other: PriceBook, *, days: Days, customers: Sequence[str] | None = None
) -> list[WhatIf]:
    """Rate usage of a period by another book, for each customer. Nothing is stored.

    Without ``customers``: those whose book has the same id or that the other book is for; where it
    is for nobody in particular and of a new id, all.
    """
    if customers is not None:
        return [_rated(ledger, find_customer(ledger, id), other, days) for id in customers]
    every = list(take(ledger.customers, limit=None))
    meant = [one for one in every if one.price_book == other.id or one.id == other.customer]
    return [_rated(ledger, one, other, days) for one in meant or every]


def total_of(rated: Sequence[WhatIf]) -> list[WhatIf]:
    """Return the sums of all customers, one for each currency."""
    sums: dict[str, WhatIf] = {}
    for one in rated:
        sofar = sums.get(one.currency, WhatIf("", one.currency, ZERO, ZERO, 0))
        sums[one.currency] = WhatIf(
            "",
            one.currency,
            EXACT.add(sofar.now, one.now),
            EXACT.add(sofar.then, one.then),
            sofar.unpriced + one.unpriced,
        )
    return list(sums.values())


def _rated(ledger: Ledger, customer: Customer, other: PriceBook, days: Days) -> WhatIf:
    book, period = book_and_period(ledger, customer, days)
    if book.currency != other.currency:
        message = (
            f"The book of customer {customer.id!r} is in {book.currency}, not {other.currency}"
        )
        raise ConflictError(message, hint="Amounts of two currencies cannot be compared")
    usage = gather_all(ledger, customer.id, period=period)
    ours = versions_within(ledger, book, period, customer=customer, days=days)
    theirs = one_version(other, days, customer.charged_days(days.first, days.end))
    now, then = (
        priced_period(ledger, usage, versions=one, period=period, customer=customer.id)
        for one in (ours, theirs)
    )
    return WhatIf(customer.id, book.currency, _net(now), _net(then), len(then.unpriced))


def _net(priced: PricedPeriod) -> Decimal:
    return sum_of([line.net for line in priced.lines])
