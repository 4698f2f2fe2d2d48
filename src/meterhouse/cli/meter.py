"""``meterhouse meter``: one user's bucket of one meter type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_instant, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.options import (
    FileOption,
    MeterTypeOption,
    PatchOption,
    UserOption,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    note,
    write_document,
    write_text,
)
from meterhouse.core.json_text import NESTING_MAX, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meterhouse.bootstrap import Installation
    from meterhouse.engine.bucket import Bucket

app = new_group("Meters: each counts one meter type for one user at one meter key.")

MeterId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The id of the meter, or its first 6 characters or more."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--meter-key", metavar="K", help="Only of the meter node with this key."),
]
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="INSTANT", help="When the meters are created. Default: now. ISO 8601."
    ),
]


@command(
    app,
    "meterhouse meter create --file meters.ndjson",
    "meterhouse meter create --file meters.json --at 2026-01-01T00:00:00Z",
)
def create(call: Call, *, file: FileOption, at: AtOption = None) -> None:
    """Create meters from a file: all of them, or none where one is wrong."""
    from meterhouse.app.definitions import read_items
    from meterhouse.app.provisioning import create_meters

    instant = read_instant(at)
    items = read_items(read_text(file), what=file_name(file))
    with call.opened() as house:
        instant = house.clock() if instant is None else instant
        created = create_meters(house.ledger, items, new_id=house.new_id, at=instant)
        if call.as_json:
            _write_created(house, created.ids)
    if not call.as_json:
        count = len(created.ids)
        write_text(f"created {count:,} {'meter' if count == 1 else 'meters'}")
    for key in created.unknown_keys:
        note(f"note: no stream has a meter node with the key {key!r} yet")


def _write_created(house: Installation, ids: Sequence[str]) -> None:
    listing = _listing(house)
    for id in ids:
        bucket = house.ledger.meter(id)
        assert bucket is not None, "it was created just now"
        write_text(listing.to_json(bucket))


@command(app, 'meterhouse meter list --user "Cloud AI"', lists=True)
def list_(
    call: Call,
    *,
    meter_key: KeyOption = None,
    meter_type: MeterTypeOption = None,
    user: UserOption = None,
) -> None:
    """List meters with their current values."""
    from meterhouse.app.inspecting import list_meters

    with call.opened() as house:
        found = list_meters(
            house.ledger, meter_key=meter_key, meter_type=meter_type, user_id=user, limit=call.limit
        )
        call.show(found, _listing(house))


@command(app, "meterhouse meter show 0d3c9a1e-… --json")
def show(call: Call, id: MeterId) -> None:
    """Show one meter in full, with its current state."""
    from meterhouse.app.completing import completed
    from meterhouse.app.provisioning import find_meter

    with call.opened() as house:
        found = find_meter(house.ledger, completed(house.ledger, id, kind="meter"))
        _write_one(house, found, as_json=call.as_json)


@command(app, """echo '{"deleteOnReset": true}' | meterhouse meter update 0d3c9a1e-… --file -""")
def update(call: Call, id: MeterId, *, file: PatchOption) -> None:
    """Change a meter by a merge patch.

    What may change: deleteOnReset, customFields, capacity, thresholds, activeTo.
    """
    from meterhouse.app.completing import completed
    from meterhouse.app.definitions import read_one
    from meterhouse.app.provisioning import update_meter

    patch = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        id = completed(house.ledger, id, kind="meter")
        changed = update_meter(house.ledger, id, patch=patch, at=house.clock())
        _write_one(house, changed, as_json=call.as_json)


@command(app, "meterhouse meter delete 0d3c9a1e-…")
def delete(call: Call, id: MeterId) -> None:
    """Delete a meter. No record is sent for what it has counted."""
    from meterhouse.app.completing import completed
    from meterhouse.app.provisioning import delete_meter

    with call.opened() as house:
        id = completed(house.ledger, id, kind="meter")
        delete_meter(house.ledger, id)
    call.tell({"id": id}, f"deleted meter {id}")


def _write_one(house: Installation, bucket: Bucket, *, as_json: bool) -> None:
    text = _listing(house).to_json(bucket)
    if as_json:
        write_text(text)
    else:
        write_document(parse_json(text, nesting_max=2 * NESTING_MAX))


def _row(bucket: Bucket) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    meter, state = bucket.meter, bucket.state
    return [
        *(meter.user_id, meter.meter_type_name, state.value or 0, meter.unit),
        *(instant_text(state.period.end), meter.meter_key, meter.id),
    ]


def _listing(house: Installation) -> Listing[Bucket]:
    from meterhouse.app.inspecting import CurrentRecords

    titles = columns("User ID", "Meter type", "#Value", "?Unit", "Period end", "?Meter key", "@Id")
    return Listing("meters", titles, _row, CurrentRecords(house.ledger).meter_text)
