"""Counts and limits of price books: read, refused with their place, linted, hashed."""

from decimal import Decimal

import pytest

from meterhouse.core.price_book import CountedAs
from meterhouse.core.price_book_lint import lint_price_book
from meterhouse.core.price_book_reading import read_price_book
from tests.core.price_books import book_of, problems_of

QUERY = {"sku": "q", "match": {"category": "ai"}, "model": "per_unit", "price": "1"}
REQUESTS = {"to": "requests", "match": {"category": "Interactions"}}
DUPLICATES = {
    "to": "exceptions",
    "code": "duplicates",
    "text": "were dropped",
    "match": {"category": "Duplicates", "kind": ["identical"]},
    "by": ["kind"],
}
LIMIT = {"code": "unknown", "text": "ids", "unless": {"unknown": None}, "percent": "1.5"}


def test_counts_and_limits_are_read():
    limit = LIMIT | {"of": {"category": ["ai", "nlpaas"]}, "by": "app"}
    book = read_price_book(book_of(QUERY, counts=[REQUESTS, DUPLICATES], limits=[limit]))
    requests, duplicates = book.counts
    assert (requests.to, requests.match.fields) == (
        CountedAs.REQUESTS,
        {"category": frozenset({'"Interactions"'})},
    )
    assert (duplicates.code, duplicates.text, duplicates.by) == (
        *("duplicates", "were dropped", ("kind",)),
    )
    [found] = book.limits
    assert (found.code, found.percent, found.by) == ("unknown", Decimal("1.5"), ("app",))
    assert found.unless.fields == {"unknown": frozenset({"null"})}
    assert found.of.fields == {"category": frozenset({'"ai"', '"nlpaas"'})}
    assert not found.match.specificity


@pytest.mark.parametrize(
    ("count", "said"),
    [
        ({"match": {"a": 1}, "code": "c", "text": "t"}, "counts[0].to: is missing"),
        (REQUESTS | {"text": "t"}, "counts[0].text: is of exceptions"),
        (REQUESTS | {"to": "nothing", "code": "c"}, "counts[0].code: is of exceptions"),
        (REQUESTS | {"match": {}}, "counts[0].match: names no usage"),
        (REQUESTS | {"match": {"a": "*"}}, "counts[0].match: names no usage"),
        (DUPLICATES | {"code": "Not So"}, 'counts[0].code: is "Not So"'),
        (DUPLICATES | {"text": None}, "counts[0].text: is missing"),
        (DUPLICATES | {"for": 1}, "counts[0].for"),
        (DUPLICATES | {"match": {"a": []}}, "counts[0].match.a: is empty"),
    ],
)
def test_a_wrong_count_is_refused_with_its_place(count: dict, said: str):
    assert said in "\n".join(problems_of(book_of(QUERY, counts=[count])))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ([LIMIT, LIMIT], 'limits[1].code: is "unknown" again'),
        ([LIMIT | {"percent": None}], "limits[0].percent: is missing"),
        ([LIMIT | {"percent": 101}], "limits[0].percent: is 101"),
        ([LIMIT | {"unless": None}], "limits[0].match: names no usage"),
    ],
)
def test_a_wrong_limit_is_refused_with_its_place(limits: list, said: str):
    assert said in "\n".join(problems_of(book_of(QUERY, limits=limits)))


def test_a_price_whose_usage_is_counted_is_a_problem():
    counts = [{"to": "requests", "match": {"category": ["ai", "nlpaas"]}}]
    flat = {"sku": "f", "model": "flat", "amount": "1"}
    [problem] = lint_price_book(read_price_book(book_of(QUERY, flat, counts=counts))).problems
    assert str(problem).startswith("prices['q']: is never used: counts[0] takes all its usage")


def test_a_count_behind_another_of_the_same_usage_is_a_problem():
    wide = {"to": "exceptions", "code": "d", "text": "d", "match": {"category": "Duplicates"}}
    book = read_price_book(book_of(QUERY, counts=[wide, DUPLICATES]))
    [problem] = lint_price_book(book).problems
    assert str(problem).startswith("counts[1]: is never used: counts[0] takes all its usage")
    other = read_price_book(book_of(QUERY, counts=[DUPLICATES, wide]))
    assert lint_price_book(other).problems == ()


def test_a_book_without_counts_keeps_the_hash_that_it_had():
    plain = book_of(QUERY)
    known = "c58594b889950b8224c4a55841a766b48e820a7a87b6967a530050b553a6d88d"
    assert read_price_book(plain).hash == known
    assert read_price_book(book_of(QUERY, counts=[REQUESTS])).hash != known
