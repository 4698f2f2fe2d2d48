"""``meterhouse inspect``: the meters of one meter key as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.local_time import local_text
from meterhouse.cli.options import (
    MeterTypeOption,
    UserOption,
    new_group,
)
from meterhouse.cli.output import Cell, Listing, columns, note

if TYPE_CHECKING:
    from meterhouse.engine.bucket import Bucket

app = new_group("The meters of one meter key as they stand.")

MeterKey = Annotated[
    str,
    typer.Argument(
        metavar="METER_KEY",
        help="The key of a meter node, its first 6 characters or more, or a stream's name.",
    ),
]


@command(
    app,
    "meterhouse inspect 96aa5b1c-…",
    'meterhouse inspect 96aa5b1c-… --user "Cloud AI" --json',
    lists=True,
)
def inspect(
    call: Call, meter_key: MeterKey, *, meter_type: MeterTypeOption = None, user: UserOption = None
) -> None:
    """Show the meters of a meter key; --json shows the records that they would send now."""
    from meterhouse.app import inspecting
    from meterhouse.app.completing import meter_key_of

    with call.opened() as house:
        records = inspecting.CurrentRecords(house.ledger)
        listing = Listing("meters", COLUMNS, _row, records.record_text)
        key = meter_key_of(house.ledger, meter_key)
        found = inspecting.inspect(
            house.ledger, key, meter_type=meter_type, user_id=user, limit=call.limit
        )
        if call.as_json:
            call.show(found, listing)
            return
        seen = list(found)
        call.show(seen, listing)
    if seen:
        note(_counts(seen[: None if call.limit is None else call.limit - 1]))


def _counts(buckets: Sequence[Bucket]) -> str:
    """Say how many things the table shows, and what its figures are."""
    types = {bucket.meter.meter_type_id for bucket in buckets}
    categories = {bucket.meter.category for bucket in buckets}
    counted = ((buckets, "meter"), (types, "meter type"), (categories, "category"))
    meters, meter_types, in_categories = (_count(len(things), noun) for things, noun in counted)
    zones = ", ".join(sorted({bucket.state.timezone for bucket in buckets}))
    return f"{meters} of {meter_types} in {in_categories}; times in {zones}"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number} categories" if noun == "category" else f"{number} {noun}s"


def _row(bucket: Bucket) -> list[Cell]:
    meter, state = bucket.meter, bucket.state
    return [
        *(
            local_text(state.period.start, state.timezone),
            local_text(state.period.end, state.timezone),
        ),
        *(meter.user_id, meter.meter_type_name, state.value or 0, meter.unit, state.timezone),
    ]


COLUMNS = columns(
    "Period start", "Period end", "User ID", "Meter type", "#Value", "?Unit", "?Time zone"
)
