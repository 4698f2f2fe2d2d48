"""``meterhouse stream``: streams, and what happens when one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli import stream_import, stream_position, stream_session, stream_version
from meterhouse.cli.arguments import read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.correction_filter import NodeOption
from meterhouse.cli.options import RemovalOption, StreamName, new_group
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    fitted,
    note,
    one_line,
    write_json,
    write_text,
)
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.preview import NodePreview
    from meterhouse.streams.record import StreamDefinition

app = new_group("Streams: where usage comes from, what is done to it and how it is metered.")

AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="INSTANT", help="The run's clock. Default: now. ISO 8601."),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="The seed of chance in scripts. Default: a new one."
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", help="No log lines and no progress on standard error.")
]


TakeOverOption = Annotated[
    bool,
    typer.Option(
        "--take-over", help="End a run of another machine first: say it only if that one is gone."
    ),
]


command(app, *stream_import.IMPORT_EXAMPLES)(stream_import.import_)
command(app, *stream_import.VALIDATE_EXAMPLES)(stream_import.validate)
command(app, *stream_import.UPDATE_EXAMPLES)(stream_import.update)
command(app, *stream_import.RENAME_EXAMPLES)(stream_import.rename)
command(app, *stream_session.EXAMPLES, lists=True)(stream_session.sessions)
app.add_typer(stream_version.app, name="version")
app.add_typer(stream_position.app, name="position")


@command(app, 'meterhouse stream export "Botbot AI assist" > stream.json')
def export(call: Call, stream: StreamName) -> None:
    """Write a stream's document in the export format."""
    from meterhouse.app.streams import find_stream

    with call.opened() as house:
        document = find_stream(house.ledger, stream).document
    call.write(document)


@command(app, "meterhouse stream list --json", lists=True)
def list_(call: Call) -> None:
    """List streams with their meter keys."""
    from meterhouse.app.listing import take

    with call.opened() as house:
        found = take(house.ledger.streams, limit=call.limit)
        call.show(found, LISTING)


@command(
    app,
    'meterhouse stream delete "Botbot AI assist"',
    'meterhouse stream delete "Botbot AI assist" --allow-node-removal',
)
def delete(call: Call, stream: StreamName, *, allow_node_removal: RemovalOption = False) -> None:
    """Delete a stream. One that runs, or has meters or records in Data Correction, is kept.

    With --allow-node-removal, its meters stay with their meter keys; no run counts or flushes them
    any more.
    """
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.app.streams import delete_stream

    with call.opened() as house:
        edit = StreamEdit(house.clock(), house.user(), allow_node_removal=allow_node_removal)
        deleted = delete_stream(house.ledger, stream, edit=edit)
        counts = {key: house.ledger.meters_with_key(key) for key in deleted.meter_keys.values()}
    call.tell(
        {"id": deleted.id, "name": deleted.name}, f"deleted stream {deleted.name} ({deleted.id})"
    )
    for key, count in counts.items():
        if count:
            note(
                f"{count:,} {'meter keeps' if count == 1 else 'meters keep'} the meter key {key}: "
                f"`meterhouse meter list --meter-key {key}` shows their ids, "
                "`meterhouse meter delete ID` deletes one"
            )


@command(
    app,
    'meterhouse stream run "Botbot AI assist"',
    'meterhouse stream run "Botbot AI assist" --at 2026-02-01T00:00:00Z --seed 7 --json',
)
def run(
    call: Call,
    stream: StreamName,
    *,
    at: AtOption = None,
    seed: SeedOption = None,
    quiet: QuietOption = False,
    take_over: TakeOverOption = False,
) -> None:
    """Run a stream once. What is new is read and metered, ended periods are flushed."""
    from meterhouse.app.aftermath import aftermath
    from meterhouse.app.running import run_stream
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch
    from meterhouse.cli.run_summary import write_ended
    from meterhouse.streams.record import RunCause

    instant = read_instant(at)
    with call.opened() as house, terminable(), Watch(quiet=quiet) as watch:
        ended = run_stream(
            house.ledger,
            stream,
            means=house.means(progress=watch.progress, log=watch.log),
            run_id=house.new_id(),
            seed=house.new_seed() if seed is None else seed,
            at=instant,
            take_over=take_over,
            cause=RunCause(started_by=house.user()),
        )
        left = aftermath(house.ledger, ended.run.id)
    write_ended(ended, left, as_json=call.as_json)


@command(
    app,
    'meterhouse stream preview "Botbot AI assist" --json',
    'meterhouse stream preview "Botbot AI assist" --node "Usage"',
)
def preview(
    call: Call,
    stream: StreamName,
    *,
    node: NodeOption = None,
    at: AtOption = None,
    seed: SeedOption = None,
) -> None:
    """Show what a run would do with 10 records. Nothing is changed."""
    from meterhouse.app.previewing import Previewed, preview_stream

    instant = read_instant(at)
    with call.opened() as house:
        nodes = preview_stream(
            house.ledger,
            Previewed(stream, node=node),
            means=house.means(),
            run_id=house.new_id(),
            seed=house.new_seed() if seed is None else seed,
            at=instant,
        )
    for view in nodes:
        if call.as_json:
            write_json(view.to_api())
        else:
            _write_preview(view)


def _write_preview(node: NodePreview) -> None:
    """Write what a node took and let out, a record a line."""
    write_text(f"{node.name} ({node.type})")
    shown = {} if node.type.startswith("readers/") else {"in": node.records_in}
    if not node.type.startswith("writers/"):
        several = len(node.out) > 1
        shown |= {f"out, {port}" if several else "out": out for port, out in node.out.items()}
    for title, records in shown.items():
        if records:
            write_text(f"  {title}:")
        for record in records:
            write_text(fitted(f"    {one_line(record)}"))
    for suspended in node.suspended:
        write_text(fitted(f"  suspended, {suspended.reason.value}: {suspended.detail}"))


def _row(stream: StreamDefinition) -> list[Cell]:
    from meterhouse.app.streams import keys_by_name

    keys = ", ".join(f"{node}: {key}" for node, key in keys_by_name(stream).items())
    return [stream.name, keys, stream.id]


def _to_json(stream: StreamDefinition) -> str:
    from meterhouse.app.streams import stream_to_api

    return json_text(stream_to_api(stream))


LISTING = Listing("streams", columns("Name", "Meter keys", "@Id"), _row, _to_json)
