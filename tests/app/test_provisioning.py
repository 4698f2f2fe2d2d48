"""Provisioning: all or nothing, every problem with its place."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from meterhouse.app.definitions import read_items
from meterhouse.app.inspecting import CurrentRecords
from meterhouse.app.ports import Ledger
from meterhouse.app.provisioning import (
    create_meter_types,
    create_meters,
    delete_meter_type,
    find_meter,
    find_meter_type,
    update_meter,
    update_meter_type,
)
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError
from meterhouse.store import open_ledger

AT = parse_instant("2026-01-10T12:00:00Z") or 0
MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path)
    yield ledger
    ledger.close()


def a_meter_type(**fields: object) -> dict[str, object]:
    return {"name": "Calls", "aggregation": {"type": "sum"}, "resetSchedule": MONTHLY} | fields


def a_meter(**fields: object) -> dict[str, object]:
    return {"userId": "ann", "meterKey": "key", "meterTypeId": "Calls"} | fields


def add_types(ledger: Ledger, *bodies: object, at: Instant = AT) -> list[str]:
    items = read_items(json.dumps(bodies))
    return [t.id for t in create_meter_types(ledger, items, new_id=new_ids(), at=at)]


def add_meters(ledger: Ledger, *bodies: object, at: Instant = AT) -> list[str]:
    items = read_items(json.dumps(bodies))
    return list(create_meters(ledger, items, new_id=new_ids(), at=at).ids)


_numbers = count(1)


def new_ids():
    return lambda: f"00000000-0000-4000-8000-{next(_numbers):012d}"


def problems(caught: pytest.ExceptionInfo[DefinitionError]) -> list[str]:
    return [f"{problem.place}: {problem.message}" for problem in caught.value.problems]


def test_meter_types_are_created_in_order(ledger: Ledger):
    ids = add_types(ledger, a_meter_type(), a_meter_type(name="Pages", externalRef="p"))
    assert [t.id for t, _ in ledger.meter_types().items] == ids


def test_one_bad_meter_type_means_that_none_is_created(ledger: Ledger):
    with pytest.raises(DefinitionError) as caught:
        add_types(ledger, a_meter_type(), {"name": 5}, a_meter_type(name="x" * 81))
    assert [place.split(":")[0] for place in problems(caught)] == ["item 2"] * 3 + ["item 3"]
    assert list(ledger.meter_types().items) == []


def test_names_and_references_are_unique_in_a_file_and_beyond(ledger: Ledger):
    add_types(ledger, a_meter_type(externalRef="c"))
    with pytest.raises(DefinitionError) as caught:
        add_types(
            ledger,
            a_meter_type(externalRef="c"),
            a_meter_type(name="Pages", externalRef="p"),
            a_meter_type(name="Pages", externalRef="p"),
        )
    assert problems(caught) == [
        "item 1: name: 'Calls' is taken",
        "item 1: externalRef: 'c' is taken",
        "item 3: name: 'Pages' is taken",
        "item 3: externalRef: 'p' is taken",
    ]


@pytest.mark.parametrize("reference", ["id", "c", "Calls"])
def test_a_meter_type_is_found_by_id_reference_and_name(ledger: Ledger, reference: str):
    [id] = add_types(ledger, a_meter_type(externalRef="c"))
    assert find_meter_type(ledger, id if reference == "id" else reference).id == id


def test_an_unknown_meter_type_is_not_found(ledger: Ledger):
    with pytest.raises(NotFoundError, match="There is no meter type 'x'"):
        find_meter_type(ledger, "x")


def test_a_merge_patch_changes_what_it_names(ledger: Ledger):
    add_types(ledger, a_meter_type(unit="calls", description="d"))
    update_meter_type(ledger, "Calls", patch={"unit": "API calls", "description": None}, at=AT + 5)
    changed = find_meter_type(ledger, "Calls")
    assert (changed.unit, changed.description, changed.created_at) == ("API calls", None, AT)


def test_two_patches_at_the_same_time_are_both_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    add_types(ledger, a_meter_type())
    found = ledger.meter_type

    def found_just_before_another(reference: str) -> MeterType | None:
        monkeypatch.undo()
        present = found(reference)
        update_meter_type(ledger, "Calls", patch={"description": "theirs"}, at=AT + 4)
        return present

    monkeypatch.setattr(ledger, "meter_type", found_just_before_another)
    update_meter_type(ledger, "Calls", patch={"unit": "ours"}, at=AT + 5)
    changed = find_meter_type(ledger, "Calls")
    assert (changed.unit, changed.description) == ("ours", "theirs")


@pytest.mark.parametrize("patch", [7, {"capacity": -1}, {"colour": "red"}])
def test_a_bad_patch_of_a_meter_type_changes_nothing(ledger: Ledger, patch: object):
    add_types(ledger, a_meter_type())
    before = find_meter_type(ledger, "Calls")
    with pytest.raises(DefinitionError):
        update_meter_type(ledger, "Calls", patch=patch, at=AT + 5)
    assert find_meter_type(ledger, "Calls") == before


def test_a_meter_type_with_meters_cannot_be_deleted(ledger: Ledger):
    add_types(ledger, a_meter_type())
    add_meters(ledger, a_meter())
    with pytest.raises(ConflictError):
        delete_meter_type(ledger, "Calls")
    find_meter_type(ledger, "Calls")


def test_meters_start_their_first_period_at_their_creation(ledger: Ledger):
    add_types(ledger, a_meter_type())
    [id] = add_meters(ledger, a_meter())
    period = find_meter(ledger, id).state.period
    assert (period.start, period.end) == (AT, parse_instant("2026-02-01"))


@pytest.mark.parametrize("reference", [{"meterTypeId": "Calls"}, {"externalRef": "c"}])
def test_meters_may_name_their_type_in_other_ways(ledger: Ledger, reference: dict[str, str]):
    [type_id] = add_types(ledger, a_meter_type(externalRef="c"))
    body = {"userId": "ann", "meterKey": "key"} | reference
    [id] = add_meters(ledger, body)
    assert find_meter(ledger, id).meter.meter_type_id == type_id


def test_every_bad_meter_is_listed_and_none_created(ledger: Ledger):
    add_types(ledger, a_meter_type())
    with pytest.raises(DefinitionError) as caught:
        add_meters(
            ledger,
            a_meter(),
            a_meter(meterTypeId="Pages"),
            a_meter(),
            a_meter(userId="bob", thresholds=[{"name": "t", "capacityPercentage": 50}]),
            {"meterKey": "key"},
        )
    found = problems(caught)
    assert [text.split(":")[0] for text in found] == [*(f"item {n}" for n in (2, 3, 4, 5, 5))]
    assert found[1] == "item 3: repeats item 1: same meterKey, meter type and userId 'ann'"
    assert list(ledger.meters().items) == []


def test_a_meter_that_exists_is_not_created_again(ledger: Ledger):
    add_types(ledger, a_meter_type())
    add_meters(ledger, a_meter())
    with pytest.raises(ConflictError):
        add_meters(ledger, a_meter(userId="bob"), a_meter())
    assert len(ledger.meters().items) == 1


def test_meter_keys_that_no_stream_has_are_told(ledger: Ledger):
    add_types(ledger, a_meter_type())
    items = read_items(json.dumps([a_meter(), a_meter(userId="bob")]))
    assert create_meters(ledger, items, new_id=new_ids(), at=AT).unknown_keys == ["key"]


def test_a_meter_is_changed_by_a_patch(ledger: Ledger):
    add_types(ledger, a_meter_type())
    [id] = add_meters(ledger, a_meter(customFields={"plan": "gold", "seats": 5}))
    changed = update_meter(
        ledger, id, patch={"deleteOnReset": True, "customFields": {"seats": None}}, at=AT + 5
    )
    assert changed.meter.delete_on_reset
    assert changed.meter.custom_fields == {"plan": "gold"}


def test_a_meter_cannot_change_its_user(ledger: Ledger):
    add_types(ledger, a_meter_type())
    [id] = add_meters(ledger, a_meter())
    with pytest.raises(DefinitionError, match="userId"):
        update_meter(ledger, id, patch={"userId": "bob"}, at=AT)


def test_a_meter_shows_the_record_and_what_records_leave_out(ledger: Ledger):
    add_types(ledger, a_meter_type(activeFrom="2026-01-01T00:00:00Z", category="API"))
    [id] = add_meters(ledger, a_meter())
    body = json.loads(CurrentRecords(ledger).meter_text(find_meter(ledger, id)))
    assert list(body)[:6] == ["id", "meterTypeId", "meterTypeName", "userId", "meterKey", "value"]
    assert list(body.items())[-3:] == [
        ("category", "API"),
        ("activeFrom", "2026-01-01T00:00:00.000+00:00"),
        ("activeTo", None),
    ]
