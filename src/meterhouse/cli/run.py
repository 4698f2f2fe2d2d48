"""``meterhouse run``: what runs did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
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
    from meterhouse.streams.record import Run, RunOrigin, RunStatus
    from meterhouse.streams.usage_audit import AuditEntry

app = new_group("Runs: the executions of streams, with what each node did.")

RunId = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the run, or its first 6 characters or more.")
]
StatusOption = Annotated[
    str | None,
    typer.Option("--status", metavar="S", help="Only these: running, complete or failed."),
]
OriginOption = Annotated[
    str | None,
    typer.Option("--origin", metavar="O", help="Only of manual, schedule, group or correction."),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="INSTANT", help="Only what began then or later. ISO 8601."),
]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="INSTANT", help="Only what began before. ISO 8601.")
]
LogOption = Annotated[bool, typer.Option("--log", help="Show the log of the run instead.")]


@command(
    app,
    "meterhouse run list --stream Botbot",
    "meterhouse run list --status failed --from 2026-01-01 --json",
    lists=True,
)
def list_(
    call: Call,
    *,
    stream: StreamOption = None,
    status: StatusOption = None,
    origin: OriginOption = None,
    since: FromOption = None,
    until: ToOption = None,
) -> None:
    """List runs, newest first."""
    from meterhouse.app.running import list_runs

    begun = {"since": read_instant(since, option="--from")}
    begun |= {"until": read_instant(until, option="--to")}
    with call.opened() as house:
        chosen = {"status": _read_status(status), "origin": _read_origin(origin)}
        found = list_runs(house.ledger, stream=stream, limit=call.limit, **chosen, **begun)
        call.show(found, LISTING)


@command(app, "meterhouse run show 5e1c…", "meterhouse run show 5e1c… --log --json")
def show(call: Call, id: RunId, *, log: LogOption = False) -> None:
    """Show one run: what came into each node and what left."""
    from meterhouse.app.aftermath import aftermath
    from meterhouse.app.completing import completed
    from meterhouse.app.running import find_run
    from meterhouse.cli.run_summary import write_run

    with call.opened() as house:
        found = find_run(house.ledger, completed(house.ledger, id, kind="run"))
        lines = house.ledger.run_log(found.id) if log else []
        left = aftermath(house.ledger, found.id)
    if log:
        _write_log(found, lines, as_json=call.as_json)
    elif call.as_json:
        write_json(found.to_api())
    else:
        write_run(found, left)


@command(app, "meterhouse run stop 5e1c…")
def stop(call: Call, id: RunId) -> None:
    """Ask a run, or the run of a group, to stop. It ends as failed, and nothing of it is kept."""
    from meterhouse.app.completing import completed
    from meterhouse.app.stopping import stop_run

    with call.opened() as house:
        whole = completed(house.ledger, id, kind="run")
        name = stop_run(house.ledger, whole, at=house.clock())
    call.tell({"id": whole, "stopRequested": True}, f"asked run {whole} of {name} to stop")


@command(app, "meterhouse run audit --stream Botbot --json", lists=True)
def audit(
    call: Call, *, stream: StreamOption = None, since: FromOption = None, until: ToOption = None
) -> None:
    """List the usage audit: what complete runs took in and let out, for 180 days."""
    from meterhouse.app.usage_audit import list_usage_audit

    begun = {"since": read_instant(since, option="--from")}
    begun |= {"until": read_instant(until, option="--to")}
    with call.opened() as house:
        found = list_usage_audit(house.ledger, stream=stream, limit=call.limit, **begun)
        call.show(found, AUDIT)


def _read_status(text: str | None) -> RunStatus | None:
    """Return the state of a code."""
    from meterhouse.streams.record import RunStatus

    if text is None:
        return None
    status = next((member for member in RunStatus if member.value == text), None)
    if status is None:
        hint = "use one of " + ", ".join(member.value for member in RunStatus)
        raise WrongUsage(f"--status: {text!r} is no state of a run", hint=hint)
    return status


def _read_origin(text: str | None) -> RunOrigin | None:
    """Return what made runs begin."""
    from meterhouse.streams.record import RunOrigin

    if text is None:
        return None
    origin = next((member for member in RunOrigin if member.value == text), None)
    if origin is None:
        hint = "use one of " + ", ".join(member.value for member in RunOrigin)
        raise WrongUsage(f"--origin: {text!r} is no origin of a run", hint=hint)
    return origin


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
    columns("?Started", "Stream", "Status", "Clock", "?#Metered", "?#Suspended", "?~Error", "@Id"),
    _row,
    lambda run: json_text(run.to_api()),
)


def _audit_row(entry: AuditEntry) -> list[Cell]:
    from meterhouse.core.instant import instant_text

    usage = entry.usage
    custom = ", ".join(f"{key} {json_text(value)}" for key, value in usage.custom.items())
    return [
        *(instant_text(entry.started_at), entry.stream_name, entry.origin.value, usage.input),
        *(usage.output, usage.duplicated, usage.to_correction, entry.version, custom),
        entry.run_id,
    ]


AUDIT = Listing(
    "entries",
    columns(
        *("?Started", "Stream", "Origin", "#Input", "#Output", "?#Duplicated", "?#To correction"),
        *("?Version", "?Custom", "@Run"),
    ),
    _audit_row,
    lambda entry: json_text(entry.to_api()),
)
