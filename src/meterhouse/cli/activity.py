"""``meterhouse activity``: what people and programs did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import new_group
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.access_ports import Activity

ABOUT = "Activities: what people and programs created, changed, deleted, ran and stopped."
app = new_group(ABOUT)
app.callback(help=ABOUT)(lambda: None)  # One command is a command; this makes it a group.

ActorOption = Annotated[
    str | None,
    typer.Option(
        "--actor", metavar="A", help="Only of this user of the command line, or client id."
    ),
]
ObjectOption = Annotated[
    str | None, typer.Option("--object", metavar="ID", help="Only on the object of this id.")
]


@command(app, "meterhouse activity list --actor alice --json", lists=True)
def list_(call: Call, *, actor: ActorOption = None, object_: ObjectOption = None) -> None:
    """List what was done, and by whom, newest first."""
    from functools import partial

    from meterhouse.app.listing import take

    with call.opened() as house:
        page = partial(house.ledger.activities, actor=actor, object_id=object_)
        call.show(take(page, limit=call.limit), LISTING)


def _row(activity: Activity) -> list[Cell]:
    at = instant_text(activity.at)
    detail = "" if activity.detail is None else json_text(activity.detail)
    row: list[Cell] = [at, activity.actor, activity.action, activity.kind]
    return [*row, activity.object_id, detail]


LISTING = Listing(
    "activities",
    columns("At", "Actor", "Action", "Kind", "?@Object", "?Detail"),
    _row,
    lambda activity: json_text(activity.to_api()),
)
