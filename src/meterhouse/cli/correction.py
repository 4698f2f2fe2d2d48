"""``meterhouse correction``: the records that were set aside, and what to do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import read_assignments, read_reason
from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import (
    ReasonOption,
    StreamOption,
    new_group,
)
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    note,
    show_list,
    write_json,
    write_text,
)
from meterhouse.core.json_text import json_text

if TYPE_CHECKING:
    from meterhouse.app.ports import Ledger, SuspenseEntry, SuspenseSummary

app = new_group("Data Correction: suspended records, each with the reason and the remedy.")

RecordId = Annotated[int, typer.Argument(metavar="ID", help="The number of the record.")]
RecordIds = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="The numbers of the records.")
]
EveryOption = Annotated[
    bool, typer.Option("--all", help="All records that --stream and --reason leave.")
]
SummaryOption = Annotated[
    bool, typer.Option("--summary", help="Count the records by stream, node and reason.")
]
SetOption = Annotated[
    list[str],
    typer.Option("--set", metavar="FIELD=JSON", help="Set a field; may be given several times."),
]


@command(
    app,
    "meterhouse correction list --summary",
    "meterhouse correction list --reason no_meter_found --json",
    lists=True,
)
def list_(
    call: Call,
    *,
    summary: SummaryOption = False,
    stream: StreamOption = None,
    reason: ReasonOption = None,
) -> None:
    """List suspended records, or how many there are with --summary."""
    from meterhouse.app.correcting import list_suspended

    wanted = read_reason(reason)
    if summary and (stream or reason):
        raise WrongUsage("--summary counts everything", hint="leave out --stream and --reason")
    with call.opened() as house:
        if summary:
            counts = house.ledger.suspense_summary()
            show_list(counts, SUMMARY, limit=None, as_json=call.as_json)
            return
        found = list_suspended(house.ledger, stream=stream, reason=wanted, limit=call.limit)
        call.show(found, LISTING)


@command(app, "meterhouse correction show 17")
def show(call: Call, id: RecordId) -> None:
    """Show one suspended record, why it was set aside and what to do."""
    from meterhouse.app.correcting import find_suspended

    with call.opened() as house:
        _write_one(call, find_suspended(house.ledger, id))


@command(
    app,
    """meterhouse correction fix 17 --set 'region="EMEA"'""",
    "meterhouse correction fix 17 --set value=12.5 --set billable=true",
)
def fix(call: Call, id: RecordId, *, assignments: SetOption) -> None:
    """Set fields of a suspended record. It stays suspended until it is queued."""
    from meterhouse.app import correcting

    values = read_assignments(assignments)
    with call.opened() as house:
        _write_one(call, correcting.fix(house.ledger, id, values=values, at=house.clock()))
    if not call.as_json:
        note(f"`meterhouse correction requeue {id}` lets it enter the stream's next run")


@command(app, "meterhouse correction delete 17 18")
def delete(
    call: Call,
    ids: RecordIds = None,
    *,
    every: EveryOption = False,
    stream: StreamOption = None,
    reason: ReasonOption = None,
) -> None:
    """Delete suspended records for good."""
    from meterhouse.app import correcting

    _check_choice(ids, every=every, filters=(stream, reason))
    with call.opened() as house:
        chosen = _chosen(house.ledger, ids, stream=stream, reason=reason)
        correcting.delete(house.ledger, chosen)
    _write_done("deleted", chosen, as_json=call.as_json)


@command(
    app,
    "meterhouse correction requeue 17 18",
    "meterhouse correction requeue --all --reason no_meter_found",
)
def requeue(
    call: Call,
    ids: RecordIds = None,
    *,
    every: EveryOption = False,
    stream: StreamOption = None,
    reason: ReasonOption = None,
) -> None:
    """Queue records for the stream's next run. They enter the node that rejected them."""
    from meterhouse.app import correcting

    _check_choice(ids, every=every, filters=(stream, reason))
    with call.opened() as house:
        chosen = _chosen(house.ledger, ids, stream=stream, reason=reason)
        correcting.requeue(house.ledger, chosen, at=house.clock())
    _write_done("queued", chosen, as_json=call.as_json)


def _check_choice(
    ids: list[int] | None, *, every: bool, filters: tuple[str | None, str | None]
) -> None:
    hint = "give the numbers of records, or --all, which --stream and --reason narrow down"
    if not ids and not every:
        raise WrongUsage("no record is named", hint=hint)
    if ids and (every or any(filters)):
        raise WrongUsage("records are named both by number and by --all or a filter", hint=hint)


def _chosen(
    ledger: Ledger, ids: list[int] | None, *, stream: str | None, reason: str | None
) -> list[int]:
    from meterhouse.app.correcting import list_suspended

    if ids:
        return list(dict.fromkeys(ids))
    found = list_suspended(ledger, stream=stream, reason=read_reason(reason))
    return [entry.id for entry in found]


def _write_done(verb: str, ids: list[int], *, as_json: bool) -> None:
    if as_json:
        for id in ids:
            write_json({"id": id, "state": verb})
    else:
        write_text(f"{verb} {len(ids):,} {'record' if len(ids) == 1 else 'records'}")


def _write_one(call: Call, entry: SuspenseEntry) -> None:
    from meterhouse.app.correcting import suspended_to_api
    from meterhouse.core.suspense import REMEDIES

    call.write(suspended_to_api(entry))
    if not call.as_json:
        write_text(f"remedy: {REMEDIES[entry.suspended.reason]}")


def _to_json(entry: SuspenseEntry) -> str:
    from meterhouse.app.correcting import suspended_to_api

    return json_text(suspended_to_api(entry))


def _row(entry: SuspenseEntry) -> list[Cell]:
    suspended = entry.suspended
    # People count lines and records from 1.
    place = f"{suspended.source}:{suspended.offset + 1}"
    return [
        *(entry.id, entry.state, entry.stream_name, suspended.node_name),
        *(suspended.reason.value, suspended.detail, place),
    ]


LISTING = Listing(
    "records in Data Correction",
    columns("#Id", "State", "?Stream", "Node", "Reason", "Detail", "?Origin"),
    _row,
    _to_json,
)


def _summary_to_json(summary: SuspenseSummary) -> str:
    from meterhouse.app.correcting import summary_to_api

    return json_text(summary_to_api(summary))


def _summary_row(summary: SuspenseSummary) -> list[Cell]:
    from meterhouse.core.suspense import REMEDIES

    remedy = REMEDIES[summary.reason]
    return [
        *(summary.count, summary.stream_name, summary.node_name, summary.reason.value),
        remedy,
    ]


SUMMARY = Listing(
    "records in Data Correction",
    columns("#Records", "?Stream", "Node", "Reason", "Remedy"),
    _summary_row,
    _summary_to_json,
)
