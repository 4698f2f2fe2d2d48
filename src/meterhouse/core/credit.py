"""Prepaid credit: grants, and in which order they are drawn down.

A grant is a state of a ledger that only grows: what was drawn from it is kept where invoices are.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from meterhouse.core.instant import LATEST, Instant
from meterhouse.core.quantity import ZERO


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit of a customer: ``remaining`` of ``amount`` is left.

    It can be drawn from ``effective`` on, and no longer at ``expires`` (``None``: never ends).
    ``paid``: bought, so that it pays an invoice after tax; a promotional one is taken off before
    tax. A lower ``priority`` number is drawn first.
    """

    id: str
    customer: str
    name: str
    amount: Decimal
    remaining: Decimal
    currency: str
    priority: int
    effective: Instant
    expires: Instant | None
    paid: bool
    granted_at: Instant

    def usable(self, at: Instant) -> bool:
        """Whether anything can be drawn from it at an instant."""
        started = self.effective <= at
        return self.remaining > ZERO and started and (self.expires is None or at < self.expires)


def draw_order(grant: Grant) -> tuple[int, Instant, bool, Instant, str]:
    """Return the place of a grant in the order of draw-down, to sort by.

    By priority; then what expires first; then promotional before paid; then the oldest. The id
    comes last, so that no two grants are equal and their order is always the same.
    """
    expires = LATEST + 1 if grant.expires is None else grant.expires
    return grant.priority, expires, grant.paid, grant.granted_at, grant.id
