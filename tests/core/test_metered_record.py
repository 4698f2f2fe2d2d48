"""Metered records: names, order and shapes of what leaves a meter."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid5

import pytest

from meterhouse.core.json_text import NESTING_MAX, Record, canonical_text, json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import GroupState, MeterState, Period, Section
from meterhouse.core.metered_record import (
    Kind,
    MeteredRecord,
    breakdowns_text,
    fields_text,
    golden_record,
    state_text,
    threshold_record,
)
from meterhouse.core.threshold import Threshold
from tests.core.definitions import HALF, a_meter, a_state, at

END = at("2025-11-30T23:00")
STREAMING = a_meter(
    meter_type_name="Streaming", unit="credits", user_id="a@x.org", custom_fields={"plan": "Gold"}
)


def groups(*entries: tuple[object, ...]) -> dict[tuple[str, ...], GroupState]:
    """Group entries: the values of the fields, and last the value of the entry."""
    return {
        tuple(canonical_text(value) for value in entry[:-1]): GroupState(Decimal(str(entry[-1])))
        for entry in entries
    }


def body_of(meter: Meter, state: MeterState) -> Record:
    """What would be sent now."""
    return parse_json(state_text(meter, state))


def pushed(meter: Meter, state: MeterState, threshold: Threshold = HALF) -> MeteredRecord:
    """The partial push of a threshold."""
    return threshold_record(meter, state, threshold, breakdowns=breakdowns_text(state, ()))


def breakdowns(
    state_groups: dict[Section, dict[tuple[str, ...], GroupState]], *sections: Section
) -> list[dict]:
    return parse_json(breakdowns_text(a_state(groups=state_groups), sections))


def test_an_untouched_meter_at_its_period_end():
    record = golden_record(STREAMING, a_state(), end=END)

    assert record.text == (
        '{"id":"0d3c6b1f-0000-4000-8000-000000000002",'
        '"meterTypeId":"6b1f0d3c-0000-4000-8000-000000000001",'
        '"meterTypeName":"Streaming",'
        '"userId":"a@x.org",'
        '"meterKey":"96aa0d3c-0000-4000-8000-000000000003",'
        '"value":0,'
        '"unit":"credits",'
        '"periodStart":"2025-11-10T14:16:12.852Z",'
        '"periodEnd":"2025-11-30T23:00:00.000Z",'
        '"groupBreakdowns":[],'
        '"capacity":100,'
        '"thresholds":[{"name":"half","capacityPercentage":50,"customFields":{"action":"EMAIL"}}],'
        '"carryFirst":{},'
        '"carryLast":{},'
        '"customFields":{"plan":"Gold"},'
        '"deleteOnReset":false,'
        '"timezone":"Europe/Berlin",'
        '"createdAt":"2025-11-10T14:16:12.852Z",'
        '"updatedAt":"2025-11-10T14:16:12.852Z",'
        f'"recordId":"{record.record_id}"}}'
    )


def test_a_meter_without_capacity_does_not_show_one():
    body = golden_record(a_meter(capacity=None, thresholds=()), a_state(), end=END).body

    assert "capacity" not in body
    assert body["thresholds"] == []


def test_a_threshold_record_ends_with_the_threshold_that_fired_and_the_record_id():
    state = a_state(value=Decimal(51), reached={"half": at("2025-11-12T00:00:00.001")})
    record = pushed(a_meter(), state, HALF)
    fired = {
        "name": "half",
        "capacityPercentage": 50,
        "customFields": {"action": "EMAIL"},
        "reachedAt": "2025-11-12T00:00:00.001Z",
    }

    assert list(record.body)[-3:] == ["updatedAt", "thresholdReached", "recordId"]
    assert record.body["thresholdReached"] == fired
    assert record.body["thresholds"] == [fired]
    assert list(record.body["thresholdReached"])[-1] == "reachedAt"
    assert record.body["periodEnd"] == "2025-11-30T23:00:00.000Z"


def test_a_threshold_record_is_a_golden_one_and_the_threshold_that_fired():
    state = a_state(value=Decimal(51), reached={"half": END - 1})
    golden = golden_record(a_meter(), state, end=END).body
    partial = pushed(a_meter(), state, HALF).body

    added = {"thresholdReached", "recordId"}
    assert {k: v for k, v in partial.items() if k not in added} == {
        k: v for k, v in golden.items() if k != "recordId"
    }


def test_two_thresholds_in_one_run():
    names = {"50": 50, "75": 75, "95": 95, "100": 100}
    thresholds = tuple(Threshold(n, capacity_percentage=Decimal(p)) for n, p in names.items())
    meter = a_meter(thresholds=(*thresholds, Threshold("150", absolute_value=Decimal(150))))
    first = {"50": at("2025-11-12T00:00:00.001")}
    second = first | {"75": at("2025-11-12T00:00:00.002")}

    one = pushed(meter, a_state(value=Decimal(51), reached=first), thresholds[0]).body
    two = pushed(meter, a_state(value=Decimal(75), reached=second), thresholds[1]).body

    def reached(body: dict) -> dict[str, str]:
        return {t["name"]: t["reachedAt"] for t in body["thresholds"] if "reachedAt" in t}

    assert (one["value"], reached(one)) == (51, {"50": "2025-11-12T00:00:00.001Z"})
    assert (two["value"], reached(two)) == (
        75,
        {"50": "2025-11-12T00:00:00.001Z", "75": "2025-11-12T00:00:00.002Z"},
    )
    assert two["thresholdReached"]["name"] == "75"
    assert [t["name"] for t in two["thresholds"]] == ["50", "75", "95", "100", "150"]


def test_the_support_example_by_region_and_status():
    # two records: 12 calls, EMEA, Open; then 20 calls, APAC, Resolved
    state = a_state(
        value=Decimal(32),
        carry_last={"status": '"Resolved"', "caseNumber": '"C-2"', "attempts": "2"},
        groups={
            ("region",): groups(("EMEA", 12), ("APAC", 20)),
            ("status",): groups(("Open", 12), ("Resolved", 20)),
        },
    )
    body = golden_record(a_meter(), state, end=END, sections=[("region",), ("status",)]).body

    assert json_text(body["groupBreakdowns"]) == (
        '[{"name":"region","groups":['
        '{"key":"region:APAC","fields":{"region":"APAC"},"value":20,"carryFirst":{},"carryLast":{}},'
        '{"key":"region:EMEA","fields":{"region":"EMEA"},"value":12,"carryFirst":{},"carryLast":{}}]},'
        '{"name":"status","groups":['
        '{"key":"status:Open","fields":{"status":"Open"},"value":12,"carryFirst":{},"carryLast":{}},'
        '{"key":"status:Resolved","fields":{"status":"Resolved"},"value":20,"carryFirst":{},'
        '"carryLast":{}}]}]'
    )
    assert json_text(body["carryLast"]) == '{"attempts":2,"caseNumber":"C-2","status":"Resolved"}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "0"),
        (Decimal("176.5"), "176.5"),
        (Decimal("-0.0"), "0"),
        (Decimal("5.000"), "5"),
        (Decimal("99999999999999999999.999999999999999999"), None),
    ],
)
def test_the_value_is_a_plain_exact_number(value, text):
    body = body_of(a_meter(), a_state(value=value))

    assert json_text(body["value"]) == (text or "99999999999999999999.999999999999999999")


def test_the_period_end_is_that_of_the_flush_and_not_of_the_state():
    body = golden_record(a_meter(), a_state(), end=at("2025-11-20T10:00:00.5")).body

    assert body["periodEnd"] == "2025-11-20T10:00:00.500Z"


def test_the_time_zone_is_that_of_the_period_and_not_of_the_meter():
    assert body_of(a_meter(), a_state(timezone="Asia/Tokyo"))["timezone"] == "Asia/Tokyo"


def test_the_name_of_a_breakdown_of_several_fields_joins_them():
    (breakdown,) = breakdowns({("region", "plan"): groups(("EU", "Gold", 3))})

    assert breakdown["name"] == "region,plan"
    assert breakdown["groups"][0]["key"] == "region:EU,plan:Gold"
    assert breakdown["groups"][0]["fields"] == {"region": "EU", "plan": "Gold"}
    assert list(breakdown["groups"][0]) == ["key", "fields", "value", "carryFirst", "carryLast"]


@pytest.mark.parametrize(
    ("value", "key", "field"),
    [
        ("Comedy", "g:Comedy", '"Comedy"'),
        ("", "g:", '""'),
        ('a"b,c:d', 'g:a"b,c:d', '"a\\"b,c:d"'),
        (5, "g:5", "5"),
        ("5", "g:5", '"5"'),
        (Decimal("0.50"), "g:0.5", "0.5"),
        (True, "g:true", "true"),
        (None, "g:null", "null"),
        ("null", "g:null", '"null"'),
        ([1, "a"], 'g:[1,"a"]', '[1,"a"]'),
        ({"b": 1, "a": 2}, 'g:{"a":2,"b":1}', '{"a":2,"b":1}'),
    ],
)
def test_the_key_of_a_group_is_for_people_and_its_fields_keep_the_type(value, key, field):
    (breakdown,) = breakdowns({("g",): groups((value, 1))})
    (group,) = breakdown["groups"]

    assert group["key"] == key
    assert json_text(group["fields"]) == '{"g":' + field + "}"


def test_number_and_text_are_two_groups_though_their_keys_are_equal():
    (breakdown,) = breakdowns({("g",): groups((5, 1), ("5", 2))})

    assert [(group["key"], group["value"]) for group in breakdown["groups"]] == [
        ("g:5", 2),
        ("g:5", 1),
    ]
    assert [group["fields"]["g"] for group in breakdown["groups"]] == ["5", 5]


def test_groups_are_sorted_by_the_json_of_their_fields():
    values = ["b", "a", "B", "é", 10, 9, True, None, "", '"', "a b"]
    (breakdown,) = breakdowns({("g",): groups(*((value, 1) for value in values))})
    texts = [json_text(group["fields"]) for group in breakdown["groups"]]

    assert texts == sorted(texts)
    assert len(set(texts)) == len(values)
    assert texts[0] == '{"g":""}'
    assert texts[-1] == '{"g":true}'


def test_groups_of_several_fields_are_sorted_by_all_of_them():
    entries = groups(("b", 1, 1), ("a", 2, 2), ("a", 10, 3))
    (breakdown,) = breakdowns({("x", "y"): entries})

    assert [group["value"] for group in breakdown["groups"]] == [3, 2, 1]


def test_the_text_that_sorts_is_the_json_of_the_fields():
    key = ('"EU"', "null", "1.5")

    assert fields_text(("region", 'pl"an', "n"), key) == '{"region":"EU","pl\\"an":null,"n":1.5}'


def test_breakdowns_follow_the_order_of_the_rules_and_others_their_names():
    state_groups = {(name,): groups(("v", 1)) for name in ("b", "old2", "a", "old1")}
    names = [b["name"] for b in breakdowns(state_groups, ("b",), ("a",), ("unused",))]

    assert names == ["b", "a", "old1", "old2"]


def test_a_section_without_entries_is_not_shown():
    assert breakdowns({("a",): {}, ("b",): {}}, ("a",)) == []


def test_a_group_that_holds_no_value_yet_shows_zero():
    assert breakdowns({("g",): {('"x"',): GroupState()}})[0]["groups"][0]["value"] == 0


def test_a_group_carries_fields_of_its_own():
    entry = GroupState(Decimal(1), {"b": "1", "a": '"x"'}, {"c": '{"d":[1]}'})
    group = breakdowns({("g",): {('"v"',): entry}})[0]["groups"][0]

    assert json_text(group["carryFirst"]) == '{"a":"x","b":1}'
    assert group["carryLast"] == {"c": {"d": [1]}}


def test_carried_values_keep_their_types():
    state = a_state(carry_first={"n": "5", "t": '"5"', "d": "0.1", "b": "false"})

    assert body_of(a_meter(), state)["carryFirst"] == {
        "n": 5,
        "t": "5",
        "d": Decimal("0.1"),
        "b": False,
    }


def test_a_name_is_escaped_wherever_it_stands():
    odd = 'a"\\\n'
    meter = a_meter(
        meter_type_name=odd,
        user_id=odd,
        unit=odd,
        custom_fields={odd: odd},
        thresholds=(replace(HALF, name=odd),),
    )
    state = a_state(
        carry_last={odd: json_text(odd)}, reached={odd: END}, groups={(odd,): groups((odd, 1))}
    )
    body = golden_record(meter, state, end=END).body

    assert [body[name] for name in ("meterTypeName", "userId", "unit")] == [odd] * 3
    assert body["customFields"] == body["carryLast"] == {odd: odd}
    assert body["thresholds"][0]["reachedAt"] == "2025-11-30T23:00:00.000Z"
    assert body["groupBreakdowns"][0]["name"] == odd
    assert body["groupBreakdowns"][0]["groups"][0]["key"] == f"{odd}:{odd}"
    assert body["groupBreakdowns"][0]["groups"][0]["fields"] == {odd: odd}


def test_the_deepest_field_that_can_be_read_can_be_grouped_by_and_read_back():
    deepest = "[" * NESTING_MAX + "]" * NESTING_MAX
    state = a_state(groups={("g",): groups((parse_json(deepest), 1))})
    body = golden_record(a_meter(), state, end=END).body

    assert json_text(body["groupBreakdowns"][0]["groups"][0]["fields"]["g"]) == deepest


def test_what_would_be_sent_now_has_no_identity():
    state = a_state(value=Decimal(3))
    golden = golden_record(a_meter(), state, end=state.period.end)

    assert state_text(a_meter(), state) == golden.text.replace(
        f',"recordId":"{golden.record_id}"', ""
    )


@pytest.mark.parametrize(
    ("kind", "sequence", "name"),
    [
        ("golden", 0, "0/golden/"),
        ("golden", 12, "12/golden/"),
        ("threshold", 3, "3/threshold/half"),
    ],
)
def test_the_record_id_follows_from_meter_period_kind_and_threshold(kind, sequence, name):
    state = a_state(period=Period(sequence, 0, END), reached={"half": 1})
    if kind == "golden":
        record = golden_record(a_meter(), state, end=END)
    else:
        record = pushed(a_meter(), state, HALF)

    assert record.record_id == str(uuid5(UUID(a_meter().id), name))
    assert record.body["recordId"] == record.record_id


def record_id(
    *, meter_id: str = a_meter().id, sequence: int = 0, threshold: str | None = None
) -> str:
    meter, state = a_meter(id=meter_id), a_state(period=Period(sequence, 0, END))
    if threshold is None:
        return golden_record(meter, state, end=END).record_id
    return pushed(meter, state, replace(HALF, name=threshold)).record_id


def test_every_record_of_every_meter_has_its_own_id():
    other = "ffffffff-0000-4000-8000-000000000002"
    ids = [
        record_id(meter_id=meter_id, sequence=sequence, threshold=threshold)
        for meter_id in (a_meter().id, other)
        for sequence in (0, 1, 10)
        for threshold in (None, "", "half", "10", "é")
    ]

    assert len(set(ids)) == len(ids)


def test_a_record_id_depends_on_nothing_else():
    touched: MeterState = a_state(value=Decimal(7), count=3, updated_at=END)

    assert golden_record(a_meter(unit="x", no=9), touched, end=END + 1).record_id == record_id()
    assert record_id() == "3dfa555a-fbaa-54df-b868-297051c357e4"


def test_a_record_knows_its_kind_meter_and_period():
    state = a_state(period=Period(4, 0, END), reached={"half": 1})
    golden = golden_record(a_meter(), state, end=END)
    partial = pushed(a_meter(), state, HALF)

    assert (golden.kind, golden.meter_no, golden.sequence) == (Kind.GOLDEN, 7, 4)
    assert (partial.kind, partial.meter_no, partial.sequence) == (Kind.THRESHOLD, 7, 4)
    assert [kind.value for kind in Kind] == ["golden", "threshold", "adjustment"]
