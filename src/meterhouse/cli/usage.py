"""``meterhouse usage``: the single records that event-time meters took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from meterhouse.cli.arguments import read_assignments, read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.local_time import local_text
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note
from meterhouse.core.json_text import json_text, parse_json

if TYPE_CHECKING:
    from meterhouse.app.usage import WindowTotal
    from meterhouse.app.usage_ports import Remetered, UsageEntry
    from meterhouse.bootstrap import Installation
    from meterhouse.engine.bucket import Bucket

app = new_group("Single records of meters by event time: listing, voiding, amending, totalling.")

MeterArgument = Annotated[
    str,
    typer.Argument(
        metavar="METER", help="The meter's id, or with --user its meter key or a stream's name."
    ),
]
IdentityArgument = Annotated[
    str, typer.Argument(metavar="IDENTITY", help="The record's identity: `usage list` shows it.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=JSON", help="Set value, timestamp or another field."),
]
IdentityOption = Annotated[
    str | None, typer.Option("--identity", metavar="ID", help="Only of this identity.")
]
WindowOption = Annotated[
    Literal["hour", "day", "month"], typer.Option("--window", help="How long the windows are.")
]
GroupOption = Annotated[
    str | None, typer.Option("--group-by", metavar="FIELD", help="Total by this field too.")
]


@dataclass(frozen=True, slots=True)
class Whose:
    """The options that choose a meter at a meter key."""

    user: Annotated[
        str | None, typer.Option("--user", metavar="U", help="The user, where METER is a key.")
    ] = None
    meter_type: Annotated[
        str | None,
        typer.Option("--meter-type", metavar="T", help="The meter type, where a user has several."),
    ] = None

    def find(self, house: Installation, meter: str) -> Bucket:
        """Return the meter."""
        from meterhouse.app.completing import completed, meter_key_of
        from meterhouse.app.usage import find_event_meter

        ledger = house.ledger
        if self.user is None:
            if self.meter_type is not None:
                raise WrongUsage("--meter-type goes with --user", hint="give the user too")
            return find_event_meter(ledger, completed(ledger, meter, kind="meter"))
        key = meter_key_of(ledger, meter)
        return find_event_meter(ledger, key, user_id=self.user, meter_type=self.meter_type)


@dataclass(frozen=True, slots=True)
class Between:
    """The options that choose a time."""

    since: Annotated[
        str | None,
        typer.Option("--from", metavar="INSTANT", help="Only with a timestamp then or later."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="INSTANT", help="Only with a timestamp before."),
    ] = None

    def bounds(self) -> dict[str, Any]:
        """Return both instants."""
        return {
            "since": read_instant(self.since, option="--from"),
            "until": read_instant(self.until, option="--to"),
        }


@command(
    app,
    "meterhouse usage list 6b1f0c… --json",
    'meterhouse usage list 96aa5b1c-… --user "Cloud AI" --identity call-17',
    lists=True,
)
def list_(
    call: Call,
    meter: MeterArgument,
    *,
    identity: IdentityOption = None,
    whose: Whose,
    between: Between,
) -> None:
    """List the records that a meter took, in order of arrival; those that are void too."""
    from meterhouse.app.usage import list_usage

    with call.opened() as house:
        bucket = whose.find(house, meter)
        found = list_usage(
            house.ledger, bucket, identity=identity, **between.bounds(), limit=call.limit
        )
        call.show(found, LISTING)


@command(app, "meterhouse usage void 6b1f0c… call-17")
def void(call: Call, meter: MeterArgument, identity: IdentityArgument, *, whose: Whose) -> None:
    """Take a record back: its period is metered again without it."""
    from meterhouse.app import usage

    with call.opened() as house:
        bucket = whose.find(house, meter)
        done = usage.void(house.ledger, bucket, identity, at=house.clock())
    _tell(call, f"voided {identity}", done)


@command(
    app,
    "meterhouse usage amend 6b1f0c… call-17 --set value=12.5",
    """meterhouse usage amend 6b1f0c… call-17 --set 'timestamp="2026-01-31T12:00:00Z"'""",
)
def amend(
    call: Call,
    meter: MeterArgument,
    identity: IdentityArgument,
    *,
    assignments: SetOption = None,
    whose: Whose,
) -> None:
    """Change a record: its period is metered again, or both where its timestamp moves it."""
    from meterhouse.app import usage

    changes = read_assignments(assignments or ())
    with call.opened() as house:
        bucket = whose.find(house, meter)
        done = usage.amend(house.ledger, bucket, identity, changes, at=house.clock())
    _tell(call, f"amended {identity}", done)


@command(
    app,
    'meterhouse usage query 96aa5b1c-… --user "Cloud AI" --window day --group-by region',
)
def query(
    call: Call,
    meter: MeterArgument,
    *,
    window: WindowOption = "day",
    group_by: GroupOption = None,
    whose: Whose,
    between: Between,
) -> None:
    """Total what a meter took by windows in its time zone; empty windows are left out."""
    from meterhouse.app import usage

    wanted = usage.Query(usage.Window(window), group_by, **between.bounds())
    with call.opened() as house:
        bucket = whose.find(house, meter)
        totals = usage.query(house.ledger, bucket, wanted)
    call.show(totals, _totals(bucket, group_by))


def _tell(call: Call, text: str, done: Remetered) -> None:
    periods = [
        {"periodStart": text, "value": bucket.state.value or 0}
        for bucket in done.periods
        for text in [_start(bucket)]
    ]
    told = [parse_json(record) for record in done.adjustments]
    call.tell({"periods": periods, "adjustments": told}, text)
    if told and not call.as_json:
        note("a period had left: the next run of the stream takes its adjustment downstream")


def _start(bucket: Bucket) -> str:
    from meterhouse.core.instant import instant_text

    return instant_text(bucket.state.period.start)


def _totals(bucket: Bucket, group_by: str | None) -> Listing[WindowTotal]:
    zone, unit = bucket.meter.timezone, bucket.meter.unit

    def row(total: WindowTotal) -> list[Cell]:
        group = [] if group_by is None else [total.group]
        bounds = (local_text(total.start, zone), local_text(total.end, zone))
        return [*bounds, *group, total.value, unit, total.records, zone]

    def text(total: WindowTotal) -> str:
        return json_text(total.to_api(group_by))

    heads = ["Window start", "Window end", *([] if group_by is None else [group_by])]
    return Listing(
        "windows", columns(*heads, "#Value", "?Unit", "#Records", "?Time zone"), row, text
    )


def _row(entry: UsageEntry) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    fields = json_text(dict(entry.fields))
    return [entry.identity, instant_text(entry.timestamp), entry.value, entry.status, fields]


LISTING = Listing(
    "records of usage",
    columns("Identity", "Timestamp", "#Value", "Status", "?Fields"),
    _row,
    lambda entry: json_text(entry.to_api()),
)
