from decimal import Decimal

import pytest

from meterhouse.core.expression import ExpressionError, evaluate, parse_expression
from meterhouse.core.expression.fault import pointed
from meterhouse.core.expression.syntax import Binary, Call, Conditional, Field, Literal, Operator
from meterhouse.core.expression.table import FUNCTIONS
from meterhouse.core.expression.tokens import EXPRESSION_CHARS_MAX
from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import json_text, parse_json
from tests.core import expression_reference

NOW = parse_instant("2026-02-01T00:00:00Z")
assert NOW is not None
RECORD = parse_json(
    '{"name":"Ann","a":7,"b":3,"n":"12.5","day":"2026-01-31","none":null,"yes":true,'
    '"user":{"id":"u1","tags":["x","y"]},"unit price":0.1,"dotted.name":"d","in.x":1}'
)


def computed(text: str):
    return evaluate(parse_expression(text), RECORD, now=NOW)


def fault(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        computed(text)
    return caught.value


# ------------------------------------------------------------ what is written, and what it means


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a", 7),
        ("payload.a", 7),
        ("@{payload.a}", 7),
        ("${payload.user.id}", "u1"),
        ("user.id", "u1"),
        ("payload.user.tags", ["x", "y"]),
        ("@{payload.unit price}", Decimal("0.1")),
        ("dotted.name", "d"),
        ("absent", None),
        ("user.absent.more", None),
        ("12", 12),
        (".5", Decimal("0.5")),
        ("1e3", 1000),
        ('"a\\"b"', 'a"b'),
        (r"'it\'s \u20ac\n'", "it's €\n"),
        ("true", True),
        ("null", None),
        ("[1, 'x', null]", [1, "x", None]),
        ("[]", []),
    ],
)
def test_values(text, result):
    assert computed(text) == result


def test_the_whole_record_is_payload():
    assert computed("payload") == computed("${payload}") == RECORD


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("100 / 10 / 5", 2),
        ("-2 * -3", 6),
        ("--2", 2),
        ("-0", 0),
        ("7 % 3 * 2", 2),
        ("1 / 3", Decimal("0.333333333333333333")),
        ("2 / 3", Decimal("0.666666666666666667")),
        ("round(100 * @{payload.a} / @{payload.b})", 233),
        ("n * 2", 25),
        ("1e-30 / 1e30", 0),
        ("0 / 5", 0),
        ('"x" + 1 + 2', "x12"),
        ('1 + 2 + "x"', "3x"),
        ("name + '-' + user.id", "Ann-u1"),
        ("'is ' + yes", "is true"),
        ("'at ' + date(day)", "at 2026-01-31T00:00:00.000Z"),
        ("'' + 1.50", "1.5"),
        ("n + 1", "12.51"),
    ],
)
def test_arithmetic_and_joining(text, result):
    assert computed(text) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a > 5 and b < 5", True),
        ("not a > 5 or b == 3", True),
        ("not (a > 5 or b == 3)", False),
        ("!yes", False),
        ("a > 5 && b > 5 || yes", True),
        ("a == 7.0", True),
        ("n == 12.50", True),
        ("n == '12.50'", False),
        ("n != 12.5", False),
        ("a == yes", False),
        ("yes == true", True),
        ("name == null", False),
        ("absent == null", True),
        ("none == absent", True),
        ("absent == 0", False),
        ("user.tags == ['x', 'y']", True),
        ("user == user", True),
        ("'abc' < 'abd'", True),
        ("'10' < '9'", True),
        ("10 < '9'", False),
        ("a <= 7", True),
        ("a >= 8", False),
        ("date(day) < now()", True),
        ("now() > day", True),
        ("date(day) == '2026-01-31T01:00:00+01:00'", True),
        ("date(day) == 'never'", False),
        ("now() == null", False),
        ("now() == true", False),
        ("name in ['Bob', 'Ann']", True),
        ("'x' in user.tags", True),
        ("12.5 in [n]", True),
        ("name not in ['Bob']", True),
        ("'in' == 'in'", True),
        ("@{payload.in.x} == 1", True),
    ],
)
def test_conditions(text, result):
    assert computed(text) is result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a > 5 ? 'more' : 'less'", "more"),
        ("a < 5 ? 1 : a < 8 ? 2 : 3", 2),
        ("a < 8 ? b < 5 ? 1 : 2 : 3", 1),
        ("b == 0 ? 0 : a / b > 2", True),
        ("if(b == 0, 1 / 0, 5)", 5),
        ("coalesce(none, absent, b, 1 / 0)", 3),
        ("coalesce(none)", None),
        ("false and 1 / 0 > 0", False),
        ("true or absent", True),
    ],
)
def test_only_what_is_needed_is_computed(text, result):
    assert computed(text) == result


# ------------------------------------------------------------ functions


EXAMPLES = [(f, text, result) for f in FUNCTIONS.values() for text, result in f.examples]


@pytest.mark.parametrize(("function", "text", "result"), EXAMPLES, ids=lambda p: str(p)[:40])
def test_the_examples_of_the_table_hold(function, text, result):
    found = computed(text)
    numeric = function.name in expression_reference.NUMBERS
    expected = parse_json(result) if numeric and isinstance(result, str) else result
    assert json_text(found) == json_text(expected)


def test_every_function_has_examples_that_call_it():
    assert [f.name for f in FUNCTIONS.values() if f"{f.name}(" not in f.examples[0][0]] == []


def test_the_reference_is_what_the_table_says():
    page = expression_reference.PAGE.read_text("utf-8")
    due = "run `python -m tests.core.expression_reference`"
    assert page == expression_reference.page(), due


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("upper(5)", "5"),
        ("length(text(a))", 1),
        ("substring('Berlin', -2)", "in"),
        ("substring('abc', 2, 1)", ""),
        ("splitPart('a', '/', 1)", None),
        ("round(1250, -2)", 1300),
        ("round(0.4)", 0),
        ("round(-0.4)", 0),
        ("round(5, 3)", 5),
        ("floor(-0.001, 2)", Decimal("-0.01")),
        ("ceil(0.001, 2)", Decimal("0.01")),
        ("isNumber(true)", False),
        ("isNull(0)", False),
        ("max('10', 9)", 10),
        ("padStart('abc', 2)", "abc"),
        ("date(0)", "1970-01-01T00:00:00.000Z"),
        ("formatDate(now(), 'x')", "1769904000000"),
        ("dateDiff(now(), day, 'day')", -1),
        ("dateDiff('2026-03-28T12:00:00Z', '2026-03-29T11:00:00Z', 'day', 'Europe/Berlin')", 1),
        ("dateAdd('2026-03-28T12:00:00Z', 1, 'day', 'Europe/Berlin')", "2026-03-29T11:00:00.000Z"),
        ("case(a > 9, 1, a > 8, 2)", None),
        ("case(a > 9, 1, a > 5, 2, 1 / 0)", 2),
        ("case(yes, 1)", 1),
        ("isEmpty(none)", True),
        ("isEmpty(split('a', ','))", False),
        ("isEmpty([])", True),
        ("isEmpty(now())", False),
        ("isText(absent)", False),
        ("nullIf(a, '7')", None),
        ("sign(0)", 0),
        ("sign(b)", 1),
        ("power(a, 0)", 1),
        ("power(0, 300)", 0),
        ("power(3, -1)", Decimal("0.333333333333333333")),
        ("quotient(1e20, 3)", 33333333333333333333),
        ("average(b)", 3),
        ("average(1, 1, 2)", Decimal("1.333333333333333333")),
        ("parseNumber(' -1 234,5 ', ',', ' ')", Decimal("-1234.5")),
        ("parseNumber('1.5', '.')", Decimal("1.5")),
        ("parseNumber('1,234.5', '.', ',')", Decimal("1234.5")),
        ("formatNumber(-0.004, 2)", "0.00"),
        ("formatNumber(1234567.5, 0, '.', ' ')", "1 234 568"),
        ("formatNumber(1e30, 1)", "1000000000000000000000000000000.0"),
        ("padEnd('abc', 2)", "abc"),
        ("left('abc', -1)", ""),
        ("right('abc', -1)", ""),
        ("capitalize('')", ""),
        ("indexOf('abc', 'x')", -1),
        ("repeat('ab', 0)", ""),
        ("join(user.tags, ', ')", "x, y"),
        ("join([], ', ')", ""),
        ("item(user.tags, 2)", None),
        ("item(user.tags, 0)", "x"),
        ("dateTruncate('2026-07-15T14:31:02.345Z', 'second')", "2026-07-15T14:31:02.000Z"),
        ("dateTruncate('2026-07-15T14:31:02.345Z', 'hour')", "2026-07-15T14:00:00.000Z"),
        ("dateTruncate('2026-07-15T14:31:00Z', 'year')", "2026-01-01T00:00:00.000Z"),
        ("dateTruncate('2026-07-15T14:31:00Z', 'week')", "2026-07-13T00:00:00.000Z"),
        # Berlin shows 02:00 to 03:00 twice that night: the second time stays the second time.
        (
            "dateTruncate('2026-10-25T01:30:00Z', 'hour', 'Europe/Berlin')",
            "2026-10-25T01:00:00.000Z",
        ),
        (
            "dateTruncate('2026-03-29T12:00:00Z', 'day', 'Europe/Berlin')",
            "2026-03-28T23:00:00.000Z",
        ),
        ("datePart(day, 'dayOfYear')", 31),
        ("datePart('2026-01-31T14:05:09.070Z', 'millisecond')", 70),
        ("datePart('2026-01-31T23:30:00Z', 'hour', 'Europe/Berlin')", 0),
        ("datePart('2027-01-01', 'week')", 53),
        ("unixMillis('1969-12-31T23:59:59.9999Z')", -1),
    ],
)
def test_functions_beyond_their_examples(text, result):
    assert computed(text) == result


# ------------------------------------------------------------ what is wrong, and where


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "The expression is empty"),
        ("  ", 0, "The expression is empty"),
        ("1 +", 3, "Expected a field, a value, a function or (, found the end"),
        ("(1", 2, "Expected an operator or ), found the end"),
        ("1 2", 2, "Expected an operator or the end, found 2"),
        ("[1 2]", 3, "Expected an operator, a comma or ]"),
        ("[1,]", 3, "Expected a field"),
        ("a ? 1", 5, "Expected : and the value"),
        ("a and", 5, "Expected a field"),
        ("* 2", 0, "Expected a field"),
        ("a not b", 2, "Expected an operator or the end, found not"),
        ("a not 'in'", 2, "Expected an operator or the end, found not"),
        ("a = 1", 2, "= is not an operator"),
        ("a & b", 2, "& is not an operator"),
        ("a | b", 2, "| is not an operator"),
        ("a < b < c", 6, "Comparisons cannot be chained"),
        ("'abc", 0, "A text has no end"),
        (r"'a\q'", 2, r"There is no escape \q"),
        (r"'\ud800'", 1, "is half a character"),
        ("${user}", 0, "$ begins no placeholder"),
        ("a ; b", 2, "';' means nothing here"),
        ("1st", 0, "A name or number cannot be written 1s"),
        ("rond(1)", 0, "There is no function rond"),
        ("zzz(1)", 0, "There is no function zzz"),
        ("1 + round()", 4, "round cannot take 0 arguments"),
        ("if(a, b)", 0, "if cannot take 2 arguments"),
        ("now(1)", 0, "now cannot take 1 argument"),
        ("1 / (a - 7)", 2, "This divides by zero"),
        ("1 % 0", 2, "This divides by zero"),
        ("1 + absent", 4, "A value is missing"),
        ("absent < 1", 7, "A value is missing"),
        ("upper(absent)", 6, "A value is missing"),
        ("name * 2", 0, '"Ann" is no number'),
        ("-name", 1, '"Ann" is no number'),
        ("yes + 1", 0, "true is no number"),
        ("a and yes", 0, "7 is no boolean"),
        ("not a", 4, "7 is no boolean"),
        ("if(a, 1, 2)", 3, "7 is no boolean"),
        ("a in name", 2, '"Ann" is no list'),
        ("user.tags + 'x'", 0, "is no text"),
        ("payload * 2", 0, "is no number"),
        ("name < a", 5, '"Ann" is no number'),
        ("now() * 2", 0, '"2026-02-01T00:00:00.000Z" is no number'),
        ("now() < 'x'", 6, '"x" is no date'),
        ("dateAdd(yes, 1, 'day')", 8, "true is no date"),
        ("length(5)", 0, "Only a text or a list has a length"),
        ("replace('a', '', 'b')", 0, "The text to replace is empty"),
        ("splitPart('a', '', 0)", 0, "The separator is empty"),
        ("padStart('a', 3, 'xy')", 0, "filled up with one character"),
        ("padStart('a', 1000001)", 0, "The text would have 1,000,001 characters"),
        ("round(1.5, 61)", 0, "61 is no number of places"),
        ("round(1.5, 0.5)", 11, "0.5 is no whole number"),
        ("substring('a', 1e15)", 15, "is no whole number below"),
        ("1e79 * 10", 5, "The result would need more than 80 digits"),
        ("1e80 + 0", 0, "A number here has more than 80 digits"),
        ("1e999999999 + 0", 0, "A number here has more than 80 digits"),
        ("1e60 + 1e-60", 5, "The result would need more than 80 digits"),
        ("1e79 / 1e-1", 5, "The result would need more than 80 digits"),
        ("1e50 / 1e-50", 5, "The result would need more than 80 digits"),
        ("dateAdd(day, 1, 'moon')", 0, "'moon' is no unit of time"),
        ("dateAdd(day, 99999, 'year')", 0, "lead out of the years"),
        ("formatDate(day, 'YYYY foo')", 0, "'foo' in 'YYYY foo' is no part of a date"),
        ("dateDiff(now(), '9999-12-31T23:30:00Z', 'day', 'Europe/Berlin')", 0, "no wall time"),
        ("formatDate(day, 'YYYY', 'Berlin')", 0, "'Berlin' is no time zone"),
        ("date('x', 'YYYY')", 0, "'x' is not written as 'YYYY'"),
        ("case(a)", 0, "case cannot take 1 argument"),
        ("1 + case(a, 1)", 9, "7 is no boolean"),
        ("power(2, 301)", 0, "301 is too large an exponent"),
        ("power(10, 80)", 0, "The result would need more than 80 digits"),
        ("power(0, -1)", 0, "This divides by zero"),
        ("quotient(1, 0)", 0, "This divides by zero"),
        ("parseNumber('1.5', ',')", 0, "'1.5' is no number with the decimal point ','"),
        ("parseNumber('1', '')", 0, "are two characters"),
        ("formatNumber(1, 2, ',', ',')", 0, "are two characters"),
        ("formatNumber(1, 61)", 0, "61 is no number of places"),
        ("formatNumber(1, -1)", 0, "-1 is no number of places"),
        ("repeat('a', -1)", 0, "cannot be repeated -1 times"),
        ("repeat('ab', 500001)", 0, "The text would have 1,000,002 characters"),
        ("split('a', '')", 0, "The separator is empty"),
        ("join([user], '')", 0, "is no text"),
        ("join([null], '')", 0, "A value is missing"),
        ("concat('a', absent)", 12, "A value is missing"),
        ("datePart(day, 'moon')", 0, "'moon' is no part of a date"),
        ("dateTruncate('0001-01-01T00:30:00Z', 'week', 'Asia/Tokyo')", 0, "before the year 1"),
        ("dateTruncate('0001-01-01T00:30:00Z', 'day', 'America/New_York')", 0, "before the year 1"),
    ],
)
def test_an_error_points_at_its_place(text, at, message):
    error = fault(text)
    assert error.at == at
    assert message in error.what


def test_an_error_shows_the_line_and_what_was_meant():
    assert str(fault("1 +\nrond(a) * 2")) == (
        "There is no function rond, at character 5:\n"
        "    rond(a) * 2\n"
        "    ^\n"
        "did you mean round(number, [places])?"
    )


def test_an_error_is_a_problem_of_a_definition_too():
    problem = fault("1 +").problem("mappings[0].expression")
    assert problem.place == "mappings[0].expression"
    assert problem.message.endswith("at character 4 of '1 +'")


def test_a_long_line_is_shown_around_the_place():
    shown, caret = pointed("x" * 500 + "!" + "y" * 500, 500).split("\n")
    assert len(shown) == 80
    assert shown[len(caret) - 1] == "!"


def test_control_characters_of_an_expression_are_not_shown():
    assert pointed("a\x1b[0m", 1) == "    a [0m\n     ^"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 101 + "1" + ")" * 101,
        "+".join("a" * 102),
        "-" * 150 + "1",
        "a ? " * 101 + "1",
        "case(" + "yes, 1, " * 101 + "2)",
    ],
)
def test_nesting_is_limited(text):
    assert "nests deeper than 100 levels" in fault(text).what


def test_as_deep_as_allowed_is_computed():
    assert computed("+".join("a" * 100)) == 700
    assert computed("(" * 99 + "a" + ")" * 99) == 7


def test_the_length_is_limited():
    assert computed("a" + " " * (EXPRESSION_CHARS_MAX - 1)) == 7
    assert "has 10,001 characters" in fault("a" + " " * EXPRESSION_CHARS_MAX).what


def test_texts_do_not_grow_without_limit():
    doubled = "replace({0}, 'a', '" + "a" * 2000 + "')"
    text = doubled.format(doubled.format("'" + "a" * 2000 + "'"))
    assert "more than 1,000,000" in fault(text).what


# ------------------------------------------------------------ an expression is data


def test_the_parts_are_data_with_their_places():
    assert parse_expression("if(a.b > 1, upper(x), -1)").root == Conditional(
        Binary(Operator.GREATER, Field("a.b", 3), Literal(Decimal(1), 9), 7),
        Call("upper", (Field("x", 18),), 12),
        parse_expression(" " * 22 + "-1").root,
        0,
    )


def test_an_expression_names_its_fields():
    assert parse_expression("a + @{payload.b.c} + upper(a)").fields == ("a", "b.c")
    assert parse_expression("1 + now()").fields == ()
    assert parse_expression("not a ? [-b] : c").fields == ("a", "b", "c")
    assert parse_expression("length(text(a)) + payload").fields is None


def test_what_is_no_value_of_a_record_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="a record cannot hold set"):
        evaluate(parse_expression("a == 1"), {"a": {1}}, now=0)


def test_an_evaluated_list_is_refused_where_it_has_no_kind_that_fits():
    assert "is no text" in fault("upper([1])").what
