"""Tax: which one a line has, and what it comes to, computed once for each category and rate."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterhouse.core.charge import Charge
from meterhouse.core.invoice import InvoiceLine, TaxTotal
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.price_book import PriceBook, Tax
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.book_discounts import shares_over, sum_of

#: The tax of books that name none.
NOT_SUBJECT = Tax("O", ZERO, reason="Not subject to tax")


class UnknownTax(MeterhouseError):
    """A charge names a tax that its price book does not have."""

    code = "tax_unknown"


def tax_named(book: PriceBook, name: str | None) -> Tax:
    """Return the tax of that category, or of that name; no name is the first tax of the book.

    A book without taxes is not subject to tax.
    """
    if name is None:
        return book.taxes[0] if book.taxes else NOT_SUBJECT
    by_category = {tax.category: tax for tax in reversed(book.taxes)}
    by_name = {tax.name: tax for tax in reversed(book.taxes)}
    found = by_category.get(name) or by_name.get(name)
    if found is not None:
        return found
    known = ", ".join(map(_named, book.taxes)) or "none"
    raise UnknownTax(
        f"a charge has the tax {name!r}, and price book {book.id!r} {book.version!r} has {known}",
        hint="name one of these taxes by its name or category, or add the tax to the book",
    )


def _named(tax: Tax) -> str:
    return f"{tax.name!r} ({tax.category})" if tax.name != tax.category else repr(tax.category)


def line_of(charge: Charge, book: PriceBook) -> InvoiceLine:
    """Return the line of a charge, with the tax that its book says; it has no number yet."""
    tax = tax_named(book, charge.tax)
    return InvoiceLine("", charge, charge.net, tax.category, tax.rate, book.hash)


def taxed(
    lines: Sequence[InvoiceLine],
    books: Sequence[PriceBook],
    *,
    credit: Decimal,
    digits: int,
    rounding: Rounding,
) -> tuple[TaxTotal, ...]:
    """Return the tax of each category and rate, in the order of their first lines.

    ``credit`` is taken off before tax: what is above 0 of each base is reduced by its share of it,
    by largest remainder. The tax is computed once, of the base. Names and reasons are those of
    the first book that has the tax.
    """
    bases: dict[tuple[str, Decimal], Decimal] = {}
    for line in lines:
        key = line.tax_category, line.tax_rate
        bases[key] = EXACT.add(bases.get(key, ZERO), line.net)
    shares = shares_over(list(bases.values()), credit, digits=digits)
    wordings = {(tax.category, tax.rate): tax for book in reversed(books) for tax in book.taxes}
    totals: list[TaxTotal] = []
    for (key, whole), share in zip(bases.items(), shares, strict=True):
        base = EXACT.subtract(whole, share)
        amount = rounded(EXACT.scaleb(EXACT.multiply(base, key[1]), -2), digits, rounding)
        wording = wordings.get(key, NOT_SUBJECT)
        totals.append(TaxTotal(*key, base, amount, wording.name, wording.reason))
    return tuple(totals)


def tax_sum(taxes: Sequence[TaxTotal]) -> Decimal:
    """Return the tax of all categories together."""
    return sum_of([total.amount for total in taxes])
