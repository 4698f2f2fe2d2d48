"""The date node: dates are read, changed and written."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.problem import DefinitionError
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column
from meterhouse.streams.graph import load_graph
from tests.streams.documents import chain, counts, node, noop, passed, reader
from tests.streams.generated import canonical, outcome, records
from tests.streams.twins import Batches, records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
ISO = "YYYY-MM-DD[T]HH:mm:ss.SSS[Z]"


def item(field: str = "t", read: str | None = None, write: str | None = None, **more) -> dict:
    formats = {"inputFormat": read, "outputFormat": write}
    return {"field": field, "mode": "modify", **{k: v for k, v in formats.items() if v}, **more}


def dates(*items: dict) -> dict:
    return node("date", "transforms/date", items=list(items))


def step(mode: str, **parts: int) -> dict:
    return {"operation": {part: {"mode": mode, "value": value} for part, value in parts.items()}}


def changed(text, *items: dict, columnar: bool = False):
    left, result = passed(dates(*items), [{"t": text}], columnar=columnar)
    return left["out"][0]["t"] if left["out"] else result.suspended[0].detail


@FORMS
def test_the_end_of_the_day_of_a_date_in_another_format(columnar):
    given_ = [{"t": "2022-Jan-31", "n": 1}, {"t": "2022-feb-01"}, {"n": 2}, {"t": None}]
    end = step("set", hour=23, minute=59, second=59)
    left, result = passed(dates(item("t", "YYYY-MMM-DD", ISO, **end)), given_, columnar=columnar)
    assert canonical(left["out"]) == [
        '{"n":1,"t":"2022-01-31T23:59:59.000Z"}',
        '{"t":"2022-02-01T23:59:59.000Z"}',
        '{"n":2}',
        "{}",
    ]
    assert counts(result, "date") == {"in": 4, "out": {"out": 4}}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (step("add", month=1), "2024-02-29T10:30:00.000Z"),
        (step("subtract", year=1), "2023-01-31T10:30:00.000Z"),
        (step("set", month=2), "2024-02-29T10:30:00.000Z"),
        (step("set", day=31, month=4), "2024-04-30T10:30:00.000Z"),
        (
            step("set", year=2025, month=1, day=1, hour=0, minute=0, millisecond=7),
            "2025-01-01T00:00:00.007Z",
        ),
        (step("add", week=1, days=1, hours=14), "2024-02-09T00:30:00.000Z"),
        (step("subtract", minutes=31, seconds="1"), "2024-01-31T09:58:59.000Z"),
        ({}, "2024-01-31T10:30:00.000Z"),
    ],
)
def test_parts_are_set_and_shifted_from_the_largest_to_the_smallest(operation, expected):
    assert changed("2024-01-31T10:30:00Z", item(**operation)) == expected


def test_wall_times_are_those_of_the_zone():
    berlin = {"timezone": "Europe/Berlin"}
    midnight = step("set", hour=0, minute=0)
    assert (
        changed("2026-03-29T12:30:00+02:00", item(**midnight, **berlin))
        == "2026-03-28T23:00:00.000Z"
    )
    local = item("t", "DD.MM.YYYY HH:mm", "x", **berlin)
    assert changed("01.07.2026 02:00", local) == "1782864000000"


def test_later_items_see_what_earlier_ones_have_written():
    first = item("t", "DD.MM.YYYY", "YYYY-MM-DD")
    assert changed("31.01.2026", first, item("t", "YYYY-MM-DD", "D MMM YY")) == "31 Jan 26"


@FORMS
def test_numbers_are_read_as_they_are_written(columnar):
    assert changed(1767222000, item("t", "X", ISO), columnar=columnar) == "2025-12-31T23:00:00.000Z"
    assert changed(1767222000000, item(), columnar=columnar) == "2025-12-31T23:00:00.000Z"


@FORMS
def test_what_is_no_date_is_suspended_as_it_came(columnar):
    given_ = records_of(
        '{"t": "31.02.2026", "u": "1.1.26"}\n{"t": true}\n{"t": {"a": 1}}\n'
        '{"t": "01.02.2026", "u": "x"}\n{"t": "01.02.2026"}'
    )
    stream = dates(item("t", "DD.MM.YYYY", "YYYY"), item("u", "D.M.YY", "YYYY"))
    left, result = passed(stream, given_, columnar=columnar)
    assert left["out"] == [{"t": "2026"}]
    assert [(s.offset, s.reason, s.detail) for s in result.suspended] == [
        (0, Reason.TIMESTAMP_INVALID, "t: '31.02.2026' is no date of the calendar"),
        (1, Reason.TIMESTAMP_INVALID, "t is true, which is no date"),
        (2, Reason.TIMESTAMP_INVALID, 't is {"a":1}, which is no date'),
        (3, Reason.TIMESTAMP_INVALID, "u: 'x' is not written as 'D.M.YY'"),
    ]
    assert result.suspended[3].record == {"t": "01.02.2026", "u": "x"}
    assert counts(result, "date") == {"in": 5, "out": {"out": 1}, "suspended": 4}


@FORMS
def test_a_field_may_lie_in_an_object(columnar):
    given_ = [{"a": {"b": "2026-01-31", "c": 1}}, {"a": {"c": 2}}, {"a.b": "2026-01-31"}]
    left, _ = passed(dates(item("a.b", "YYYY-MM-DD", "YYYY")), given_, columnar=columnar)
    assert left["out"] == [{"a": {"b": "2026", "c": 1}}, {"a": {"c": 2}}, {"a.b": "2026"}]


def test_texts_that_repeat_are_worked_out_where_they_are_used():
    texts = pl.Series(["2026-01-31", "unused", "no date"])
    coded = Column.of_codes(Coded(pl.Series([0, 0, None, 2, 0], dtype=pl.UInt32), texts))
    batch = UsageBatch.from_columns({"t": coded}, length=5)
    left, result = passed(dates(item("t", "YYYY-MM-DD", "YYYY")), Batches(batch))
    assert left["out"] == [{"t": "2026"}, {"t": "2026"}, {}, {"t": "2026"}]
    assert [s.offset for s in result.suspended] == [3]


FORMATS = st.sampled_from([None, "YYYY-MM-DD", "D.M.YYYY", "x"])
MADE = st.sampled_from([{}, step("add", month=1), step("set", day=31), step("subtract", hour=5)])
ITEMS = st.builds(
    lambda field, read, write, made: item(field, read, write, **made),
    st.sampled_from(["a", "b", "c.p", "d"]),
    FORMATS,
    FORMATS,
    MADE,
)
DATES = st.sampled_from(["2026-01-31", "31.1.2026", "1767222000000", 1767222000000, "2026-02-30"])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(ITEMS, min_size=1, max_size=3),
    records(),
    st.lists(DATES, max_size=12),
    st.integers(1, 9),
)
def test_columns_are_changed_as_rows_are(items, given_, texts, cut):
    for record, text in zip(given_, texts, strict=False):
        record["a"] = record["b"] = text
    both = [
        passed(dates(*items), given_, columnar=columnar, chunk_records=cut if columnar else 99)
        for columnar in (False, True)
    ]
    assert canonical(both[0][0]["out"]) == canonical(both[1][0]["out"])
    assert outcome(both[0][1]) == outcome(both[1][1])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (item(mode="shift"), 'items[0].mode: is "shift"'),
        (item("a..b"), 'items[0].field: is "a..b"'),
        (item(read="YYYY-QQ"), "inputFormat"),
        (item(read="MM-DD"), "has no year"),
        (item(write="nonsense"), "is no part of a date"),
        (item(timezone="Mars"), 'items[0].timezone: is "Mars"'),
        (item(operation={"eon": {"mode": "set", "value": 1}}), "is not a part of a date"),
        (item(**step("multiply", hour=2)), 'items[0].operation.hour.mode: is "multiply"'),
        (item(**step("set", hour=24)), "use a whole number from 0 to 23"),
        (item(**step("set", week=2)), "a week can be added or subtracted"),
        (item(operation={"day": {"mode": "add"}, "days": {"mode": "add"}}), "is missing"),
    ],
)
def test_what_is_wrong_with_parameters_is_named(wrong, problem):
    with pytest.raises(DefinitionError) as refused:
        load_graph(chain(reader(), dates(wrong), noop()))
    assert problem in str(refused.value)


def test_at_least_one_field_is_named():
    with pytest.raises(DefinitionError, match="items: is empty"):
        load_graph(chain(reader(), dates(), noop()))
