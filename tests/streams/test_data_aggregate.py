"""The data aggregator: groups, results, when they leave, and sessions over runs."""

from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Context, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.core.date_part import DatePart
from meterhouse.core.instant import DAY, MINUTE, read_timestamp
from meterhouse.core.json_text import canonical_text
from meterhouse.core.problem import DefinitionError
from meterhouse.core.quantity import quantity
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column
from meterhouse.streams.graph import load_graph
from tests.streams.documents import AT, chain, counts, node, noop, passed, reader
from tests.streams.generated import NUMBERS, TEXTS, canonical, outcome, records
from tests.streams.twins import Batches, Files, Snapshot, records_of

FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
SHORT = {
    "NUMERIC_SUM": "sum",
    "NUMERIC_AVERAGE": "avg",
    "NUMERIC_MIN": "min",
    "NUMERIC_MAX": "max",
    "GENERAL_COUNT": "count",
    "GENERAL_CARRY_FIRST": "carry_first",
    "GENERAL_CARRY_LAST": "carry_last",
}


def aggregator(keys: str, named_operations: str, /, **params) -> dict:
    """``keys`` are fields, with the part of a date behind a colon; operations: ``TYPE field``."""
    parts = [key.partition(":") for key in keys.split()]
    group_keys = [{"field": field, "operationType": part or "NONE"} for field, _, part in parts]
    named = [entry.split() for entry in named_operations.split(",") if entry]
    given_ = [{"field": field, "type": type_} for type_, field in named]
    made = {"groupKeys": group_keys, "operations": given_, "flushType": "ALL_FILES"} | params
    return {**node("agg", "transforms/data_aggregate", **made), "schemaVersion": 3}


ALL = ",".join(f"{operation} v" for operation in SHORT)


@FORMS
def test_a_group_leaves_as_one_record_with_all_results(columnar):
    given_ = records_of(
        '{"u": "ann", "v": 1.5, "x": 1}\n{"u": "bob", "v": "7"}\n{"u": "ann", "v": 4}\n{"u": "ann"}'
    )
    left, result = passed(aggregator("u", ALL), given_, columnar=columnar)
    assert canonical(left["out"]) == [
        '{"avg_v":2.75,"carry_first_v":1.5,"carry_last_v":4,"count_v":2,"max_v":4,"min_v":1.5,'
        '"sum_v":5.5,"u":"ann"}',
        '{"avg_v":7,"carry_first_v":"7","carry_last_v":"7","count_v":1,"max_v":7,"min_v":7,'
        '"sum_v":7,"u":"bob"}',
    ]
    assert counts(result, "agg") == {"in": 4, "out": {"out": 2}}


@FORMS
def test_equal_numbers_are_one_group_and_texts_another_and_a_missing_field_its_own(columnar):
    given_ = records_of('{"u": 5}\n{"u": "5"}\n{"u": 5.0}\n{}\n{"u": null}')
    left, _ = passed(aggregator("u", "GENERAL_COUNT n"), given_, columnar=columnar)
    assert canonical(left["out"]) == [
        '{"count_n":0,"u":5}',
        '{"count_n":0,"u":"5"}',
        '{"count_n":0}',
    ]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("YEAR", "2024"),
        ("QUARTER", "2024-Q4"),
        ("MONTH", "2024-12"),
        ("WEEK", "2025-W01"),
        ("DAY", "2024-12-30"),
        ("HOUR", "2024-12-30T23"),
        ("MINUTE", "2024-12-30T23:59"),
        ("SECOND", "2024-12-30T23:59:58"),
    ],
)
def test_a_group_may_be_a_part_of_a_date_in_utc(part, text):
    given_ = [{"t": "2024-12-31T00:59:58+01:00"}]
    left, _ = passed(aggregator(f"t:{part}", ""), given_)
    assert left["out"] == [{f"{part.lower()}_t": text}]


def test_names_may_be_given_and_an_empty_alias_is_none():
    keys = [{"field": "u", "alias": ""}, {"field": "t", "alias": "m", "operationType": "MONTH"}]
    operations = [{"field": "v", "type": "NUMERIC_SUM", "alias": "total"}]
    given_ = [{"u": 1, "v": 2, "t": "2026-01-02"}]
    left, _ = passed(aggregator("x", "", groupKeys=keys, operations=operations), given_)
    assert left["out"] == [{"u": 1, "m": "2026-01", "total": 2}]


@FORMS
def test_what_cannot_be_aggregated_is_suspended_and_counts_nowhere(columnar):
    given_ = records_of(
        '{"u": 1, "v": "x", "w": 1, "t": "2026-01-01"}\n{"u": 1, "v": 1, "w": true, "t": "no"}\n'
        '{"u": 1, "v": 0.1234567890123456789, "w": 1}\n{"u": 1, "v": 1e20}\n'
        '{"u": 1, "v": 1, "w": 1, "t": [1]}\n{"u": 1, "v": 1, "w": 1, "t": "2026-01-09"}'
    )
    left, result = passed(
        aggregator("u t:MONTH", "NUMERIC_SUM v,NUMERIC_SUM w"), given_, columnar=columnar
    )
    assert left["out"] == [{"u": 1, "month_t": "2026-01", "sum_v": 1, "sum_w": 1}]
    assert [(s.reason, s.detail) for s in result.suspended] == [
        (Reason.VALUE_NOT_NUMERIC, 'v is "x"'),
        (Reason.VALUE_NOT_NUMERIC, "w is true"),
        (Reason.VALUE_TOO_PRECISE, "v is 0.1234567890123456789"),
        (Reason.VALUE_OUT_OF_RANGE, "v is 100000000000000000000"),
        (Reason.TIMESTAMP_INVALID, "t is [1]"),
    ]
    assert counts(result, "agg") == {"in": 6, "out": {"out": 1}, "suspended": 5}


def test_sums_are_exact_beyond_one_quantity_and_averages_are_rounded_half_to_even():
    greatest = Decimal("99999999999999999999.999999999999999999")
    left, _ = passed(aggregator("u", "NUMERIC_SUM v"), [{"v": greatest}] * 3, columnar=True)
    assert left["out"] == [{"sum_v": Decimal("299999999999999999999.999999999999999997")}]
    tiny = Decimal("0.000000000000000001")
    for values, average in [([tiny, 2 * tiny], 2 * tiny), ([tiny, 0], 0), ([-tiny, 0], 0)]:
        left, _ = passed(aggregator("u", "NUMERIC_AVERAGE v"), [{"v": v} for v in values])
        assert left["out"] == [{"avg_v": average}]


def test_a_group_without_any_number_has_a_sum_of_zero_and_no_other_result():
    left, _ = passed(aggregator("u", ALL), [{"u": 1}])
    assert left["out"] == [{"u": 1, "sum_v": 0, "count_v": 0}]


def test_each_file_has_groups_of_its_own_and_all_files_have_one():
    files = {"a": [{"u": 1, "v": 1}, {"u": 2, "v": 2}], "b": [{"u": 2, "v": 4}, {"u": 1, "v": 8}]}
    for flush, sums in [("EACH_FILE", [1, 2, 4, 8]), ("ALL_FILES", [9, 6])]:
        made = aggregator("u", "NUMERIC_SUM v", flushType=flush)
        left, _ = passed(made, Files(files), chunk_records=1)
        assert [record["sum_v"] for record in left["out"]] == sums


# ---------------------------------------------------------------- columns and the oracle

_ROUNDED = Context(prec=200, rounding=ROUND_HALF_EVEN)


def oracle(given_: list[dict], keys: tuple[str, ...], fields: tuple[str, ...]):
    """What leaves and what is refused, one record after the other in plain Python."""
    groups: dict[tuple, dict] = {}
    refused = []
    for position, record in enumerate(given_):
        reasons = [reason for field in fields if (reason := _fault(record.get(field)))]
        names, reason = [], None
        for key in keys:
            field, _, part = key.partition(":")
            value = record.get(field)
            if part and value not in (None, ""):
                instant = read_timestamp(value)
                if instant is None:
                    reasons.append(Reason.TIMESTAMP_INVALID)
                else:
                    value = DatePart(part).text(instant)
            names.append("null" if part and value == "" else canonical_text(value))
        if reasons:
            reason = min(reasons, key=list(Reason).index)
            refused.append((position, reason))
            continue
        group = groups.setdefault(tuple(names), defaultdict(list))
        for field in fields:
            if record.get(field) is not None:
                group[field].append(record[field])
    return [_results(names, group, fields) for names, group in groups.items()], refused


def _fault(value) -> Reason | None:
    if value is None or value == "":
        return None
    found = quantity(value)
    return found if isinstance(found, Reason) else None


def _results(names: tuple[str, ...], group: dict, fields: tuple[str, ...]) -> str:
    made = {f"k{place}": name for place, name in enumerate(names)}
    for field in fields:
        values = group[field]
        numbers = [quantity(value) for value in values if value != ""]
        total = sum(map(_units, numbers))
        made[f"sum_{field}"] = total
        if numbers:
            average = _ROUNDED.divide(Decimal(total), Decimal(len(numbers)))
            made[f"avg_{field}"] = int(_ROUNDED.to_integral_value(average))
            made[f"min_{field}"], made[f"max_{field}"] = (
                _units(min(numbers)),
                _units(max(numbers)),
            )
        made[f"count_{field}"] = len(values)
        if values:
            made[f"carry_first_{field}"] = canonical_text(values[0])
            made[f"carry_last_{field}"] = canonical_text(values[-1])
    return canonical_text(made)


def _units(number: Decimal) -> int:
    return int(_ROUNDED.multiply(number, Decimal(10**18)))


def _as_oracle(record: dict, keys: tuple[str, ...]) -> str:
    names = [f"{p.lower()}_{f}" if p else f for f, _, p in (key.partition(":") for key in keys)]
    made = {}
    for place, name in enumerate(names):
        made[f"k{place}"] = canonical_text(record.get(name))
    for name, value in record.items():
        if name in names or value is None:
            continue
        numeric = name.startswith(("sum_", "avg_", "min_", "max_"))
        carried = name.startswith("carry_")
        made[name] = (
            _units(Decimal(value)) if numeric else canonical_text(value) if carried else value
        )
    return canonical_text(made)


DATES = st.sampled_from(
    [
        "2026-01-02",
        "2026-01-31T23:59:59Z",
        "2026-02-01T00:00:00+01:00",
        "2026-02-30",
        "",
        1767222000000,
    ]
)
MIXED = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, DATES)


@st.composite
def aggregated(draw):
    """Records whose fields have one type each, or any."""
    kinds = {
        name: draw(st.sampled_from([MIXED, NUMBERS, TEXTS, DATES, st.integers(-5, 5)]))
        for name in "abv"
    }
    rows = draw(st.lists(st.fixed_dictionaries({}, optional=kinds), min_size=1, max_size=12))
    cuts = draw(st.integers(1, 12))
    return rows, cuts


@settings(max_examples=300, deadline=None)
@given(
    aggregated(),
    st.sampled_from([("a",), ("a", "b"), ("a", "b:MONTH"), ("b:WEEK",), ("b:DAY", "a")]),
)
def test_columns_fold_as_the_oracle_does_however_they_are_cut(case, keys):
    given_, cut = case
    expected, refused = oracle(given_, keys, ("v",))
    made = aggregator(" ".join(keys), ALL)
    for columnar in (False, True):
        left, result = passed(made, given_, columnar=columnar, chunk_records=cut)
        assert [_as_oracle(record, keys) for record in left["out"]] == expected
        assert [(s.offset, s.reason) for s in result.suspended] == refused


@settings(max_examples=100, deadline=None)
@given(records(), st.integers(1, 12))
def test_any_records_are_folded_alike_in_both_forms(given_, cut):
    made = aggregator(
        "a b", "GENERAL_CARRY_LAST c,GENERAL_COUNT d,NUMERIC_SUM d,GENERAL_CARRY_FIRST c"
    )
    whole = passed(made, given_)
    for columnar in (False, True):
        left, result = passed(made, given_, columnar=columnar, chunk_records=cut)
        assert canonical(left["out"]) == canonical(whole[0]["out"])
        assert outcome(result) == outcome(whole[1])


def test_coded_texts_are_folded_as_others():
    codes = pl.Series([0, 1, None, 2], dtype=pl.Int64)
    coded = Column.of_codes(Coded(codes, pl.Series(["x", "2026-01-01", "x"])))
    batch = UsageBatch.from_columns({"u": coded}, length=4)
    left, _ = passed(aggregator("u", "GENERAL_CARRY_LAST u"), Batches(batch))
    assert left["out"] == [
        {"u": "x", "carry_last_u": "x"},
        {"u": "2026-01-01", "carry_last_u": "2026-01-01"},
        {},
    ]


# ---------------------------------------------------------------- sessions

HOUR = 60 * MINUTE


def timed(since: str, **more) -> dict:
    timeout = {"value": 1, "unit": "HOUR", "since": since}
    return aggregator("u", "NUMERIC_SUM v", flushType="TIMEOUT", timeout=timeout, **more)


def runs(
    stream_node: dict, *steps: tuple[int, list[dict]], snapshot: Snapshot | None = None, **more
):
    """Run after run, each minutes after the start; what left in each."""
    snapshot = snapshot or Snapshot()
    left = []
    for minutes, given_ in steps:
        at = AT + minutes * MINUTE
        out, result = passed(stream_node, given_, snapshot=snapshot, at=at, **more)
        left.append(out["out"])
        snapshot = snapshot.after(result)
    return left


def test_a_session_stays_open_over_runs_until_nothing_has_updated_it_for_a_while():
    ann = {"u": "ann", "v": 1}
    left = runs(timed("LAST_RECORD"), (0, [ann]), (50, [ann]), (100, []), (110, [ann]), (170, []))
    assert left == [[], [], [], [{"u": "ann", "sum_v": 2}], [{"u": "ann", "sum_v": 1}]]


def test_a_session_may_end_a_fixed_time_after_it_began():
    ann = {"u": "ann", "v": 1}
    left = runs(timed("FIRST_RECORD"), (0, [ann]), (50, [ann]), (59, []), (60, [ann]), (119, []))
    assert left == [[], [], [], [{"u": "ann", "sum_v": 2}], []]


def test_sessions_leave_by_their_time_out_and_then_by_key():
    bob, ann, cid = ({"u": name, "v": 1} for name in ("bob", "ann", "cid"))
    left = runs(timed("LAST_RECORD"), (0, [cid]), (1, [bob, ann]), (90, []))
    assert [record["u"] for record in left[2]] == ["cid", "ann", "bob"]


def test_the_end_of_a_run_has_its_own_clock():
    stream = timed("LAST_RECORD")
    assert runs(stream, (0, [{"u": 1, "v": 1}]), end_at=AT + 2 * HOUR) == [[{"u": 1, "sum_v": 1}]]


def test_sessions_stay_until_they_meet_the_conditions():
    rule = [{"field": "sum_v", "op": "ge", "value": 10}]
    stream = aggregator("u", "NUMERIC_SUM v", conditionalFlushConfig=rule)
    seven = [{"u": "ann", "v": 7}, {"u": "bob", "v": 1}]
    left = runs(stream, (0, seven), (10, seven), (20, seven))
    assert left == [[], [{"u": "ann", "sum_v": 14}], []]


def test_conditions_are_looked_at_after_each_file():
    rule = [{"field": "sum_v", "op": "ge", "value": "10"}]
    stream = aggregator("u", "NUMERIC_SUM v", conditionalFlushConfig=rule, flushType="EACH_FILE")
    files = Files({"a": [{"u": 1, "v": 6}] * 2, "b": [{"u": 1, "v": 6}], "c": [{"u": 1, "v": 4}]})
    for chunk in (1, 2, 10):
        assert runs(stream, (0, files), chunk_records=chunk) == [
            [{"u": 1, "sum_v": 12}, {"u": 1, "sum_v": 10}]
        ]


def test_other_group_fields_open_other_sessions_and_the_old_ones_wait():
    record = {"u": "ann", "w": "x", "v": 1}
    snapshot = Snapshot()
    for keys in ("u", "u w"):
        stream = timed("LAST_RECORD", groupKeys=[{"field": key} for key in keys.split()])
        _, result = passed(stream, [record], snapshot=snapshot)
        snapshot = snapshot.after(result)
    assert [len(found) for found in snapshot.open_sessions.values()] == [1, 1]
    assert runs(timed("LAST_RECORD"), (50, [record]), (120, []), snapshot=snapshot)[1] == [
        {"u": "ann", "sum_v": 2}
    ]


def test_a_new_operation_begins_with_nothing():
    snapshot = Snapshot()
    _, result = passed(timed("LAST_RECORD"), [{"u": 1, "v": 5}], snapshot=snapshot)
    operations = [
        {"field": "v", "type": "NUMERIC_MAX"},
        {"field": "v", "type": "NUMERIC_SUM"},
        {"field": "v", "type": "GENERAL_CARRY_FIRST"},
    ]
    later = timed("LAST_RECORD", operations=operations)
    left = runs(later, (10, [{"u": 1, "v": 2}]), (80, []), snapshot=snapshot.after(result))
    assert left[1] == [{"u": 1, "max_v": 2, "sum_v": 7, "carry_first_v": 2}]


def test_a_session_that_nothing_updates_for_180_days_is_forgotten():
    stream = aggregator(
        "u", "NUMERIC_SUM v", conditionalFlushConfig=[{"field": "sum_v", "op": "gt", "value": "1"}]
    )
    day = DAY // MINUTE
    for days, expected in [(179, [{"sum_v": 2}]), (180, [])]:
        assert runs(stream, (0, [{"v": 1}]), (days * day, [{"v": 1}]))[1] == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), NUMBERS), max_size=4), max_size=5))
def test_sums_over_runs_are_the_sums_of_all_records(batches):
    flat = [{"u": user, "v": value} for batch in batches for user, value in batch]
    steps = [(n, [{"u": u, "v": v} for u, v in batch]) for n, batch in enumerate(batches)]
    stream = timed("LAST_RECORD", operations=[{"field": "v", "type": t} for t in SHORT])
    left = runs(stream, *steps, (10_000, []))
    assert not any(left[:-1])
    whole, _ = passed(aggregator("u", ALL), flat)
    by_user = sorted(canonical(whole["out"]))
    assert sorted(canonical(left[-1])) == by_user


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"groupKeys": []}, "groupKeys: is empty"),
        ({"groupKeys": [{"operationType": "NONE"}]}, "groupKeys[0].field: is missing"),
        ({"groupKeys": [{"field": "a", "operationType": "EON"}]}, 'operationType: is "EON"'),
        ({"operations": [{"field": "v", "type": "MEDIAN"}]}, 'operations[0].type: is "MEDIAN"'),
        ({"operations": [{"field": "v", "type": "NUMERIC_SUM", "alias": "u"}]}, 'named "u"'),
        ({"flushType": "NEVER"}, 'flushType: is "NEVER"'),
        ({"flushType": "TIMEOUT"}, "timeout: is missing"),
        ({"timeout": {"value": 0}}, "timeout.value: is 0"),
        ({"timeout": {"value": 200, "unit": "DAY"}}, "longer than 180 days"),
        ({"timeout": {"value": 2, "unit": "EON"}}, 'timeout.unit: is "EON"'),
        ({"timeout": {"value": 2, "since": "EVER"}}, 'timeout.since: is "EVER"'),
        ({"timeout": {"value": 2, "each": 1}}, "timeout.each: is not a known field"),
        (
            {"conditionalFlushConfig": [{"field": "v", "op": "gt", "value": 1}]},
            'conditionalFlushConfig[0].field: is "v", which no group has',
        ),
        (
            {"conditionalFlushConfig": [{"field": "u", "op": "like"}]},
            'conditionalFlushConfig[0].op: is "like"',
        ),
    ],
)
def test_what_is_wrong_with_parameters_is_named(params, problem):
    with pytest.raises(DefinitionError) as refused:
        load_graph(chain(reader(), aggregator("u", "NUMERIC_SUM v", **params), noop()))
    assert problem in str(refused.value)
