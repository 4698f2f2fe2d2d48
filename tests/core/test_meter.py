"""Meters: activity, limits, creation and changes."""

from decimal import Decimal

import pytest

from meterhouse.core.meter import Meter, MeterPatch, NewMeter, read_user_id
from meterhouse.core.meter_type import MeterType
from meterhouse.core.reading import Reading
from meterhouse.core.threshold import Threshold
from tests.core.definitions import HALF, STOP, a_meter, a_meter_type, at, said, without

FROM, TO = at("2026-01-01"), at("2026-02-01")
BODY = {"userId": "ann", "meterKey": "key", "meterTypeId": "type"}
PERCENT = {"name": "half", "capacityPercentage": 50}


@pytest.mark.parametrize(
    ("active_from", "active_to", "instant", "expected"),
    [
        (None, None, FROM, True),
        (FROM, TO, FROM - 1, False),
        (FROM, TO, FROM, True),
        (FROM, TO, TO - 1, True),
        (FROM, TO, TO, False),
        (FROM, None, FROM - 1, False),
        (FROM, None, TO, True),
        (None, TO, FROM - 1, True),
        (None, TO, TO, False),
    ],
)
def test_a_meter_is_active_from_inclusive_to_exclusive(active_from, active_to, instant, expected):
    meter = a_meter(active_from=active_from, active_to=active_to)

    assert meter.active_at(instant) is expected


def test_limits_ascend_and_equal_ones_keep_the_order_of_definition():
    thresholds = (
        Threshold("c", absolute_value=Decimal(150)),
        Threshold("b", capacity_percentage=Decimal(75)),
        Threshold("a", absolute_value=Decimal("75.0")),
        Threshold("d", capacity_percentage=Decimal(10)),
    )
    limits = a_meter(thresholds=thresholds, capacity=Decimal(100)).limits()

    assert [(limit, threshold.name) for limit, threshold in limits] == [
        (10, "d"),
        (75, "b"),
        (75, "a"),
        (150, "c"),
    ]


def test_a_meter_without_thresholds_has_no_limits():
    assert a_meter(thresholds=(), capacity=None).limits() == []


def new(body: object) -> NewMeter:
    meter, problems = NewMeter.from_api(body)
    assert problems == []
    assert meter is not None
    return meter


def faults(body: object) -> list[str]:
    meter, problems = NewMeter.from_api(body)
    assert meter is None
    return said(problems)


def test_a_minimal_meter_inherits_the_rest():
    assert new(BODY) == NewMeter("ann", "key", "type", {}, None, None, False)
    assert new(BODY) == NewMeter("ann", "key", "type")


def test_a_meter_with_all_that_it_may_have_of_its_own():
    body = BODY | {
        "customFields": {"plan": "Bronze", "level": 3},
        "capacity": Decimal("250.5"),
        "thresholds": [PERCENT, {"name": "stop", "absoluteValue": 600}],
        "deleteOnReset": True,
    }

    assert new(body) == NewMeter(
        "ann",
        "key",
        "type",
        {"plan": "Bronze", "level": 3},
        Decimal("250.5"),
        (Threshold("half", Decimal(50)), STOP),
        True,
    )


def test_a_meter_type_may_be_named_by_its_external_reference():
    assert new(without(BODY, "meterTypeId") | {"externalRef": "SKU"}).meter_type_ref == "SKU"
    assert new(BODY | {"externalRef": "SKU"}).meter_type_ref == "SKU"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (101, "101"),
        (Decimal("101.0"), "101"),
        (Decimal("1E+2"), "100"),
        (Decimal("-0.50"), "-0.5"),
        ("101", "101"),
        ("101.0", "101.0"),
        (" ann ", " ann "),
        ("Ann", "Ann"),
    ],
)
def test_a_user_id_is_a_text_and_a_number_its_shortest_one(given, text):
    assert new(BODY | {"userId": given}).user_id == text


def test_own_thresholds_may_be_none_at_all():
    assert new(BODY | {"thresholds": []}).thresholds == ()


def test_percentages_may_wait_for_the_inherited_capacity():
    assert new(BODY | {"thresholds": [PERCENT]}).thresholds == (Threshold("half", Decimal(50)),)


def test_a_body_copied_from_a_record_creates_a_meter():
    copied = {
        "id": "x",
        "meterTypeName": "Calls",
        "value": 5,
        "unit": "calls",
        "periodStart": "",
        "periodEnd": "",
        "groupBreakdowns": [],
        "thresholds": [PERCENT | {"reachedAt": "2026-01-01T00:00:00.000Z"}],
        "carryFirst": {},
        "carryLast": {},
        "timezone": "Etc/UTC",
        "createdAt": "",
        "updatedAt": "",
        "recordId": "x",
    }

    assert new(BODY | copied) == new(BODY | {"thresholds": [PERCENT]})


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"userId": None}, "userId: is missing (give it a text)"),
        ({"userId": ""}, "userId: is missing (give it a text)"),
        ({"userId": True}, "userId: is true, not a text (write it between double quotes)"),
        ({"userId": ["a"]}, 'userId: is ["a"], not a text (write it between double quotes)'),
        ({"meterKey": None}, "meterKey: is missing (give it a text)"),
        ({"meterKey": 5}, "meterKey: is 5, not a text (write it between double quotes)"),
        (
            {"meterTypeId": None},
            "meterTypeId: is missing (name the meter type by meterTypeId or externalRef)",
        ),
        (
            {"meterTypeId": ""},
            "meterTypeId: is missing (name the meter type by meterTypeId or externalRef)",
        ),
        ({"meterTypeId": 5}, "meterTypeId: is 5, not a text (write it between double quotes)"),
        ({"externalRef": 5}, "externalRef: is 5, not a text (write it between double quotes)"),
        (
            {"meterTypeId": None, "externalRef": 5},
            "externalRef: is 5, not a text (write it between double quotes)",
        ),
        ({"capacity": 0}, "capacity: is 0 (use a number greater than 0)"),
        ({"capacity": 0, "thresholds": [PERCENT]}, "capacity: is 0 (use a number greater than 0)"),
        ({"deleteOnReset": "yes"}, 'deleteOnReset: is "yes" (use true or false)'),
        (
            {"customFields": []},
            'customFields: is [], not a JSON object (write an object, such as {"team": "A"})',
        ),
        (
            {"thresholds": [{"name": "x"}]},
            "thresholds[0]: has no limit "
            "(give exactly one of capacityPercentage and absoluteValue)",
        ),
        (
            {"thresholds": [{"name": str(n), "absoluteValue": 1} for n in range(21)]},
            "thresholds: has 21 items (at most 20 are allowed)",
        ),
    ],
)
def test_each_fault_is_told_with_place_value_and_remedy(changed, problem):
    assert faults(BODY | changed) == [problem]


def test_all_faults_of_a_new_meter_are_listed_at_once():
    body = {"capacity": "x", "deleteOnReset": 1, "thresholds": [{}], "user": "ann"}

    assert [line.split(":")[0] for line in faults(body)] == [
        "user",
        "userId",
        "meterKey",
        "meterTypeId",
        "capacity",
        "thresholds[0].name",
        "thresholds[0]",
        "deleteOnReset",
    ]


def test_what_is_no_object_is_told_so():
    assert faults("ann") == ['is "ann", not a JSON object (write the meter between { and })']


@pytest.mark.parametrize(
    ("own", "inherited", "places"),
    [
        ({}, {}, []),
        ({"thresholds": [PERCENT]}, {}, ["thresholds[0].capacityPercentage"]),
        ({"thresholds": [PERCENT]}, {"capacity": Decimal(5)}, []),
        ({"thresholds": [PERCENT], "capacity": 5}, {}, []),
        ({}, {"thresholds": (HALF,), "capacity": Decimal(5)}, []),
        ({"thresholds": [{"name": "x", "absoluteValue": 1}]}, {}, []),
        ({"thresholds": []}, {"thresholds": (HALF,)}, []),
    ],
)
def test_percentages_need_a_capacity_of_the_meter_or_its_type(own, inherited, places):
    problems = new(BODY | own).problems_with(a_meter_type(**inherited))

    assert [problem.place for problem in problems] == places


def test_a_meters_own_percentages_without_capacity_are_told_with_their_values():
    (problem,) = new(BODY | {"thresholds": [PERCENT]}).problems_with(a_meter_type())

    assert str(problem) == (
        "thresholds[0].capacityPercentage: is 50, and there is no capacity that it is a "
        "percentage of (set capacity, or use absoluteValue)"
    )


def patch(body: object) -> MeterPatch:
    read, problems = MeterPatch.from_api(body)
    assert problems == []
    assert read is not None
    return read


def test_a_patch_says_what_is_given():
    assert patch({"deleteOnReset": True, "capacity": 5}) == MeterPatch(
        frozenset({"deleteOnReset", "capacity"}), delete_on_reset=True, capacity=Decimal(5)
    )


def test_an_empty_patch_changes_nothing():
    assert patch({}) == MeterPatch(frozenset())
    assert patch({}).applied_to(a_meter()) == (a_meter(), [])


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({"deleteOnReset": True}, {"delete_on_reset": True}),
        ({"capacity": Decimal("7.5")}, {"capacity": Decimal("7.5")}),
        ({"activeTo": "2026-02-01"}, {"active_to": TO}),
        (
            {"thresholds": [{"name": "stop", "absoluteValue": 600}]},
            {"thresholds": (STOP,)},
        ),
        ({"thresholds": [], "capacity": None}, {"thresholds": (), "capacity": None}),
        # custom fields are merged, as a merge patch does
        ({"customFields": {"level": 3}}, {"custom_fields": {"plan": "Bronze", "level": 3}}),
        ({"customFields": {"plan": None, "n": 1}}, {"custom_fields": {"n": 1}}),
        ({"customFields": {}}, {}),
        # null removes
        ({"customFields": None}, {"custom_fields": {}}),
        ({"thresholds": None}, {"thresholds": ()}),
        ({"thresholds": None, "capacity": None}, {"thresholds": (), "capacity": None}),
        ({"deleteOnReset": None, "activeTo": None}, {}),
    ],
)
def test_a_patch_changes_what_it_names(body, changed):
    assert patch(body).applied_to(a_meter()) == (a_meter(**changed), [])


@pytest.mark.parametrize("name", ["deleteOnReset", "activeTo"])
def test_null_undoes(name):
    meter = a_meter(delete_on_reset=True, active_to=TO)
    changed, _ = patch({name: None}).applied_to(meter)

    undone = {"deleteOnReset": {"delete_on_reset": False}, "activeTo": {"active_to": None}}
    assert changed == a_meter(**({"delete_on_reset": True, "active_to": TO} | undone[name]))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"deleteOnReset": 1}, "deleteOnReset: is 1 (use true or false)"),
        (
            {"userId": "bob"},
            "userId: is not a known field (fields of a meter that may change are activeTo, "
            "capacity, customFields, deleteOnReset, thresholds)",
        ),
        ({"capacity": -1}, "capacity: is -1 (use a number greater than 0)"),
        (
            {"activeTo": "soon"},
            'activeTo: is "soon" (use ISO 8601, such as 2026-01-31T00:00:00Z)',
        ),
        (
            5,
            "is 5, not a JSON object (write the meter that may change between { and })",
        ),
    ],
)
def test_a_faulty_patch_is_refused(body, problem):
    read, problems = MeterPatch.from_api(body)

    assert read is None
    assert said(problems) == [problem]


def test_all_faults_of_a_patch_are_listed_at_once():
    _, problems = MeterPatch.from_api(
        {"value": 1, "deleteOnReset": 1, "capacity": 0, "thresholds": 5, "activeTo": 1}
    )

    assert [problem.place for problem in problems] == [
        "value",
        "deleteOnReset",
        "capacity",
        "thresholds",
        "activeTo",
    ]


def test_the_changed_meter_is_checked_as_a_whole():
    changed, problems = patch({"capacity": None, "activeTo": "2026-01-01"}).applied_to(
        a_meter(active_from=FROM)
    )

    assert changed is None
    assert [problem.place for problem in problems] == [
        "thresholds[0].capacityPercentage",
        "activeTo",
    ]


def test_a_changed_meter_leaves_the_old_one_as_it_was():
    meter = a_meter()
    patch({"customFields": {"plan": None}, "thresholds": []}).applied_to(meter)

    assert meter == a_meter()


def test_a_user_id_is_read_by_itself_too():
    assert read_user_id(Reading({"userId": Decimal("5.00")})) == "5"


def a_meter_of(meter_type: MeterType, **own: object) -> Meter:
    return new(BODY | own).of_type(meter_type, no=3, id="id", at=FROM)


def test_a_meter_inherits_from_its_type():
    meter_type = a_meter_type(
        category="API",
        unit="calls",
        timezone="Europe/Berlin",
        active_from=FROM,
        active_to=TO,
        capacity=Decimal(5),
        thresholds=(HALF,),
    )

    assert a_meter_of(meter_type) == Meter(
        no=3,
        id="id",
        user_id="ann",
        meter_key="key",
        meter_type_id=meter_type.id,
        meter_type_name="Calls",
        category="API",
        aggregation=meter_type.aggregation,
        unit="calls",
        reset_schedule=meter_type.reset_schedule,
        timezone="Europe/Berlin",
        created_at=FROM,
        active_from=FROM,
        active_to=TO,
        capacity=Decimal(5),
        thresholds=(HALF,),
    )


def test_what_a_meter_has_of_its_own_goes_before_its_type():
    meter = a_meter_of(
        a_meter_type(capacity=Decimal(5), thresholds=(HALF,)),
        capacity=7,
        thresholds=[],
        customFields={"plan": "Gold"},
        deleteOnReset=True,
    )

    own = (meter.capacity, meter.thresholds, meter.custom_fields, meter.delete_on_reset)
    assert own == (7, (), {"plan": "Gold"}, True)


def test_a_meter_may_have_none_of_what_its_type_has():
    meter = Meter.of_type(
        a_meter_type(capacity=Decimal(5), active_to=TO),
        no=3,
        id="id",
        user_id="ann",
        meter_key="key",
        at=FROM,
        own={"capacity": None, "active_to": None},
        custom_fields={},
        delete_on_reset=False,
    )

    assert (meter.capacity, meter.active_to) == (None, None)


@pytest.mark.parametrize("name", ["value", "periodStart", "activeTo", "category"])
def test_what_comes_from_type_or_usage_cannot_be_set(name):
    assert faults(BODY | {name: "x"}) == [
        f"{name}: cannot be set (leave it out: it comes from the meter type or from usage)"
    ]


@pytest.mark.parametrize("mark", ["id", "recordId"])
def test_a_meter_that_was_exported_may_be_created_again(mark):
    assert new(BODY | {mark: "0d3c", "value": 5, "category": "API"}) == new(BODY)


def test_what_cannot_be_set_may_be_null():
    assert new(BODY | {"value": None}) == new(BODY)
