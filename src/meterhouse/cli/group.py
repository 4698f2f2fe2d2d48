"""``meterhouse group``: streams that run one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.installation import opened
from meterhouse.cli.options import (
    LIMIT,
    AllOption,
    DataOption,
    JsonOption,
    LimitOption,
    examples,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    limit_of,
    show_list,
    write_json,
    write_pairs,
    write_text,
)
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
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


@app.command(epilog=examples('meterhouse group create Nightly "Collect" "Botbot AI assist"'))
def create(
    context: typer.Context,
    name: NewGroup,
    streams: Members,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a group. Its streams may not have schedules of their own."""
    from meterhouse.app.stream_groups import create_group

    with opened(context, data) as house:
        group = create_group(
            house.ledger, name, streams=streams, new_id=house.new_id, at=house.clock()
        )
    _write(group, as_json=as_json)


@app.command(epilog=examples('meterhouse group update Nightly "Collect" "Botbot AI assist" "Bill"'))
def update(
    context: typer.Context,
    group: GroupName,
    streams: Members,
    *,
    name: NameOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a group other streams, or another order; a run under way keeps what it began with."""
    from meterhouse.app.stream_groups import update_group

    with opened(context, data) as house:
        updated = update_group(house.ledger, group, streams=streams, name=name, at=house.clock())
    _write(updated, as_json=as_json)


@app.command("list", epilog=examples("meterhouse group list --json"))
def list_(
    context: typer.Context,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List groups with their streams."""
    from meterhouse.app.stream_groups import list_groups

    most = limit_of(limit, every=every)
    with opened(context, data) as house:
        found = list_groups(house.ledger, limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(epilog=examples("meterhouse group show Nightly"))
def show(
    context: typer.Context,
    group: GroupName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a group."""
    from meterhouse.app.stream_groups import find_group

    with opened(context, data) as house:
        found = find_group(house.ledger, group)
    _write(found, as_json=as_json)


@app.command(epilog=examples("meterhouse group run Nightly"))
def run(
    context: typer.Context,
    group: GroupName,
    *,
    quiet: QuietOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the streams of a group, one after another; one that fails stops the rest."""
    from meterhouse.app.stream_groups import run_group
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch

    with opened(context, data) as house, terminable(), Watch(quiet=quiet) as watch:
        ended = run_group(
            house.ledger,
            group,
            means=house.means(progress=watch.progress, log=watch.log),
            new_id=house.new_id,
            new_seed=house.new_seed,
            started_by=house.user(),
        )
    _write_run(ended, as_json=as_json)
    if ended.error is not None:
        raise ended.error
    for member in ended.members:
        if member.error is not None:
            raise member.error


@app.command(epilog=examples("meterhouse group delete Nightly"))
def delete(
    context: typer.Context,
    group: GroupName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ungroup streams. They stay; the schedule of the group goes."""
    from meterhouse.app.stream_groups import delete_group

    with opened(context, data) as house:
        deleted = delete_group(house.ledger, group, at=house.clock())
    if as_json:
        write_json({"id": deleted.id, "name": deleted.name})
    else:
        write_text(f"deleted group {deleted.name} ({deleted.id})")


def _write(group: StreamGroup, *, as_json: bool) -> None:
    if as_json:
        write_json(group.to_api())
        return
    streams = {f"stream {n}": name for n, (_, name) in enumerate(group.members, start=1)}
    write_pairs({"name": group.name, "id": group.id, **streams})


def _write_run(ended: EndedGroupRun, *, as_json: bool) -> None:
    from meterhouse.cli.run_summary import write_run, write_undelivered

    if as_json:
        runs = [member.run.to_api() for member in ended.members]
        write_json(ended.run.to_api() | {"runs": runs})
    else:
        for member in ended.members:
            write_run(member.run)
            for path in member.delivered:
                write_text(f"delivered {path}")
            write_text()
        write_text(f"group run {ended.run.id} of {ended.run.group_name}: {ended.run.status.value}")
    for member in ended.members:
        write_undelivered(member)


def _row(group: StreamGroup) -> list[Cell]:
    return [group.name, ", ".join(name for _, name in group.members), group.id]


LISTING = Listing(
    "groups",
    columns("Name", "Streams", "@Id"),
    _row,
    lambda group: json_text(group.to_api()),
)
