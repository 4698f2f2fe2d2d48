"""``meterhouse inspect``: the meters of one meter key as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.local_time import local_text
from meterhouse.cli.options import (
    MeterTypeOption,
    UserOption,
    new_group,
)
from meterhouse.cli.output import Cell, Listing, columns, note
from meterhouse.core.counted import counted

if TYPE_CHECKING:
    from meterhouse.app.ports import MeterCounts
    from meterhouse.engine.bucket import Bucket

app = new_group("The meters of one meter key as they stand.")

MeterKey = Annotated[
    str,
    typer.Argument(
        metavar="METER_KEY",
        help="The key of a meter node, its first 6 characters or more, or a stream's name.",
    ),
]

UserPrefixOption = Annotated[
    str | None,
    typer.Option(
        "--user-prefix", metavar="U", help="Only of users whose id begins so; sorted by user."
    ),
]
AfterOption = Annotated[
    str | None,
    typer.Option("--after", metavar="CURSOR", help="Go on where the list before this ended."),
]


@command(
    app,
    "meterhouse inspect 96aa5b1c-…",
    'meterhouse inspect 96aa5b1c-… --user "Cloud AI" --json',
    lists=True,
)
def inspect(
    call: Call,
    meter_key: MeterKey,
    *,
    meter_type: MeterTypeOption = None,
    user: UserOption = None,
    user_prefix: UserPrefixOption = None,
    after: AfterOption = None,
) -> None:
    """Show the meters of a meter key; --json shows the records that they would send now."""
    from meterhouse.app import inspecting
    from meterhouse.app.completing import meter_key_of

    if call.limit is None and after is not None:
        raise WrongUsage("--all and --after go not together", hint="leave out one of them")
    with call.opened() as house:
        records = inspecting.CurrentRecords(house.ledger)
        listing = Listing("meters", COLUMNS, _row, records.record_text)
        key = meter_key_of(house.ledger, meter_key)
        wanted = {"meter_type": meter_type, "user_id": user, "user_prefix": user_prefix}
        if call.limit is None:
            found = inspecting.inspect(house.ledger, key, **wanted)
            cursor = None
        else:
            page = inspecting.inspect_page(
                house.ledger, key, **wanted, limit=call.limit - 1, after=after
            )
            found, cursor = page.items, page.next_cursor
        if call.as_json:
            call.show(found, listing)
        else:
            seen = list(found)
            call.show(seen, listing)
            if seen:
                note(_counts(house.ledger.meter_counts(key), seen))
    if cursor is not None:
        note(f"there are more: --after {cursor} shows the next, --all shows all")


def _counts(counts: MeterCounts, buckets: Sequence[Bucket]) -> str:
    """Say how many things the meter key has, and what the figures of the table are."""
    meters = counted(counts.meters, "meter")
    types = counted(counts.meter_types, "meter type")
    zones = ", ".join(sorted({bucket.state.timezone for bucket in buckets}))
    shown = "" if len(buckets) == counts.meters else f"{len(buckets):,} shown; "
    of_key = f"{meters} of {types} in {counted(counts.categories, 'category')}"
    return f"{shown}the meter key has {of_key}; times in {zones}"


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
