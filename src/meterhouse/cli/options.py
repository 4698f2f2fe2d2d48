"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data directory. Default: METERHOUSE_DATA, else one of the user's own.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write JSON, one object per line, to standard output.")
]
FileOption = Annotated[
    str,
    typer.Option(
        "--file", metavar="F", help="One JSON object, a list, or NDJSON; - is standard input."
    ),
]
PatchOption = Annotated[
    str,
    typer.Option("--file", metavar="F", help="A JSON merge patch; - is standard input."),
]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, help="Show at most this many.")
]
AllOption = Annotated[bool, typer.Option("--all", help="Show all, whatever --limit says.")]
MeterTypeOption = Annotated[
    str | None,
    typer.Option(
        "--meter-type", metavar="T", help="Only of this meter type: id, external reference or name."
    ),
]
UserOption = Annotated[
    str | None, typer.Option("--user", metavar="U", help="Only of this user id.")
]
StreamOption = Annotated[
    str | None, typer.Option("--stream", metavar="S", help="Only of this stream: name or id.")
]
StreamName = Annotated[str, typer.Argument(metavar="N", help="The stream: its name or id.")]
RemovalOption = Annotated[
    bool,
    typer.Option(
        "--allow-node-removal",
        help="Drop nodes, even those with meters, known keys or suspended records.",
    ),
]
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="CODE", help="Only with this reason, e.g. no_meter_found."),
]

LIMIT = 100


def examples(*commands: str) -> str:
    """Return the epilog that shows commands as a user would type them."""
    # The mark \b keeps the help formatter from joining the lines.
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def new_group(help: str) -> typer.Typer:
    """Return the group of commands of one noun."""
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None, add_completion=False)
