"""Price books from documents: all fields, all models, and every problem at its place."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    Commitment,
    Conversion,
    CostPlus,
    Discount,
    DiscountKind,
    Flat,
    Graduated,
    GraduatedPercentage,
    Hybrid,
    Included,
    Match,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Price,
    Stairstep,
    Tax,
    Tier,
    Volume,
)
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.problem import DefinitionError
from tests.core.price_books import EXAMPLE, book_of, example, problems_of

D = Decimal
TIERS = [{"up_to": 1000, "price": "0.02"}, {"up_to": None, "price": "0.01", "flat": 5}]


def model_of(**price: Any) -> object:
    return read_price_book(book_of(price)).prices[0].model


def test_the_example_is_read():
    book = read_price_book(EXAMPLE)

    assert (book.id, book.version, book.customer) == ("liceo-es", "2026-10-01.1", "ES")
    assert (book.valid_from, book.valid_to) == (date(2026, 10, 1), None)
    assert (book.timezone, book.currency) == ("Europe/Madrid", "EUR")
    assert (book.invoicing_model, book.rounding) == ("hybrid", Rounding.HALF_UP)
    assert (book.round_tiers, book.unit_price_digits, book.restart_tiers) == (False, 12, False)
    assert book.commitments == (Commitment(minimum=D("1000.00"), prorate=True),)
    assert book.taxes == (Tax("S", D("21.00")),)
    tiers = (Tier(D(100000), D("0.0025")), Tier(None, D("0.0021")))
    fields = {"service": frozenset({'"message"'}), "component": frozenset({'"aura-groot"'})}
    assert book.prices[0] == Price(
        "message/aura-groot", Graduated(tiers), Match(fields), unit="request"
    )
    cells = {
        ('"gpt-4o"', '"input"'): D("2.50"),
        ('"gpt-4o"', '"cached"'): D("1.25"),
        ('"gpt-4o"', '"output"'): D("10.00"),
    }
    assert book.prices[1] == Price(
        "ai/tokens",
        Matrix(("model", "token_type"), cells),
        Match({"service": frozenset({'"ai"'})}),
        unit="token",
        per=D(1000000),
    )


@pytest.mark.parametrize(
    ("price", "model"),
    [
        ({"model": "flat", "amount": 10}, Flat(D(10))),
        (
            {"model": "flat", "amount": "10.5", "only_if_used": True, "prorate": True},
            Flat(D("10.5"), only_if_used=True, prorate=True),
        ),
        ({"model": "per_unit", "price": "0.0137"}, PerUnit(D("0.0137"))),
        (
            {"model": "graduated", "tiers": TIERS},
            Graduated((Tier(D(1000), D("0.02")), Tier(None, D("0.01"), D(5)))),
        ),
        (
            {"model": "volume", "tiers": TIERS},
            Volume((Tier(D(1000), D("0.02")), Tier(None, D("0.01"), D(5)))),
        ),
        (
            {"model": "stairstep", "tiers": [{"up_to": 0, "flat": 0}, {"flat": 20}]},
            Stairstep((Tier(D(0)), Tier(None, flat=D(20)))),
        ),
        ({"model": "package", "size": 1000, "price": "3.5"}, Package(D(1000), D("3.5"))),
        (
            {"model": "package", "size": 1000, "price": 3, "free": 500, "round_down": True},
            Package(D(1000), D(3), D(500), round_down=True),
        ),
        ({"model": "percentage", "percent": "2.9"}, Percentage(D("2.9"))),
        (
            {
                "model": "percentage",
                "percent": 1,
                "fixed": "0.3",
                "free_amount": 5,
                "free_events": 2,
                "event_minimum": "0.5",
                "event_maximum": 20,
            },
            Percentage(D(1), D("0.3"), D(5), 2, D("0.5"), D(20)),
        ),
        (
            {"model": "graduated_percentage", "tiers": [{"up_to": 9, "percent": 1}, {"flat": 2}]},
            GraduatedPercentage((Tier(D(9), percent=D(1)), Tier(None, flat=D(2), percent=None))),
        ),
        ({"model": "cost_plus", "multiplier": "1.20"}, CostPlus(D("1.20"))),
        ({"model": "included"}, Included()),
        (
            {
                "model": "hybrid",
                "parts": [{"model": "flat", "amount": 1}, {"model": "per_unit", "price": 2}],
            },
            Hybrid((Flat(D(1)), PerUnit(D(2)))),
        ),
    ],
)
def test_every_model_is_read(price, model):
    assert model_of(**price) == model


@pytest.mark.parametrize(
    "values",
    [
        {"a|1": 5, "b|2": "6"},
        {"a | 1": 5, "b": {"2": 6}},
        [{"x": "a", "y": "1", "price": 5}, {"x": "b", "y": "2", "price": 6}],
    ],
)
def test_cells_are_written_by_bars_within_each_other_or_as_a_list(values):
    cells = {('"a"', '"1"'): D(5), ('"b"', '"2"'): D(6)}

    assert model_of(model="matrix", dimensions=["x", "y"], values=values) == Matrix(
        ("x", "y"), cells
    )


def test_cells_of_numbers_are_written_as_a_list():
    model = model_of(model="matrix", dimensions="size", values=[{"size": 8, "price": 1}])

    assert model == Matrix(("size",), {("8",): D(1)})


def test_a_key_of_one_dimension_may_have_bars():
    model = model_of(model="matrix", dimensions="x", values={"a|b": 1}, default="0.5")

    assert model == Matrix(("x",), {('"a|b"',): D(1)}, D("0.5"))


def test_everything_that_a_price_may_have():
    price = {
        "model": "per_unit",
        "price": 1,
        "name": "Calls",
        "unit": "call",
        "per": 1024,
        "match": {"a": "*", "b": ["x", 5, None, True], "c": ["*"]},
        "priority": -3,
        "line_by": "app",
        "included": 10,
        "minimum": 1,
        "prorate_minimum": True,
        "maximum": "2.50",
        "tax": "low",
        "convert": {"multiply": 2, "divide": 3, "digits": 0, "rounding": "floor"},
        "discounts": [
            {"kind": "percentage", "value": 10, "name": "Loyal"},
            {"kind": "amount", "value": "1.50"},
            {"kind": "usage", "value": 100},
        ],
    }
    taxes = [{"category": "S", "rate": 21}, {"category": "S", "rate": 10, "name": "low"}]
    read = read_price_book(book_of(price, taxes=taxes)).prices[0]

    values = frozenset({'"x"', "5", "null", "true"})
    assert read == Price(
        "p0",
        PerUnit(D(1)),
        Match({"a": frozenset(), "b": values, "c": frozenset()}),
        name="Calls",
        unit="call",
        per=D(1024),
        priority=-3,
        line_by=("app",),
        conversion=Conversion(D(2), D(3), 0, Rounding.FLOOR),
        included=D(10),
        discounts=(
            Discount(DiscountKind.PERCENTAGE, D(10), "Loyal"),
            Discount(DiscountKind.AMOUNT, D("1.50")),
            Discount(DiscountKind.USAGE, D(100)),
        ),
        minimum=D(1),
        maximum=D("2.50"),
        tax="low",
        prorate_minimum=True,
    )
    assert read.match.specificity == 1


def test_a_reason_is_given_where_no_tax_is_due():
    taxes = [{"category": "AE"}, {"category": "E", "reason": "Article 135"}, {"category": "Z"}]
    book = read_price_book(example(taxes=taxes))

    assert [tax.reason for tax in book.taxes] == ["Reverse charge", "Article 135", ""]
    assert [tax.rate for tax in book.taxes] == [0, 0, 0]


def test_of_the_book_the_rest():
    book = read_price_book(
        example(
            valid={"from": "2026-01-01", "to": "2027-01-01"},
            rounding={"mode": "half_even", "at": "tier", "unit_price_decimals": 4},
            tiers_at_change="restart",
            commitments=[{"scope": ["ai/tokens"], "maximum": 5, "name": "Cap"}],
            discounts=[{"kind": "amount", "value": 7}],
            version=12,
        )
    )

    assert book.valid_to == date(2027, 1, 1)
    assert (book.rounding, book.round_tiers) == (Rounding.HALF_EVEN, True)
    assert (book.unit_price_digits, book.restart_tiers) == (4, True)
    assert book.commitments == (Commitment(None, D(5), ("ai/tokens",), prorate=False, name="Cap"),)
    assert book.discounts == (Discount(DiscountKind.AMOUNT, D(7)),)
    assert book.version == "12"


ONE = {"model": "per_unit", "price": 1}
BOOKS: list[tuple[dict[str, Any], str]] = [
    ({"curency": "EUR"}, "curency: is not a known field (did you mean currency? "),
    ({"id": None}, "id: is missing (give it a text)"),
    ({"id": "a b"}, 'id: is "a b" (use letters, digits, dots'),
    ({"version": D("1.10")}, 'version: is the number 1.10 (write it as text: "1.10")'),
    ({"version": None}, "version: is missing (give it a text, such as"),
    ({"version": "a/b"}, 'version: is "a/b" (use letters'),
    ({"customer": "PT"}, 'ob: is "ES" (it is another name of customer: leave one of them out)'),
    ({"currency": "eur"}, 'currency: is "eur", no currency (did you mean EUR?)'),
    ({"currency": "!"}, 'currency: is "!", no currency (use a code of ISO 4217, such as EUR)'),
    ({"valid": None}, "valid: is missing (say from when, such as {from: 2026-10-01, to: null})"),
    ({"valid": {"to": None}}, "valid.from: is missing (give it a day, such as 2026-10-01)"),
    ({"valid": {"from": "1.10.2026"}}, 'valid.from: is "1.10.2026", not a day (write it as'),
    ({"valid": {"from": "20261001"}}, 'valid.from: is "20261001", not a day (write it as'),
    (
        {"valid": {"from": "2026-10-01", "to": "2026-10-01"}},
        "valid.to: is 2026-10-01, not after from (it is the first day that the book is not",
    ),
    ({"timezone": "Europe/Madird"}, 'timezone: is "Europe/Madird" (did you mean Europe/Madrid?)'),
    ({"rounding": {"mode": "halfup"}}, 'rounding.mode: is "halfup" (did you mean half_up? '),
    ({"rounding": {"at": "cell"}}, 'rounding.at: is "cell" (use one of line, tier)'),
    (
        {"rounding": {"unit_price_decimals": 19}},
        "rounding.unit_price_decimals: is 19 (use a whole number from 0 to 18)",
    ),
    ({"rounding": 5}, "rounding: is 5, not a JSON object (write the rounding between { and })"),
    ({"tiers_at_change": "go"}, 'tiers_at_change: is "go" (use one of continue, restart)'),
    ({"commitments": [{"minimum": 5}]}, "commitments[0].scope: is missing (write invoice, or"),
    ({"commitments": [{"scope": "invoice"}]}, "commitments[0].minimum: is missing (give a min"),
    (
        {"commitments": [{"scope": "ai/token", "minimum": 5}]},
        'commitments[0].scope[0]: is "ai/token", no sku of this book (did you mean ai/tokens?)',
    ),
    (
        {"commitments": [{"scope": "invoice", "minimum": 5, "maximum": 4}]},
        "commitments[0].maximum: is 4 (use at least 5, the minimum)",
    ),
    (
        {"commitments": [{"scope": "invoice", "minimum": "5.001"}]},
        'commitments[0].minimum: is "5.001" (at most 2 digits after the point are allowed)',
    ),
    (
        {"commitments": [{"scope": "invoice", "minimum": 5, "prorate": True}]},
        "commitments[0].prorate: is true (use one of none, days)",
    ),
    ({"discounts": [{"value": 5}]}, "discounts[0].kind: is missing (use one of percentage, amo"),
    (
        {"discounts": [{"kind": "usage", "value": 5}]},
        "discounts[0].kind: is usage (units are taken off in a price: move it into one)",
    ),
    (
        {"discounts": [{"kind": "percentage", "value": 101}]},
        "discounts[0].value: is 101 (use percent, from 0 to 100)",
    ),
    ({"taxes": [{"category": "s", "rate": 1}]}, 'taxes[0].category: is "s" (use one of S, Z'),
    ({"taxes": [{"category": "S"}]}, "taxes[0].rate: is missing (give it a number"),
    ({"taxes": [{"category": "AE", "rate": 1}]}, "taxes[0].rate: is 1 (category AE is without"),
    ({"taxes": [{"category": "E"}]}, "taxes[0].reason: is missing (say why the supply is exempt"),
    (
        {"taxes": [{"category": "S", "rate": 1}, {"category": "S", "rate": 2}]},
        'taxes[1].category: is "S" again (two rates of one category need names',
    ),
    ({"prices": []}, "prices: is missing (list at least one price)"),
    ({"prices": [5]}, "prices[0]: is 5, not a JSON object (write the price between"),
]


@pytest.mark.parametrize(("changes", "problem"), BOOKS)
def test_a_problem_of_a_book_is_named(changes, problem):
    found = problems_of(example(**changes))

    assert any(text.startswith(problem) for text in found), found


PRICES: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model: is missing (use one of flat, per_unit"),
    ({"model": "tiered"}, 'model: is "tiered" (did you mean graduated? use one of'),
    ({"model": "volumes"}, 'model: is "volumes" (did you mean volume? use one of'),
    (ONE | {"sku": ""}, "sku: is missing (give it a text)"),
    (ONE | {"tiers": []}, "tiers: is not a known field (fields of a per_unit price are"),
    (ONE | {"match": 5}, "match: is 5, not a JSON object"),
    (ONE | {"match": {"a": []}}, 'match.a: is empty (list values, or write "*" for any)'),
    (ONE | {"match": {"a": ["x", "*"]}}, 'match.a[1]: is "*" (write a text, a number'),
    (ONE | {"match": {"a": {"b": 1}}}, 'match.a: is {"b":1} (write a text, a number'),
    (ONE | {"per": 3}, "per: is 3 (use a product of twos and fives: a price by it has digits"),
    (ONE | {"per": 0}, "per: is 0 (use a number greater than 0)"),
    ({"model": "flat", "amount": 1, "per": 2}, "per: is 2 in a flat price (prices for so many"),
    (ONE | {"convert": {"divide": 3600}}, "convert.divide: is 3600 (a quotient has digits with"),
    (ONE | {"convert": {"digits": 19}}, "convert.digits: is 19 (use a whole number from -18"),
    (ONE | {"convert": {"by": 2}}, "convert.by: is not a known field"),
    (ONE | {"priority": "x"}, 'priority: is "x" (use a whole number from -1000000 to 1,000,000)'),
    (ONE | {"priority": D("1.5")}, "priority: is 1.5 (use a whole number"),
    (ONE | {"line_by": ["a", "a"]}, 'line_by[1]: is "a" again (name it once)'),
    (ONE | {"line_by": [5]}, "line_by[0]: is 5, not a text (write a name)"),
    (ONE | {"line_by": 5}, "line_by: is 5, not a list of texts (write a text, or texts"),
    (ONE | {"minimum": 2, "maximum": 1}, "maximum: is 1 (use at least 2, the minimum)"),
    (ONE | {"prorate_minimum": True}, "prorate_minimum: is true, without a minimum (give a min"),
    (ONE | {"tax": "AE"}, 'tax: is "AE", which has no rate (use one of S, VAT)'),
    (ONE | {"included": -1}, "included: is -1 (use 0 or a number greater than it)"),
    ({"model": "per_unit"}, 'price: is missing (give it a number, such as "0.0025")'),
    ({"model": "per_unit", "price": "a"}, 'price: is "a" (use a number with at most 20 digits'),
    ({"model": "per_unit", "price": True}, "price: is true (use a number with at most 20"),
    (
        {"model": "per_unit", "price": "0.0000000000001"},
        'price: is "0.0000000000001" (at most 12 digits after the point are allowed)',
    ),
    ({"model": "graduated"}, "tiers: is missing (list them, such as"),
    ({"model": "graduated", "tiers": []}, "tiers: is empty (list them, such as"),
    ({"model": "graduated", "tiers": 5}, "tiers: is 5, not a list (write it between [ and ])"),
    ({"model": "graduated", "tiers": [5]}, "tiers[0]: is 5, not a JSON object"),
    ({"model": "graduated", "tiers": [{}]}, "tiers[0].price: is missing (give it a number"),
    (
        {"model": "graduated", "tiers": [{"up_to": 5, "price": 1}]},
        "tiers[0].up_to: is 5 in the last tier (the last tier has no end",
    ),
    (
        {"model": "graduated", "tiers": [{"price": 1}, {"price": 1}]},
        "tiers[0].up_to: is missing (only the last tier is without end",
    ),
    (
        {
            "model": "volume",
            "tiers": [{"up_to": 5, "price": 1}, {"up_to": 5, "price": 1}, {"price": 1}],
        },
        "tiers[1].up_to: is 5 (use more than 5, where the tier before ends)",
    ),
    (
        {"model": "volume", "tiers": [{"from": 1, "price": 1}]},
        "tiers[0].from: is not a known field (a tier begins where the one before ends",
    ),
    (
        {"model": "stairstep", "tiers": [{"price": 1}]},
        "tiers[0].price: is not a known field (fields of a tier are flat, up_to)",
    ),
    ({"model": "package", "price": 1, "size": 0}, "size: is 0 (use a number greater than 0)"),
    ({"model": "percentage"}, "percent: is missing"),
    (
        {"model": "percentage", "percent": 1, "event_minimum": 2, "event_maximum": 1},
        "event_maximum: is 1 (use at least 2, the event_minimum)",
    ),
    ({"model": "matrix", "values": {"a": 1}}, "dimensions: is missing (name the fields"),
    ({"model": "matrix", "dimensions": ["a"]}, "values: is missing (give prices by key"),
    ({"model": "matrix", "dimensions": ["a"], "values": {}}, "values: is empty (give at least"),
    ({"model": "matrix", "dimensions": ["a"], "values": 5}, "values: is 5 (write an object"),
    (
        {"model": "matrix", "dimensions": ["a", "b"], "values": {"x": 1}},
        "values.x: is a key of 1, not of 2 (write it as a|b, the dimensions)",
    ),
    (
        {"model": "matrix", "dimensions": ["a", "b"], "values": {"x|y|z": 1}},
        "values.x|y|z: is a key of 3, not of 2 (write it as a|b, the dimensions)",
    ),
    (
        {"model": "matrix", "dimensions": ["a", "b"], "values": {"x|y": 1, "x": {"y": 2}}},
        "values.x.y: has a price already (give each cell one price)",
    ),
    (
        {"model": "matrix", "dimensions": ["a"], "values": {"x": None}},
        "values.x: is null (use a number",
    ),
    (
        {"model": "matrix", "dimensions": ["a"], "values": [{"price": 1}]},
        "values[0].a: is missing (give each dimension a value)",
    ),
    ({"model": "hybrid"}, "parts: is empty (list models, such as"),
    (
        {"model": "hybrid", "parts": [{"model": "hybrid"}]},
        "parts[0].model: is hybrid (a part has a price, and no parts of its own)",
    ),
    (
        {"model": "hybrid", "parts": [{"model": "flat", "amount": 1, "sku": "x"}]},
        "parts[0].sku: is not a known field",
    ),
]


@pytest.mark.parametrize(("price", "problem"), PRICES)
def test_a_problem_of_a_price_is_named(price, problem):
    found = problems_of(book_of(price, taxes=[{"category": "S", "rate": 21}]))

    places = ("prices[0].", 'prices["p0"].')
    wanted = tuple(place + problem for place in places) + (
        (f"prices[0]{problem[1:]}",) if problem.startswith("[") else ()
    )
    assert any(text.startswith(wanted) for text in found), found


def test_all_problems_are_found_at_once():
    found = problems_of(
        example(
            id="",
            currency="EURO",
            prices=[
                {"sku": "a", "model": "volume", "tiers": [{"price": "x"}], "per": 7},
                {"sku": "a", "model": "matrix", "dimensions": ["a"], "values": {"b": "y"}},
            ],
        )
    )

    assert [text.split(":")[0] for text in found] == [
        "currency",
        "prices[0].tiers[0].price",
        "prices[0].per",
        "prices[1].values.b",
        "prices[1].sku",
        "id",
    ]


@pytest.mark.parametrize("document", [None, 5, "x", [], [{}], True])
def test_what_is_no_document_is_refused(document):
    assert "not a JSON object" in problems_of(document)[0]


def test_a_binary_float_is_refused():
    found = problems_of(example(prices=[{"sku": "a", "model": "per_unit", "price": 0.1}]))

    assert found == [
        "prices[0].price: is the float 0.1, no JSON (write numbers as text, such as '0.0025')"
    ]


def test_a_document_that_nests_too_deep_is_refused():
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}

    assert problems_of(deep)[0].endswith("nests deeper than 100 levels")


def test_the_error_names_the_book():
    with pytest.raises(DefinitionError, match=r'The price book "liceo-es" has 1 problem:'):
        read_price_book(example(currency="EURO"))


@pytest.mark.parametrize("divisor", [1, 2, 5, 10, 1024, 1000000, 2**40, "0.25", "1e6", 8000])
def test_prices_may_be_for_products_of_twos_and_fives(divisor):
    assert problems_of(book_of(ONE | {"per": divisor})) == []


@pytest.mark.parametrize("divisor", [3, 7, 60, 3600, 2**41 * 3, 2**41, "1.2", "1e-19"])
def test_prices_may_not_be_for_other_numbers(divisor):
    assert "per" in problems_of(book_of(ONE | {"per": divisor}))[0]
