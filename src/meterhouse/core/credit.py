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

    It pays for periods that overlap ``[effective, expires)`` (``None``: never ends).
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

    def usable(self, at: Instant, *, since: Instant | None = None) -> bool:
        """Whether anything can be drawn from it at an instant.

        With ``since``: for a period ``[since, at)``. It can be where the two overlap, be it for an
        instant: a grant that begins with the period's end pays for the next one.
        """
        if since is None:
            began, first = self.effective <= at, at
        else:
            began, first = self.effective < at, since
        return self.remaining > ZERO and began and (self.expires is None or first < self.expires)


def draw_order(grant: Grant) -> tuple[int, Instant, bool, Instant, str]:
    """Return the place of a grant in the order of draw-down, to sort by.

    By priority; then what expires first; then promotional before paid; then the oldest. The id
    comes last, so that no two grants are equal and their order is always the same.
    """
    expires = LATEST + 1 if grant.expires is None else grant.expires
    return grant.priority, expires, grant.paid, grant.granted_at, grant.id
