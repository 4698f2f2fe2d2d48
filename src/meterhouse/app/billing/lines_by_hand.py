"""Lines by hand on a draft: which of them its price book lets it have.

A draft begins with the lines of the one that it takes the place of, and its price book may be
another one by then. A line that it cannot have stays with the draft, and is told of: nobody issues
the draft before somebody has taken the line off, or the book has its tax again.
"""

from __future__ import annotations

from collections.abc import Iterable

from meterhouse.app.billing.ports import ManualLine
from meterhouse.core.currency import currency_digits
from meterhouse.core.money import rounded
from meterhouse.core.price_book import PriceBook
from meterhouse.core.quantity import number_text
from meterhouse.rating.taxing import UnknownTax, tax_named

#: The exception of a draft without a line that people have added to it, and what to do.
LEFT_OUT = "line_left_out"
REMEDY = "`invoice remove-line` takes it off; `invoice add-line` adds it as the book can have it"


def on_draft(
    lines: Iterable[ManualLine], book: PriceBook
) -> tuple[list[ManualLine], list[tuple[str, str]]]:
    """Return the lines that a draft by a book can have, and an exception for each other one."""
    there, exceptions = [], []
    for line in lines:
        fault = _fault(line, book)
        if fault is None:
            there.append(line)
        else:
            text = f"line by hand {line.id} ({line.name}, {number_text(line.amount)}) is left out"
            exceptions.append((LEFT_OUT, f"{text}: {fault}"))
    return there, exceptions


def _fault(line: ManualLine, book: PriceBook) -> str | None:
    digits = currency_digits(book.currency) or 0
    if rounded(line.amount, digits) != line.amount:
        return f"{book.currency} has {digits} digits after the point"
    try:
        tax_named(book, line.tax)
    except UnknownTax as error:
        return str(error.args[0])
    return None
