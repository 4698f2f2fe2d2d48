"""``meterhouse delivery``: outputs of runs that have not reached their destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns, note
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.ports import PendingDelivery

app = new_group("Outputs that wait for delivery: runs and the server try them again.")

UntilDoneOption = Annotated[
    bool,
    typer.Option("--until-done", help="Go on, and wait for the next tries, until nothing waits."),
]
OutputId = Annotated[int, typer.Argument(metavar="ID", help="The number of the output.")]


@command(app, "meterhouse delivery list --json", lists=True)
def list_(call: Call) -> None:
    """List outputs that are not delivered, with the last error, oldest first."""
    with call.opened() as house:
        call.show(house.ledger.pending(), LISTING)


@command(app, "meterhouse delivery drop 5")
def drop(call: Call, id: OutputId) -> None:
    """Give an output up: nobody tries to deliver it any more. What was sent stays sent."""
    from meterhouse.app import delivering

    with call.opened() as house:
        dropped = delivering.drop(house.ledger, id)
    destination = dropped.entry.destination
    call.tell({"id": id, "destination": destination}, f"dropped output {id} for {destination}")


@command(app, "meterhouse delivery retry 5")
def retry(call: Call, id: OutputId) -> None:
    """Let the next try of an output be now, whatever pause its receiver is given."""
    from meterhouse.app import delivering

    with call.opened() as house:
        pending = delivering.retry(house.ledger, id)
    destination = pending.entry.destination
    text = f"output {id} for {destination} is due now; `meterhouse delivery run` delivers it"
    call.tell({"id": id, "destination": destination}, text)


@command(app, "meterhouse delivery run", "meterhouse delivery run --until-done")
def run(call: Call, *, until_done: UntilDoneOption = False) -> None:
    """Deliver what is due now, once; a server does so by itself."""
    from meterhouse.app.delivery_rounds import deliver_round, deliver_until_done

    with call.opened() as house:
        means = house.means()
        act = deliver_until_done if until_done else deliver_round
        result = act(house.ledger, means)
        waiting = len(house.ledger.pending())
    body = {
        "files": len(result.files),
        "sent": result.forwarded.sent,
        "deadLetters": result.forwarded.dead,
        "waiting": waiting,
    }
    call.tell(
        body,
        f"delivered {body['files']} files and {body['sent']:,} records; "
        f"{body['deadLetters']:,} dead letters; {waiting} outputs wait",
    )
    for reason in result.reasons:
        note(f"warning: {reason}")


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
