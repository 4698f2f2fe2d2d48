"""Provisioning: creating, changing and deleting meter types and meters.

A file of many items is all or nothing: one bad item means that nothing is created, and every
problem of every item is listed with the item's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from meterhouse.app.definitions import Item, placed, refuse
from meterhouse.app.listing import found
from meterhouse.app.ports import Ledger, Meters, MeterTypes, Streams
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.meter import MeterPatch, NewMeter
from meterhouse.core.meter_type import MeterType, read_meter_type
from meterhouse.core.problem import (
    ConflictError,
    DefinitionError,
    MeterhouseError,
    NotFoundError,
    Problem,
)
from meterhouse.engine.bucket import Bucket


def create_meter_types(
    meter_types: MeterTypes, items: Sequence[Item], *, new_id: Callable[[], str], at: Instant
) -> list[MeterType]:
    """Create all meter types of a file, in its order, or none of them."""
    problems: list[Problem] = []
    created: list[MeterType] = []
    for item in items:
        meter_type, faults = read_meter_type(item.body, id=new_id(), at=at)
        if meter_type is not None:
            faults = _names_taken(meter_type, created, meter_types)
            created.append(meter_type)
        problems += placed(faults, item)
    refuse(problems, what=_what(items, "The meter type", "meter types"))
    meter_types.add_meter_types(created)
    return created


def create_meter_type(
    meter_types: MeterTypes, body: JsonValue, *, id: str, at: Instant
) -> MeterType:
    """Create one meter type; ``ConflictError`` where its name or external reference is taken."""
    meter_type = MeterType.from_api(body, id=id, at=at)
    meter_types.add_meter_types([meter_type])
    return meter_type


def counted_meter_type(meter_types: MeterTypes, reference: str) -> tuple[MeterType, int]:
    """Return a meter type with its number of meters."""
    meter_type = find_meter_type(meter_types, reference)
    listed = meter_types.meter_types(name=meter_type.name, limit=1).items
    return listed[0] if listed else (meter_type, 0)


def _names_taken(
    meter_type: MeterType, earlier: Iterable[MeterType], meter_types: MeterTypes
) -> list[Problem]:
    """What of a meter type must be unique and is not, in its file or in the ledger."""
    faults: list[Problem] = []
    hint = "choose another, or change the other one with `meter-type update`"
    stored = [t for t, _ in meter_types.meter_types(name=meter_type.name, limit=1).items]
    if any(other.name == meter_type.name for other in (*earlier, *stored)):
        faults.append(Problem("name", f"{meter_type.name!r} is taken", hint))
    reference = meter_type.external_ref
    if reference is not None:
        other = meter_types.meter_type(reference)
        taken = other is not None and other.external_ref == reference
        if taken or any(t.external_ref == reference for t in earlier):
            faults.append(Problem("externalRef", f"{reference!r} is taken", hint))
    return faults


def find_meter_type(meter_types: MeterTypes, reference: str) -> MeterType:
    """Return a meter type by id, external reference or name."""
    return found(
        meter_types.meter_type(reference),
        or_raise=lambda: NotFoundError(
            f"There is no meter type {reference!r}",
            hint="`meterhouse meter-type list` shows those that exist",
        ),
    )


def update_meter_type(
    meter_types: MeterTypes, reference: str, *, patch: JsonValue, at: Instant
) -> MeterType:
    """Apply a merge patch to a meter type. Meters look up category, schedule and zone anew."""
    meter_type = find_meter_type(meter_types, reference)
    if not isinstance(patch, Mapping):
        raise DefinitionError([_no_object(patch)], what="The merge patch")
    return meter_types.update_meter_type(
        meter_type.id, lambda present: present.merged(patch, at=at)
    )


def delete_meter_type(meter_types: MeterTypes, reference: str) -> MeterType:
    """Delete a meter type that has no meters; returns what it was."""
    meter_type = find_meter_type(meter_types, reference)
    meter_types.delete_meter_type(meter_type.id)
    return meter_type


@dataclass(frozen=True, slots=True)
class CreatedMeters:
    """What ``create_meters`` did. No stream has a meter node with an ``unknown_key`` (yet)."""

    ids: Sequence[str]
    unknown_keys: Sequence[str]


def create_meters(
    ledger: Ledger, items: Sequence[Item], *, new_id: Callable[[], str], at: Instant
) -> CreatedMeters:
    """Create all meters of a file, in its order, or none; their first periods start at ``at``.

    A meter key that no stream has is accepted: the order of provisioning is free.
    """
    problems: list[Problem] = []
    meters: list[tuple[str, NewMeter]] = []
    meter_types: dict[str, MeterType | None] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for item in items:
        new, faults = NewMeter.from_api(item.body)
        if new is not None:
            new, faults = _bound(new, meter_types, ledger)
            faults = [_as_given(fault, item) for fault in faults]
            faults += _repeated(new, item, seen)
            meters.append((new_id(), new))
        problems += placed(faults, item)
    refuse(problems, what=_what(items, "The meter", "meters"))
    ids = ledger.add_meters(meters, at=at)
    keys = dict.fromkeys(new.meter_key for _, new in meters)
    unknown = [key for key in keys if ledger.stream_of_meter_key(key) is None]
    return CreatedMeters(ids, unknown)


def create_each_meter(
    ledger: Ledger, items: Sequence[Item], *, new_id: Callable[[], str], at: Instant
) -> list[str | MeterhouseError]:
    """Create what can be created of a list; says of each item its id, or why there is none."""
    results: list[str | MeterhouseError] = []
    good: list[tuple[int, str, NewMeter]] = []
    meter_types: dict[str, MeterType | None] = {}
    for place, item in enumerate(items):
        new, faults = NewMeter.from_api(item.body)
        if new is not None:
            new, faults = _bound(new, meter_types, ledger)
            faults = [_as_given(fault, item) for fault in faults]
        if faults or new is None:
            results.append(DefinitionError(faults, what="The meter"))
            continue
        id = new_id()
        results.append(id)
        good.append((place, id, new))
    created = ledger.add_each_meter([(id, new) for _, id, new in good], at=at)
    for (place, _, new), is_new in zip(good, created, strict=True):
        if not is_new:
            results[place] = _exists(new)
    return results


def _exists(new: NewMeter) -> ConflictError:
    message = f"The meter of user {new.user_id!r}, key {new.meter_key}, exists"
    hint = "A user has one meter of a type at a meter key"
    return ConflictError(message, hint=hint, code="meter_exists")


def _bound(
    new: NewMeter, meter_types: dict[str, MeterType | None], ledger: Ledger
) -> tuple[NewMeter, list[Problem]]:
    """Point a meter to its type's id; what is wrong with it as a meter of that type."""
    reference = new.meter_type_ref
    if reference not in meter_types:
        meter_types[reference] = ledger.meter_type(reference)
    meter_type = meter_types[reference]
    if meter_type is None:
        hint = "create the type first; `meterhouse meter-type list` shows those that exist"
        return new, [Problem("meterTypeId", f"{reference!r} is no meter type", hint)]
    if reference != meter_type.id:
        new = replace(new, meter_type_ref=meter_type.id)
    return new, new.problems_with(meter_type)


def _as_given(fault: Problem, item: Item) -> Problem:
    """Place what is wrong with the type where the body names it: externalRef goes first."""
    by_reference = isinstance(item.body, Mapping) and item.body.get("externalRef")
    named = fault.place == "meterTypeId" and by_reference
    return replace(fault, place="externalRef") if named else fault


def _repeated(new: NewMeter, item: Item, seen: dict[tuple[str, str, str], str]) -> list[Problem]:
    key = (new.meter_key, new.meter_type_ref, new.user_id)
    first = seen.setdefault(key, item.place)
    if first == item.place:
        return []
    message = f"repeats {first}: same meterKey, meter type and userId {new.user_id!r}"
    return [Problem("", message, "a user has one meter of a type at a meter key")]


def find_meter(meters: Meters, id: str) -> Bucket:
    """Return a meter with its state."""
    return found(
        meters.meter(id),
        or_raise=lambda: NotFoundError(
            f"There is no meter {id!r}", hint="`meterhouse meter list` shows those that exist"
        ),
    )


def unclaimed_key(streams: Streams, meter_key: str) -> str | None:
    """Say that no stream has a meter key, where that is so; in ASCII, for a header."""
    if streams.has_meter_key(meter_key):
        return None
    return f"No stream has the meter key {meter_key[:100]!a}: nothing is counted until one has"


def update_meter(meters: Meters, id: str, *, patch: JsonValue, at: Instant) -> Bucket:
    """Apply a merge patch to a meter."""
    changes, problems = MeterPatch.from_api(patch)
    if changes is None:
        raise DefinitionError(problems, what="The merge patch")
    find_meter(meters, id)
    meters.update_meter(id, changes, at=at)
    return find_meter(meters, id)


def delete_meter(meters: Meters, id: str) -> None:
    """Delete a meter; no record is sent for it."""
    find_meter(meters, id)
    meters.delete_meter(id)


def _what(items: Sequence[Item], one: str, many: str) -> str:
    return one if len(items) == 1 else f"Nothing was created: the list of {many}"


def _no_object(value: object) -> Problem:
    return Problem("", f"is {value!r}, not a JSON object", 'such as {"unit": "calls"}')


def meter_type_to_api(meter_type: MeterType, *, meters: int) -> dict[str, Any]:
    """Return the API's object of a meter type, with its number of meters."""
    body = meter_type.to_api()
    body["numberOfMeters"] = meters
    return body
