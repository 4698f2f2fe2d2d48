"""The library: pure functions on definitions and usage, without a store."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import meterhouse as mh

_MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}
_CALLS = {"name": "Calls", "aggregation": {"type": "sum"}, "resetSchedule": _MONTHLY}
_RULE = {"matchCategory": "DEFAULT", "ignoreCondition": True}
_DEFINITIONS = {"meterTypes": [_CALLS], "guidingRules": [_RULE]}
_ANN = {"userId": "ann", "meterTypeId": "Calls"}


@pytest.fixture
def plan() -> mh.Plan:
    return mh.load(_DEFINITIONS)


@pytest.fixture
def state(plan: mh.Plan) -> mh.State:
    return plan.state([_ANN], at="2026-01-01T00:00Z")


def test_every_public_name_is_there_and_sorted() -> None:
    assert sorted(mh.__all__) == mh.__all__
    assert all(getattr(mh, name) is not None for name in mh.__all__)
    assert set(mh.__all__) < set(dir(mh))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mh.nothing


def test_metering_is_pure(plan: mh.Plan, state: mh.State) -> None:
    usage = [{"userId": "ann", "value": Decimal("0.1")}, {"userId": "ann", "value": "0.2"}]
    once = mh.meter(usage, plan, state=state, at="2026-01-02T00:00Z")
    again = mh.meter(usage, plan, state=state, at="2026-01-02T00:00Z")
    assert once.metered == again.metered == 2
    assert [b.state.value for b in state] == [0]
    assert [b.state.value for b in once.state] == [Decimal("0.3")]


def test_state_goes_on_from_run_to_run(plan: mh.Plan, state: mh.State) -> None:
    first = mh.meter([{"userId": "ann", "value": 1}], plan, state=state, at="2026-01-02T00:00Z")
    last = mh.meter(
        [{"userId": "ann", "value": 2}], plan, state=first.state, at="2026-02-01T00:00Z"
    )
    assert [record["value"] for record in last.golden] == [1]
    assert [b.state.value for b in last.state] == [2]


def test_what_cannot_be_metered_says_why_and_where(plan: mh.Plan, state: mh.State) -> None:
    usage = mh.UsageBatch.from_rows([{"value": 1}, {"userId": "ann", "value": "x"}], source=7)
    result = mh.meter(usage, plan, state=state, at="2026-01-02T00:00Z")
    found = [(s.reason.value, s.source, s.offset, s.record.get("userId")) for s in result.suspended]
    assert found == [("user_id_missing", 7, 0, None), ("value_not_numeric", 7, 1, "ann")]


def test_stream_execution_flushes_every_meter(state: mh.State) -> None:
    plan = mh.load(_DEFINITIONS | {"flushType": "END_OF_STREAM"})
    result = mh.meter([{"userId": "ann", "value": 5}], plan, state=state, at="2026-01-02T00:00Z")
    assert [record["value"] for record in result.golden] == [5]


def test_usage_of_the_future_is_metered_as_far_as_a_plan_tolerates(state: mh.State) -> None:
    plan = mh.load(_DEFINITIONS | {"futureToleranceSeconds": 0.5})
    stamps = ("2026-01-02T00:00:00.5Z", "2026-01-02T00:00:00.500001Z")
    usage = [{"userId": "ann", "value": 1, "timestamp": stamp} for stamp in stamps]
    result = mh.meter(usage, plan, state=state, at="2026-01-02T00:00Z")
    found = [(s.offset, s.reason.value) for s in result.suspended]
    assert (result.metered, found) == (1, [(1, "timestamp_in_future")])


def test_thresholds_leave_as_records() -> None:
    limited = _CALLS | {"thresholds": [{"name": "stop", "absoluteValue": 3}]}
    plan = mh.load({"meterTypes": [limited], "guidingRules": [_RULE]})
    state = plan.state([_ANN], at="2026-01-01T00:00Z")
    result = mh.meter([{"userId": "ann", "value": 3}], plan, state=state, at="2026-01-02T00:00Z")
    assert [r["thresholdReached"]["name"] for r in result.thresholds] == ["stop"]


def test_definitions_come_from_files_of_both_forms(tmp_path: Path) -> None:
    toml = tmp_path / "types.toml"
    toml.write_text(
        '[[meterTypes]]\nname = "Calls"\nexternalRef = "sku"\naggregation = {type = "max"}\n'
        "[meterTypes.resetSchedule]\n" + "".join(f'{k} = "{v}"\n' for k, v in _MONTHLY.items())
    )
    stream = tmp_path / "stream.json"
    node = {"type": "transforms/meter", "name": "Meter", "params": {"guidingRules": [_RULE]}}
    stream.write_text(json.dumps({"name": "s", "nodes": [node, {"type": "writers/noop"}]}))
    plan = mh.load(toml, stream)
    assert list(plan.meter_types) == ["Calls"]
    assert plan.node("Meter").rules[0].category == "DEFAULT"
    assert len(plan.state([{"userId": "ann", "externalRef": "sku"}], at="2026-01-01T00:00Z")) == 1


def test_all_problems_of_all_sources_are_listed_at_once(tmp_path: Path) -> None:
    wrong = {"meterTypes": [{"name": "A"}, _CALLS, _CALLS], "guidingRules": [], "flushType": "no"}
    with pytest.raises(mh.DefinitionError) as caught:
        mh.load(wrong)
    places = [problem.place for problem in caught.value.problems]
    assert places == [
        "source 1 meter type 1.aggregation",
        "source 1 meter type 1.resetSchedule",
        "source 1 meter type 3.name",
        "source 1 node Meter.guidingRules",
        "source 1 node Meter.flushType",
    ]


@pytest.mark.parametrize("text", ["{", "[1,"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "types.json"
    path.write_text(text)
    with pytest.raises(mh.DefinitionError, match=r"types\.json"):
        mh.load(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(mh.MeterhouseError, match="nowhere"):
        mh.load(tmp_path / "nowhere.json")
    with pytest.raises(mh.MeterhouseError, match="nowhere"):
        mh.read(tmp_path / "nowhere.csv")


def test_a_user_has_one_meter_of_a_type(plan: mh.Plan) -> None:
    with pytest.raises(mh.DefinitionError, match="'ann' has such a meter already"):
        plan.state([_ANN, _ANN], at="2026-01-01T00:00Z")


@pytest.mark.parametrize("key", ["nodes", "meterTypes"])
def test_what_should_be_a_list_is_named(key: str) -> None:
    with pytest.raises(mh.DefinitionError, match=f"source 1 {key}: is 3, not a list"):
        mh.load({key: 3})


def test_meters_of_unknown_types_and_faults_are_listed(plan: mh.Plan) -> None:
    bodies = [{"userId": "ann", "meterTypeId": "None"}, {"meterTypeId": "Calls"}]
    with pytest.raises(mh.DefinitionError) as caught:
        plan.state(bodies, at="2026-01-01T00:00Z")
    places = [problem.place for problem in caught.value.problems]
    assert places == ["meter 1.meterTypeId", "meter 2.userId"]


def test_a_node_must_be_named_where_there_are_several() -> None:
    nodes = [
        {"type": "transforms/meter", "name": name, "params": {"guidingRules": [_RULE]}}
        for name in ("A", "B")
    ]
    plan = mh.load({"nodes": nodes})
    assert plan.node("B").meter_key == "B"
    with pytest.raises(mh.MeterhouseError, match="the meter nodes are A, B"):
        plan.node()


def test_an_instant_that_is_none_is_refused(plan: mh.Plan, state: mh.State) -> None:
    with pytest.raises(mh.MeterhouseError, match="'soon' is not an instant"):
        mh.meter([], plan, state=state, at="soon")


def test_usage_is_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "usage.ndjson"
    path.write_text('{"v":0.1}\n{"v":12345678901234567890.123456789012345678}\n')
    values = [record["v"] for record in mh.read(path).rows()]
    assert values == [Decimal("0.1"), Decimal("12345678901234567890.123456789012345678")]
    (tmp_path / "empty.ndjson").write_text("")
    assert len(mh.read(tmp_path / "empty.ndjson")) == 0


def test_unreadable_records_of_a_file_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "usage.ndjson"
    path.write_text('{"v":1}\nnonsense\n')
    with pytest.raises(mh.MeterhouseError, match=r"^1 record\(s\) .* line 2: not JSON"):
        mh.read(path)


_EXACT = {"userId": "ann", "value": 1, "items": [Decimal("0.5"), {"on": True}, None, "x"]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"value": 0.1}, 'record 2: value is 0.1, a Python float.*Write Decimal\\("0.1"\\) or'),
        ({"items": [{"a": (1, 1e22)}]}, 'items is 1e\\+22, a Python float.*the text "1e\\+22"'),
        ({"when": dt.date(2026, 1, 2)}, "record 2: when is a date: .*Use text, bool, int, Decimal"),
    ],
)
def test_a_record_with_what_is_not_exact_is_refused(
    plan: mh.Plan, state: mh.State, changed: dict[str, Any], message: str
) -> None:
    usage = [_EXACT, _EXACT | changed]
    for given in (usage, mh.UsageBatch.from_rows(usage)):
        with pytest.raises(mh.MeterhouseError, match=message):
            mh.meter(given, plan, state=state, at="2026-01-02T00:00Z")


def test_floats_of_definitions_are_their_shortest_decimals(tmp_path: Path) -> None:
    path = tmp_path / "types.toml"
    path.write_text(
        '[[meterTypes]]\nname = "Calls"\ncapacity = 0.1\naggregation = {type = "max"}\n'
        "[meterTypes.resetSchedule]\n" + "".join(f'{k} = "{v}"\n' for k, v in _MONTHLY.items())
    )
    plans = (mh.load(path), mh.load(_CALLS | {"capacity": 0.1}))
    assert [plan.meter_types["Calls"].capacity for plan in plans] == [Decimal("0.1")] * 2


@pytest.mark.parametrize("rows", [3, 3_000], ids=["rows", "columns"])
def test_arrow_tables_are_metered_exactly(plan: mh.Plan, state: mh.State, rows: int) -> None:
    table = pa.table({"userId": ["ann"] * rows, "value": [0.1] * rows, "region": [None] * rows})
    for given in (table, table.combine_chunks().to_batches()[0]):
        usage = mh.UsageBatch.from_arrow(given, source=2)
        result = mh.meter(usage, plan, state=state, at="2026-01-02T00:00Z")
        assert [b.state.value for b in result.state] == [Decimal("0.1") * rows]
        assert usage.origins()[-1] == (2, rows - 1)


def test_a_null_of_an_arrow_table_is_an_absent_field() -> None:
    table = pa.table({"userId": ["ann", None], "tags": [{"a": [0.5]}, None]})
    rows = mh.UsageBatch.from_arrow(table).rows()
    assert rows == [{"userId": "ann", "tags": {"a": [Decimal("0.5")]}}, {}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"userId": "ann"}], "list is not an Arrow table.*from_rows takes a list"),
        (pa.chunked_array([[1]]), "One column alone is not an Arrow table"),
        (pa.table([[1], [2]], names=["a", "a"]), "cannot be taken: .*more than once.*rename"),
    ],
)
def test_what_is_no_table_of_records_is_refused(given: object, message: str) -> None:
    with pytest.raises(mh.MeterhouseError, match=message):
        mh.UsageBatch.from_arrow(given)


# ---------------------------------------------------------------- billing

BOOK: dict[str, Any] = {
    "id": "calls",
    "version": "1",
    "currency": "EUR",
    "valid": {"from": "2026-01-01"},
    "timezone": "Etc/UTC",
    "prices": [
        {"sku": "call", "match": {"category": "DEFAULT"}, "model": "per_unit", "price": 0.1}
    ],
    "taxes": [{"category": "S", "rate": "21.00"}],
}


@pytest.fixture
def golden(plan: mh.Plan, state: mh.State) -> list[Any]:
    first = mh.meter([{"userId": "ann", "value": 3}], plan, state=state, at="2026-01-20T00:00Z")
    return list(mh.meter([], plan, state=first.state, at="2026-02-01T00:00Z").golden)


def test_golden_records_become_an_invoice_exactly(plan: mh.Plan, golden: list[Any]):
    book = mh.price_book(BOOK)
    rating = mh.rate(golden, book, plan=plan, period="2026-01", customer="ann")
    sums = mh.invoice(rating, book, period="2026-01")
    assert [str(line.charge.exact) for line in sums.lines] == ["0.3"]
    assert (str(sums.totals.net), str(sums.totals.total)) == ("0.30", "0.36")


def test_usage_without_a_price_is_not_invoiced(plan: mh.Plan, golden: list[Any]):
    book = mh.price_book({**BOOK, "prices": [{**BOOK["prices"][0], "match": {"category": "L2"}}]})
    rating = mh.rate(golden, book, plan=plan, period="2026-01")
    with pytest.raises(mh.MeterhouseError, match=r"has no price.*no_price"):
        mh.invoice(rating, book, period="2026-01")


def test_records_of_another_plan_are_refused(golden: list[Any]):
    with pytest.raises(mh.MeterhouseError, match="no meter type"):
        mh.rate(golden, mh.price_book(BOOK), plan=mh.Plan(), period="2026-01")
