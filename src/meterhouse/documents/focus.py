"""An invoice as rows of FOCUS 1.2, the FinOps format of cost and usage.

A row is a charge: one for each line, for each tax and for each credit. All rows together bill what
the invoice asks for: the sum of ``BilledCost`` is the payable amount, below 0 in a credit note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from meterhouse.core.charge import ChargeKind
from meterhouse.core.instant import to_datetime
from meterhouse.core.invoice import CreditUse, Invoice, InvoiceKind, TaxTotal
from meterhouse.core.json_text import json_text
from meterhouse.core.money import amount_text, rounded_ratio
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.documents.csv_lines import table_bytes
from meterhouse.documents.plain_text import csv_text
from meterhouse.documents.shown_line import ShownLine, field_text, shown_lines

#: All columns, in their order; those of ours begin with ``x_``.
COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_ExactCost",
    "x_LineId",
    "x_PriceBookVersion",
    "x_PricingModel",
    "x_TaxCategory",
    "x_TaxRate",
)

#: Service codes of conversational services; whatever else is metered is ``Other``.
_SUBCATEGORIES = {
    "message": ("AI and Machine Learning", "Bots"),
    "nlpaas": ("AI and Machine Learning", "Natural Language Processing"),
    "ai": ("AI and Machine Learning", "Generative AI"),
}
_OTHER = ("Other", "Other (Other)")
_CATEGORIES = {
    ChargeKind.USAGE: "Usage",
    ChargeKind.FEE: "Purchase",
    ChargeKind.TRUE_UP: "Adjustment",
    ChargeKind.ADJUSTMENT: "Adjustment",
}
_FREQUENCIES = {
    ChargeKind.USAGE: "Usage-Based",
    ChargeKind.FEE: "Recurring",
    ChargeKind.TRUE_UP: "Recurring",
    ChargeKind.ADJUSTMENT: "One-Time",
}
_WORDS = {"request": "Requests", "token": "Tokens", "": "Units"}

ONE = Decimal(1)

Row = dict[str, str]


def focus_bytes(invoice: Invoice) -> bytes:
    """Write an invoice as CSV in the columns of FOCUS 1.2; no value is written as nothing."""
    rows = ([_cell(name, row.get(name, "")) for name in COLUMNS] for row in focus_rows(invoice))
    return table_bytes(COLUMNS, rows)


_NUMBERS = frozenset(
    "BilledCost ConsumedQuantity ContractedCost ContractedUnitPrice EffectiveCost ListCost "
    "ListUnitPrice PricingQuantity x_ExactCost x_TaxRate".split()
)


def _cell(name: str, value: str) -> str:
    return value if name in _NUMBERS else csv_text(value)


def focus_rows(invoice: Invoice) -> Iterator[Row]:
    """Yield the rows of an invoice: lines, credits before tax, taxes, prepaid credits."""
    for shown in shown_lines(invoice):
        yield _line_row(invoice, shown)
    for credit in invoice.credits:
        yield _credit_row(invoice, credit)
    for tax in invoice.taxes:
        if tax.amount:
            yield _tax_row(invoice, tax)


def _common(invoice: Invoice) -> Row:
    period = invoice.period
    return {
        "BillingAccountId": invoice.customer,
        "BillingAccountName": invoice.buyer.name,
        "BillingAccountType": "Customer",
        "BillingCurrency": invoice.currency,
        "BillingPeriodStart": _moment(period.start),
        "BillingPeriodEnd": _moment(period.end),
        "ChargePeriodStart": _moment(period.start),
        "ChargePeriodEnd": _moment(period.end),
        "InvoiceId": invoice.number or "",
        "InvoiceIssuerName": invoice.seller.name,
        "PricingCurrency": invoice.currency,
        "ProviderName": invoice.seller.name,
        "PublisherName": invoice.seller.name,
        "ServiceCategory": "Other",
        "ServiceSubcategory": "Other (Other)",
        "ServiceName": invoice.seller.name,
    }


def _moment(instant: int) -> str:
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signed(invoice: Invoice, amount: Decimal) -> str:
    """Write an amount as a cost: what is given back is below zero."""
    back = invoice.kind is InvoiceKind.CREDIT_NOTE
    return amount_text(amount.copy_negate() if back and amount else amount, invoice.currency_digits)


def _line_row(invoice: Invoice, shown: ShownLine) -> Row:
    line, charge = shown.line, shown.line.charge
    category, subcategory = _SUBCATEGORIES.get(shown.service, _OTHER)
    cost = _signed(invoice, line.net)
    period = charge.period
    book = next((one for one in invoice.books if line.book in (one.hash, one.id)), None)
    row = _common(invoice) | {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ChargeCategory": _CATEGORIES[charge.kind],
        "ChargeClass": "Correction" if line.corrects or invoice.corrects else "",
        "ChargeDescription": line.reason or charge.name,
        "ChargeFrequency": _FREQUENCIES[charge.kind],
        "ChargePeriodStart": _moment(period.start),
        "ChargePeriodEnd": _moment(period.end),
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ServiceName": shown.service if category == "Other" else shown.component,
        "ResourceId": shown.preset or shown.component,
        "ResourceName": shown.preset or shown.component,
        "ResourceType": "Preset" if shown.preset else "Component",
        "RegionId": field_text(charge.fields, "country"),
        "RegionName": field_text(charge.fields, "country"),
        "SkuId": charge.sku,
        "SkuPriceId": f"{book.id if book else line.book}:{charge.sku}",
        "SkuMeter": _meter(shown),
        "SubAccountId": shown.app_id or shown.app or shown.channel,
        "SubAccountName": shown.app or shown.channel,
        "SubAccountType": "App" if shown.app or shown.app_id else "Channel",
        "Tags": json_text(_tags(charge.fields)),
        "x_ExactCost": _count(invoice, charge.exact),
        "x_LineId": line.id,
        "x_PriceBookVersion": book.version if book else line.book,
        "x_PricingModel": charge.model,
        "x_TaxCategory": line.tax_category,
        "x_TaxRate": number_text(line.tax_rate),
    }
    if not row["SubAccountId"]:
        row["SubAccountType"] = ""
    return row | _quantities(invoice, shown)


def _quantities(invoice: Invoice, shown: ShownLine) -> Row:
    """Quantities, unit prices and their products; those are before rounding and reductions."""
    charge = shown.line.charge
    gross = _signed(invoice, charge.gross)
    row = {"ListCost": gross, "ContractedCost": gross}
    if charge.kind is not ChargeKind.USAGE:
        return row | {"PricingQuantity": _count(invoice, ONE), "PricingUnit": "Units"}
    word = _WORDS.get(charge.unit, charge.unit)
    pricing = _pricing_quantity(charge.billable, charge.per)
    row |= {
        "ConsumedQuantity": _count(invoice, charge.quantity),
        "ConsumedUnit": _WORDS.get(shown.metered_unit, shown.metered_unit),
        "PricingCategory": "Standard",
        "PricingQuantity": _count(invoice, charge.billable if pricing is None else pricing),
        "PricingUnit": word
        if charge.per == 1 or pricing is None
        else f"{number_text(charge.per)} {word}",
    }
    price = charge.list_price
    if price is not None and pricing is not None and EXACT.multiply(price, pricing) == charge.exact:
        cost = _count(invoice, charge.exact)
        row |= dict.fromkeys(("ListUnitPrice", "ContractedUnitPrice"), number_text(price))
        row |= dict.fromkeys(("ListCost", "ContractedCost"), cost)
    return row


def _count(invoice: Invoice, number: Decimal) -> str:
    """Write a number that has the sign of the cost."""
    back = invoice.kind is InvoiceKind.CREDIT_NOTE
    return number_text(number.copy_negate() if back else number)


def _pricing_quantity(billable: Decimal, per: Decimal) -> Decimal | None:
    """Return a quantity in priced units, where that has an end; ``None`` where it has none."""
    made = rounded_ratio(billable, per, 18)
    return made if EXACT.multiply(made, per) == billable else None


def _meter(shown: ShownLine) -> str:
    word = _WORDS.get(shown.metered_unit, shown.metered_unit)
    return f"{shown.token_type.title()} {word}" if shown.token_type else word


def _tags(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: field_text(fields, name) for name in sorted(fields)}


def _credit_row(invoice: Invoice, credit: CreditUse) -> Row:
    """A credit that is drawn: what it pays is not billed again."""
    cost = _signed(invoice, credit.amount.copy_negate())
    return _common(invoice) | {
        "BilledCost": cost,
        "EffectiveCost": amount_text(ZERO, invoice.currency_digits) if credit.paid else cost,
        "ContractedCost": cost,
        "ListCost": cost,
        "ChargeCategory": "Credit",
        "ChargeDescription": credit.name,
        "ChargeFrequency": "One-Time",
        "PricingQuantity": "1",
        "PricingUnit": "Units",
        "SkuId": f"credit:{credit.grant}",
        "SkuPriceId": f"credit:{credit.grant}",
    }


def _tax_row(invoice: Invoice, tax: TaxTotal) -> Row:
    cost = _signed(invoice, tax.amount)
    return _common(invoice) | {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ContractedCost": cost,
        "ListCost": cost,
        "ChargeCategory": "Tax",
        "ChargeDescription": f"{tax.name} {number_text(tax.rate)} %",
        "ChargeFrequency": "One-Time",
        "x_TaxCategory": tax.category,
        "x_TaxRate": number_text(tax.rate),
    }
