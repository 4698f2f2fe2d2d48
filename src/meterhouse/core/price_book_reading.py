"""Price books from their documents: every problem at once, with place, value and remedy.

Field names are those of ``docs/price-books.md``. What a document means once it is read is said by
``price_book``; what is allowed and still looks wrong, by ``price_book_lint``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Any

from meterhouse.core.currency import currency_codes, currency_digits
from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    ONE,
    Commitment,
    Conversion,
    Discount,
    DiscountKind,
    Price,
    PriceBook,
    Tax,
)
from meterhouse.core.price_book_counts import read_counts, read_limits
from meterhouse.core.price_book_fields import NAME_CHARS_MAX, BookFields
from meterhouse.core.price_book_match import FIELDS_MAX, read_match
from meterhouse.core.price_book_models import MODEL_FIELDS, PER_MODELS, model_name, read_model
from meterhouse.core.price_book_text import book_hash, plain_document
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.quantity import ZERO
from meterhouse.core.reading import shown

PRICES_MAX = 10_000
DISCOUNTS_MAX = 20
COMMITMENTS_MAX = 1_000
TAXES_MAX = 50
UNIT_PRICE_DIGITS = 12
#: Quantities have no more digits after the point either.
UNIT_PRICE_DIGITS_MAX = 18
#: A divisor adds as many digits as it has factors: 2 to the 40th is a tebibyte.
_DIVISOR_DIGITS_MAX = 40
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}\Z")
_ID_HINT = "use letters, digits, dots, dashes, underscores and colons, at most 100"

_BOOK_FIELDS = (
    *("id", "version", "customer", "ob", "currency", "valid", "timezone", "invoicing_model"),
    *("rounding", "prices", "commitments", "discounts", "taxes", "tiers_at_change"),
    *("counts", "limits"),
)
_PRICE_FIELDS = (
    *("sku", "name", "match", "unit", "per", "model", "priority", "line_by", "convert"),
    *("included", "discounts", "minimum", "prorate_minimum", "maximum", "tax", "show_by"),
)
#: Categories of tax (EN 16931), and what is said where no tax is due and the book does not say it.
TAX_CATEGORIES: Mapping[str, str] = {
    "S": "",
    "Z": "",
    "E": "",
    "AE": "Reverse charge",
    "K": "Intra-Community supply",
    "G": "Export outside the EU",
    "O": "Not subject to tax",
    "L": "",
    "M": "",
}
_WITHOUT_TAX = frozenset({"Z", "E", "AE", "K", "G", "O"})


class _RoundedAt(Enum):
    LINE = "line"
    TIER = "tier"


class _AtChange(Enum):
    CONTINUE = "continue"
    RESTART = "restart"


def read_price_book(document: object) -> PriceBook:
    """Read a document (of JSON or YAML). Raises ``DefinitionError`` with every problem in it."""
    plain = plain_document(document)
    fields = BookFields(plain, known=_BOOK_FIELDS, what="price book")
    book = None if not isinstance(plain, Mapping) else _book(fields, plain)
    if fields.problems or book is None:
        raise DefinitionError(fields.problems, what=_what(plain))
    return book


def _what(plain: object) -> str:
    id = plain.get("id") if isinstance(plain, Mapping) else None
    return f"The price book {shown(id)}" if isinstance(id, str) else "The price book"


def _book(fields: BookFields, plain: Mapping[str, Any]) -> PriceBook:
    currency, amount_digits = _currency(fields)
    valid_from, valid_to = _validity(fields)
    mode, round_tiers, unit_price_digits = _rounding(fields)
    prices = _prices(fields, _Digits(unit_price_digits, amount_digits))
    taxes = _taxes(fields)
    at_change = fields.choice("tiers_at_change", _AtChange, default=_AtChange.CONTINUE)
    book = PriceBook(
        id=_id(fields),
        version=_version(fields),
        hash=book_hash(plain),
        currency=currency,
        valid_from=valid_from or date.min,
        valid_to=valid_to,
        timezone=fields.timezone("timezone", default="Etc/UTC"),
        prices=prices,
        customer=_customer(fields),
        invoicing_model=fields.text("invoicing_model", chars_max=NAME_CHARS_MAX) or "",
        rounding=mode,
        round_tiers=round_tiers,
        unit_price_digits=unit_price_digits,
        commitments=_commitments(fields, amount_digits),
        discounts=_discounts(fields, _OF_BOOKS, amount_digits),
        taxes=taxes,
        counts=read_counts(fields),
        limits=read_limits(fields),
        restart_tiers=at_change is _AtChange.RESTART,
    )
    _check_taxes_of_prices(fields, prices, taxes)
    return book


def _id(fields: BookFields) -> str:
    id = fields.text("id", required=True) or ""
    if id and not _ID.match(id):
        fields.fail("id", f"is {shown(id)}", _ID_HINT)
    return id


def _version(fields: BookFields) -> str:
    """Return the version: a text, or a whole number. 1.10 would be the same number as 1.1."""
    value = fields.body.get("version")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, Decimal):
        fields.fail("version", f"is the number {value}", f'write it as text: "{value}"')
        return ""
    if value is None or value == "":
        fields.fail("version", "is missing", 'give it a text, such as "2026-10-01.1"')
        return ""
    if not isinstance(value, str) or not _ID.match(value):
        fields.fail("version", f"is {shown(value)}", _ID_HINT)
        return ""
    return value


def _customer(fields: BookFields) -> str | None:
    customer, ob = (fields.text(name, chars_max=NAME_CHARS_MAX) for name in ("customer", "ob"))
    if customer is not None and ob is not None and customer != ob:
        fields.fail(
            "ob", f"is {shown(ob)}", "it is another name of customer: leave one of them out"
        )
    return customer if customer is not None else ob


def _currency(fields: BookFields) -> tuple[str, int]:
    code = fields.text("currency", required=True) or ""
    digits = currency_digits(code)
    if code and digits is None:
        near = get_close_matches(code.upper(), currency_codes(), n=1)
        hint = f"did you mean {near[0]}?" if near else "use a code of ISO 4217, such as EUR"
        fields.fail("currency", f"is {shown(code)}, no currency", hint)
    return code, UNIT_PRICE_DIGITS_MAX if digits is None else digits


def _validity(fields: BookFields) -> tuple[date | None, date | None]:
    body = fields.body.get("valid")
    if body is None:
        fields.fail("valid", "is missing", "say from when, such as {from: 2026-10-01, to: null}")
        return None, None
    valid = BookFields(body, known=("from", "to"), what="validity")
    from_, to = valid.day("from", required=True), valid.day("to")
    if from_ is not None and to is not None and to <= from_:
        hint = f"it is the first day that the book is not valid on: use a day after {from_}"
        valid.fail("to", f"is {to}, not after from", hint)
    fields.take("valid", valid.problems)
    return from_, to


def _rounding(fields: BookFields) -> tuple[Rounding, bool, int]:
    body = fields.body.get("rounding")
    known = ("mode", "at", "unit_price_decimals")
    own = BookFields({} if body is None else body, known=known, what="rounding")
    mode = own.choice("mode", Rounding, default=Rounding.HALF_UP)
    at = own.choice("at", _RoundedAt, default=_RoundedAt.LINE)
    digits = own.whole(
        *("unit_price_decimals",), default=UNIT_PRICE_DIGITS, least=0, most=UNIT_PRICE_DIGITS_MAX
    )
    fields.take("rounding", own.problems)
    return mode, at is _RoundedAt.TIER, digits


class _Digits:
    """How many digits after the point prices and amounts of money may have."""

    def __init__(self, price: int, amount: int) -> None:
        self.price = price
        self.amount = amount


def _prices(fields: BookFields, digits: _Digits) -> tuple[Price, ...]:
    items = fields.json_list("prices", items_max=PRICES_MAX)
    if fields.body.get("prices") in (None, []):
        fields.fail("prices", "is missing", "list at least one price")
    prices: list[Price] = []
    places: dict[str, int] = {}
    for index, item in enumerate(items):
        own = BookFields(item, what="price")
        price = _price(own, digits) if isinstance(item, Mapping) else None
        prices += [] if price is None else [price]
        if isinstance(sku := own.body.get("sku"), str) and sku:
            first = places.setdefault(sku, index)
            if first != index:
                hint = f"prices[{first}] has it already: each price has a sku of its own"
                own.fail("sku", f"is {shown(sku)} again", hint)
        fields.take(f"prices[{index}]", own.problems)
    return tuple(prices)


def _price(own: BookFields, digits: _Digits) -> Price | None:
    """Return a price, if its model can be read; problems are noted."""
    name = model_name(own)
    model = None
    if name is not None:
        own.only((*_PRICE_FIELDS, *MODEL_FIELDS[name]), what=f"{name} price")
        model = read_model(own, name, price_digits=digits.price)
    sku = own.text("sku", required=True, chars_max=NAME_CHARS_MAX) or ""
    minimum, maximum = _limits(own, digits.amount)
    values: dict[str, Any] = {
        "match": read_match(own),
        "name": own.text("name", chars_max=NAME_CHARS_MAX) or "",
        "unit": own.text("unit", chars_max=NAME_CHARS_MAX) or "",
        "per": _per(own, name),
        "priority": own.whole("priority", default=0, least=-1_000_000, most=1_000_000),
        "line_by": own.names("line_by", items_max=FIELDS_MAX),
        "conversion": _conversion(own),
        "included": own.number_or("included", ZERO),
        "discounts": _discounts(own, _OF_PRICES, digits.amount),
        "minimum": minimum,
        "prorate_minimum": _prorated_minimum(own, minimum),
        "maximum": maximum,
        "tax": own.text("tax", chars_max=NAME_CHARS_MAX),
        "show_by": own.names("show_by", items_max=FIELDS_MAX),
    }
    return None if model is None else Price(sku, model, **values)


def _prorated_minimum(own: BookFields, minimum: Decimal | None) -> bool:
    prorated = own.boolean("prorate_minimum", default=False)
    if prorated and minimum is None and not own.problems:
        own.fail("prorate_minimum", "is true, without a minimum", "give a minimum, or leave it out")
    return prorated


def _limits(own: BookFields, digits: int) -> tuple[Decimal | None, Decimal | None]:
    minimum = own.decimal("minimum", digits_max=digits)
    maximum = own.decimal("maximum", digits_max=digits)
    if minimum is not None and maximum is not None and minimum > maximum:
        own.fail("maximum", f"is {shown(maximum)}", f"use at least {shown(minimum)}, the minimum")
    return minimum, maximum


def _per(own: BookFields, model: str | None) -> Decimal:
    per = own.number_or("per", ONE, positive=True)
    if model is not None and model not in PER_MODELS and per != ONE:
        hint = f"prices for so many units have {', '.join(sorted(PER_MODELS))}; leave it out"
        own.fail("per", f"is {shown(per)} in a {model} price", hint)
    elif not _terminates(per):
        hint = "a price by it has digits without end; use convert: {divide, digits, rounding}"
        own.fail("per", f"is {shown(per)}", f"use a product of twos and fives: {hint}")
    return per


def _terminates(divisor: Decimal) -> bool:
    """Whether a quotient by this number has few digits after the point."""
    numerator, _ = divisor.as_integer_ratio()
    for factor in (2, 5):
        for _ in range(_DIVISOR_DIGITS_MAX):
            whole, rest = divmod(numerator, factor)
            if rest:
                break
            numerator = whole
    return numerator == 1


def _conversion(own: BookFields) -> Conversion | None:
    body = own.body.get("convert")
    if body is None:
        return None
    part = BookFields(body, known=("multiply", "divide", "digits", "rounding"), what="conversion")
    multiply = part.number_or("multiply", ONE, positive=True)
    divide = part.number_or("divide", ONE, positive=True)
    rounds = part.body.get("digits") is not None
    digits = part.whole("digits", default=0, least=-18, most=18) if rounds else None
    if digits is None and not _terminates(divide):
        hint = "a quotient has digits without end: say how many to keep, such as digits: 6"
        part.fail("divide", f"is {shown(divide)}", hint)
    mode = part.choice("rounding", Rounding, default=Rounding.CEILING)
    own.take("convert", part.problems)
    return Conversion(multiply, divide, digits, mode)


_OF_PRICES = (DiscountKind.PERCENTAGE, DiscountKind.AMOUNT, DiscountKind.USAGE)
_OF_BOOKS = (DiscountKind.PERCENTAGE, DiscountKind.AMOUNT)


def _discounts(
    own: BookFields, kinds: tuple[DiscountKind, ...], digits: int
) -> tuple[Discount, ...]:
    discounts = []
    for index, item in enumerate(own.json_list("discounts", items_max=DISCOUNTS_MAX)):
        part = BookFields(item, known=("kind", "value", "name"), what="discount")
        kind = part.choice("kind", DiscountKind, default=DiscountKind.PERCENTAGE)
        if part.body.get("kind") is None:
            part.fail("kind", "is missing", f"use one of {', '.join(k.value for k in kinds)}")
        elif kind not in kinds:
            part.fail("kind", "is usage", "units are taken off in a price: move it into one")
        if kind is DiscountKind.PERCENTAGE:
            value = part.percent("value", required=True)
        else:
            most = digits if kind is DiscountKind.AMOUNT else None
            value = part.decimal("value", required=True, digits_max=most)
        name = part.text("name", chars_max=NAME_CHARS_MAX) or ""
        own.take(f"discounts[{index}]", part.problems)
        if value is not None:
            discounts.append(Discount(kind, value, name))
    return tuple(discounts)


def _commitments(fields: BookFields, digits: int) -> tuple[Commitment, ...]:
    commitments = []
    prices = fields.body.get("prices")
    given = prices if isinstance(prices, list) else []
    skus = {str(price.get("sku")): None for price in given if isinstance(price, Mapping)}
    for index, item in enumerate(fields.json_list("commitments", items_max=COMMITMENTS_MAX)):
        known = ("scope", "minimum", "maximum", "prorate", "name")
        own = BookFields(item, known=known, what="commitment")
        minimum, maximum = _limits(own, digits)
        if minimum is None and maximum is None and not own.problems:
            own.fail("minimum", "is missing", "give a minimum, a maximum or both")
        scope = _scope(own, skus)
        prorate = own.choice("prorate", _Prorated, default=_Prorated.NONE) is _Prorated.DAYS
        name = own.text("name", chars_max=NAME_CHARS_MAX) or ""
        fields.take(f"commitments[{index}]", own.problems)
        commitments.append(Commitment(minimum, maximum, scope, prorate, name))
    return tuple(commitments)


class _Prorated(Enum):
    NONE = "none"
    DAYS = "days"


def _scope(own: BookFields, skus: Mapping[str, None]) -> tuple[str, ...]:
    """Return the skus that a commitment is about; ``invoice``, as none, is all of them."""
    scope = own.names("scope", items_max=PRICES_MAX)
    if scope in ((), ("invoice",)):
        if own.body.get("scope") in (None, "", []):
            own.fail("scope", "is missing", "write invoice, or list skus")
        return ()
    for index, sku in enumerate(scope):
        if sku not in skus:
            near = get_close_matches(sku, list(skus), n=1)
            hint = f"did you mean {near[0]}?" if near else "write invoice, or skus of this book"
            own.fail(f"scope[{index}]", f"is {shown(sku)}, no sku of this book", hint)
    return scope


def _taxes(fields: BookFields) -> tuple[Tax, ...]:
    taxes: list[Tax] = []
    for index, item in enumerate(fields.json_list("taxes", items_max=TAXES_MAX)):
        own = BookFields(item, known=("category", "rate", "name", "reason"), what="tax")
        tax = _tax(own)
        if any((tax.category, tax.name) == (other.category, other.name) for other in taxes):
            hint = "two rates of one category need names of their own, by which prices name them"
            own.fail("category", f"is {shown(tax.category)} again", hint)
        fields.take(f"taxes[{index}]", own.problems)
        taxes.append(tax)
    return tuple(taxes)


def _tax(own: BookFields) -> Tax:
    category = own.text("category", required=True) or ""
    if category and category not in TAX_CATEGORIES:
        hint = f"use one of {', '.join(TAX_CATEGORIES)} (EN 16931; S is the usual one)"
        own.fail("category", f"is {shown(category)}", hint)
    free = category in _WITHOUT_TAX
    rate = own.percent("rate", required=not free) or ZERO
    if free and rate:
        own.fail("rate", f"is {shown(rate)}", f"category {category} is without tax: use 0")
    reason = own.text("reason", chars_max=NAME_CHARS_MAX) or TAX_CATEGORIES.get(category, "")
    if category == "E" and not reason:
        own.fail("reason", "is missing", "say why the supply is exempt, as the invoice must")
    return Tax(category, rate, own.text("name", chars_max=NAME_CHARS_MAX) or "VAT", reason)


def _check_taxes_of_prices(
    fields: BookFields, prices: tuple[Price, ...], taxes: tuple[Tax, ...]
) -> None:
    known = list(dict.fromkeys(name for tax in taxes for name in (tax.category, tax.name)))
    for price in prices:
        if price.tax is not None and price.tax not in known:
            hint = f"use one of {', '.join(known)}" if known else "add it to the taxes of the book"
            problem = Problem("tax", f"is {shown(price.tax)}, which has no rate", hint)
            fields.problems.append(problem.at(f"prices[{shown(price.sku)}]"))
