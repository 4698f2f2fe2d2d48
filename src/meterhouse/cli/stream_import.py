"""``meterhouse stream import``, ``validate``, ``update`` and ``rename``: documents coming in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import file_name, read_text
from meterhouse.cli.command import Call
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import RemovalOption, StreamName
from meterhouse.cli.output import note, write_text

if TYPE_CHECKING:
    from meterhouse.app.stream_import import Imported, OnConflict
    from meterhouse.streams.graph import StreamGraph
    from meterhouse.streams.record import StreamDefinition
    from meterhouse.streams.version import LostNode

StreamFile = Annotated[
    str, typer.Argument(metavar="F", help="A stream in the export format; - is standard input.")
]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="N", help="Import it under another name.")
]
ConflictOption = Annotated[
    str,
    typer.Option(
        "--on-conflict",
        metavar="S",
        help="Where a stream of its name exists: cancel, replace it, or make a new one.",
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--api-base", metavar="URL", help="Let its HTTP nodes call the API at this address."
    ),
]
SecretOption = Annotated[
    str | None,
    typer.Option("--secret", metavar="S", help="The secret that its OAuth 2.0 nodes use."),
]
TagOption = Annotated[
    str | None, typer.Option("--tag", metavar="TAG", help="Keep what is imported under this tag.")
]
DescriptionOption = Annotated[
    str, typer.Option("--description", metavar="TEXT", help="Of that version.")
]
DocumentOption = Annotated[
    str,
    typer.Option("--file", metavar="F", help="A stream in the export format; - is standard input."),
]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="The new name.")]

IMPORT_EXAMPLES = (
    "meterhouse stream import stream.json",
    'meterhouse stream import stream.json --name "Usage of tenant B" --json',
    "meterhouse stream import stream.json --on-conflict replace --tag v2.0",
    "meterhouse stream import setup.json --api-base http://127.0.0.1:8080 --secret setup",
)
VALIDATE_EXAMPLES = ("meterhouse stream validate stream.json",)
UPDATE_EXAMPLES = ('meterhouse stream update "Botbot AI assist" --file stream.json',)
RENAME_EXAMPLES = ('meterhouse stream rename "Botbot AI assist" Botbot',)


def import_(
    call: Call,
    file: StreamFile,
    *,
    name: NameOption = None,
    on_conflict: ConflictOption = "cancel",
    allow_node_removal: RemovalOption = False,
    api_base: BaseOption = None,
    secret: SecretOption = None,
    tag: TagOption = None,
    description: DescriptionOption = "",
) -> None:
    """Import a stream; each of its meter nodes gets a new key.

    A stream that is replaced keeps its id, its versions and the keys of nodes that stay.
    """
    from meterhouse.app.definitions import read_one
    from meterhouse.app.stream_import import ImportOptions, chosen_secret, import_document
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.streams.version import VersionNote

    strategy = _read_strategy(on_conflict)
    if description and tag is None:
        raise WrongUsage("--description is of a version", hint="give --tag as well")
    document = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        chosen = None if secret is None else chosen_secret(house.ledger, secret)
        edit = StreamEdit(house.clock(), house.user(), allow_node_removal=allow_node_removal)
        kept = None if tag is None else VersionNote(house.new_id(), tag, description, house.user())
        imported = import_document(
            house.ledger,
            document,
            options=ImportOptions(name, strategy, api_base, chosen, kept),
            edit=edit,
            new_id=house.new_id,
        )
    _write_imported(call, imported)


def validate(call: Call, file: StreamFile) -> None:
    """Check a stream, and the syntax of its scripts, without storing it or running anything."""
    from meterhouse.app.definitions import read_one
    from meterhouse.app.script_syntax import script_problems
    from meterhouse.bootstrap import script_checker
    from meterhouse.core.problem import DefinitionError
    from meterhouse.core.reading import shown
    from meterhouse.streams.graph import load_graph

    graph = load_graph(read_one(read_text(file), what=file_name(file)))
    if problems := script_problems(graph, script_checker()):
        raise DefinitionError(problems, what=f"The stream {shown(graph.name)}")
    nodes, edges = len(graph.nodes), len(graph.edges)
    note_silent(graph)
    call.tell(
        {"name": graph.name, "valid": True, "nodes": nodes},
        f"{graph.name} is valid: {nodes} nodes, {edges} edges",
    )


def update(
    call: Call,
    stream: StreamName,
    *,
    file: DocumentOption,
    allow_node_removal: RemovalOption = False,
) -> None:
    """Replace a stream's document. What it was is kept as a version.

    Meter keys stay with nodes whose ids stay. A run that is under way keeps what it began with.
    """
    from meterhouse.app.definitions import read_one
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.app.streams import find_stream, replace_stream
    from meterhouse.streams.graph import load_graph
    from meterhouse.streams.version import lost_nodes

    document = read_one(read_text(file), what=file_name(file))
    with call.opened() as house:
        before = find_stream(house.ledger, stream)
        edit = StreamEdit(house.clock(), house.user(), allow_node_removal=allow_node_removal)
        updated = replace_stream(house.ledger, before.id, document, new_id=house.new_id, edit=edit)
    write_stream(call, updated, done="updated stream")
    note_lost(lost_nodes(before.document, updated.document))
    note_scripts(load_graph(updated.document))


def rename(call: Call, stream: StreamName, name: NewName) -> None:
    """Give a stream another name; its id and its meter keys stay."""
    from meterhouse.app.stream_ports import StreamEdit
    from meterhouse.app.streams import rename_stream

    with call.opened() as house:
        edit = StreamEdit(house.clock(), house.user())
        renamed = rename_stream(house.ledger, stream, name, edit=edit)
    write_stream(call, renamed, done="renamed stream, now")


def write_stream(call: Call, stream: StreamDefinition, *, done: str) -> None:
    """Write a stream with its meter keys."""
    from meterhouse.app.streams import imported_to_api

    body = imported_to_api(stream)
    if not call.as_json:
        write_text(f"{done} {stream.name}")
    keys = {f"meter key of {node}": key for node, key in body["meterKeys"].items()}
    call.write_pairs(body, {"id": stream.id, **keys})


def note_lost(lost: Sequence[LostNode]) -> None:
    """Warn of functions that have disappeared."""
    if lost:
        names = ", ".join(map(str, lost))
        note(
            f"warning: no longer in the stream: {names}; what they remember stays, and is found "
            "again when a version with them is restored"
        )


def note_scripts(graph: StreamGraph) -> None:
    """Warn of scripts that are none, and of empty ones: the stream is kept with them."""
    from meterhouse.app.script_syntax import script_problems
    from meterhouse.bootstrap import script_checker

    for problem in script_problems(graph, script_checker()):
        note(f"warning: {problem}")
    note_silent(graph)


def note_silent(graph: StreamGraph) -> None:
    """Warn of scripts that no record leaves, because they are empty."""
    from meterhouse.app.script_syntax import is_silent

    silent = [repr(node.name) for node in graph.nodes if is_silent(node)]
    if silent:
        note(
            f"warning: the script of {', '.join(silent)} is empty: no record leaves it; "
            "`push(payload)` lets each go on"
        )


def _write_imported(call: Call, imported: Imported) -> None:
    from meterhouse.streams.graph import load_graph

    done = "replaced stream" if imported.replaced else "imported stream"
    write_stream(call, imported.stream, done=done)
    note_lost(imported.lost)
    note_scripts(load_graph(imported.stream.document))
    if imported.moved_nodes is not None:
        note(f"{_nodes(imported.moved_nodes)} another address of the API")
    if imported.secret_nodes is not None:
        note(f"{_nodes(imported.secret_nodes)} the secret")


def _nodes(number: int) -> str:
    return "1 node got" if number == 1 else f"{number} nodes got"


def _read_strategy(text: str) -> OnConflict:
    from meterhouse.app.stream_import import OnConflict

    strategy = next((member for member in OnConflict if member.value == text), None)
    if strategy is None:
        hint = "use one of " + ", ".join(member.value for member in OnConflict)
        raise WrongUsage(f"--on-conflict: {text!r} is not known", hint=hint)
    return strategy
