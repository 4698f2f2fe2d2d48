"""``meterhouse schedule``: when streams and groups run by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.schedule import Schedule

app = new_group("Schedules: when streams and groups run by themselves, while a server runs.")

StreamArgument = Annotated[
    str | None, typer.Argument(metavar="[N]", help="The stream: its name or id.")
]
GroupOption = Annotated[
    str | None, typer.Option("--group", metavar="G", help="A group instead: its name or id.")
]
BodyOption = Annotated[
    str | None,
    typer.Option("--file", metavar="F", help="A schedule as JSON; - is standard input."),
]
EveryOption = Annotated[
    str | None,
    typer.Option("--every", metavar="T", help="5m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h or 12h."),
]
CronOption = Annotated[
    str | None,
    typer.Option("--cron", metavar="C", help='Five fields, such as "0 6 * * 1-5".'),
]
TimezoneOption = Annotated[
    str | None,
    typer.Option("--timezone", metavar="Z", help="An IANA time zone. Default: Etc/UTC."),
]
_EVERY = re.compile(r"(\d{1,4})([mh])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours"}


@command(
    app,
    'meterhouse schedule set "Botbot AI assist" --every 15m',
    'meterhouse schedule set --group Nightly --cron "30 2 * * *" --timezone Europe/Berlin',
    'meterhouse schedule set "Botbot AI assist" --file schedule.json --json',
)
def set_(
    call: Call,
    stream: StreamArgument = None,
    *,
    group: GroupOption = None,
    file: BodyOption = None,
    every: EveryOption = None,
    cron: CronOption = None,
    timezone: TimezoneOption = None,
) -> None:
    """Give a stream or a group a schedule, or another one in place of the one it has."""
    from meterhouse.app.schedules import set_schedule

    target = _target(stream, group)
    body = _body(file, every=every, cron=cron, timezone=timezone)
    with call.opened() as house:
        schedule = set_schedule(
            house.ledger,
            body,
            **target,
            new_id=house.new_id,
            at=house.clock(),
            services=house.means().services,
        )
    _write(call, schedule)


@command(app, 'meterhouse schedule show "Botbot AI assist"')
def show(call: Call, stream: StreamArgument = None, *, group: GroupOption = None) -> None:
    """Show a schedule, with its next run."""
    from meterhouse.app.schedules import find_schedule

    with call.opened() as house:
        schedule = find_schedule(house.ledger, **_target(stream, group))
    _write(call, schedule)


@command(app, "meterhouse schedule list --json", lists=True)
def list_(call: Call) -> None:
    """List schedules with their next runs."""
    from meterhouse.app.schedules import list_schedules

    with call.opened() as house:
        found = list_schedules(house.ledger, limit=call.limit)
        call.show(found, LISTING)


@command(app, 'meterhouse schedule remove "Botbot AI assist"')
def remove(call: Call, stream: StreamArgument = None, *, group: GroupOption = None) -> None:
    """Remove a schedule. A run that it has begun goes on."""
    from meterhouse.app.schedules import remove_schedule

    with call.opened() as house:
        removed = remove_schedule(house.ledger, **_target(stream, group))
    body = {name: removed.to_api()[name] for name in ("id", "stream", "group")}
    call.tell(body, f"removed the schedule of {removed.target}")


@command(app, 'meterhouse schedule enable "Botbot AI assist"')
def enable(call: Call, stream: StreamArgument = None, *, group: GroupOption = None) -> None:
    """Let a schedule run again, from its next time on."""
    _enable(call, _target(stream, group), enabled=True)


@command(app, "meterhouse schedule disable --group Nightly")
def disable(call: Call, stream: StreamArgument = None, *, group: GroupOption = None) -> None:
    """Keep a schedule, but let it run nothing."""
    _enable(call, _target(stream, group), enabled=False)


def _enable(call: Call, target: Any, *, enabled: bool) -> None:
    from meterhouse.app.schedules import enable_schedule

    with call.opened() as house:
        services = house.means().services
        schedule = enable_schedule(
            house.ledger, **target, enabled=enabled, at=house.clock(), services=services
        )
    _write(call, schedule)


def _target(stream: str | None, group: str | None) -> dict[str, str | None]:
    if (stream is None) == (group is None):
        hint = "such as `meterhouse schedule show N` or `meterhouse schedule show --group G`"
        raise WrongUsage("Give a stream or --group, and not both", hint=hint)
    return {"stream": stream, "group": group}


def _body(file: str | None, *, every: str | None, cron: str | None, timezone: str | None) -> Any:
    """Return the body of a schedule from exactly one of the three ways to say it."""
    from meterhouse.app.definitions import read_one

    if sum(given is not None for given in (file, every, cron)) != 1:
        raise WrongUsage("Give one of --file, --every and --cron", hint="such as --every 15m")
    zone = {} if timezone is None else {"timezone": timezone}
    if file is not None:
        body = read_one(read_text(file), what=file_name(file))
        return {**body, **zone} if isinstance(body, dict) else body
    if cron is not None:
        return {"interval": "cron", "expression": cron, **zone}
    match = _EVERY.fullmatch(every or "")
    if match is None:
        raise WrongUsage(f"--every: {every!r} is not understood", hint="such as 15m or 6h")
    return {"interval": _UNITS[match[2]], "every": int(match[1]), **zone}


def _write(call: Call, schedule: Schedule) -> None:
    body = schedule.to_api()
    pairs = {
        "group" if schedule.group_id else "stream": schedule.target,
        "runs": schedule.rule.words(),
        "timezone": schedule.rule.timezone,
        "enabled": "yes" if schedule.enabled else "no",
        "next run": body["nextRunAt"],
        "last run": body["lastRunAt"],
        "skipped": schedule.skipped,
        "id": schedule.id,
    }
    call.write_pairs(body, pairs)


def _row(schedule: Schedule) -> list[Cell]:
    body = schedule.to_api()
    return [
        *(schedule.target, "group" if schedule.group_id else "stream", schedule.rule.words()),
        *(schedule.rule.timezone, body["nextRunAt"] or "disabled", body["lastRunAt"]),
        *(schedule.skipped or None, schedule.id),
    ]


LISTING = Listing(
    "schedules",
    columns("Name", "Of", "Runs", "?Timezone", "Next run", "?Last run", "?#Skipped", "@Id"),
    _row,
    lambda schedule: json_text(schedule.to_api()),
)
