"""Price books and charges for tests of invoices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.core.charge import BillingPeriod, Charge, ChargeKind
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.money import rounded
from meterhouse.core.price_book import PerUnit, Price, PriceBook, Tax


def instant(text: str) -> Instant:
    found = parse_instant(text)
    assert found is not None
    return found


OCTOBER = BillingPeriod(instant("2026-10-01"), instant("2026-11-01"), "Etc/UTC")
SEPTEMBER = BillingPeriod(instant("2026-09-01"), instant("2026-10-01"), "Etc/UTC")
AT = instant("2026-11-03")
VAT = Tax("S", Decimal(21))


def book(**changes: Any) -> PriceBook:
    """A book in euros with 21 % tax; changes are of its fields."""
    plain = PriceBook(
        id="retail",
        version="1",
        hash="a" * 64,
        currency="EUR",
        valid_from=date(2026, 1, 1),
        valid_to=None,
        timezone="Etc/UTC",
        prices=(),
        taxes=(VAT,),
    )
    return replace(plain, **changes)


def price(sku: str, *, tax: str | None = None) -> Price:
    return Price(sku, PerUnit(Decimal(1)), tax=tax)


def charge(sku: str, net: str, *, exact: str = "", tax: str | None = None) -> Charge:
    """A charge of so much; ``exact`` is what it was before it was rounded."""
    amount = Decimal(net)
    return Charge(
        sku=sku,
        kind=ChargeKind.USAGE,
        name=sku,
        model="per_unit",
        unit="request",
        fields={},
        quantity=Decimal(1),
        billable=Decimal(1),
        per=Decimal(1),
        list_price=None,
        parts=(),
        exact=Decimal(exact or net),
        gross=amount,
        net=amount,
        tax=tax,
        period=OCTOBER,
    )


def used(sku: str, quantity: str, unit_price: str) -> Charge:
    """A charge of so many units, rounded to cents."""
    exact = Decimal(quantity) * Decimal(unit_price)
    net = rounded(exact, 2)
    return replace(
        charge(sku, str(net), exact=str(exact)),
        quantity=Decimal(quantity),
        billable=Decimal(quantity),
    )
