"""``meterhouse meter-type``: the templates of meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.installation import opened
from meterhouse.cli.options import (
    LIMIT,
    AllOption,
    DataOption,
    FileOption,
    JsonOption,
    LimitOption,
    PatchOption,
    examples,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    limit_of,
    show_list,
    write_document,
    write_json,
    write_text,
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


@app.command(
    epilog=examples(
        "meterhouse meter-type create --file meter-types.json",
        "cat meter-types.ndjson | meterhouse meter-type create --file - --json",
    )
)
def create(
    context: typer.Context,
    *,
    file: FileOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create meter types from a file: all of them, or none where one is wrong."""
    from meterhouse.app.definitions import read_items
    from meterhouse.app.provisioning import create_meter_types

    items = read_items(read_text(file), what=file_name(file))
    with opened(context, data) as house:
        created = create_meter_types(house.ledger, items, new_id=house.new_id, at=house.clock())
    show_list(((t, 0) for t in created), LISTING, limit=None, as_json=as_json)


@app.command("list", epilog=examples("meterhouse meter-type list --all"))
def list_(
    context: typer.Context,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List meter types with their numbers of meters."""
    from meterhouse.app.listing import take

    most = limit_of(limit, every=every)
    with opened(context, data) as house:
        found = take(house.ledger.meter_types, limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(epilog=examples("meterhouse meter-type show SKU-4711 --json"))
def show(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one meter type in full."""
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.provisioning import find_meter_type

    with opened(context, data) as house:
        _write_one(
            house.ledger,
            find_meter_type(house.ledger, meter_type_reference(house.ledger, reference)),
            as_json=as_json,
        )


@app.command(
    epilog=examples("""echo '{"capacity": 500}' | meterhouse meter-type update Cups --file -""")
)
def update(
    context: typer.Context,
    reference: Reference,
    *,
    file: PatchOption,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a meter type by a merge patch.

    Existing meters keep the name, unit, active window, capacity and thresholds that they inherited.
    Their category is looked up anew at once, reset schedule and time zone at the next reset.
    """
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.definitions import read_one
    from meterhouse.app.provisioning import update_meter_type

    patch = read_one(read_text(file), what=file_name(file))
    with opened(context, data) as house:
        changed = update_meter_type(
            house.ledger,
            meter_type_reference(house.ledger, reference),
            patch=patch,
            at=house.clock(),
        )
        _write_one(house.ledger, changed, as_json=as_json)


@app.command(epilog=examples("meterhouse meter-type delete SKU-4711"))
def delete(
    context: typer.Context,
    reference: Reference,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a meter type that has no meters."""
    from meterhouse.app.completing import meter_type_reference
    from meterhouse.app.provisioning import delete_meter_type

    with opened(context, data) as house:
        deleted = delete_meter_type(house.ledger, meter_type_reference(house.ledger, reference))
    if as_json:
        write_json({"id": deleted.id, "name": deleted.name})
    else:
        write_text(f"deleted meter type {deleted.name} ({deleted.id})")


def _write_one(ledger: Any, meter_type: MeterType, *, as_json: bool) -> None:
    page = ledger.meter_types(name=meter_type.name, limit=1)
    count = page.items[0][1] if page.items else 0
    body = _to_api((meter_type, count))
    if as_json:
        write_json(body)
    else:
        write_document(body)


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
