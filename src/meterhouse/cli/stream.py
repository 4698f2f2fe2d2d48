"""``meterhouse stream``: streams, and what happens when one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_instant, read_text
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
    fitted,
    limit_of,
    note,
    one_line,
    show_list,
    write_document,
    write_json,
    write_pairs,
    write_text,
)
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.preview import NodePreview
    from meterhouse.streams.record import StreamDefinition

app = new_group("Streams: where usage comes from, what is done to it and how it is metered.")

StreamName = Annotated[str, typer.Argument(metavar="N", help="The stream: its name or id.")]
StreamFile = Annotated[
    str, typer.Argument(metavar="F", help="A stream in the export format; - is standard input.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="N", help="Import it under another name.")
]
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


@app.command(
    "import",
    epilog=examples(
        "meterhouse stream import stream.json",
        'meterhouse stream import stream.json --name "Usage of tenant B" --json',
    ),
)
def import_(
    context: typer.Context,
    file: StreamFile,
    *,
    name: NameOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a stream; each of its meter nodes gets a new key."""
    from meterhouse.app.definitions import read_one
    from meterhouse.app.streams import import_stream, imported_to_api

    document = read_one(read_text(file), what=file_name(file))
    with opened(context, data) as house:
        stream = import_stream(
            house.ledger, document, name=name, new_id=house.new_id, at=house.clock()
        )
    body = imported_to_api(stream)
    if as_json:
        write_json(body)
        return
    write_text(f"imported stream {stream.name}")
    keys = {f"meter key of {node}": key for node, key in body["meterKeys"].items()}
    write_pairs({"id": stream.id, **keys})


@app.command(epilog=examples('meterhouse stream export "Botbot AI assist" > stream.json'))
def export(
    context: typer.Context,
    stream: StreamName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a stream's document in the export format."""
    from meterhouse.app.streams import find_stream

    with opened(context, data) as house:
        document = find_stream(house.ledger, stream).document
    if as_json:
        write_json(document)
    else:
        write_document(document)


@app.command("list", epilog=examples("meterhouse stream list --json"))
def list_(
    context: typer.Context,
    *,
    limit: LimitOption = LIMIT,
    every: AllOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List streams with their meter keys."""
    from meterhouse.app.listing import take

    most = limit_of(limit, every=every)
    with opened(context, data) as house:
        found = take(house.ledger.streams, limit=most)
        show_list(found, LISTING, limit=most, as_json=as_json)


@app.command(epilog=examples('meterhouse stream delete "Botbot AI assist"'))
def delete(
    context: typer.Context,
    stream: StreamName,
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a stream. One that runs, or has records in Data Correction, is kept.

    Its meters stay with their meter keys; no run counts or flushes them any more.
    """
    from meterhouse.app.streams import delete_stream

    with opened(context, data) as house:
        deleted = delete_stream(house.ledger, stream)
        counts = {key: house.ledger.meters_with_key(key) for key in deleted.meter_keys.values()}
    if as_json:
        write_json({"id": deleted.id, "name": deleted.name})
    else:
        write_text(f"deleted stream {deleted.name} ({deleted.id})")
    for key, count in counts.items():
        if count:
            note(
                f"{count:,} {'meter keeps' if count == 1 else 'meters keep'} the meter key {key}: "
                f"`meterhouse meter list --meter-key {key}` shows their ids, "
                "`meterhouse meter delete ID` deletes one"
            )


@app.command(
    epilog=examples(
        'meterhouse stream run "Botbot AI assist"',
        'meterhouse stream run "Botbot AI assist" --at 2026-02-01T00:00:00Z --seed 7 --json',
    )
)
def run(
    context: typer.Context,
    stream: StreamName,
    *,
    at: AtOption = None,
    seed: SeedOption = None,
    quiet: QuietOption = False,
    take_over: TakeOverOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a stream once. What is new is read and metered, ended periods are flushed."""
    from meterhouse.app.running import run_stream
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch
    from meterhouse.cli.run_summary import write_ended

    instant = read_instant(at)
    with opened(context, data) as house, terminable(), Watch(quiet=quiet) as watch:
        ended = run_stream(
            house.ledger,
            stream,
            means=house.means(progress=watch.progress, log=watch.log),
            run_id=house.new_id(),
            seed=house.new_seed() if seed is None else seed,
            at=instant,
            take_over=take_over,
        )
    write_ended(ended, as_json=as_json)


@app.command(epilog=examples('meterhouse stream preview "Botbot AI assist" --json'))
def preview(
    context: typer.Context,
    stream: StreamName,
    *,
    at: AtOption = None,
    seed: SeedOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do with 10 records. Nothing is changed."""
    from meterhouse.app.running import preview_stream

    instant = read_instant(at)
    with opened(context, data) as house:
        nodes = preview_stream(
            house.ledger,
            stream,
            means=house.means(),
            run_id=house.new_id(),
            seed=house.new_seed() if seed is None else seed,
            at=instant,
        )
    for node in nodes:
        if as_json:
            write_json(node.to_api())
        else:
            _write_preview(node)


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
