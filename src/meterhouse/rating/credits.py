"""Drawing prepaid credit down: which grants pay how much of an amount that is due."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterhouse.core.credit import Grant, draw_order
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import CreditUse
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.quantity import EXACT, ZERO


def drawn(
    grants: Sequence[Grant],
    due: Decimal,
    *,
    at: Instant,
    digits: int,
    since: Instant | None = None,
) -> tuple[CreditUse, ...]:
    """Return what each grant pays of an amount, in the order of draw-down; none pays 0.

    Grants that have not begun, have ended or are used up at ``at`` pay nothing, nor does anything
    where nothing is due. With ``since``, a period that ends at ``at`` is paid, by all grants that
    overlap it. What is left of a grant below the currency's digits cannot be drawn.
    """
    uses: list[CreditUse] = []
    left = due
    for grant in sorted(_usable(grants, at=at, since=since), key=draw_order):
        amount = rounded(min(grant.remaining, left), digits, Rounding.DOWN)
        if amount > ZERO:
            uses.append(CreditUse(grant.id, grant.name, amount, grant.paid))
            left = EXACT.subtract(left, amount)
    return tuple(uses)


def _usable(grants: Sequence[Grant], *, at: Instant, since: Instant | None) -> list[Grant]:
    return [grant for grant in grants if grant.usable(at, since=since)]
