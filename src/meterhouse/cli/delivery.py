"""``meterhouse delivery``: outputs of runs that have not reached their destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.ports import PendingDelivery

app = new_group("Outputs that wait for delivery: each run tries them again.")

OutputId = Annotated[int, typer.Argument(metavar="ID", help="The number of the output.")]


@command(app, "meterhouse delivery list --json", lists=True)
def list_(call: Call) -> None:
    """List outputs that are not delivered, with the last error, oldest first."""
    with call.opened() as house:
        call.show(house.ledger.pending(), LISTING)


@command(app, "meterhouse delivery drop 5")
def drop(call: Call, id: OutputId) -> None:
    """Give an output up: no run tries to deliver it any more. Nothing else changes."""
    from meterhouse.app import delivering

    with call.opened() as house:
        dropped = delivering.drop(house.ledger, id)
    destination = dropped.entry.destination
    call.tell({"id": id, "destination": destination}, f"dropped output {id} for {destination}")


def _row(pending: PendingDelivery) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    tried = None if pending.attempted_at is None else instant_text(pending.attempted_at)
    row: list[Cell] = [pending.id, pending.entry.destination, pending.attempts, tried]
    return [*row, pending.error, pending.run_id]


def _to_json(pending: PendingDelivery) -> str:
    from meterhouse.app.delivering import undelivered_to_api

    return json_text(undelivered_to_api(pending))


LISTING = Listing(
    "outputs that wait for delivery",
    columns("#Id", "Destination", "#Attempts", "?Last attempt", "?Error", "@Run"),
    _row,
    _to_json,
)
