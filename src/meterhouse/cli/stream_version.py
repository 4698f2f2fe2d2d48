"""``meterhouse stream version``: snapshots of a stream, with tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import RemovalOption, StreamName, new_group
from meterhouse.cli.output import Cell, Listing, columns, write_json, write_text
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


@command(app, 'meterhouse stream version list "Botbot AI assist"', lists=True)
def list_(call: Call, stream: StreamName) -> None:
    """List the versions of a stream, newest first. The working copy is not among them."""
    from meterhouse.app.stream_versions import list_versions

    with call.opened() as house:
        found = list_versions(house.ledger, stream, limit=call.limit)
        call.show(found, LISTING)


@command(
    app, 'meterhouse stream version tag "Botbot AI assist" v1.0 --description "first live version"'
)
def tag(
    call: Call, stream: StreamName, tag: TagName, *, description: DescriptionOption = ""
) -> None:
    """Keep the stream as it is now under a tag."""
    from meterhouse.app.stream_versions import tag_version

    with call.opened() as house:
        version = tag_version(
            house.ledger,
            stream,
            tag=tag,
            description=description,
            new_id=house.new_id,
            at=house.clock(),
            by=house.user(),
        )
    _write(call, version)


@command(app, 'meterhouse stream version show "Botbot AI assist" v1.0')
def show(call: Call, stream: StreamName, version: VersionName) -> None:
    """Show when a version was kept and by whom, and what restoring it would remove."""
    from meterhouse.app.stream_versions import find_version, lost_by_restoring

    with call.opened() as house:
        found = find_version(house.ledger, stream, version=version)
        lost = lost_by_restoring(house.ledger, stream, version=version)
    if call.as_json:
        names = [{"id": node.id, "name": node.name, "type": node.type} for node in lost]
        write_json(found.to_api() | {"restoringRemoves": names})
        return
    _write(call, found)
    if lost:
        write_text(f"restoring it would remove {', '.join(map(str, lost))}")


@command(app, 'meterhouse stream version export "Botbot AI assist" v1.0 > v1.json')
def export(call: Call, stream: StreamName, version: VersionName) -> None:
    """Write the document of a version in the export format."""
    from meterhouse.app.stream_versions import find_version

    with call.opened() as house:
        document = find_version(house.ledger, stream, version=version).document
    call.write(document)


@command(app, 'meterhouse stream version restore "Botbot AI assist" v1.0')
def restore(
    call: Call,
    stream: StreamName,
    version: VersionName,
    *,
    allow_node_removal: RemovalOption = False,
) -> None:
    """Make a stream what a version was. What it is now is kept as a version, too."""
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.app.stream_versions import restore_version

    with call.opened() as house:
        restored = restore_version(
            house.ledger,
            stream,
            version=version,
            new_id=house.new_id,
            edit=StreamEdit(house.clock(), house.user(), allow_node_removal=allow_node_removal),
        )
    write_stream(call, restored.stream, done="restored stream")
    note_lost(restored.lost)


def _write(call: Call, version: StreamVersion) -> None:
    call.write_pairs(version.to_api(), version.to_api())


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
