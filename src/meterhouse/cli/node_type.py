"""``meterhouse node-type``: the types of nodes, and what parameters they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.nodes.description import NodeDescription

app = new_group("The types of nodes and their parameters; installed packages may add some.")

TypeName = Annotated[
    str, typer.Argument(metavar="TYPE", help="Its name, such as transforms/meter.")
]


@command(app, "meterhouse node-type list", lists=True)
def list_(call: Call) -> None:
    """List the types of nodes: our own, then those of installed packages."""
    from itertools import islice

    from meterhouse.streams.nodes.catalogue import described_types

    call.show(islice(described_types(), call.limit), LISTING)


@command(app, "meterhouse node-type show transforms/meter --json")
def show(call: Call, type_: TypeName) -> None:
    """Show a type of nodes, with the JSON Schema of its parameters and examples."""
    from meterhouse.streams.nodes.catalogue import described_type

    call.write(described_type(type_).to_api())


def _row(found: NodeDescription) -> list[Cell]:
    versions = ", ".join(map(str, sorted(found.type.versions)))
    return [found.type.name, versions, found.kind, found.summary, found.package]


LISTING = Listing(
    "node types",
    columns("Type", "Versions", "Kind", "?Summary", "?Package"),
    _row,
    lambda found: json_text(found.to_api()),
)
