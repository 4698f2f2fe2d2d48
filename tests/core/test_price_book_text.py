"""The canonical JSON of price books: equal documents have one text and one hash."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.json_text import parse_json
from meterhouse.core.price_book_text import book_hash, book_text, plain_document
from meterhouse.core.problem import DefinitionError

NAMES = st.text(st.characters(codec="utf-8"), max_size=5)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | NAMES
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def turned(value: object) -> object:
    """Return the same with every object in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(part) for key, part in reversed(value.items())}
    return [turned(part) for part in value] if isinstance(value, list) else value


@given(VALUES)
def test_the_order_of_keys_counts_for_nothing(document):
    assert book_hash(turned(document)) == book_hash(document)


@given(VALUES)
def test_the_text_read_again_is_the_same_document(document):
    assert book_text(parse_json(book_text(document))) == book_text(document)


def test_numbers_are_what_they_are_however_spelled():
    spelled = [{"a": Decimal(text)} for text in ("10", "10.0", "1e1", "1.0E+1")]

    assert {book_text(document) for document in [*spelled, {"a": 10}]} == {'{"a":10}'}


def test_a_number_and_a_text_are_two_things():
    assert book_hash({"a": 1}) != book_hash({"a": "1"})


def test_a_day_is_its_text():
    assert plain_document([date(2026, 10, 1)]) == ["2026-10-01"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.1, "a[0]: is the float 0.1, no JSON (write numbers as text, such as '0.0025')"),
        (Decimal("NaN"), "a[0]: is the Decimal Decimal('NaN'), no JSON (write numbers as text"),
        (datetime(2026, 1, 1), "a[0]: is the datetime datetime.datetime(2026, 1, 1, 0, 0), no J"),
        ({1: 2}, "a[0]: has the key 1 (keys are texts)"),
        ("\ud800", "a[0]: has half a character (remove it)"),
        (b"x", "a[0]: is the bytes b'x', no JSON"),
    ],
)
def test_what_json_has_not_is_named(value, problem):
    with pytest.raises(DefinitionError) as caught:
        plain_document({"a": [value]})

    assert str(caught.value.problems[0]).startswith(problem)
