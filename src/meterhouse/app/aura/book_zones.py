"""Price books of operating businesses are in UTC, as the months of the datasets are.

A month of another zone begins and ends at other instants. Its invoice would be without the usage
of the month, which is metered by UTC, and the next one would have it, at its own prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from meterhouse.app.aura.operation import Month, Operation
from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.ports import Ledger
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem

#: Some zones have the time of UTC in winter alone.
_MONTHS_OF_A_YEAR = 12


def has_months_of_utc(book: PriceBook, months: Iterable[Month]) -> bool:
    """Whether months begin and end in the zone of a price book as they do in UTC."""
    return all(
        (there.start, there.end) == (month.start, month.end)
        for month in months
        for there in [month.days.in_zone(book.timezone)]
    )


def zone_problem(book: PriceBook) -> Problem:
    """Return what is wrong with the zone of a price book, and what to do."""
    message = f"has the time zone {book.timezone}, and rows are of months of UTC"
    hint = (
        "give it `timezone: Etc/UTC` in a new version from the month's first day on: it would "
        "bill another month's usage"
    )
    return Problem(f"price book {book.id}", message, hint)


def refuse_other_zones(ledger: Ledger, operation: Operation, month: Month) -> None:
    """Refuse price books that hold in a month and are not in UTC all year; ``DefinitionError``.

    Businesses that have no customer or no price book yet are passed over.
    """
    year = list(islice(_from(month), _MONTHS_OF_A_YEAR))
    problems: list[Problem] = []
    for business in operation.businesses:
        try:
            customer = find_customer(ledger, business.customer)
            book, _ = book_and_period(ledger, customer, month.days)
        except NotFoundError:
            continue
        if not has_months_of_utc(book, year):
            problems.append(zone_problem(book))
    if problems:
        raise DefinitionError(list(dict.fromkeys(problems)), what="The operation")


def _from(month: Month) -> Iterator[Month]:
    while True:
        yield month
        month = month.next
