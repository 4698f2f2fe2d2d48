"""``meterhouse stream version``: snapshots of a stream, with tags."""

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
    RemovalOption,
    StreamName,
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
    write_pairs,
    write_text,
)
from meterhouse.cli.stream_import import note_lost, write_stream
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.version import StreamVersion

app = new_group("Versions of a stream: kept under a tag, or when the stream was replaced.")

VersionName = Annotated[str, typer.Argument(metavar="V", help="The version: its tag or id.")]
TagName = Annotated[
    str, typer.Argument(metavar="TAG", help="At most 20 letters, digits, -, _ and . ; used once.")
]
DescriptionOption = Annotated[
    str, typer.Option("--description", metavar="TEXT", help="What is special about it.")
]


@app.command("list", epilog=examples('meterhouse stream version list "Botbot AI assist"'))
def list_(
    context: typer.Context,
    stream: StreamName,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the versions of a stream, newest first. The working copy is not among them."""
    from meterhouse.app.stream_versions import list_versions

    most = limit_of(limit, every=every)
    with opened(context, data) as house:
        found = list_versions(house.ledger, stream, limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(
    epilog=examples(
        'meterhouse stream version tag "Botbot AI assist" v1.0 --description "first live version"'
    )
)
def tag(
    context: typer.Context,
    stream: StreamName,
    tag: TagName,
    *,
    description: DescriptionOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the stream as it is now under a tag."""
    from meterhouse.app.stream_versions import tag_version

    with opened(context, data) as house:
        version = tag_version(
            house.ledger,
            stream,
            tag=tag,
            description=description,
            new_id=house.new_id,
            at=house.clock(),
            by=house.user(),
        )
    _write(version, as_json=as_json)


@app.command(epilog=examples('meterhouse stream version show "Botbot AI assist" v1.0'))
def show(
    context: typer.Context,
    stream: StreamName,
    version: VersionName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show when a version was kept and by whom, and what restoring it would remove."""
    from meterhouse.app.stream_versions import find_version, lost_by_restoring

    with opened(context, data) as house:
        found = find_version(house.ledger, stream, version=version)
        lost = lost_by_restoring(house.ledger, stream, version=version)
    if as_json:
        names = [{"id": node.id, "name": node.name, "type": node.type} for node in lost]
        write_json(found.to_api() | {"restoringRemoves": names})
        return
    _write(found, as_json=False)
    if lost:
        write_text(f"restoring it would remove {', '.join(map(str, lost))}")


@app.command(epilog=examples('meterhouse stream version export "Botbot AI assist" v1.0 > v1.json'))
def export(
    context: typer.Context,
    stream: StreamName,
    version: VersionName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the document of a version in the export format."""
    from meterhouse.app.stream_versions import find_version

    with opened(context, data) as house:
        document = find_version(house.ledger, stream, version=version).document
    if as_json:
        write_json(document)
    else:
        write_document(document)


@app.command(epilog=examples('meterhouse stream version restore "Botbot AI assist" v1.0'))
def restore(
    context: typer.Context,
    stream: StreamName,
    version: VersionName,
    *,
    allow_node_removal: RemovalOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a stream what a version was. What it is now is kept as a version, too."""
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.app.stream_versions import restore_version

    with opened(context, data) as house:
        restored = restore_version(
            house.ledger,
            stream,
            version=version,
            new_id=house.new_id,
            edit=StreamEdit(house.clock(), house.user(), allow_node_removal=allow_node_removal),
        )
    write_stream(restored.stream, "restored stream", as_json=as_json)
    note_lost(restored.lost)


def _write(version: StreamVersion, *, as_json: bool) -> None:
    if as_json:
        write_json(version.to_api())
    else:
        write_pairs(version.to_api())


def _row(version: StreamVersion) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    when = instant_text(version.created_at)
    return [when, version.tag, version.description, version.created_by, version.id]


LISTING = Listing(
    "versions",
    columns("Kept", "Tag", "?Description", "?By", "@Id"),
    _row,
    lambda version: json_text(version.to_api()),
)
