"""Made-up expressions over the fields ``a`` to ``f`` of made-up records, and batches of those."""

from decimal import Decimal

import polars as pl
from hypothesis import strategies as st

from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind

FIELDS = ("a", "b", "c", "d", "e", "f")
TEXTS = st.sampled_from(
    [
        "", "a", "ab", "EU", "eu-west/1", " x ", "5", "5.0", "-1.50", "+7", "1e1", ".5", "007",
        "1" * 25, "0.1234567890123456789", "x\ny", "é😀", "ß", "İ", "\u2003 \x1f", '"', "\x85a",
        "true", "null", "2026-01-31", "2026-01-31T14:30:00.123Z", "2026-02-30T00:00:00Z",
        "2026-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "1767225600000", "٣",
    ]
)  # fmt: skip
SMALL = st.integers(-5, 9)
DECIMALS = st.decimals(-100, 100, places=3)
BIG = st.sampled_from(
    [
        0, -(2**63), 2**63 - 1, 2**63, 10**19, -(10**19), 10**20, 10**25, 10**38 - 1, 10**60,
        Decimal("99999999999999999999.999999999999999999"), Decimal("1E-18"), Decimal("0.5"),
        Decimal("0.1234567890123456789"), Decimal("-0.000000000000000003"), Decimal("1E+30"),
        Decimal("1E-40"), 3, 7,
    ]
)  # fmt: skip
NESTED = st.one_of(
    st.fixed_dictionaries({"p": st.integers(0, 2)}, optional={"q": TEXTS}),
    st.lists(st.one_of(st.integers(0, 2), TEXTS), max_size=2),
)
MIXED = st.one_of(st.none(), st.booleans(), SMALL, BIG, TEXTS, NESTED)
KINDS = (TEXTS, SMALL, DECIMALS, BIG, st.booleans(), MIXED, NESTED, st.none(), TEXTS, SMALL)


@st.composite
def batches(draw, *, size_max: int = 8) -> UsageBatch:
    """Batches whose fields have one type, or any; some texts coded, some instants."""
    count = draw(st.integers(1, size_max))
    columns = {}
    for name in FIELDS:
        kind = draw(st.sampled_from(KINDS))
        absent = draw(st.sampled_from([0, 0, 4]))
        values = [
            None if absent and draw(st.integers(0, absent)) == 0 else draw(kind)
            for _ in range(count)
        ]
        columns[name] = Column.from_values(values)
        if columns[name].kind is ColumnKind.TEXT and draw(st.booleans()):
            columns[name] = draw(coded(columns[name]))
    if draw(st.booleans()):
        instants = st.sampled_from(
            [
                None,
                0,
                -1,
                1767225600123456,
                1767225600123000,
                253402300799999999,
                -62135596800000000,
            ]
        )
        series = pl.Series([draw(instants) for _ in range(count)], dtype=pl.Int64)
        columns["f"] = Column(ColumnKind.TIMESTAMP, series.cast(pl.Datetime("us", "UTC")))
    return UsageBatch.from_columns(columns, length=count)


@st.composite
def coded(draw, column: Column) -> Column:
    """The same texts by number; some stand twice in the dictionary, and some are not used."""
    known = [*dict.fromkeys(text for text in column.values if text is not None), "unused"]
    known += known[: draw(st.integers(0, 2))]
    places = {text: [i for i, other in enumerate(known) if other == text] for text in known}
    codes = [
        None if text is None else draw(st.sampled_from(places[text])) for text in column.values
    ]
    return Column.of_codes(Coded(pl.Series(codes, dtype=pl.UInt32), pl.Series(known)))


LITERALS = st.sampled_from(
    "'\u00a0x' 0 1 2 3 7 10 100 1000 0.5 0.002 1.25 1e18 1e-18 99999999999999999999 1e40 "
    "true false null '' 'a' '5' '1.50' 'EU' 'é' '-' '/' 'x' now() date('2026-01-31T14:30:00Z') "
    "'2026-01-31T00:00:00Z' [1,'5'] (-3)".split(" ")
)
PATHS = st.sampled_from([*FIELDS, *FIELDS, "a.p", "b.q", "@{payload.c.p}", "missing"])
LEAVES = st.one_of(PATHS, PATHS, LITERALS)
BETWEEN = st.sampled_from("+ + - * * / % == != < <= > >= and or".split())
UNITS = st.sampled_from(["'day'", "'month'", "'hour'", "'weeks'", "'year'", "'second'", "'moon'"])
ZONES = st.sampled_from(["", ", 'Europe/Berlin'", ", 'Etc/UTC'", ", 'Nowhere'"])
FORMATS = st.sampled_from(
    ["'YYYY-MM'", "'YYYY-MM-DD HH:mm:ss.SSS'", "'[W]WW GGGG'", "'x'", "'DD.MM.YY h A'", "'foo'"]
)


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.sampled_from(
        "round floor ceil trunc abs sign isNull isNumber isText isEmpty text number upper lower "
        "trim trimStart trimEnd capitalize length coalesce min max concat average date "
        "unixMillis".split()
    )
    two = st.sampled_from(
        "round floor ceil trunc min max coalesce concat left right startsWith endsWith contains "
        "indexOf repeat padStart padEnd substring nullIf power quotient split item join".split()
    )
    three = st.sampled_from(
        "substring replace splitPart padStart padEnd if case concat max".split()
    )
    return st.one_of(
        st.builds("{}({})".format, one, inner),
        st.builds("{}({}, {})".format, two, inner, inner),
        st.builds("{}({}, {}, {})".format, three, inner, inner, inner),
        st.builds("formatDate({}, {}{})".format, inner, FORMATS, ZONES),
        st.builds("dateAdd({}, {}, {}{})".format, inner, inner, UNITS, ZONES),
        st.builds("dateDiff({}, {}, {}{})".format, inner, inner, UNITS, ZONES),
        st.builds("dateTruncate({}, {}{})".format, inner, UNITS, ZONES),
        st.builds("datePart({}, {}{})".format, inner, UNITS, ZONES),
    )


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, BETWEEN, inner),
        st.builds("({} {} {})".format, inner, BETWEEN, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("({} == {} ? {} : {})".format, inner, inner, inner, inner),
        st.builds("(-{})".format, inner),
        st.builds("(not {})".format, inner),
        st.builds("({} in [{}, {}])".format, inner, inner, inner),
        st.builds("({} not in {})".format, inner, inner),
        _calls(inner),
        _calls(inner),
    )


#: Expressions of all kinds of values at all places: most are errors.
WILD = st.recursive(LEAVES, _more, max_leaves=8)

_NUMBER_LEAVES = st.one_of(
    st.sampled_from([*FIELDS, "a.p", "coalesce(a, 1)", "coalesce(b, c, 0)", "number(d)"]),
    st.sampled_from("0 1 2 3 7 10 1000 0.5 0.002 1.25 1e18 1e-18 1e-9 (-3)".split()),
)
_TEXT_LEAVES = st.sampled_from(
    [*FIELDS, "text(a)", "coalesce(b, '')", "('' + coalesce(c, 'x'))", "'EU'", "'5'", "' é '", "''"]
)
_DATE_LEAVES = st.sampled_from(["now()", "date(f)", "f", "date(a)", "'2026-01-31T14:30:00.5Z'"])


def _numbers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    places = st.sampled_from("-2 -1 0 1 2 3 18 30".split())
    cuts = st.sampled_from("round floor ceil trunc".split())
    few = st.sampled_from("min max average coalesce quotient".split())
    one = st.sampled_from("abs sign number -".split())
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("{}({}, {})".format, cuts, inner, places),
        st.builds("{}({}, {})".format, few, inner, inner),
        st.builds("{}({})".format, one, inner),
        st.builds("power({}, {})".format, inner, st.integers(-2, 3).map(str)),
        st.builds("({} {} {} ? {} : {})".format, inner, _ORDERS, inner, inner, inner),
        st.builds("if(isNumber({0}), {0}, {1})".format, inner, inner),
        st.builds("length(text({}))".format, inner),
    )


_ORDERS = st.sampled_from("== != < <= > >=".split())
NUMERIC = st.recursive(_NUMBER_LEAVES, _numbers, max_leaves=6)


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.sampled_from("upper lower trim trimStart trimEnd capitalize text".split())
    places = st.integers(-2, 4).map(str)
    parts = st.sampled_from(["''", "'e'", "'5'", "' '", "'EU'", "'/'", "'é'"])
    return st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} + {})".format, inner, NUMERIC),
        st.builds("{}({})".format, one, inner),
        st.builds("substring({}, {}, {})".format, inner, places, places),
        st.builds("{}({}, {})".format, st.sampled_from(["left", "right"]), inner, places),
        st.builds("replace({}, {}, {})".format, inner, parts, inner),
        st.builds("splitPart({}, {}, {})".format, inner, parts, places),
        st.builds("padStart({}, {}, 'é')".format, inner, places),
        st.builds("padEnd({}, {})".format, inner, places),
        st.builds("(startsWith({}, {}) ? {} : {})".format, inner, parts, inner, inner),
        st.builds("(contains({}, {}) ? {} : null)".format, inner, parts, inner),
        st.builds("({} in [{}, {}] ? 'in' : {})".format, inner, inner, parts, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("formatDate({}, {})".format, DATED, FORMATS),
    )


def _dates(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    amounts = st.integers(-40, 40).map(str)
    return st.one_of(
        st.builds("dateAdd({}, {}, {}{})".format, inner, amounts, UNITS, ZONES),
        st.builds("dateTruncate({}, {}{})".format, inner, UNITS, ZONES),
        st.builds("coalesce({}, {})".format, inner, inner),
    )


DATED = st.recursive(_DATE_LEAVES, _dates, max_leaves=3)
TEXTUAL = st.recursive(_TEXT_LEAVES, _texts, max_leaves=5)
CONDITIONS = st.recursive(
    st.one_of(
        st.builds("({} {} {})".format, NUMERIC, _ORDERS, NUMERIC),
        st.builds("({} {} {})".format, TEXTUAL, _ORDERS, TEXTUAL),
        st.builds("({} {} {})".format, DATED, _ORDERS, DATED),
        st.builds("isNull({})".format, TEXTUAL),
        st.builds("(dateDiff({}, {}, {}) > 0)".format, DATED, DATED, UNITS),
    ),
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=4,
)
EXPRESSIONS = st.one_of(WILD, NUMERIC, NUMERIC, TEXTUAL, TEXTUAL, CONDITIONS, DATED)


def doubled(batch: UsageBatch, times: int) -> UsageBatch:
    """The records of a batch again and again, so that distinct ones are few."""
    positions = pl.concat([pl.int_range(len(batch), eager=True)] * times)
    return batch.take(positions)


def as_records(batch: UsageBatch) -> list[Record]:
    return batch.rows()
