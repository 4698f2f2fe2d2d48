"""JSON of records: exact numbers, one canonical text, nothing that cannot be written."""

import json
import random
from decimal import Decimal
from json import JSONDecodeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.json_text import (
    NESTING_MAX,
    canonical_text,
    field_value,
    has_half_pair,
    json_fault,
    json_text,
    parse_json,
)

TEXTS = st.text(st.characters(), max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int, *, opening: str = "[", closing: str = "]", inmost: str = "") -> str:
    return opening * depth + inmost + closing * depth


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0, "0"),
        (-7, "-7"),
        (Decimal("0.10"), "0.1"),
        (Decimal("-0.0"), "0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E+200"), "1E+200"),
        (Decimal("NaN"), '"NaN"'),
        (Decimal("-Infinity"), '"-Infinity"'),
        ("", '""'),
        ("x", '"x"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("\n\r\t\b\f", '"\\n\\r\\t\\b\\f"'),
        ("\x00\x1f\x1e\x1d", '"\\u0000\\u001f\\u001e\\u001d"'),
        ("é€😀/\x7f\u2028", '"é€😀/\x7f\u2028"'),
        ([], "[]"),
        ({}, "{}"),
        ([1, [2, []]], "[1,[2,[]]]"),
        ((1, "a"), '[1,"a"]'),
        ({"b": 1, "a": {"d": None, "c": "x"}}, '{"b":1,"a":{"d":null,"c":"x"}}'),
        ({"": 0, '"': 1}, '{"":0,"\\"":1}'),
    ],
)
def test_json_text(value, text):
    assert json_text(value) == text


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), b"ab", bytearray(b"ab"), {1, 2}, object, 1j, [0.5], {"a": b""}]
)
@pytest.mark.parametrize("write", [json_text, canonical_text])
def test_what_a_record_cannot_hold_is_a_type_error(write, value):
    with pytest.raises(TypeError, match=r"a record cannot hold [a-z]+ "):
        write(value)


@pytest.mark.parametrize("write", [json_text, canonical_text])
@pytest.mark.parametrize("key", [1, None, True, b"a"])
def test_a_key_that_is_no_text_is_a_type_error(write, key):
    with pytest.raises(TypeError):
        write({key: 1})


@given(VALUES)
def test_a_value_reads_back_from_its_text(value):
    assert parse_json(json_text(value)) == parse_json(canonical_text(value)) == value


@given(VALUES)
def test_other_readers_of_json_understand_the_text(value):
    read = json.loads(json_text(value), parse_float=Decimal, parse_int=Decimal)

    assert canonical_text(read) == canonical_text(value)


@given(VALUES)
def test_every_text_can_be_written_as_utf8(value):
    assert parse_json(json_text(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\ud800", '"\\ud800"'),
        ("a\udfffb", '"a\\udfffb"'),
        ("é\udc80", '"é\\udc80"'),
        ("\\ud800", '"\\\\ud800"'),
    ],
)
def test_half_a_surrogate_pair_is_escaped(text, written):
    assert json_text(text) == canonical_text(text) == written
    assert json_text({text: 1}) == canonical_text({text: 1}) == "{" + written + ":1}"
    assert parse_json(written) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), ("ab", False), ("é😀", False), ("é\ud83d", True)]
)
def test_half_a_surrogate_pair_is_noticed(text, expected):
    assert has_half_pair(text) is expected


@pytest.mark.parametrize(
    "equal",
    [
        [5, Decimal(5), Decimal("5.0"), Decimal("5E0"), Decimal("0.5E1")],
        [0, Decimal("-0"), Decimal("0E+50"), Decimal("0.000")],
        [10**150, Decimal("1E150"), Decimal(10**150)],
        [{"a": 1, "b": [Decimal("2.50")]}, {"b": [Decimal("2.5")], "a": Decimal(1)}],
        [[1, 2], (1, 2)],
    ],
)
def test_equal_values_have_one_canonical_text(equal):
    assert len({canonical_text(value) for value in equal}) == 1


@pytest.mark.parametrize(
    "different",
    [
        [5, "5", True, [5], {"5": 5}, "5.0"],
        [None, "null", "", [], {}, False, 0],
        [1, True],
        [["a", "b"], ["b", "a"], ["a,b"], 'a","b'],
        [{"a": 1}, {"a": "1"}, {"A": 1}, {"a ": 1}],
        [Decimal("0.1"), Decimal("0.1000000000000000001")],
        ["\u00e9", "e\u0301"],
    ],
)
def test_different_values_have_different_canonical_texts(different):
    assert len({canonical_text(value) for value in different}) == len(different)


def test_canonical_keys_are_sorted_at_every_level():
    value = {"b": [{"z": 1, "a": 2}], "B": 0, "a": {"é": 1, "e": 2, "f": 3}, "": None}

    assert canonical_text(value) == '{"":null,"B":0,"a":{"e":2,"f":3,"é":1},"b":[{"a":2,"z":1}]}'


@given(st.dictionaries(TEXTS, SCALARS, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_canonical_text(value, chance: random.Random):
    items = list(value.items())
    chance.shuffle(items)

    assert canonical_text(dict(items)) == canonical_text(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", Decimal("0.1")),
        ("1e400", Decimal("1e400")),
        ("-0", 0),
        ("5", 5),
        ("5.0", Decimal("5.0")),
        ('"\\ud83d\\ude00"', "😀"),
        (b'{"a":"\xc3\xa9"}', {"a": "é"}),
        (b"\xef\xbb\xbf[1]", [1]),
        (" [1 , 2]\n", [1, 2]),
        ('{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_parse_json(text, value):
    read = parse_json(text)

    assert read == value
    assert type(read) is type(value)


def test_numbers_are_read_as_written_and_not_through_a_float():
    read = parse_json("[0.1000000000000000055511151231257827, 12345678901234567890123456789]")

    assert [str(number) for number in read] == [
        "0.1000000000000000055511151231257827",
        "12345678901234567890123456789",
    ]


def test_a_whole_number_of_any_length_is_read():
    assert json_text(parse_json("1" + "0" * 9999)) == "1E+9999"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        "{'a':1}",
        "{a:1}",
        "01",
        "+1",
        ".5",
        "1.",
        "NaN",
        "Infinity",
        "-Infinity",
        '{"a":NaN}',
        "[1] [2]",
        '"\n"',
        "1e99999999999999999999",
        "1e-99999999999999999999",
        b"\xff",
        b'"\xed\xa0\x80"',
        '{"a":1',
    ],
)
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_constant_that_is_no_json_is_named():
    with pytest.raises(ValueError, match="NaN is not JSON"):
        parse_json("[NaN]")


def test_an_exponent_beyond_all_reach_is_named():
    with pytest.raises(ValueError, match="an exponent beyond all reach"):
        parse_json("[1e99999999999999999999]")


@pytest.mark.parametrize(
    "text",
    [
        nested(NESTING_MAX + 1),
        nested(NESTING_MAX + 1, opening='{"a":', closing="}", inmost="1"),
        nested(NESTING_MAX // 2 + 1, opening='[{"a":', closing="}]", inmost="1"),
        nested(100_000),
        nested(100_000, closing=""),
        nested(50_000, opening='{"a":', closing="}", inmost="1"),
    ],
    ids=["lists", "objects", "both", "very deep", "unclosed", "very deep objects"],
)
def test_what_nests_too_deep_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_hundred_levels_are_the_most():
    assert NESTING_MAX == 100


@pytest.mark.parametrize(
    "text",
    [
        nested(NESTING_MAX),
        nested(NESTING_MAX, opening='{"a":', closing="}", inmost="1"),
        nested(NESTING_MAX // 2, opening='[{"a":', closing="}]", inmost="1"),
    ],
    ids=["lists", "objects", "both"],
)
def test_what_nests_as_deep_as_is_allowed_can_be_written_again(text):
    assert json_text(parse_json(text)) == canonical_text(parse_json(text)) == text


@pytest.mark.parametrize("text", ["[" + "[],{}," * 500 + "1]", json_text("[{" * 500)])
def test_brackets_side_by_side_or_in_texts_do_not_nest(text):
    assert json_text(parse_json(text)) == text


def test_a_document_of_our_own_may_nest_deeper():
    assert json_text(parse_json(nested(150), nesting_max=150)) == nested(150)
    with pytest.raises(ValueError, match="nests deeper than 150 levels"):
        parse_json(nested(151), nesting_max=150)


RECORD = {
    "a": {"b": {"c": 1}, "b.c": 2, "null": None},
    "a.b": 3,
    "": {"x": 4},
    "list": [{"x": 5}],
    "text": "abc",
    "none": None,
    "x": {"": 6},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text", "abc"),
        ("a", RECORD["a"]),
        # a field that is literally named like the path goes first
        ("a.b", 3),
        ("a.b.c", 1),
        ("a.null", None),
        ("", {"x": 4}),
        (".x", 4),
        ("x.", 6),
        ("none", None),
        ("none.x", None),
        ("missing", None),
        ("a.missing", None),
        ("a.missing.c", None),
        ("text.length", None),
        ("list.0", None),
        ("list.x", None),
        ("A.b.c", None),
        ("a..b", None),
    ],
)
def test_field_value(path, value):
    assert field_value(RECORD, path) == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a', "Unterminated string"),
        ("[1 2]", "Expecting ',' delimiter"),
        ("{a: 1}", "Expecting property name enclosed in double quotes"),
        ("nonsense", "Expecting value"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_without_its_place(text, fault):
    with pytest.raises(JSONDecodeError) as caught:
        parse_json(text)

    assert json_fault(caught.value) == fault
