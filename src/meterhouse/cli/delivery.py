"""``meterhouse delivery``: outputs of runs that have not reached their destination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, brief, columns, note
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.ports import PendingDelivery

#: So many reasons are shown.
_REASONS_MAX = 5

app = new_group("Outputs that wait for delivery: runs and the server try them again.")

UntilDoneOption = Annotated[
    bool,
    typer.Option("--until-done", help="Go on, and wait for the next tries, until nothing waits."),
]
ForgetOption = Annotated[
    bool, typer.Option("--forget", help="Keep nothing: what was not delivered is lost.")
]
CurrentOption = Annotated[
    bool,
    typer.Option(
        "--current-settings", help="Use the settings that the writer of that name has now."
    ),
]
OutputId = Annotated[int, typer.Argument(metavar="ID", help="The number of the output.")]


@command(app, "meterhouse delivery list --json", lists=True)
def list_(call: Call) -> None:
    """List outputs that are not delivered, with the last error, oldest first."""
    with call.opened() as house:
        call.show(house.ledger.pending(), LISTING)


@command(app, "meterhouse delivery show 5")
def show(call: Call, id: OutputId) -> None:
    """Show one output that waits: its settings, how far it is and what holds it up."""
    from meterhouse.app import delivering

    with call.opened() as house:
        pending = delivering.find_undelivered(house.ledger, id)
        body = delivering.output_to_api(house.ledger, pending)
    call.write(body)


@command(app, "meterhouse delivery drop 5", "meterhouse delivery drop 5 --forget")
def drop(call: Call, id: OutputId, *, forget: ForgetOption = False) -> None:
    """Give an output up: nobody tries to deliver it any more. What was sent stays sent.

    Its other records become dead letters, which can be sent again; a file is forgotten.
    """
    from meterhouse.app import delivering

    with call.opened() as house:
        count = 0
        if forget:
            dropped = delivering.drop(house.ledger, id)
        else:
            records, at = house.forwarding().records, house.clock()
            dropped, count = delivering.give_up(house.ledger, id, records=records, at=at)
    destination = dropped.entry.destination
    text = f"dropped output {id} for {destination}"
    call.tell({"id": id, "destination": destination, "deadLetters": count}, text)
    if count:
        note(
            f"{count:,} records are dead letters now: `meterhouse dead-letter list --run "
            f"{dropped.run_id}` shows them, `meterhouse dead-letter redrive` sends them again"
        )


@command(app, "meterhouse delivery retry 5", "meterhouse delivery retry 5 --current-settings")
def retry(call: Call, id: OutputId, *, current: CurrentOption = False) -> None:
    """Let the next try of an output be now, whatever pause its receiver is given.

    It leaves by the settings that its writer had in its run, or by those that it has now.
    """
    from meterhouse.app import delivering

    act = delivering.retry_with_current_settings if current else delivering.retry
    with call.opened() as house:
        pending = act(house.ledger, id)
    destination = pending.entry.destination
    text = f"output {id} for {destination} is due now; `meterhouse delivery run` delivers it"
    call.tell({"id": id, "destination": destination}, text)


@command(app, "meterhouse delivery run", "meterhouse delivery run --until-done")
def run(call: Call, *, until_done: UntilDoneOption = False) -> None:
    """Deliver what is due now, once; a server does so by itself.

    Exit code 1 where a receiver refused records, or an output could not be delivered.
    """
    from meterhouse.app.delivery_rounds import deliver_round, deliver_until_done
    from meterhouse.app.running import DeliveryFailed
    from meterhouse.cli.run_summary import counted

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
    for reason, count in list(result.forwarded.refused.items())[:_REASONS_MAX]:
        note(f"warning: {counted(count)} refused: {brief(reason)}")
    if result.forwarded.dead:
        text = f"{counted(result.forwarded.dead)} refused"
        raise DeliveryFailed(text, hint="`meterhouse dead-letter list` shows them, and why")
    if result.reasons:
        hint = "`meterhouse delivery list` shows when they are tried again"
        raise DeliveryFailed("Not everything could be delivered", hint=hint)


def _row(pending: PendingDelivery) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    instants = (pending.attempted_at, pending.next_attempt_at)
    tried, due = (None if instant is None else instant_text(instant) for instant in instants)
    row: list[Cell] = [pending.id, pending.entry.destination, _progress(pending)]
    return [*row, pending.attempts, tried, due, pending.error, pending.run_id]


def _progress(pending: PendingDelivery) -> str | None:
    """Say how far an output is that leaves record by record."""
    if pending.entry.forward is None:
        return None
    return f"{pending.done:,} of {pending.entry.records:,}"


def _to_json(pending: PendingDelivery) -> str:
    from meterhouse.app.delivering import undelivered_to_api

    return json_text(undelivered_to_api(pending))


LISTING = Listing(
    "outputs that wait for delivery",
    columns(
        *("#Id", "Destination", "?Done", "#Attempts", "?Last attempt", "?Next attempt"),
        *("?~Error", "@Run"),
    ),
    _row,
    _to_json,
)
