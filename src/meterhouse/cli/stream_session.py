"""``meterhouse stream sessions``: what aggregating nodes have gathered and not yet let out."""

from __future__ import annotations

from typing import Any

from meterhouse.cli.command import Call
from meterhouse.cli.correction_filter import NodeOption
from meterhouse.cli.options import StreamName
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.json_text import json_text

EXAMPLES = (
    'meterhouse stream sessions "Monthly usage" --json',
    'meterhouse stream sessions "Monthly usage" --node "Sum per user"',
)


def sessions(call: Call, stream: StreamName, *, node: NodeOption = None) -> None:
    """List the open sessions of a stream's aggregators: what they have gathered so far."""
    from meterhouse.app.sessions import list_sessions

    with call.opened() as house:
        call.show(list_sessions(house.ledger, stream, node=node, limit=call.limit), LISTING)


def _row(session: dict[str, Any]) -> list[Cell]:
    texts = (json_text(session["key"]), json_text(session["data"]))
    return [session["node"], *texts, session["updatedAt"], session["timeoutAt"]]


LISTING = Listing(
    "open sessions", columns("Node", "Key", "Data", "Updated", "?Time-out"), _row, json_text
)
