"""``meterhouse stream position``: how far readers of brokers, databases and servers have read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import StreamName, new_group
from meterhouse.cli.output import Cell, Listing, columns, note
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.ports import PositionEntry

app = new_group("How far readers have read what has no files; what a run begins from.")

SomeNodeOption = Annotated[
    str | None, typer.Option("--node", metavar="N", help="Only of this node: its name or id.")
]
NodeOption = Annotated[
    str, typer.Option("--node", metavar="N", help="The reader node: its name or id.")
]
PartOption = Annotated[
    str | None,
    typer.Option("--part", metavar="P", help="Only this part of its input. Default: all of it."),
]


@command(app, 'meterhouse stream position list "Botbot AI assist"')
def list_(call: Call, stream: StreamName, *, node: SomeNodeOption = None) -> None:
    """List the positions of a stream, by node and part, and the run that wrote each."""
    from meterhouse.app.positions import list_positions

    with call.opened() as house:
        call.show(iter(list_positions(house.ledger, stream, node=node)), LISTING)


@command(app, 'meterhouse stream position reset "Botbot AI assist" --node Usage --part usage/3')
def reset(call: Call, stream: StreamName, *, node: NodeOption, part: PartOption = None) -> None:
    """Let a reader begin anew, as if it had never read. Refused while the stream runs.

    It begins where its parameters say: startFrom, watermark.start or since.start; else with all
    that there is. What is there still and was metered before is metered a second time.
    """
    from meterhouse.app.positions import begins_anew, reset_positions

    with call.opened() as house:
        parts = list(reset_positions(house.ledger, stream, node=node, part=part))
        begins = begins_anew(house.ledger, stream, node=node)
    call.tell({"node": node, "parts": parts}, f"reset {', '.join(parts) or 'nothing'}")
    if parts:
        note(f"the next run begins {begins}")


def _row(entry: PositionEntry) -> list[Cell]:
    position = entry.position
    return [position.node_id, position.part, json_text(position.value), entry.run_id]


def _to_json(entry: PositionEntry) -> str:
    position = entry.position
    body = {"node": position.node_id, "part": position.part, "value": position.value}
    return json_text(body | {"run": entry.run_id})


LISTING = Listing("positions", columns("Node", "Part", "Value", "@Run"), _row, _to_json)
