"""The worked examples of the billing specification, sections 6.6 and 8.0 to 8.11, to the cent."""

from decimal import Decimal

import pytest

from meterhouse.core.json_text import canonical_text
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.price_book import (
    CostPlus,
    Discount,
    DiscountKind,
    Graduated,
    GraduatedPercentage,
    Hybrid,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Stairstep,
    Volume,
)
from tests.rating.books import book, charged, dec, net, price, rated, tier, used

TIERS = (tier(1000, "0.02"), tier(10000, "0.015", 5), tier(None, "0.01"))
WITHOUT_FLAT = (tier(1000, "0.02"), tier(10000, "0.015"), tier(None, "0.01"))
BANDS = (tier(1000, 0, 20), tier(10000, 0, 120), tier(50000, 0, 400), tier(None, 0, 1500))


def test_6_6_worked_invoice():
    lines = [
        ("message", "aura-groot", "mi-movistar", 184230, "0.0021"),
        ("nlpaas", "aura-gateway-api", "app-nlp", 52311, "0.0035"),
        ("ai", "aura-gateway-api", "app-rag", 9874, "0.0275"),
        ("ai", "aura-gateway-api", "app-gen", 30125, "0.0112"),
    ]
    prices = [
        price(PerUnit(dec(unit)), app, match={"service": service, "app": app})
        for service, _, app, _, unit in lines
    ]
    entries = [((s, c, a), q) for s, c, a, q, _ in lines]
    usage = used(276540, breakdowns={"service,component,app": entries})
    rating = rated(book(*prices), usage)
    assert [str(charge.exact) for charge in rating.charges] == [
        "386.8830",
        "183.0885",
        "271.5350",
        "337.4000",
    ]
    amounts = [str(charge.net) for charge in rating.charges]
    assert amounts == ["386.88", "183.09", "271.54", "337.40"]
    assert rating.net == dec("1178.91")
    assert sum(charge.quantity for charge in rating.charges) == 276540
    vat = rounded(rating.net * dec("0.21"), 2)
    assert (vat, rating.net + vat) == (dec("247.57"), dec("1426.48"))


def test_8_0_rounding_of_tiers_or_of_the_line():
    model = Graduated((tier(333, "0.015"), tier(None, "0.005")))
    assert net(model, 666) == "6.66"
    by_tier = charged(book(price(model), round_tiers=True), used(666))
    assert (str(by_tier.net), str(by_tier.exact)) == ("6.67", "6.660")


@pytest.mark.parametrize(
    ("mode", "amount"), [(Rounding.HALF_UP, "2.35"), (Rounding.HALF_EVEN, "2.34")]
)
def test_8_0_halves(mode, amount):
    rating = charged(book(price(PerUnit(dec("2.345"))), rounding=mode), used(1))
    assert str(rating.net) == amount


@pytest.mark.parametrize(("quantity", "amount"), [(0, "0.00"), (12345, "169.13")])
def test_8_1_per_unit(quantity, amount):
    assert net(PerUnit(dec("0.0137")), quantity) == amount


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [(0, "0.00"), (1000, "20.00"), (1001, "25.02"), (12500, "185.00")],
)
def test_8_2_graduated(quantity, amount):
    assert net(Graduated(TIERS), quantity) == amount


def test_8_2_the_first_flat_amount_is_due_at_0():
    assert net(Graduated((tier(10, 1, 7), tier(None, 1, 9))), 0) == "7.00"


def test_8_2_progressive_billing():
    model = Graduated(WITHOUT_FLAT)
    first, whole = Decimal(net(model, 900)), Decimal(net(model, 1500))
    assert (first, whole - first) == (dec("18.00"), dec("9.50"))


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [(1000, "20.00"), (1001, "20.02"), (10000, "155.00"), (10001, "100.01"), (12500, "125.00")],
)
def test_8_3_volume(quantity, amount):
    assert net(Volume(TIERS), quantity) == amount


def test_8_3_the_first_flat_amount_is_due_at_0():
    assert net(Volume((tier(10, 1, 7), tier(None, 1, 9))), 0) == "7.00"


def test_8_3_a_fraction_above_a_bound_is_in_the_upper_tier():
    assert net(Volume((tier(100, 1), tier(None, 2))), "100.5") == "201.00"


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [(0, "0.00"), (1, "3.50"), (1000, "3.50"), (1001, "7.00"), (12345, "45.50")],
)
def test_8_4_package(quantity, amount):
    assert net(Package(dec(1000), dec("3.50")), quantity) == amount


def test_8_4_package_with_free_units():
    assert net(Package(dec(1000), dec("3.50"), free=dec(500)), 12345) == "42.00"


def test_8_4_whole_packages_only():
    assert net(Package(dec(1000), dec("3.50"), round_down=True), 12345) == "42.00"


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [(0, "20.00"), (1000, "20.00"), (1001, "120.00"), (12500, "400.00"), (50001, "1500.00")],
)
def test_8_5_stairstep(quantity, amount):
    assert net(Stairstep(BANDS), quantity) == amount


def test_8_5_a_band_for_no_use():
    assert net(Stairstep((tier(0), *BANDS)), 0) == "0.00"


def test_8_6_percentage():
    model = Percentage(dec("2.9"), fixed=dec("0.30"))
    usage = used("1023.10", events=(dec("120.00"), dec("3.10"), dec("900.00")))
    charge = charged(price(model), usage)
    assert (charge.exact, str(charge.net)) == (dec("30.5699"), "30.57")


def test_8_6_percentage_within_limits():
    model = Percentage(dec("2.9"), dec("0.30"), minimum=dec("0.50"), maximum=dec(20))
    values = ("120.00", "3.10", "900.00")
    records = [used(value, value, events=(dec(value),)) for value in values]
    assert str(charged(price(model), *records).net) == "24.28"


def test_8_6_graduated_percentage():
    tiers = (
        tier(1000, percent=dec(1)),
        tier(10000, 0, 2, percent=dec("0.8")),
        tier(None, percent=dec("0.5")),
    )
    assert net(GraduatedPercentage(tiers), 12500) == "96.50"


def test_8_6_cost_plus():
    charge = charged(price(CostPlus(dec("1.20"))), used("3.5740675"))
    assert (charge.exact, str(charge.net)) == (dec("4.288881"), "4.29")


TOKENS = [
    (("gpt-4o", "input"), 834567),
    (("gpt-4o", "cached"), 400000),
    (("gpt-4o", "output"), 98765),
]


@pytest.mark.parametrize(("by_cell", "amount"), [(False, "3.57"), (True, "3.58")])
def test_8_9_matrix(by_cell, amount):
    values = {
        ('"gpt-4o"', '"input"'): dec("2.50"),
        ('"gpt-4o"', '"cached"'): dec("1.25"),
        ('"gpt-4o"', '"output"'): dec("10.00"),
    }
    model = Matrix(("model", "token_type"), values)
    usage = used(1333332, breakdowns={"model,token_type": TOKENS})
    of_book = book(price(model, per=dec(1000000)), round_tiers=by_cell)
    charge = charged(of_book, usage)
    assert (charge.exact, str(charge.net)) == (dec("3.5740675"), amount)
    assert [part.label for part in charge.parts] == [
        "gpt-4o input",
        "gpt-4o cached",
        "gpt-4o output",
    ]


def test_8_10_hybrid_of_lines():
    per_million = dec(1000000)
    prices = (
        price(PerUnit(dec("0.01")), "requests", match={"meter_type": "requests"}),
        price(PerUnit(dec("2.50")), "input", match={"meter_type": "input"}, per=per_million),
        price(PerUnit(dec(10)), "output", match={"meter_type": "output"}, per=per_million),
    )
    usage = (
        used(9874, "a", meter_type="requests"),
        used(18450000, "b", meter_type="input"),
        used(2310000, "c", meter_type="output"),
    )
    rating = rated(book(*prices), *usage)
    assert [str(charge.net) for charge in rating.charges] == ["98.74", "46.13", "23.10"]
    assert rating.net == dec("167.97")


def test_8_10_hybrid_of_models_is_rounded_once():
    cells = {(canonical_text("in"),): dec("0.0125"), (canonical_text("out"),): dec("0.005")}
    model = Hybrid((PerUnit(dec("0.0025")), Matrix(("kind",), cells)))
    usage = used(3, breakdowns={"kind": [(["in"], 1), (["out"], 2)]})
    charge = charged(price(model), usage)
    assert (charge.exact, str(charge.net)) == (dec("0.0300"), "0.03")


def test_8_11_percentage_after_the_price():
    discount = Discount(DiscountKind.PERCENTAGE, dec(10))
    charge = charged(price(PerUnit(dec("0.0137")), discounts=(discount,)), used(12345))
    assert (str(charge.gross), str(charge.net)) == ("169.13", "152.22")
    assert [str(one.amount) for one in charge.reductions] == ["16.91"]


def test_8_11_usage_before_tiers():
    discount = Discount(DiscountKind.USAGE, dec(500))
    charge = charged(price(Graduated(TIERS), discounts=(discount,)), used(1501))
    assert (charge.quantity, charge.billable, str(charge.net)) == (1501, 1001, "25.02")
