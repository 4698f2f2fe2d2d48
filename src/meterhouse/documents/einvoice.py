"""An invoice as EN 16931 XML: UBL 2.1 and UN/CEFACT CII, made and checked against the XSD offline.

This module says which field of an invoice is which business term (BT) of the standard. An
invoice that lacks what the standard asks for is refused with a list of all that is missing:
an invalid file is never made. How terms become XML is the library's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from meterhouse.core.charge import ChargeKind, Reduction
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceLine, TaxTotal
from meterhouse.core.money import amount_text, rounded_ratio
from meterhouse.core.party import Party
from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.documents.extra import needed
from meterhouse.documents.header import local_day, period_days
from meterhouse.documents.plain_text import xml_text
from meterhouse.documents.shown_line import (
    ShownLine,
    field_text,
    named_fields,
    parts_text,
    shown_lines,
    total,
)

#: The standard allows amounts two digits after the point, whatever the currency has.
_DIGITS_MAX = 2
_PARTS_CHARS_MAX = 1000
#: Categories of which each needs a reason why no tax is due, and what is said where none is given.
_REASONS = {
    "E": "Exempt from tax",
    "AE": "Reverse charge",
    "K": "Intra-Community supply",
    "G": "Export outside the EU",
    "O": "Not subject to VAT",
}
_CATEGORIES = frozenset({"S", "Z", "L", "M", *_REASONS})
#: No VAT identifier may be given beside these, and no rate.
_NOT_SUBJECT = "O"
#: Categories for which the buyer must have a VAT identifier.
_BUYER_TAXED = ("AE", "K")
#: UNTDID 5189: discount.
_DISCOUNT = "95"


class NotAnEInvoice(MeterhouseError):
    """An invoice lacks what EN 16931 asks for; ``problems`` lists all of it."""

    code = "einvoice_incomplete"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        listed = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"The invoice cannot be an e-invoice (EN 16931):{listed}")


def ubl_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as UBL 2.1: an ``Invoice`` or a ``CreditNote``."""
    return _xml(invoice, "ubl-2.1")


def cii_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as CII, in the profile that Factur-X calls EN 16931."""
    return _xml(invoice, "factur-x")


def _xml(invoice: Invoice, flavor: str) -> bytes:
    problems = list(missing(invoice))
    if problems:
        raise NotAnEInvoice(problems)
    with needed("einvoice", "E-invoices"):
        from facturx import generate_xml
    # The library changes what it is given; its check by Schematron asks a server, the tests do it.
    made = generate_xml(
        copy.deepcopy(terms(invoice)),
        flavor=flavor,
        level="en16931",
        check_xsd=True,
        check_schematron=False,
    )
    assert isinstance(made, bytes)
    return made


def missing(invoice: Invoice) -> Iterator[Problem]:
    """Yield all that keeps an invoice from being an e-invoice."""
    if invoice.number is None or invoice.issue_date is None:
        yield Problem("number", "is missing", "issue the invoice: a draft has no number and date")
    if not invoice.lines:
        yield Problem("lines", "are none", "an e-invoice has at least one line")
    yield from _party_problems(invoice, invoice.seller, "seller")
    yield from _party_problems(invoice, invoice.buyer, "buyer")
    yield from _tax_problems(invoice)
    if invoice.kind is InvoiceKind.CREDIT_NOTE and invoice.corrects is None:
        yield Problem("corrects", "is missing", "a credit note names the invoice that it is for")
    if any(_too_fine(amount) for amount in _amounts(invoice)):
        hint = f"EN 16931 allows two; use another format for invoices in {invoice.currency}"
        yield Problem("currency", "has amounts with three digits after the point", hint)
    if invoice.totals.net < ZERO and invoice.kind is InvoiceKind.INVOICE:
        yield Problem("totals.net", f"is {invoice.totals.net}", "give money back by a credit note")


def _party_problems(invoice: Invoice, party: Party, role: str) -> Iterator[Problem]:
    def problem(field: str, what: str) -> Problem:
        return Problem(f"{role}.{field}", "is missing", f"give the {role} {what}")

    if not party.name:
        yield problem("name", "a legal name")
    if len(party.address.country) != 2:
        yield problem("address.country", "a country of two letters, such as ES")
    categories = {tax.category for tax in invoice.taxes}
    if role == "seller" and not party.tax_id and categories - {_NOT_SUBJECT}:
        yield problem("taxId", "a VAT identifier, such as ESB12345674")
    if role == "seller" and not (party.tax_id or party.legal_id):
        yield problem("legalId", "a registration number")
    if role == "buyer" and not (party.tax_id or party.legal_id) and categories & {*_BUYER_TAXED}:
        yield problem("taxId", "a VAT identifier: the buyer pays the tax")


def _tax_problems(invoice: Invoice) -> Iterator[Problem]:
    categories = {tax.category for tax in invoice.taxes}
    for unknown in sorted(categories - _CATEGORIES):
        hint = f"use one of {', '.join(sorted(_CATEGORIES))} in the price book"
        yield Problem("taxes", f"have the category {unknown!r}", hint)
    if _NOT_SUBJECT in categories and len(categories) > 1:
        others = ", ".join(sorted(categories - {_NOT_SUBJECT}))
        hint = "what is not subject to tax goes on an invoice of its own"
        yield Problem("taxes", f"have category O and also {others}", hint)
    for tax in invoice.taxes:
        if tax.category in _REASONS | {"Z": ""} and tax.rate:
            hint = "its rate is 0"
            yield Problem("taxes", f"have a rate of {tax.rate} for category {tax.category}", hint)
        if tax.category == "S" and not tax.rate:
            hint = "use category Z or E where nothing is due"
            yield Problem("taxes", "have a rate of 0 for category S", hint)


def _amounts(invoice: Invoice) -> Iterator[Decimal]:
    totals = invoice.totals
    yield from (totals.lines, totals.net, totals.tax, totals.total, totals.prepaid, totals.payable)
    for line in invoice.lines:
        yield from (line.net, line.charge.gross)
        yield from (one.amount for one in (*line.charge.reductions, *line.shares))
    for tax in invoice.taxes:
        yield from (tax.base, tax.amount)


def _too_fine(amount: Decimal) -> bool:
    return EXACT.scaleb(amount, _DIGITS_MAX) % 1 != 0


def terms(invoice: Invoice) -> dict[str, Any]:
    """Return the business terms of an invoice, named as the standard numbers them."""
    assert invoice.number is not None and invoice.issue_date is not None
    digits = min(invoice.currency_digits, _DIGITS_MAX)
    first, last = period_days(invoice)
    totals = invoice.totals
    return {
        "BT-1": xml_text(invoice.number),
        "BT-2": invoice.issue_date,
        "BT-3": "381" if invoice.kind is InvoiceKind.CREDIT_NOTE else "380",
        "BT-5": invoice.currency,
        "BT-9": invoice.due_date,
        "BT-10": xml_text(invoice.reference),
        "BT-20": "" if invoice.due_date else "As agreed",
        "BT-72": last,
        "BT-73": first,
        "BT-74": last,
        "BG-1": [{"BT-22": xml_text(f"Invoicing model: {invoice.invoicing_model}")}]
        if invoice.invoicing_model
        else [],
        "BG-3": _preceding(invoice),
        "BG-4": _party(invoice, invoice.seller),
        "BG-7": _party(invoice, invoice.buyer),
        **_ship_to(invoice),
        "BG-20": list(_allowances(invoice, digits)),
        "BG-23": [_breakdown(tax, digits) for tax in invoice.taxes],
        "BG-25": [_line(invoice, shown, digits) for shown in shown_lines(invoice)],
        "BT-106": amount_text(totals.lines, digits),
        "BT-107": amount_text(totals.credits_before_tax, digits)
        if totals.credits_before_tax
        else None,
        "BT-109": amount_text(totals.net, digits),
        "BT-110": amount_text(totals.tax, digits),
        "BT-112": amount_text(totals.total, digits),
        "BT-113": amount_text(totals.prepaid, digits) if totals.prepaid else None,
        "BT-115": amount_text(totals.payable, digits),
    }


def _preceding(invoice: Invoice) -> list[dict[str, Any]]:
    if invoice.corrects is None:
        return []
    number, issued = invoice.corrects
    return [{"BT-25": xml_text(number), "BT-26": issued}]


def _ship_to(invoice: Invoice) -> dict[str, Any]:
    """Where an Intra-Community supply went: the buyer's address."""
    if all(tax.category != "K" for tax in invoice.taxes):
        return {}
    party = _party(invoice, invoice.buyer)
    return {"BG-13": {name: text for name, text in party.items() if "identifier" not in name}}


def _party(invoice: Invoice, party: Party) -> dict[str, Any]:
    address = party.address
    made = {
        "name": party.name,
        "legal_identifier": party.legal_id,
        "vat_identifier": party.tax_id,
        "addr_l1": address.street,
        "city": address.city,
        "postcode": address.postcode,
        "country_subdivision": address.region,
        "country_code": address.country,
    }
    if any(tax.category == _NOT_SUBJECT for tax in invoice.taxes):
        # BR-O-02: no VAT identifier beside what is not subject to VAT.
        made["legal_identifier"] = party.legal_id or party.tax_id
        made["vat_identifier"] = ""
    return {name: xml_text(value) for name, value in made.items() if value}


def _allowances(invoice: Invoice, digits: int) -> Iterator[dict[str, Any]]:
    """Yield what credits take off before tax: for each tax, what its lines exceed its base by."""
    names = ", ".join(credit.name for credit in invoice.credits if not credit.paid)
    for tax in invoice.taxes:
        whole = total(
            [
                line.net
                for line in invoice.lines
                if (line.tax_category, line.tax_rate) == (tax.category, tax.rate)
            ]
        )
        taken = EXACT.subtract(whole, tax.base)
        if taken:
            yield {
                "amount": amount_text(taken, digits),
                "reason": xml_text(names) or "Credit",
                "vat_category_code": tax.category,
            } | _rate("vat_rate", tax.category, tax.rate)


def _rate(name: str, category: str, rate: Decimal) -> dict[str, str]:
    return {} if category == _NOT_SUBJECT else {name: amount_text(rate, 2)}


def _breakdown(tax: TaxTotal, digits: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "BT-116": amount_text(tax.base, digits),
        "BT-117": amount_text(tax.amount, digits),
        "BT-118": tax.category,
    }
    if tax.category in _REASONS:
        made["BT-120"] = xml_text(tax.reason or _REASONS[tax.category])
    return made | _rate("BT-119", tax.category, tax.rate)


def _line(invoice: Invoice, shown: ShownLine, digits: int) -> dict[str, Any]:
    line, charge = shown.line, shown.line.charge
    period, day = charge.period, local_day
    attributes = [("Service", shown.service), ("App", shown.user), *_other_fields(shown)]
    said = (line.reason, _metered(shown), parts_text(line, digits))
    note = "; ".join(filter(None, said))[:_PARTS_CHARS_MAX]
    reductions = (*charge.reductions, *line.shares)
    return {
        "BT-126": line.id,
        "BT-127-00": [{"BT-127": xml_text(note)}] if note else [],
        "BT-131": amount_text(line.net, digits),
        "BT-134": day(period.start, period.timezone),
        "BT-135": day(max(period.end - 1, period.start), period.timezone),
        "BT-151": line.tax_category,
        **_rate("BT-152", line.tax_category, line.tax_rate),
        "BT-153": xml_text(charge.name or charge.sku),
        "BT-155": xml_text(shown.sku),
        "BG-27": [_allowance(one, digits) for one in reductions if one.amount > ZERO],
        "BG-28": [_charge(one, digits) for one in reductions if one.amount < ZERO],
        "BG-32": [{"BT-160": name, "BT-161": xml_text(text)} for name, text in attributes if text],
        "BT-130": "C62",
        **_price(line, digits),
    }


def _metered(shown: ShownLine) -> str:
    if not shown.is_converted:
        return ""
    return f"metered {number_text(shown.line.charge.quantity)} {shown.metered_unit}".strip()


def _other_fields(shown: ShownLine) -> Iterator[tuple[str, str]]:
    """Yield the fields of a line that neither the service nor the app says."""
    fields = named_fields(shown.line)
    for name in sorted(fields.keys() - {"service", "app", "app_id"}):
        yield xml_text(name.replace("_", " ").capitalize()), field_text(fields, name)


def _allowance(reduction: Reduction, digits: int) -> dict[str, Any]:
    reason = xml_text(reduction.name) or reduction.kind
    amount = amount_text(reduction.amount, digits)
    return {"amount": amount, "reason": reason, "reason_code": _DISCOUNT}


def _charge(reduction: Reduction, digits: int) -> dict[str, Any]:
    """A reduction that is taken back, as credit notes of sums below zero have them."""
    reason = xml_text(reduction.name) or reduction.kind
    return {"amount": amount_text(reduction.amount.copy_negate(), digits), "reason": reason}


def _price(line: InvoiceLine, digits: int) -> dict[str, str]:
    """Return quantity, net price and base quantity, whose product is the amount before allowances.

    Where the list price is not all of it (tiers, packages, minima), the price is the amount for
    the whole quantity. Prices are never negative: what is given back has a negative quantity.
    """
    charge = line.charge
    gross, billable, price = charge.gross, charge.billable, charge.list_price
    if charge.kind is ChargeKind.USAGE and price is not None and price >= ZERO:
        product = EXACT.multiply(price, billable)
        if rounded_ratio(product, charge.per, digits) == gross:
            return _priced(billable, price, charge.per)
    whole = billable if billable > ZERO and charge.kind is ChargeKind.USAGE else Decimal(1)
    signed = whole.copy_negate() if gross < ZERO else whole
    return _priced(signed, gross.copy_abs(), whole)


def _priced(quantity: Decimal, price: Decimal, per: Decimal) -> dict[str, str]:
    return {
        "BT-129": number_text(quantity),
        "BT-146": number_text(price),
        "BT-149": number_text(per),
    }
