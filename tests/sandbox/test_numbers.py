"""Ruling: what a script leaves equal keeps its written decimal, a new number its shortest text."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse.sandbox import JavaScriptSandbox
from meterhouse.sandbox.exact import decoded, encoded, restored

D = Decimal


@pytest.mark.parametrize(
    "number",
    [
        0,
        -1,
        2**53 + 1,
        2**64 + 1,
        10**40,
        10**400,
        -(10**400),
        D("0.10"),
        D("1.50"),
        D("5.0"),
        D("0.1234567890123456789012345678"),
        D("12345678901234567890.123456789012345678"),
        D("1E+400"),
        D("1E-400"),
        D("-0.0"),
        D("NaN"),
        D("Infinity"),
        D("-Infinity"),
        D("1E+5"),
    ],
)
def test_number_left_alone_is_the_number_written(pushed, number):
    [item] = pushed("payload.other = 1; push(payload)", {"v": number, "deep": [{"v": number}]})
    for back in (item["v"], item["deep"][0]["v"]):
        assert type(back) is type(number)
        assert str(back) == str(number)


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ("0.1 + 0.2", D("0.30000000000000004")),
        ("1 / 3", D("0.3333333333333333")),
        ("0.1", D("0.1")),
        ("1e21", D("1e21")),
        ("1e20", 10**20),
        ("5e-324", D("5e-324")),
        ("1.7976931348623157e308", D("1.7976931348623157e308")),
        ("-0", 0),
        ("2 ** 53", 2**53),
        ("123456789012345678", 123456789012345680),
        ("-1.5", D("-1.5")),
        ("10n ** 30n", 10**30),
        ("-5n", -5),
        ("new Number(7)", 7),
        ("Number.MAX_SAFE_INTEGER", 2**53 - 1),
    ],
)
def test_new_number_is_its_shortest_decimal(pushed, expression, number):
    assert pushed(f"push({{v: {expression}}})") == ({"v": number},)
    assert type(pushed(f"push({{v: {expression}}})")[0]["v"]) is type(number)


@pytest.mark.parametrize(
    ("expression", "text"),
    [("0 / 0", "NaN"), ("1 / 0", "Infinity"), ("-1e400", "-Infinity"), ("Number('x')", "NaN")],
)
def test_non_finite_numbers_survive(pushed, expression, text):
    [item] = pushed(f"push({{v: {expression}, list: [{expression}], n: null}})")
    assert str(item["v"]) == str(item["list"][0]) == text
    assert item["n"] is None


def test_json_rules_hold_for_the_rest(pushed):
    [item] = pushed(
        "push({u: undefined, f() {}, s: Symbol(), d: new Date(0), bad: new Date(NaN), "
        "list: [undefined], no: null, m: new Map([[1, 2]]), b: false})"
    )
    assert item == {
        "d": "1970-01-01T00:00:00.000Z",
        "bad": None,
        "list": [None],
        "no": None,
        "m": {},
        "b": False,
    }


def test_number_is_restored_at_its_own_path_only(pushed):
    [item] = pushed("push({b: payload.a, list: [payload.a]})", {"a": D("1.50"), "list": [2]})
    assert str(item["b"]) == "1.5"
    assert str(item["list"][0]) == "1.5"


def test_number_is_not_restored_over_text_or_boolean(pushed):
    record = {"text": "1", "flag": True, "none": None}
    assert pushed("push({text: 1, flag: 1, none: 1})", record) == (
        {"text": 1, "flag": 1, "none": 1},
    )


def test_changed_integer_beyond_doubles_is_not_taken_for_the_old_one(pushed):
    [item] = pushed("push({v: BigInt(payload.v) + 1n})", {"v": 2**53})
    assert item == {"v": 2**53 + 1}


def test_scripts_cannot_make_raw_numbers(pushed):
    assert pushed("push({raw: typeof JSON.rawJSON, is: typeof JSON.isRawJSON})") == (
        {"raw": "undefined", "is": "undefined"},
    )


def test_not_a_number_is_not_a_number_in_the_script(pushed):
    [item] = pushed("push({nan: payload.v !== payload.v})", {"v": D("NaN")})
    assert item == {"nan": True}


def test_big_integer_with_thousands_of_digits_is_refused(failure):
    assert "too many digits" in failure("push({v: 10n ** 5000n})")


def test_signalling_nan_reaches_scripts_as_nan(pushed):
    assert pushed("push({nan: Number.isNaN(payload.v)})", {"v": D("sNaN")}) == ({"nan": True},)


numbers = (
    st.integers(-(10**25), 10**25)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.decimals(-(10**20), 10**20, places=18)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda double: D(repr(double)))
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    numbers | texts | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(texts, values, max_size=5)


@pytest.fixture(scope="module")
def identity():
    with JavaScriptSandbox().open(at_us=0, seed=0) as session:
        session.define("same", name="Same", transform="await push(payload)")
        session.define("new", name="New", transform="await push({made: payload.given})")
        yield session


# Keys that look like indexes come first in JavaScript, so keys are sorted before comparing.
by_key = msgspec.json.Encoder(decimal_format="number", order="sorted")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(records, max_size=5))
def test_every_record_returns_as_written(identity, batch):
    outcomes = identity.transform("same", batch)
    back = [outcome.pushed[0] for outcome in outcomes]
    assert back == batch
    # Equal is not enough: 1.50 and 1.5 are equal.
    assert by_key.encode(back) == by_key.encode(batch)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_has_the_shortest_text_that_reads_back(identity, double):
    [outcome] = identity.transform("new", [{"given": D(repr(double))}])
    made = outcome.pushed[0]["made"]
    assert float(made) == double
    assert made == D(repr(double))


def test_decoded_is_exact():
    assert decoded(b"[0.1, 1e400, -0, 12345678901234567890123]") == [
        D("0.1"),
        D("1e400"),
        0,
        12345678901234567890123,
    ]


def test_restored_ignores_what_has_another_shape():
    assert restored({"a": [1, {"b": 2}], "c": 3}, {"a": {"b": 2}, "c": [3]}) == {
        "a": [1, {"b": 2}],
        "c": 3,
    }


def test_encoded_is_json():
    assert json.loads(encoded({"a": "NaN", "b": D("1.0")})) == {"a": "NaN", "b": 1.0}
