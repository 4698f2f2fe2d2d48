from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.core.meter import MeterPatch, NewMeter
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.core.threshold import Threshold
from meterhouse.engine.bucket import new_state
from meterhouse.store import SqliteLedger, open_ledger
from tests.store.factories import (
    AT,
    HERE,
    KEY,
    a_meter_type,
    a_run,
    a_stream,
    add_meters,
    new_id,
    start,
)

HALF = Threshold("half", capacity_percentage=Decimal(50))


@pytest.fixture
def meter_type(ledger: SqliteLedger):
    made = a_meter_type(
        capacity=100,
        thresholds=[{"name": "t", "absoluteValue": 5}],
        timezone="Europe/Berlin",
        unit="call",
        activeFrom="2026-01-01T00:00:00Z",
    )
    ledger.add_meter_types([made])
    return made


def patched(ledger: SqliteLedger, id: str, body: dict):
    patch, problems = MeterPatch.from_api(body)
    assert not problems
    ledger.update_meter(id, patch, at=AT + 9)
    return ledger.meter(id)


def test_a_meter_inherits_and_starts_its_first_period_at_its_creation(
    ledger: SqliteLedger, meter_type
):
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type)
    bucket = ledger.meter(id)
    assert bucket.state == new_state(bucket.meter, at=AT)
    meter = bucket.meter
    assert (meter.no, meter.id, meter.user_id, meter.meter_key) == (1, id, "ann", KEY)
    assert (meter.meter_type_id, meter.meter_type_name) == (meter_type.id, "Calls")
    assert (meter.category, meter.aggregation, meter.unit) == (
        "api",
        meter_type.aggregation,
        "call",
    )
    assert (meter.capacity, meter.thresholds) == (Decimal(100), meter_type.thresholds)
    assert (meter.active_from, meter.active_to) == (meter_type.active_from, None)
    assert (meter.custom_fields, meter.delete_on_reset, meter.created_at) == ({}, False, AT)


def test_what_is_given_goes_before_what_is_inherited(ledger: SqliteLedger, meter_type):
    (id,) = add_meters(
        ledger,
        ["ann"],
        meter_type=meter_type,
        capacity=Decimal("0.10"),
        thresholds=(HALF,),
        custom_fields={"n": Decimal("1.50"), "deep": {"a": [1, None]}},
        delete_on_reset=True,
    )
    meter = ledger.meter(id).meter
    assert (meter.capacity, meter.thresholds) == (Decimal("0.1"), (HALF,))
    assert meter.custom_fields == {"n": Decimal("1.5"), "deep": {"a": [1, None]}}
    assert meter.delete_on_reset


def test_an_unknown_meter_is_none(ledger: SqliteLedger):
    assert ledger.meter("none") is None


def test_a_type_is_named_by_id_or_external_reference(ledger: SqliteLedger):
    ledger.add_meter_types([a_meter_type("named", externalRef="ref")])
    ledger.add_meters([(new_id(), NewMeter("ann", KEY, "ref"))], at=AT)
    with pytest.raises(DefinitionError, match="'named' is no meter type"):
        ledger.add_meters([(new_id(), NewMeter("bob", KEY, "named"))], at=AT)


def test_every_problem_of_a_bulk_is_listed_and_nothing_is_created(ledger: SqliteLedger):
    plain = a_meter_type("plain")
    ledger.add_meter_types([plain])
    meters = [
        NewMeter("ann", KEY, plain.id),
        NewMeter("ann", KEY, "x"),
        NewMeter("bob", KEY, "x"),
        NewMeter("bob", KEY, "y", thresholds=(HALF,)),
        NewMeter("bob", KEY, plain.id, thresholds=(HALF,)),
    ]
    with pytest.raises(DefinitionError) as caught:
        ledger.add_meters([(new_id(), meter) for meter in meters], at=AT)
    shown = [str(problem) for problem in caught.value.problems]
    assert [text[:35] for text in shown[:2]] == [
        "meterTypeId: 'x' is no meter type (",
        "meterTypeId: 'y' is no meter type (",
    ]
    assert "(2 meters)" in shown[0]
    assert shown[2].startswith("[4].thresholds[0].capacityPercentage")
    assert ledger.meters().items == []


def test_all_duplicates_are_named_at_once(ledger: SqliteLedger, meter_type):
    add_meters(ledger, ["ann", "bob"], meter_type=meter_type)
    with pytest.raises(ConflictError) as caught:
        add_meters(ledger, ["cid", "bob", "ann", "cid"], meter_type=meter_type)
    text = str(caught.value)
    assert "user 'cid', meter type 'Calls'" in text and "is given twice" in text
    assert text.count("exists") == 2
    assert len(ledger.meters().items) == 2


def test_a_duplicate_at_a_new_key_is_named_too(ledger: SqliteLedger, meter_type):
    with pytest.raises(ConflictError, match=r"'ann'.* key new is given twice"):
        add_meters(ledger, ["ann", "ann"], meter_type=meter_type, key="new")


def test_a_long_list_of_duplicates_is_cut(ledger: SqliteLedger, meter_type):
    users = [f"user {n}" for n in range(30)]
    add_meters(ledger, users, meter_type=meter_type)
    with pytest.raises(ConflictError, match=r"… and 10 more. A user has one meter"):
        add_meters(ledger, users, meter_type=meter_type)


def test_one_user_may_have_meters_of_several_types_and_keys(ledger: SqliteLedger, meter_type):
    other = a_meter_type("other")
    ledger.add_meter_types([other])
    for type_of_meter in (meter_type, other):
        for key in (KEY, "key-2"):
            add_meters(ledger, ["ann"], meter_type=type_of_meter, key=key)
    assert len(ledger.meters(user_id="ann").items) == 4


def test_an_id_that_is_used_is_a_mistake_of_ours(ledger: SqliteLedger, meter_type):
    new = NewMeter("ann", KEY, meter_type.id)
    ledger.add_meters([("id", new)], at=AT)
    with pytest.raises(AssertionError, match="not new"):
        ledger.add_meters([("id", replace(new, user_id="bob"))], at=AT)


def test_lists_are_in_order_of_creation_and_take_any_filters(ledger: SqliteLedger, meter_type):
    other = a_meter_type("other")
    ledger.add_meter_types([other])
    a = add_meters(ledger, ["ann", "bob"], meter_type=meter_type)
    b = add_meters(ledger, ["ann"], meter_type=other, key="key-2")
    c = add_meters(ledger, ["ann"], meter_type=meter_type, key="key-2")

    def ids(**filters):
        return [bucket.meter.id for bucket in ledger.meters(**filters).items]

    assert ids() == a + b + c
    assert ids(user_id="ann") == [a[0], *b, *c]
    assert ids(meter_type_id=meter_type.id) == a + c
    assert ids(meter_key="key-2") == b + c
    assert ids(meter_key="key-2", meter_type_id=other.id) == b
    assert ids(meter_key="key-2", meter_type_id=meter_type.id, user_id="ann") == c
    assert ids(meter_key=KEY, user_id="ann") == a[:1]
    assert ids(meter_key="none") == ids(meter_type_id="none") == ids(user_id="none") == []
    assert ids(meter_key=KEY, meter_type_id="none") == []


def test_a_patch_changes_what_it_gives_and_leaves_the_rest(ledger: SqliteLedger, meter_type):
    fields = {"a": 1, "b": 2}
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type, custom_fields=fields)
    bucket = patched(ledger, id, {"deleteOnReset": True, "customFields": {"a": None, "c": "x"}})
    assert bucket.meter.delete_on_reset
    assert bucket.meter.custom_fields == {"b": 2, "c": "x"}
    assert (bucket.meter.capacity, bucket.meter.thresholds) == (100, meter_type.thresholds)
    assert bucket.state.updated_at == AT + 9
    bucket = patched(ledger, id, {"capacity": 7, "activeTo": "2026-06-01T00:00:00Z"})
    assert (bucket.meter.capacity, bucket.meter.delete_on_reset) == (7, True)
    assert bucket.meter.active_to is not None


def test_null_in_a_patch_removes_what_was_inherited(ledger: SqliteLedger, meter_type):
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type, custom_fields={"a": 1})
    body = {"capacity": None, "thresholds": None, "activeTo": None, "customFields": None}
    meter = patched(ledger, id, body).meter
    assert (meter.capacity, meter.thresholds, meter.active_to) == (None, (), None)
    assert meter.custom_fields == {}


def test_a_patched_meter_is_checked_as_a_whole(ledger: SqliteLedger, meter_type):
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type, thresholds=(HALF,))
    before = ledger.meter(id)
    patch, _ = MeterPatch.from_api({"capacity": None, "activeTo": "2025-01-01T00:00:00Z"})
    with pytest.raises(DefinitionError) as caught:
        ledger.update_meter(id, patch, at=AT)
    assert len(caught.value.problems) == 2
    assert ledger.meter(id) == before


def test_an_unknown_meter_can_be_neither_updated_nor_deleted(ledger: SqliteLedger):
    with pytest.raises(NotFoundError):
        ledger.update_meter("none", MeterPatch(frozenset()), at=AT)
    with pytest.raises(NotFoundError):
        ledger.delete_meter("none")


def test_numbers_of_deleted_meters_are_not_used_again(ledger: SqliteLedger, meter_type):
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type)
    ledger.delete_meter(id)
    assert ledger.meter(id) is None
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type)
    assert ledger.meter(id).meter.no == 2


def test_a_meter_of_a_running_stream_cannot_be_deleted(ledger: SqliteLedger, meter_type):
    ledger.add_stream(a_stream())
    (used,) = add_meters(ledger, ["ann"], meter_type=meter_type)
    (unused,) = add_meters(ledger, ["ann"], meter_type=meter_type, key="other")
    run = start(ledger, a_run())
    with pytest.raises(ConflictError, match=r"Stream 'Usage' is using the meter \(run run-1\)"):
        ledger.delete_meter(used)
    ledger.delete_meter(unused)
    ledger.fail_run(run, None)
    ledger.delete_meter(used)


def test_a_meter_is_not_kept_by_a_process_that_is_dead(ledger: SqliteLedger, meter_type):
    ledger.add_stream(a_stream())
    [id] = add_meters(ledger, ["ann"], meter_type=meter_type)
    start(ledger, a_run("killed"))
    beside = open_ledger(ledger._database.path.parent, dead=lambda lease: lease == HERE)
    beside.delete_meter(id)
    beside.close()
    assert ledger.meter(id) is None
