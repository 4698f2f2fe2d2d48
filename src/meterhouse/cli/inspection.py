"""``meterhouse inspect``: the meters of one meter key as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.installation import opened
from meterhouse.cli.local_time import local_text
from meterhouse.cli.options import (
    LIMIT,
    AllOption,
    DataOption,
    JsonOption,
    LimitOption,
    MeterTypeOption,
    UserOption,
    examples,
    new_group,
)
from meterhouse.cli.output import Cell, Listing, columns, limit_of, note, show_list

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


@app.command(
    epilog=examples(
        "meterhouse inspect 96aa5b1c-…",
        'meterhouse inspect 96aa5b1c-… --user "Cloud AI" --json',
    )
)
def inspect(
    context: typer.Context,
    meter_key: MeterKey,
    *,
    meter_type: MeterTypeOption = None,
    user: UserOption = None,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the meters of a meter key; --json shows the records that they would send now."""
    from meterhouse.app import inspecting
    from meterhouse.app.completing import meter_key_of

    most = limit_of(limit, every=every)
    seen: list[Bucket] = []
    with opened(context, data) as house:
        records = inspecting.CurrentRecords(house.ledger)
        listing = Listing("meters", COLUMNS, _row, records.record_text)
        key = meter_key_of(house.ledger, meter_key)
        found = inspecting.inspect(
            house.ledger, key, meter_type=meter_type, user_id=user, limit=most
        )
        if as_json:
            show_list(found, listing, limit=most, as_json=True)
            return
        seen = list(found)
        show_list(seen, listing, limit=most, as_json=False)
    if seen:
        note(_counts(seen[: None if most is None else most - 1]))


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
