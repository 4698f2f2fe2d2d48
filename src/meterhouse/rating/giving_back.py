"""Sums that come to less than nothing, as the credit note that gives the money back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from meterhouse.core.charge import Charge, Reduction
from meterhouse.core.invoice import InvoiceLine, Totals
from meterhouse.core.quantity import ZERO
from meterhouse.rating.invoicing import InvoiceSums


def given_back(sums: InvoiceSums) -> InvoiceSums:
    """Return sums that are owed to the customer with all signs turned: a credit note's.

    What was taken off by a line is positive in it, what was charged is negative; the total is
    above 0, as amounts of credit notes are.
    """
    assert sums.owed_back and not sums.credits
    totals = sums.totals
    return InvoiceSums(
        lines=turned_lines(sums.lines),
        taxes=tuple(
            replace(tax, base=_turned(tax.base), amount=_turned(tax.amount)) for tax in sums.taxes
        ),
        totals=Totals(
            lines=_turned(totals.lines),
            net=_turned(totals.net),
            tax=_turned(totals.tax),
            total=_turned(totals.total),
            payable=_turned(totals.payable),
        ),
        credits=(),
    )


def turned_lines(lines: Sequence[InvoiceLine]) -> tuple[InvoiceLine, ...]:
    """Return lines with all signs turned; those of a credit note as an invoice has them."""
    return tuple(
        replace(
            line,
            charge=_turned_charge(line.charge),
            net=_turned(line.net),
            shares=_turned_all(line.shares),
        )
        for line in lines
    )


def _turned(amount: Decimal) -> Decimal:
    return amount.copy_negate() if amount else ZERO


def _turned_all(reductions: tuple[Reduction, ...]) -> tuple[Reduction, ...]:
    return tuple(replace(one, amount=_turned(one.amount)) for one in reductions)


def _turned_charge(charge: Charge) -> Charge:
    return replace(
        charge,
        quantity=_turned(charge.quantity),
        billable=_turned(charge.billable),
        parts=tuple(
            replace(
                part,
                quantity=_turned(part.quantity),
                flat=_turned(part.flat),
                amount=_turned(part.amount),
            )
            for part in charge.parts
        ),
        exact=_turned(charge.exact),
        gross=_turned(charge.gross),
        net=_turned(charge.net),
        reductions=_turned_all(charge.reductions),
        sources=tuple(
            replace(source, quantity=_turned(source.quantity)) for source in charge.sources
        ),
    )
