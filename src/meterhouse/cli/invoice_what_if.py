"""``meterhouse invoice what-if``: past usage by another price book.

``register`` adds the command to the group of the noun.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.invoice_period import CustomersOption, PeriodOptions
from meterhouse.cli.output import Cell, Listing, columns, note, write_table
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.billing.what_if import WhatIf
    from meterhouse.bootstrap import Installation
    from meterhouse.core.price_book import PriceBook


def what_if(
    call: Call,
    *,
    book: Annotated[
        str,
        typer.Option("--book", metavar="B", help="A file of a price book, or ID@VERSION."),
    ],
    customer: CustomersOption = None,
    period: PeriodOptions,
) -> None:
    """Rate past usage by another price book, beside what it costs now. Nothing is stored."""
    from meterhouse.app.billing.what_if import total_of, what_if

    days = period.days()
    with call.opened() as house:
        rated = what_if(house.ledger, _other_book(house, book), days=days, customers=customer)
    if call.as_json:
        call.show(rated, WHAT_IF)
    elif rated:
        write_table(WHAT_IF.columns, [_what_if_row(one) for one in (*rated, *total_of(rated))])
    else:
        note("no customers")


def _other_book(house: Installation, given: str) -> PriceBook:
    """Return a book of a file, or a stored version."""
    from meterhouse.app.billing.price_books import find_version
    from meterhouse.bootstrap import price_book_documents
    from meterhouse.core.price_book_reading import read_price_book

    if "@" in given and not Path(given).exists():
        id, _, version = given.partition("@")
        return find_version(house.ledger, id, version)
    documents = price_book_documents(read_text(given), what=file_name(given))
    if len(documents) != 1:
        raise WrongUsage(f"--book: {given} has {len(documents)} books", hint="give one of them")
    return read_price_book(documents[0].body)


def register(app: typer.Typer) -> None:
    """Add the command to a group."""
    command(
        app,
        "meterhouse invoice what-if --book dearer.yaml --period 2026-10",
        "meterhouse invoice what-if --book liceo-es@2026-11-01.1 --period 2026-10 --customer es",
    )(what_if)


def _what_if_row(one: WhatIf) -> list[Cell]:
    shown = one.to_api()
    amounts = [shown[name] for name in ("now", "then", "difference")]
    return [one.customer or "in all", one.currency, *amounts, one.unpriced or None]


WHAT_IF = Listing(
    "customers",
    columns("Customer", "Currency", "#Now", "#Then", "#Difference", "?#Unpriced"),
    _what_if_row,
    lambda one: json_text(one.to_api()),
)
