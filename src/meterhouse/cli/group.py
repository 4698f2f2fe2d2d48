"""``meterhouse group``: streams that run one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, write_json, write_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.aftermath import Aftermath
    from meterhouse.app.stream_groups import EndedGroupRun
    from meterhouse.streams.group import StreamGroup

app = new_group("Groups: streams that run one after another, with a schedule of their own.")

GroupName = Annotated[str, typer.Argument(metavar="G", help="The group: its name or id.")]
NewGroup = Annotated[str, typer.Argument(metavar="NAME", help="The name of the group.")]
Members = Annotated[
    list[str],
    typer.Argument(metavar="N...", help="Its streams, in the order in which they run."),
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Another name for the group.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="No log lines and no progress on standard error.")
]


@command(app, 'meterhouse group create Nightly "Collect" "Botbot AI assist"')
def create(call: Call, name: NewGroup, streams: Members) -> None:
    """Make a group. Its streams may not have schedules of their own."""
    from meterhouse.app.stream_groups import create_group

    with call.opened() as house:
        group = create_group(
            house.ledger, name, streams=streams, new_id=house.new_id, at=house.clock()
        )
    _write(call, group)


@command(app, 'meterhouse group update Nightly "Collect" "Botbot AI assist" "Bill"')
def update(call: Call, group: GroupName, streams: Members, *, name: NameOption = None) -> None:
    """Give a group other streams, or another order; a run under way keeps what it began with."""
    from meterhouse.app.stream_groups import update_group

    with call.opened() as house:
        updated = update_group(house.ledger, group, streams=streams, name=name, at=house.clock())
    _write(call, updated)


@command(app, "meterhouse group list --json", lists=True)
def list_(call: Call) -> None:
    """List groups with their streams."""
    from meterhouse.app.stream_groups import list_groups

    with call.opened() as house:
        found = list_groups(house.ledger, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse group show Nightly")
def show(call: Call, group: GroupName) -> None:
    """Show a group."""
    from meterhouse.app.stream_groups import find_group

    with call.opened() as house:
        found = find_group(house.ledger, group)
    _write(call, found)


@command(app, "meterhouse group run Nightly")
def run(call: Call, group: GroupName, *, quiet: QuietOption = False) -> None:
    """Run the streams of a group, one after another; one that fails stops the rest."""
    from meterhouse.app.aftermath import aftermath
    from meterhouse.app.stream_groups import run_group
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch

    with call.opened() as house, terminable(), Watch(quiet=quiet) as watch:
        ended = run_group(
            house.ledger,
            group,
            means=house.means(progress=watch.progress, log=watch.log),
            new_id=house.new_id,
            new_seed=house.new_seed,
            started_by=house.user(),
        )
        left = [aftermath(house.ledger, member.run.id) for member in ended.members]
    _write_run(call, ended, left)
    if ended.error is not None:
        raise ended.error
    for member in ended.members:
        if member.error is not None:
            raise member.error


@command(app, "meterhouse group delete Nightly")
def delete(call: Call, group: GroupName) -> None:
    """Ungroup streams. They stay; the schedule of the group goes."""
    from meterhouse.app.stream_groups import delete_group

    with call.opened() as house:
        deleted = delete_group(house.ledger, group, at=house.clock())
    call.tell(
        {"id": deleted.id, "name": deleted.name}, f"deleted group {deleted.name} ({deleted.id})"
    )


def _write(call: Call, group: StreamGroup) -> None:
    streams = {f"stream {n}": name for n, (_, name) in enumerate(group.members, start=1)}
    call.write_pairs(group.to_api(), {"name": group.name, "id": group.id, **streams})


def _write_run(call: Call, ended: EndedGroupRun, left: Sequence[Aftermath]) -> None:
    from meterhouse.cli.run_summary import (
        warn_of_dead,
        warn_of_silence,
        write_run,
        write_undelivered,
    )

    if call.as_json:
        runs = [member.run.to_api() for member in ended.members]
        write_json(ended.run.to_api() | {"runs": runs})
    else:
        for member, remains in zip(ended.members, left, strict=True):
            write_run(member.run, remains)
            for path in member.delivered:
                write_text(f"delivered {path}")
            write_text()
        write_text(f"group run {ended.run.id} of {ended.run.group_name}: {ended.run.status.value}")
    for member, remains in zip(ended.members, left, strict=True):
        write_undelivered(member)
        warn_of_silence(member.run)
        warn_of_dead(member, remains)


def _row(group: StreamGroup) -> list[Cell]:
    return [group.name, ", ".join(name for _, name in group.members), group.id]


LISTING = Listing(
    "groups",
    columns("Name", "Streams", "@Id"),
    _row,
    lambda group: json_text(group.to_api()),
)
