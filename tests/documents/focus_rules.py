"""The rules of FOCUS 1.2 that rows of an invoice can break; returns what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

MANDATORY = (
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodStart "
    "BillingPeriodEnd ChargeCategory ChargeClass ChargeDescription ChargePeriodStart "
    "ChargePeriodEnd ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingQuantity "
    "PricingUnit ProviderName PublisherName ServiceCategory ServiceName"
).split()
NOT_NULL = (
    "BilledCost BillingAccountId BillingCurrency BillingPeriodStart BillingPeriodEnd "
    "ChargeCategory ChargePeriodStart ChargePeriodEnd ContractedCost EffectiveCost "
    "InvoiceIssuerName ListCost ProviderName PublisherName ServiceCategory ServiceName"
).split()
NUMBERS = (
    "BilledCost EffectiveCost ContractedCost ListCost ContractedUnitPrice ListUnitPrice "
    "ConsumedQuantity PricingQuantity"
).split()
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"", "One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CURRENCY = re.compile("[A-Z]{3}")


def broken(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return each broken rule, with the row."""
    found = [f"column {name} is missing" for name in MANDATORY if name not in names]
    found += [
        f"column {name} is no column of FOCUS"
        for name in names
        if not re.fullmatch(r"(x_)?[A-Z][A-Za-z]+", name)
    ]
    return found + [
        f"row {at}: {fault}" for at, row in enumerate(rows, 1) for fault in _faults(row)
    ]


def _faults(row: Mapping[str, str]) -> Iterator[str]:
    for name in NOT_NULL:
        if not row[name]:
            yield f"{name} is null"
    for name in NUMBERS:
        if row[name] and not _NUMBER.fullmatch(row[name]):
            yield f"{name} is {row[name]!r}"
    for name, allowed in ALLOWED.items():
        if row[name] not in allowed:
            yield f"{name} is {row[name]!r}"
    if not _CURRENCY.fullmatch(row["BillingCurrency"]):
        yield "BillingCurrency is no code"
    for part in ("Billing", "Charge"):
        start, end = row[f"{part}PeriodStart"], row[f"{part}PeriodEnd"]
        if not (_MOMENT.fullmatch(start) and _MOMENT.fullmatch(end) and start < end):
            yield f"{part}Period is {start} to {end}"
    yield from _price_faults(row)


def _price_faults(row: Mapping[str, str]) -> Iterator[str]:
    for kind in ("List", "Contracted"):
        price, quantity = row[f"{kind}UnitPrice"], row["PricingQuantity"]
        if price and Decimal(price) * Decimal(quantity) != Decimal(row[f"{kind}Cost"]):
            yield f"{kind}UnitPrice x PricingQuantity is not {kind}Cost"
        if price and Decimal(price) < 0:
            yield f"{kind}UnitPrice is below 0"
    if row["ChargeCategory"] == "Usage" and not (row["ConsumedQuantity"] and row["ConsumedUnit"]):
        yield "usage without a consumed quantity"
    if row["ChargeCategory"] == "Tax" and (row["PricingQuantity"] or row["SkuId"]):
        yield "tax with a quantity or a SKU"
    if bool(row["SubAccountId"]) != bool(row["SubAccountType"]):
        yield "SubAccountType without SubAccountId"
