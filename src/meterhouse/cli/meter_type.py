"""``meterhouse meter-type``: the templates of meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.options import (
    FileOption,
    PatchOption,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
)
from meterhouse.cli.schedule_words import interval
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.core.meter_type import MeterType

app = new_group("Meter types: what is measured, how it is counted and when it resets.")

Reference = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The meter type: id or its beginning, external reference, name."
    ),
]


@command(
    app,
    "meterhouse meter-type create --file meter-types.json",
    "cat meter-types.ndjson | meterhouse meter-type create --file - --json",
)
def create(call: Call, *, file: FileOption) -> None:
    """Create meter types from a file: all of them, or none where one is wrong."""
    from meterhouse.app.definitions import read_items
    from meterhouse.app.provisioning import create_meter_types

    items = read_items(read_text(file), what=file_name(file))
    with call.opened() as house:
        created = create_meter_types(house.ledger, items, new_id=house.new_id, at=house.clock())
    call.show(((t, 0) for t in created), LISTING)


@command(app, "meterhouse meter-type list --all", lists=True)
def list_(call: Call) -> None:
    """List meter types with their numbers of meters."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(house.ledger.meter_types, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse meter-type show SKU-4711 --json")
def show(call: Call, reference: Reference) -> None:
    """Show one meter type in full."""
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.provisioning import find_meter_type

    with call.opened() as house:
        found = find_meter_type(house.ledger, meter_type_reference(house.ledger, reference))
        call.write(_counted(house.ledger, found))


@command(app, """echo '{"capacity": 500}' | meterhouse meter-type update Cups --file -""")
def update(call: Call, reference: Reference, *, file: PatchOption) -> None:
    """Change a meter type by a merge patch.

    Existing meters keep the name, unit, active window, capacity and thresholds that they inherited.
    Their category is looked up anew at once, reset schedule and time zone at the next reset.
    """
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.definitions import read_one
    from meterhouse.app.provisioning import update_meter_type

    patch = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        known = meter_type_reference(house.ledger, reference)
        changed = update_meter_type(house.ledger, known, patch=patch, at=house.clock())
        call.write(_counted(house.ledger, changed))


@command(app, "meterhouse meter-type delete SKU-4711")
def delete(call: Call, reference: Reference) -> None:
    """Delete a meter type that has no meters."""
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.provisioning import delete_meter_type

    with call.opened() as house:
        deleted = delete_meter_type(house.ledger, meter_type_reference(house.ledger, reference))
    call.tell(
        {"id": deleted.id, "name": deleted.name},
        f"deleted meter type {deleted.name} ({deleted.id})",
    )


def _counted(ledger: Any, meter_type: MeterType) -> dict[str, Any]:
    """Return the API's object, with the number of meters."""
    page = ledger.meter_types(name=meter_type.name, limit=1)
    return _to_api((meter_type, page.items[0][1] if page.items else 0))


def _to_api(item: tuple[MeterType, int]) -> dict[str, Any]:
    from meterhouse.app.provisioning import meter_type_to_api

    return meter_type_to_api(item[0], meters=item[1])


def _row(item: tuple[MeterType, int]) -> list[Cell]:
    meter_type, meters = item
    schedule = interval(meter_type.reset_schedule)
    kind = meter_type.aggregation.value
    return [
        *(meter_type.name, meter_type.category, kind, meter_type.unit, schedule),
        *(meters, meter_type.external_ref, meter_type.id),
    ]


LISTING = Listing(
    "meter types",
    columns(
        "Name", "Category", "Aggregation", "?Unit", "Interval", "#Meters", "?External ref", "?@Id"
    ),
    _row,
    lambda item: json_text(_to_api(item)),
)
