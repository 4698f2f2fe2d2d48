"""``meterhouse run``: what runs did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.options import (
    StreamOption,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    note,
    write_json,
    write_text,
)
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.streams.record import Run

app = new_group("Runs: the executions of streams, with what each node did.")

RunId = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the run, or its first 6 characters or more.")
]
LogOption = Annotated[bool, typer.Option("--log", help="Show the log of the run instead.")]


@command(app, "meterhouse run list --stream Botbot", lists=True)
def list_(call: Call, *, stream: StreamOption = None) -> None:
    """List runs, newest first."""
    from meterhouse.app.running import list_runs

    with call.opened() as house:
        found = list_runs(house.ledger, stream=stream, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse run show 5e1c…", "meterhouse run show 5e1c… --log --json")
def show(call: Call, id: RunId, *, log: LogOption = False) -> None:
    """Show one run: what came into each node and what left."""
    from meterhouse.app.completing import completed
    from meterhouse.app.running import find_run
    from meterhouse.cli.run_summary import write_run

    with call.opened() as house:
        found = find_run(house.ledger, completed(house.ledger, id, kind="run"))
        lines = house.ledger.run_log(found.id) if log else []
    if log:
        _write_log(found, lines, as_json=call.as_json)
    elif call.as_json:
        write_json(found.to_api())
    else:
        write_run(found)


def _write_log(run: Run, lines: list[tuple[str, str, str]], *, as_json: bool) -> None:
    if not lines:
        note("no log lines")
    names = {node.id: node.name for node in run.nodes}
    for node_id, level, text in lines:
        name = names.get(node_id, node_id)
        if as_json:
            write_json({"node": name, "level": level, "text": text})
        else:
            write_text(f"{level} {name}: {text}")


def _row(run: Run) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    totals = [sum(getattr(node, name) for node in run.nodes) for name in ("metered", "suspended")]
    return [
        *(instant_text(run.started_at), run.stream_name, run.status.value, instant_text(run.at)),
        *(*totals, run.error, run.id),
    ]


LISTING = Listing(
    "runs",
    columns("?Started", "Stream", "Status", "Clock", "?#Metered", "?#Suspended", "?Error", "@Id"),
    _row,
    lambda run: json_text(run.to_api()),
)
