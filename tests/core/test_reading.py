"""Reading API bodies: each field with its problems, each problem with place, value and remedy."""

from decimal import Decimal
from types import MappingProxyType

import pytest

from meterhouse.core.instant import parse_instant
from meterhouse.core.reading import Reading, missing_or_shown, shown

SIX = {"a": 1, "b": True, "c": "x", "d": None, "e": [1], "f": {}}


def said(reading: Reading) -> list[str]:
    return [str(problem) for problem in reading.problems]


@pytest.mark.parametrize(
    ("body", "value"),
    [(None, "null"), (5, "5"), ("x", '"x"'), ([{}], "[{}]"), (True, "true")],
)
def test_what_is_no_object_is_shown(body, value):
    reading = Reading(body, known=("a",), what="meter")

    assert said(reading) == [f"is {value}, not a JSON object (write the meter between {{ and }})"]
    assert reading.body == {}


def test_of_what_is_no_object_nothing_more_is_said():
    reading = Reading(5)
    reading.text("a", required=True)
    reading.fail("b", "is missing")

    assert len(reading.problems) == 1


def test_every_unknown_field_is_named_with_those_that_there_are():
    reading = Reading({"b": 1, "name": 2, "A": 3}, known=("name", "a"), what="meter")

    fields = "fields of a meter are a, name"
    assert said(reading) == [
        f"b: is not a known field ({fields})",
        f"A: is not a known field (did you mean a? {fields})",
    ]


def test_of_many_unknown_fields_the_first_are_guessed_at():
    reading = Reading({f"Name{number}": 1 for number in range(101)}, known=("name",))
    guessed = [problem.hint.startswith("did you mean name?") for problem in reading.problems]
    assert guessed == [True] * 100 + [False]


def test_read_only_fields_are_let_pass_and_not_advertised():
    reading = Reading({"id": 1, "b": 2}, known=("a",), read_only=("id",), what="meter")
    assert said(reading) == ["b: is not a known field (fields of a meter are a)"]


def test_where_no_fields_are_listed_all_are_known():
    assert said(Reading({"a": 1})) == []


def test_any_mapping_will_do():
    assert Reading(MappingProxyType({"a": "x"})).text("a") == "x"


@pytest.mark.parametrize("value", [None, ""])
def test_an_optional_text_may_be_absent(value):
    reading = Reading({"a": value})

    assert reading.text("a") is None
    assert reading.text("b") is None
    assert said(reading) == []


@pytest.mark.parametrize("body", [{}, {"a": None}, {"a": ""}])
def test_a_required_text_may_not_be_absent(body):
    reading = Reading(body)

    assert reading.text("a", required=True) is None
    assert said(reading) == ["a: is missing (give it a text)"]


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (Decimal("0.10"), "0.1"), (False, "false"), (["x"], '["x"]')]
)
def test_what_is_no_text_is_shown(value, text):
    reading = Reading({"a": value})

    assert reading.text("a") is None
    assert said(reading) == [f"a: is {text}, not a text (write it between double quotes)"]


def test_a_text_of_the_greatest_length_is_read():
    assert Reading({"a": "x" * 80}).text("a", chars_max=80) == "x" * 80


def test_a_text_that_is_too_long_is_shown_with_its_length():
    reading = Reading({"a": "é" * 81})

    assert reading.text("a", chars_max=80) is None
    assert said(reading) == [
        f'a: is "{"é" * 56}..., which has 81 characters (at most 80 are allowed)'
    ]


def test_half_a_surrogate_pair_is_refused_since_no_store_could_hold_it():
    reading = Reading({"a": "x\ud800"})

    assert reading.text("a") is None
    assert said(reading) == ['a: is "x\\ud800" (half a surrogate pair is no character: remove it)']


@pytest.mark.parametrize(
    ("body", "default", "expected"),
    [
        ({"a": True}, False, True),
        ({"a": False}, True, False),
        ({}, True, True),
        ({"a": None}, True, True),
        ({}, False, False),
    ],
)
def test_a_boolean(body, default, expected):
    reading = Reading(body)

    assert reading.boolean("a", default=default) is expected
    assert said(reading) == []


@pytest.mark.parametrize(("value", "text"), [("true", '"true"'), (1, "1"), (0, "0"), ([], "[]")])
def test_what_is_no_boolean_is_shown(value, text):
    reading = Reading({"a": value})

    assert reading.boolean("a", default=True) is True
    assert said(reading) == [f"a: is {text} (use true or false)"]


@pytest.mark.parametrize("value", [0, -5, 10**20 - 1, Decimal("0.000000000000000001")])
def test_a_number(value):
    reading = Reading({"a": value})

    assert reading.number("a") == value
    assert said(reading) == []


@pytest.mark.parametrize("body", [{}, {"a": None}])
def test_a_number_may_be_absent(body):
    reading = Reading(body)

    assert reading.number("a", positive=True) is None
    assert said(reading) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5", '"5"'),
        (True, "true"),
        (0.5, "0.5"),
        (10**20, "100000000000000000000"),
        (Decimal("1E+999999999"), "1E+999999999"),
        (Decimal("1E-19"), "0.0000000000000000001"),
        ([], "[]"),
        pytest.param(10**5000, "1E+5000", id="1 and 5000 zeros"),
    ],
)
def test_what_is_no_quantity_is_shown(value, text):
    reading = Reading({"a": value})

    assert reading.number("a") is None
    assert said(reading) == [
        f"a: is {text} (use a number with at most 20 digits before the point and 18 after it)"
    ]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (-1, "-1"), (Decimal("-0.50"), "-0.5")])
def test_a_number_that_must_be_positive(value, text):
    reading = Reading({"a": value})

    assert reading.number("a", positive=True) is None
    assert said(reading) == [f"a: is {text} (use a number greater than 0)"]


def test_an_instant():
    reading = Reading({"a": "2026-01-31T00:00:00+01:00"})

    assert reading.instant("a") == parse_instant("2026-01-30T23:00Z")
    assert reading.instant("b") is None
    assert said(reading) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [("2026-13-01", '"2026-13-01"'), ("", '""'), (1_769_862_896_000, "1769862896000")],
)
def test_what_is_no_instant_is_shown(value, text):
    reading = Reading({"a": value})

    assert reading.instant("a") is None
    assert said(reading) == [f"a: is {text} (use ISO 8601, such as 2026-01-31T00:00:00Z)"]


def test_a_time_zone():
    reading = Reading({"a": "Asia/Kathmandu", "b": None})

    assert [reading.timezone(name, default="Etc/UTC") for name in "abc"] == [
        "Asia/Kathmandu",
        "Etc/UTC",
        "Etc/UTC",
    ]
    assert said(reading) == []


@pytest.mark.parametrize(
    ("value", "text", "remedy"),
    [
        ("Europe/Berlim", '"Europe/Berlim"', "did you mean Europe/Berlin?"),
        ("europe/berlin", '"europe/berlin"', "did you mean Europe/Berlin?"),
        ("../../etc/passwd", '"../../etc/passwd"', "use an IANA name such as Europe/Berlin"),
        ("", '""', "use an IANA name such as Europe/Berlin"),
        (5, "5", "use an IANA name such as Europe/Berlin"),
        ([], "[]", "use an IANA name such as Europe/Berlin"),
    ],
)
def test_what_is_no_time_zone_is_shown_with_one_that_is_near(value, text, remedy):
    reading = Reading({"a": value})

    assert reading.timezone("a", default="Etc/UTC") == "Etc/UTC"
    assert said(reading) == [f"a: is {text} ({remedy})"]


def test_a_free_object_is_copied():
    given = {"team": "A", "n": Decimal("0.10")}
    read = Reading({"a": given}).json_object("a")

    assert read == given
    assert read is not given


@pytest.mark.parametrize("body", [{}, {"a": None}])
def test_absent_objects_and_lists_are_empty(body):
    reading = Reading(body)

    assert reading.json_object("a") == {}
    assert reading.json_list("a", items_max=3) == []
    assert said(reading) == []


def test_what_is_no_object_or_list_is_shown():
    reading = Reading({"a": [1], "b": {"x": 1}, "c": "text"})

    assert reading.json_object("a") == {}
    assert reading.json_list("b", items_max=3) == reading.json_list("c", items_max=3) == []
    assert said(reading) == [
        'a: is [1], not a JSON object (write an object, such as {"team": "A"})',
        'b: is {"x":1}, not a list (write it between [ and ])',
        'c: is "text", not a list (write it between [ and ])',
    ]


def test_a_list_that_is_too_long_is_told_and_cut_so_that_its_items_are_still_checked():
    reading = Reading({"a": [1, 2, 3, 4]})

    assert reading.json_list("a", items_max=4) == [1, 2, 3, 4]
    assert said(reading) == []
    assert reading.json_list("a", items_max=3) == [1, 2, 3]
    assert said(reading) == ["a: has 4 items (at most 3 are allowed)"]


def test_problems_are_kept_in_the_order_in_which_they_are_found():
    reading = Reading({"z": 1, "a": 2})
    reading.text("z")
    reading.text("a")
    reading.fail("m", "is odd", "make it even")

    assert [problem.place for problem in reading.problems] == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.5"),
        (0.5, "0.5"),
        (
            {
                1,
            },
            "{1}",
        ),
        (SIX, '{"a":1,"b":true,"c":"x","d":null,"e":[1],"f":{}}'),
        ("y" * 58, '"' + "y" * 58 + '"'),
        ("y" * 59, '"' + "y" * 56 + "..."),
    ],
)
def test_a_value_is_shown_as_json_of_at_most_60_characters(value, text):
    assert shown(value) == text
    assert len(shown(value)) <= 60


def test_an_absent_value_is_called_missing():
    assert missing_or_shown(None) == "is missing"
    assert missing_or_shown(0) == "is 0"
