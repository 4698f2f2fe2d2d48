from dataclasses import replace
from decimal import Decimal

import pytest

from meterhouse.core.meter import NewMeter
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.core.schedule import ResetSchedule
from meterhouse.store import SqliteLedger
from tests.store.factories import AT, a_meter_type, add_meters


def a_full_type(name: str = "Full"):
    return a_meter_type(
        name,
        description="All fields",
        externalRef=f"ref-{name}",
        unit="call",
        timezone="Europe/Berlin",
        activeFrom="2026-01-01T00:00:00Z",
        activeTo="2027-01-01T00:00:00Z",
        capacity=Decimal("10.50"),
        thresholds=[
            {
                "name": "half",
                "capacityPercentage": 50,
                "customFields": {"mail": "x", "n": Decimal("0.5")},
            },
            {"name": "all", "absoluteValue": Decimal("10.25")},
        ],
    )


def replaced_by(ledger: SqliteLedger, meter_type: MeterType) -> MeterType:
    return ledger.update_meter_type(meter_type.id, lambda _: meter_type)


@pytest.mark.parametrize("meter_type", [a_meter_type(), a_full_type()], ids=["small", "full"])
def test_a_meter_type_comes_back_as_it_was(ledger: SqliteLedger, meter_type):
    ledger.add_meter_types([meter_type])
    assert ledger.meter_type(meter_type.id) == meter_type


def test_a_meter_type_is_found_by_id_then_external_reference_then_name(ledger: SqliteLedger):
    named = a_meter_type("first")
    referred = a_meter_type("second", externalRef="first")
    identified = a_meter_type("third", id="second", externalRef="third")
    ledger.add_meter_types([named, referred, identified])
    assert ledger.meter_type("first") == referred
    assert ledger.meter_type("second") == identified
    assert ledger.meter_type("third") == identified
    assert ledger.meter_type(named.id) == named
    assert ledger.meter_type("fourth") is None


def test_all_names_and_references_that_are_taken_are_named_and_nothing_is_added(
    ledger: SqliteLedger,
):
    ledger.add_meter_types([a_full_type("A")])
    new = [a_meter_type("A"), a_meter_type("B", externalRef="ref-A"), a_meter_type("C")]
    with pytest.raises(ConflictError, match=r"'A' is used by .*'ref-A' is used by"):
        ledger.add_meter_types(new)
    assert [t.name for t, _ in ledger.meter_types().items] == ["A"]


def test_a_name_twice_in_one_bulk_is_refused(ledger: SqliteLedger):
    with pytest.raises(ConflictError, match="The name 'A' is given more than once"):
        ledger.add_meter_types([a_meter_type("A"), a_meter_type("A")])


def test_the_list_counts_meters_and_can_be_asked_for_one_name(ledger: SqliteLedger):
    one, two = a_meter_type("one"), a_meter_type("two")
    ledger.add_meter_types([one, two])
    add_meters(ledger, ["ann", "bob"], meter_type=two)
    assert ledger.meter_types().items == [(one, 0), (two, 2)]
    assert ledger.meter_types(name="two").items == [(two, 2)]
    assert ledger.meter_types(name="three").items == []


def test_an_update_replaces_the_definition(ledger: SqliteLedger):
    old = a_full_type("A")
    new = replace(a_meter_type("B", id=old.id, aggregation={"type": "max"}), updated_at=AT + 5)
    ledger.add_meter_types([old])
    replaced_by(ledger, new)
    assert ledger.meter_type(old.id) == new


def test_meters_keep_what_they_inherited_except_category_schedule_and_zone(ledger: SqliteLedger):
    old = a_full_type("A")
    ledger.add_meter_types([old])
    (before,) = add_meters(ledger, ["ann"], meter_type=old)
    schedule = ResetSchedule("0", "12", "L", "*", "*")
    new = replace(
        old,
        name="B",
        unit="minute",
        capacity=None,
        thresholds=(),
        active_to=None,
        category="other",
        timezone="Asia/Tokyo",
        reset_schedule=schedule,
    )
    replaced_by(ledger, new)
    (after,) = add_meters(ledger, ["bob"], meter_type=old)
    kept, fresh = ledger.meter(before).meter, ledger.meter(after).meter
    assert (kept.meter_type_name, kept.unit, kept.capacity) == ("A", "call", Decimal("10.5"))
    assert (kept.thresholds, kept.active_to) == (old.thresholds, old.active_to)
    assert (kept.category, kept.timezone, kept.reset_schedule) == ("other", "Asia/Tokyo", schedule)
    assert (fresh.meter_type_name, fresh.unit, fresh.capacity) == ("B", "minute", None)
    assert ledger.meter(before).state.timezone == "Europe/Berlin"


def test_aggregation_cannot_change_while_meters_exist(ledger: SqliteLedger):
    old = a_meter_type()
    ledger.add_meter_types([old])
    add_meters(ledger, ["ann"], meter_type=old)
    with pytest.raises(ConflictError, match="aggregation cannot change"):
        replaced_by(ledger, a_meter_type(id=old.id, aggregation={"type": "min"}))
    assert ledger.meter_type(old.id) == old


def test_an_update_to_a_taken_name_is_refused(ledger: SqliteLedger):
    one, two = a_meter_type("one"), a_meter_type("two")
    ledger.add_meter_types([one, two])
    with pytest.raises(ConflictError, match="'two' is used by"):
        replaced_by(ledger, replace(one, name="two"))


def test_a_meter_type_with_meters_cannot_be_deleted(ledger: SqliteLedger):
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    (id,) = add_meters(ledger, ["ann"], meter_type=meter_type)
    with pytest.raises(ConflictError, match=r"has 1 meter. Delete its meters first"):
        ledger.delete_meter_type(meter_type.id)
    ledger.delete_meter(id)
    ledger.delete_meter_type(meter_type.id)
    assert ledger.meter_type(meter_type.id) is None


def test_an_unknown_meter_type_can_be_neither_updated_nor_deleted(ledger: SqliteLedger):
    with pytest.raises(NotFoundError):
        replaced_by(ledger, a_meter_type())
    with pytest.raises(NotFoundError):
        ledger.delete_meter_type("none")


def test_half_of_a_character_is_refused(ledger: SqliteLedger):
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    with pytest.raises(DefinitionError, match="half of a character"):
        ledger.meter_type("a\ud800")
    with pytest.raises(DefinitionError, match="half of a character"):
        ledger.add_meters([("m", NewMeter("\udc00", "k", meter_type.id))], at=AT)
    assert ledger.meters().items == []
