"""What is said where a billing run of all customers made nothing: not silence, but why."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from meterhouse.cli.output import note
from meterhouse.core.counted import counted

if TYPE_CHECKING:
    from meterhouse.app.billing.periods import Days
    from meterhouse.bootstrap import Installation


def tell_nothing_to_bill(house: Installation, days: Days) -> None:
    """Say why no customer has anything to draft."""
    from meterhouse.app.listing import take

    customers = list(take(house.ledger.customers, limit=None))
    if not customers:
        note("nothing to bill: there are no customers (`customer create` adds them)")
        return
    outside = sum(1 for one in customers if not one.charged_days(days.first, days.end)[0])
    text = (
        f"nothing to bill from {days.first} to before {days.end}: no golden records of the "
        f"{counted(len(customers), 'customer')}, no fees and no lines by hand"
    )
    ended = f" ({outside} of them without a day of the contract)" if outside else ""
    note(f"{text}{ended}. Usage of meters that have not reset is no record yet")


def tell_nothing_to_issue(house: Installation, period: str) -> None:
    """Say why there is no draft of a month."""
    from meterhouse.app.billing.periods import read_days
    from meterhouse.app.listing import take
    from meterhouse.core.invoice import InvoiceStatus

    since, until = read_days(period).around()
    status = InvoiceStatus.ISSUED
    list_of = partial(house.ledger.invoices, status=status, since=since, until=until)
    issued = sum(1 for _ in take(list_of, limit=None))
    known = f", and {counted(issued, 'document')} issued already" if issued else ""
    hint = "" if issued else f": `invoice draft --all --period {period}` makes them"
    note(f"nothing to issue: {period} has no drafts{known}{hint}")
