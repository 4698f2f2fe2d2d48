"""What the linter says: shared usage, hidden prices, cliffs with their figures, and prices of 0."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.price_book import Match, PerUnit, Price
from meterhouse.core.price_book_lint import Lint, lint_price_book, validity_warnings
from meterhouse.core.price_book_overlap import can_both_hold, overlaps
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.quantity import ZERO
from tests.core.price_books import EXAMPLE, book_of

ONE = {"model": "per_unit", "price": 1}
BANDS = [
    {"up_to": 1000, "price": "0.02"},
    {"up_to": 10000, "price": "0.015", "flat": 5},
    {"up_to": None, "price": "0.01"},
]


def lint(*prices: dict[str, Any]) -> Lint:
    return lint_price_book(read_price_book(book_of(*prices)))


def problems(*prices: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in lint(*prices).problems]


def warnings(*prices: dict[str, Any]) -> list[str]:
    return [str(warning) for warning in lint(*prices).warnings]


def test_nothing_is_wrong_with_the_example():
    assert lint_price_book(read_price_book(EXAMPLE)) == Lint()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"match": {"a": "*"}}, {}),
        ({"match": {"a": "x"}}, {"match": {"a": ["y", "x"]}}),
        ({"match": {"a": "x"}}, {"match": {"b": "x"}}),
        ({"match": {"a": "x", "b": 1}}, {"match": {"b": 1, "c": 2}}),
    ],
)
def test_prices_that_can_hold_for_the_same_usage_are_named(first, second):
    assert problems(ONE | first, ONE | second) == [
        "prices['p1']: can hold for the same usage as 'p0': as many fields, the same priority "
        "(give one of them a higher priority, or name one more field in its match)"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"match": {"a": "x"}}, {}),
        ({"match": {"a": "x"}}, {"match": {"a": "y"}}),
        ({"match": {"a": "x"}}, {"match": {"b": "x"}, "priority": 1}),
        ({"match": {"a": ["x", "y"]}}, {"match": {"a": "x"}, "priority": 1}),
        ({"match": {"a": 5}}, {"match": {"a": "5"}}),
    ],
)
def test_prices_that_are_told_apart_are_fine(first, second):
    assert problems(ONE | first, ONE | second) == []


def test_a_price_that_another_hides_is_named():
    found = problems(ONE | {"match": {"a": "x"}}, ONE | {"match": {"a": ["x", "y"]}, "priority": 1})

    assert found == [
        "prices['p0']: is never used: 'p1' takes all its usage by its higher priority "
        "(remove it, raise its priority, or name one more field)"
    ]


def test_a_cell_for_a_star_is_no_cell_for_any():
    cells = {"model": "matrix", "dimensions": ["a"], "values": {"x": 1, "*": 2}}

    [warning] = warnings(cells)

    assert warning == (
        "prices['p0']: has cells for '*', which is one value there, not any "
        "(give default what holds for values that are not listed)"
    )


def test_fees_share_usage_with_nothing():
    fee = {"model": "flat", "amount": 5}

    assert problems(fee, fee, fee | {"match": {"customer": "ES"}}, ONE) == []
    assert len(problems(fee | {"only_if_used": True}, ONE)) == 1
    assert len(problems(fee | {"match": {"a": 1}}, ONE | {"match": {"a": 1}})) == 1


def test_of_many_problems_the_first_are_named():
    found = problems(*[ONE] * 9)

    assert len(found) == 21
    assert found[-1].startswith("prices: 16 more of them share usage with others and are not named")


def test_ten_thousand_prices_are_compared():
    prices = [Price(f"p{n}", PerUnit(ZERO), Match({"m": frozenset({f"{n}"})})) for n in range(9999)]
    prices.append(Price("q", PerUnit(ZERO), Match({"m": frozenset({"77"})})))

    found, complete = overlaps(prices)

    assert [(overlap.price.sku, overlap.other.sku) for overlap in found] == [("q", "p77")]
    assert complete


def test_prices_that_all_overlap_are_not_compared_to_the_end():
    prices = [Price(f"p{n}", PerUnit(ZERO)) for n in range(3000)]

    found, complete = overlaps(prices)

    assert (len(found), complete) == (1000, False)


MATCHES = st.dictionaries(
    st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz"), max_size=2), max_size=3
)


@settings(max_examples=200)
@given(st.lists(st.tuples(MATCHES, st.integers(0, 1)), max_size=6))
def test_the_same_pairs_are_found_as_by_comparing_all(given_prices):
    prices = [
        Price(f"p{place}", PerUnit(ZERO), Match(fields), priority=priority)
        for place, (fields, priority) in enumerate(given_prices)
    ]
    expected = {
        frozenset({left.sku, right.sku})
        for place, left in enumerate(prices)
        for right in prices[place + 1 :]
        if left.match.specificity == right.match.specificity
        if left.priority == right.priority
        if can_both_hold(left.match, right.match)
    }

    found, _ = overlaps(prices)

    pairs = [frozenset({o.price.sku, o.other.sku}) for o in found if not o.hidden]
    assert (set(pairs), len(pairs)) == (expected, len(expected))


def test_a_cliff_is_told_with_its_figures():
    assert warnings({"model": "volume", "tiers": BANDS}) == [
        "prices['p0']: 10,001 units cost 100.01, less than 10,000 units: 155.00 "
        "(graduated has no such cliff; or leave it, if it is meant)"
    ]


def test_a_cliff_is_told_in_units_of_the_price():
    tiers = [{"up_to": 2000000, "price": 5}, {"up_to": None, "price": 4}]
    price = {"model": "volume", "tiers": tiers, "per": 1000000, "unit": "token"}

    assert warnings(price)[0].startswith(
        "prices['p0']: 2,000,001 tokens cost 8.000004, less than 2,000,000 tokens: 10.00"
    )


def test_graduated_prices_have_no_cliffs():
    assert warnings({"model": "graduated", "tiers": BANDS}) == []


def test_stairs_that_go_down_are_a_cliff():
    stairs = [{"up_to": 10, "flat": 20}, {"up_to": "10.5", "flat": 30}, {"flat": 25}]

    assert warnings({"model": "stairstep", "tiers": stairs})[0].startswith(
        "prices['p0']: 11.5 units cost 25.00, less than 10.5 units: 30.00"
    )


@pytest.mark.parametrize(
    "price",
    [
        {"model": "per_unit", "price": 0},
        {"model": "flat", "amount": "0.00"},
        {"model": "package", "size": 5, "price": 0},
        {"model": "graduated", "tiers": [{"price": 0}]},
        {"model": "percentage", "percent": 0},
        {"model": "graduated_percentage", "tiers": [{"percent": 0}]},
        {"model": "cost_plus", "multiplier": 0},
    ],
)
def test_a_price_of_nothing_is_named(price):
    text = "prices['p0']: costs nothing, and is not of the model included (say so by model: "
    [warning] = warnings(price)

    assert warning.startswith(text)


def test_what_is_included_costs_nothing_on_purpose():
    free = [{"up_to": 5, "price": 0}, {"price": 1}]

    assert warnings({"model": "included"}) == []
    assert warnings({"model": "graduated", "tiers": free}) == []


def test_cells_of_nothing_and_cells_that_do_not_meet_the_match_are_named():
    price = {
        "model": "matrix",
        "dimensions": ["m"],
        "values": {"a": 0, "b": 1},
        "match": {"m": ["a", "c"]},
    }

    assert warnings(price) == [
        "prices['p0']: costs nothing for a "
        "(a price of its own, of the model included, would say that it is meant)",
        "prices['p0']: has cells for m b, which its match lets not in (remove one)",
        "prices['p0']: has no cell for m c, which its match lets in (add the cells)",
    ]


def version(name: str, from_: str, to: str | None = None) -> Any:
    return read_price_book(book_of(ONE, version=name, valid={"from": from_, "to": to}))


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([("1", "2026-01-01"), ("2", "2026-02-01")], []),
        ([("1", "2026-01-01", "2026-02-01"), ("2", "2026-02-01")], []),
        (
            [("2", "2026-03-01"), ("1", "2026-01-01", "2026-02-01")],
            ["version 1: ends on 2026-02-01; 2 begins on 2026-03-01 (no version is in force"],
        ),
        (
            [("1", "2026-01-01", "2026-03-01"), ("2", "2026-02-01")],
            ["version 1: would hold until 2026-03-01; 2 begins earlier (it ends on 2026-02-01)"],
        ),
        (
            [("1", "2026-01-01"), ("2", "2026-01-01")],
            ["version 1: begins on 2026-01-01 as version 2 does, made later (the later one cou"],
        ),
    ],
)
def test_how_versions_fit_together(versions, said):
    found = [str(warning) for warning in validity_warnings([version(*v) for v in versions])]

    assert [text[: len(part)] for text, part in zip(found, said, strict=True)] == said
    assert date.fromisoformat(versions[0][1])
