"""Meter types: read, written, changed, and what is wrong with those that are refused."""

from decimal import Decimal

import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter_type import (
    MeterType,
    definition_instant_text,
    merge_patch,
    optional_instant_text,
    read_meter_type,
)
from meterhouse.core.problem import DefinitionError
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from tests.core.definitions import MONTHLY, a_body, a_meter_type, at, said, without

ID = "6b1f0d3c-0000-4000-8000-000000000001"
NOW = at("2026-02-03T04:05:06.789")
LATER = at("2026-03-04T05:06:07.890")
MINIMAL = {"name": "Calls", "aggregation": {"type": "sum"}, "resetSchedule": MONTHLY}


def read(body: object) -> MeterType:
    return MeterType.from_api(body, id=ID, at=NOW)


def faults(body: object) -> list[str]:
    meter_type, problems = read_meter_type(body, id=ID, at=NOW)
    assert meter_type is None
    return said(problems)


def test_a_whole_body_is_read():
    assert read(a_body()) == MeterType(
        id=ID,
        name="Coffee cups",
        description="Cups per office and month",
        external_ref="SKU-4711",
        category="COFFEE",
        unit="cups",
        aggregation=Aggregation.SUM,
        reset_schedule=ResetSchedule(),
        timezone="Europe/Stockholm",
        active_from=at("2025-12-31T23:00"),
        active_to=at("2026-12-31T23:00"),
        capacity=Decimal(500),
        thresholds=(
            Threshold("80 percent", Decimal(80), None, {"action": "EMAIL"}),
            Threshold("stop", None, Decimal(600), {}),
        ),
        created_at=NOW,
        updated_at=NOW,
    )


def test_what_is_left_out_has_its_default():
    assert read(MINIMAL) == MeterType(
        id=ID,
        name="Calls",
        aggregation=Aggregation.SUM,
        reset_schedule=ResetSchedule(),
        created_at=NOW,
        updated_at=NOW,
        category="DEFAULT",
        description=None,
        external_ref=None,
        unit="",
        timezone="Etc/UTC",
        active_from=None,
        active_to=None,
        capacity=None,
        thresholds=(),
    )


def test_null_is_as_good_as_left_out():
    nothing = dict.fromkeys(without(a_body(), *MINIMAL))

    assert read(MINIMAL | nothing) == read(MINIMAL)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "sum"}, Aggregation.SUM),
        ({"type": "increment"}, Aggregation.INCREMENT),
        ({"type": "count"}, Aggregation.INCREMENT),
        ({"type": "min"}, Aggregation.MIN),
        ({"type": "max"}, Aggregation.MAX),
        ("max", Aggregation.MAX),
    ],
)
def test_each_aggregation_is_read(given, expected):
    assert read(a_body(aggregation=given)).aggregation is expected


def test_the_alias_count_is_written_as_increment():
    assert read(a_body(aggregation="count")).to_api()["aggregation"] == {"type": "increment"}


def test_what_the_system_sets_may_be_in_a_body_and_changes_nothing():
    answer = {
        "id": "other",
        "accountId": "x",
        "numberOfMeters": 5,
        "createdAt": "2020-01-01T00:00:00.000+00:00",
        "updatedAt": "2020-01-01T00:00:00.000+00:00",
    }

    assert read(a_body() | answer) == read(a_body())


def test_a_meter_type_is_written_in_the_order_of_the_fields():
    assert json_text(read(a_body()).to_api()) == (
        '{"id":"6b1f0d3c-0000-4000-8000-000000000001","name":"Coffee cups",'
        '"description":"Cups per office and month","externalRef":"SKU-4711","category":"COFFEE",'
        '"unit":"cups","aggregation":{"type":"sum"},'
        '"resetSchedule":{"minute":"0","hour":"0","day":"1","month":"*","weekday":"*"},'
        '"timezone":"Europe/Stockholm","activeFrom":"2025-12-31T23:00:00.000+00:00",'
        '"activeTo":"2026-12-31T23:00:00.000+00:00","capacity":500,"thresholds":['
        '{"name":"80 percent","capacityPercentage":80,"customFields":{"action":"EMAIL"}},'
        '{"name":"stop","absoluteValue":600,"customFields":{}}],'
        '"createdAt":"2026-02-03T04:05:06.789+00:00","updatedAt":"2026-02-03T04:05:06.789+00:00"}'
    )


def test_a_capacity_that_is_not_set_is_not_written():
    assert "capacity" not in read(MINIMAL).to_api()
    assert read(MINIMAL).to_api()["activeFrom"] is None


@pytest.mark.parametrize(
    "body", [MINIMAL, a_body(), a_body(capacity=Decimal("0.000000000000000001"))]
)
def test_what_is_written_reads_back_as_itself(body):
    meter_type = read(body)

    assert read(parse_json(json_text(meter_type.to_api()))) == meter_type


@pytest.mark.parametrize(
    ("name", "greatest"), [("name", 80), ("description", 200), ("externalRef", 100)]
)
def test_texts_are_limited(name, greatest):
    assert read(a_body(**{name: "ü" * greatest})).to_api()[name] == "ü" * greatest
    assert faults(a_body(**{name: "ü" * (greatest + 1)})) == [
        f'{name}: is "{"ü" * 56}..., which has {greatest + 1} characters '
        f"(at most {greatest} are allowed)"
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"name": None}, "name: is missing (give it a text)"),
        ({"name": ""}, "name: is missing (give it a text)"),
        ({"name": 5}, "name: is 5, not a text (write it between double quotes)"),
        ({"unit": 5}, "unit: is 5, not a text (write it between double quotes)"),
        ({"category": ["A"]}, 'category: is ["A"], not a text (write it between double quotes)'),
        (
            {"aggregation": None},
            'aggregation: is missing (use {"type": "sum"}, "increment", "min" or "max")',
        ),
        (
            {"aggregation": {"type": "average"}},
            'aggregation: is {"type":"average"} (use {"type": "sum"}, "increment", "min" or "max")',
        ),
        (
            {"aggregation": {"type": 5}},
            'aggregation: is {"type":5} (use {"type": "sum"}, "increment", "min" or "max")',
        ),
        (
            {"resetSchedule": None},
            "resetSchedule: is missing "
            '(such as {"minute":"0","hour":"0","day":"1","month":"*","weekday":"*"})',
        ),
        (
            {"resetSchedule": "0 0 1 * *"},
            'resetSchedule: is "0 0 1 * *" '
            '(such as {"minute":"0","hour":"0","day":"1","month":"*","weekday":"*"})',
        ),
        (
            {"resetSchedule": MONTHLY | {"hour": "25"}},
            "resetSchedule.hour: '25' is not understood; numbers here run from 0 to 23 "
            "(use *, 5, 1-5, 1,15, */10)",
        ),
        (
            {"resetSchedule": MONTHLY | {"day": "31", "month": "2"}},
            "resetSchedule: never fires: there is no day 31 in month 2 "
            "(choose a day that the month has, or L for its last)",
        ),
        (
            {"timezone": "Europe/Stokholm"},
            'timezone: is "Europe/Stokholm" (did you mean Europe/Stockholm?)',
        ),
        (
            {"activeFrom": "yesterday"},
            'activeFrom: is "yesterday" (use ISO 8601, such as 2026-01-31T00:00:00Z)',
        ),
        (
            {"activeTo": "2025-12-31T23:00:00Z"},
            "activeTo: is 2025-12-31T23:00:00.000+00:00, not after activeFrom (choose an instant "
            "after 2025-12-31T23:00:00.000+00:00, or leave it out)",
        ),
        ({"capacity": 0}, "capacity: is 0 (use a number greater than 0)"),
        ({"capacity": Decimal("-0.50")}, "capacity: is -0.5 (use a number greater than 0)"),
        (
            {"capacity": "500"},
            'capacity: is "500" '
            "(use a number with at most 20 digits before the point and 18 after it)",
        ),
        (
            {"thresholds": {}},
            "thresholds: is {}, not a list (write it between [ and ])",
        ),
        (
            {"thresholds": [{"name": f"t{n}", "absoluteValue": n + 1} for n in range(21)]},
            "thresholds: has 21 items (at most 20 are allowed)",
        ),
        (
            {"capacity": None},
            "thresholds[0].capacityPercentage: is 80, and there is no capacity that it is a "
            "percentage of (set capacity, or use absoluteValue)",
        ),
    ],
)
def test_each_fault_is_told_with_place_value_and_remedy(changed, problem):
    assert faults(a_body(**changed)) == [problem]


def test_an_unknown_field_is_refused():
    assert faults(a_body(interval="monthly")) == [
        "interval: is not a known field (fields of a meter type are activeFrom, activeTo, "
        "aggregation, capacity, category, description, externalRef, gracePeriod, keepUsage, name, "
        "periodAssignment, resetSchedule, thresholds, timezone, unit)"
    ]


def test_all_faults_are_listed_at_once():
    body = {
        "name": "x" * 81,
        "aggregation": "median",
        "resetSchedule": {"minute": "60", "hour": "24", "day": "0", "month": "0"},
        "capacity": -1,
        "thresholds": [{"name": "a"}, {"name": "a", "absoluteValue": 0}],
        "activeFrom": "x",
        "description": 5,
        "timezone": "Mars",
        "interval": 1,
    }

    assert {line.split(":")[0] for line in faults(body)} == {
        "name",
        "aggregation",
        "resetSchedule.minute",
        "resetSchedule.hour",
        "resetSchedule.day",
        "resetSchedule.month",
        "resetSchedule.weekday",
        "capacity",
        "thresholds[0]",
        "thresholds[1].absoluteValue",
        "thresholds[1].name",
        "activeFrom",
        "description",
        "timezone",
        "interval",
    }


def test_too_many_thresholds_do_not_hide_the_faults_of_the_first_twenty():
    assert [line.split(":")[0] for line in faults(a_body(thresholds=[{"name": "a"}] * 21))][:2] == [
        "thresholds",
        "thresholds[0]",
    ]


def test_of_what_is_no_object_nothing_else_is_said():
    assert faults([a_body()])[0].startswith('[{"name":"Coffee', 3)
    assert len(faults([a_body()])) == len(faults(None)) == 1


def test_from_api_raises_with_every_problem():
    with pytest.raises(DefinitionError) as caught:
        MeterType.from_api(a_body(name="", capacity=0), id=ID, at=NOW)

    assert str(caught.value) == (
        "The meter type has 2 problems:\n"
        "  - name: is missing (give it a text)\n"
        "  - capacity: is 0 (use a number greater than 0)"
    )
    assert len(caught.value.problems) == 2


def changed(patch: object) -> MeterType:
    return read(a_body()).merged(patch, at=LATER)  # type: ignore[arg-type]


def test_a_patch_changes_what_it_names_and_the_time_of_the_update():
    before = read(a_body()).to_api()
    after = changed({"unit": "mugs"}).to_api()

    assert after == before | {"unit": "mugs", "updatedAt": "2026-03-04T05:06:07.890+00:00"}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("description", None),
        ("externalRef", None),
        ("category", "DEFAULT"),
        ("unit", ""),
        ("timezone", "Etc/UTC"),
        ("activeFrom", None),
        ("activeTo", None),
        ("thresholds", []),
    ],
)
def test_null_in_a_patch_removes(name, default):
    assert changed({name: None}).to_api()[name] == default


def test_a_capacity_can_be_removed_together_with_its_percentages():
    meter_type = changed({"capacity": None, "thresholds": [{"name": "x", "absoluteValue": 1}]})

    assert meter_type.capacity is None
    assert meter_type.thresholds == (Threshold("x", None, Decimal(1), {}),)


def test_a_patch_of_an_object_is_merged_and_one_of_a_list_replaces():
    meter_type = changed({"resetSchedule": {"day": "L"}, "thresholds": []})

    assert meter_type.reset_schedule == ResetSchedule(day="L")
    assert meter_type.thresholds == ()


@pytest.mark.parametrize(
    ("patch", "places"),
    [
        ({"name": None, "timezone": "Mars"}, ["name", "timezone"]),
        ({"capacity": None}, ["thresholds[0].capacityPercentage"]),
        ({"resetSchedule": {"hour": None}}, ["resetSchedule.hour"]),
        ({"resetSchedule": {"day": "31", "month": "2"}}, ["resetSchedule"]),
        ({"aggregation": {"type": "median"}}, ["aggregation"]),
        ({"interval": 1}, ["interval"]),
        ({"activeTo": "2025-01-01"}, ["activeTo"]),
        (5, [""]),
        ([], [""]),
    ],
)
def test_the_whole_is_checked_after_a_patch(patch, places):
    with pytest.raises(DefinitionError) as caught:
        changed(patch)

    assert sorted(problem.place for problem in caught.value.problems) == places


def test_a_patch_may_hold_the_whole_answer_with_what_the_system_sets():
    meter_type = read(a_body())

    assert meter_type.merged(meter_type.to_api() | {"numberOfMeters": 3}, at=NOW) == meter_type


def test_a_patch_does_not_cut_microseconds_off():
    meter_type = a_meter_type(
        active_from=at("2026-01-01T00:00:00.123456"), created_at=at("2026-01-01T00:00:00.654321")
    )

    assert meter_type.merged({"unit": "x"}, at=LATER) == a_meter_type(
        active_from=at("2026-01-01T00:00:00.123456"),
        created_at=at("2026-01-01T00:00:00.654321"),
        updated_at=LATER,
        unit="x",
    )


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        # the cases of RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target, patch, merged):
    assert merge_patch(target, patch) == merged


def test_merging_changes_neither_target_nor_patch():
    target, patch = {"a": {"b": 1}}, {"a": {"c": 2}}
    merge_patch(target, patch)

    assert (target, patch) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (None, None),
        (at("2023-07-26T09:00:15.690"), "2023-07-26T09:00:15.690+00:00"),
        (at("2023-07-26T09:00:15.690001"), "2023-07-26T09:00:15.690001+00:00"),
    ],
)
def test_an_instant_that_was_given_is_written_exactly(instant, text):
    assert optional_instant_text(instant) == text


def test_an_instant_of_the_system_is_written_in_milliseconds():
    assert definition_instant_text(at("2023-07-26T09:00:15.690001")) == (
        "2023-07-26T09:00:15.690+00:00"
    )
