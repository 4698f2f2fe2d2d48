"""``meterhouse correction``: the records that were set aside, and what to do about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.arguments import read_assignments, read_expressions, read_instant
from meterhouse.cli.command import Call, command
from meterhouse.cli.correction_filter import Wanted
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.options import new_group
from meterhouse.cli.output import (
    Cell,
    Listing,
    columns,
    note,
    show_list,
    write_json,
    write_text,
)
from meterhouse.cli.stream import AtOption, QuietOption, SeedOption, StreamName, TakeOverOption
from meterhouse.core.json_text import field_value, json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meterhouse.app.correcting import Action, Correction
    from meterhouse.app.correction_ports import SuspenseEntry, SuspenseSummary
    from meterhouse.bootstrap import Installation

app = new_group("Data Correction: suspended records, each with the reason and the remedy.")

RecordId = Annotated[int, typer.Argument(metavar="ID", help="The number of the record.")]
RecordIds = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", help="The numbers of the records.")
]
EveryOption = Annotated[
    bool, typer.Option("--all", help="All records that the filters leave, 100,000 at most.")
]
SummaryOption = Annotated[
    bool, typer.Option("--summary", help="Count the records by stream, node and reason.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=JSON", help="Set a field; may be given several times."),
]
UnsetOption = Annotated[
    list[str] | None,
    typer.Option("--unset", metavar="FIELD", help="Take a field away; may be given repeatedly."),
]
ExpressionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--expression",
        metavar="FIELD=EXPR",
        help="Set a field to what an expression gives for each record (docs/expressions.md).",
    ),
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
    wanted: Wanted,
) -> None:
    """List suspended records, or how many there are with --summary."""
    from meterhouse.app.correcting import list_suspended

    if summary and replace(wanted, stream=None).given:
        raise WrongUsage("--summary counts everything", hint="leave out all filters but --stream")
    with call.opened() as house:
        if summary:
            stream_id = wanted.filter(house.ledger).stream_id
            counts = house.ledger.suspense_summary(stream_id=stream_id)
            show_list(counts, SUMMARY, limit=None, as_json=call.as_json)
            return
        found = list_suspended(house.ledger, wanted=wanted.filter(house.ledger), limit=call.limit)
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
    "meterhouse correction fix 17 --set value=12.5 --set billable=true --unset vlaue",
    "meterhouse correction fix --all --reason value_too_precise "
    "--expression 'value=round(value, 18)'",
)
def fix(
    call: Call,
    ids: RecordIds = None,
    *,
    assignments: SetOption = None,
    unset: UnsetOption = None,
    expressions: ExpressionOption = None,
    every: EveryOption = False,
    wanted: Wanted,
) -> None:
    """Set fields of suspended records, all or none. They stay suspended until they are queued."""
    from meterhouse.app import correcting

    correction = correcting.Correction(
        read_assignments(assignments or ()), read_expressions(expressions or ()), unset or ()
    )
    if not assignments and not expressions and not unset:
        hint = "give --set FIELD=JSON, --expression FIELD=EXPRESSION or --unset FIELD"
        raise WrongUsage("no field is named", hint=hint)
    wanted.check(ids, every=every)
    with call.opened() as house:
        chosen = wanted.chosen(house.ledger, ids)
        action = _action(house)
        before = [correcting.find_suspended(house.ledger, id) for id in ids or ()]
        fixed = correcting.correct(house.ledger, chosen, correction=correction, action=action)
        if ids and len(fixed) == 1:
            _write_one(call, correcting.find_suspended(house.ledger, fixed[0]))
        else:
            _write_done("corrected", fixed, as_json=call.as_json)
    for field in _new_fields(correction, before):
        note(f"{field} is a new field; if it is not meant, --unset {field} takes it away")
    if not call.as_json:
        which, what = (fixed[0], "it") if len(fixed) == 1 else ("--all", "them")
        note(f"`meterhouse correction requeue {which}` lets {what} enter the stream's next run")


def _new_fields(correction: Correction, before: Sequence[SuspenseEntry]) -> list[str]:
    """Return the fields that none of the records had."""
    records = [entry.suspended.record or {} for entry in before]
    named = {**correction.values, **correction.expressions}
    return [
        path
        for path in named
        if records and all(field_value(record, path) is None for record in records)
    ]


@command(app, "meterhouse correction delete 17 18")
def delete(
    call: Call,
    ids: RecordIds = None,
    *,
    every: EveryOption = False,
    wanted: Wanted,
) -> None:
    """Delete suspended records for good."""
    from meterhouse.app import correcting

    wanted.check(ids, every=every)
    with call.opened() as house:
        chosen = wanted.chosen(house.ledger, ids)
        deleted = correcting.delete(house.ledger, chosen, action=_action(house))
    _write_done("deleted", deleted, as_json=call.as_json)


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
    wanted: Wanted,
) -> None:
    """Queue records for the stream's next run. They enter the node that rejected them."""
    from meterhouse.app import correcting

    wanted.check(ids, every=every)
    with call.opened() as house:
        chosen = wanted.chosen(house.ledger, ids)
        queued = correcting.requeue(house.ledger, chosen, action=_action(house))
    _write_done("queued", queued, as_json=call.as_json)


@command(
    app,
    'meterhouse correction reprocess "Botbot AI assist"',
    'meterhouse correction reprocess "Botbot AI assist" --json',
)
def reprocess(
    call: Call,
    stream: StreamName,
    *,
    at: AtOption = None,
    seed: SeedOption = None,
    quiet: QuietOption = False,
    take_over: TakeOverOption = False,
) -> None:
    """Run the queued records of a stream now, in a run of their own that reads no input.

    Like any run it ends the periods that are over by its clock: now, unless --at says another.
    """
    from meterhouse.app.aftermath import aftermath
    from meterhouse.app.reprocessing import reprocess
    from meterhouse.cli.interruption import terminable
    from meterhouse.cli.progress import Watch
    from meterhouse.cli.run_summary import write_ended

    instant = read_instant(at)
    with call.opened() as house, terminable(), Watch(quiet=quiet) as watch:
        ended = reprocess(
            house.ledger,
            stream,
            means=house.means(progress=watch.progress, log=watch.log),
            run_id=house.new_id(),
            seed=house.new_seed() if seed is None else seed,
            at=instant,
            take_over=take_over,
            by=house.user(),
        )
        left = aftermath(house.ledger, ended.run.id)
    write_ended(ended, left, as_json=call.as_json)


@command(app, "meterhouse correction purge")
def purge(call: Call) -> None:
    """Delete records that nobody has touched for six months."""
    from meterhouse.app import correcting

    with call.opened() as house:
        count = correcting.purge(house.ledger, action=_action(house))
    if call.as_json:
        write_json({"purged": count})
    else:
        write_text(f"purged {count:,} {'record' if count == 1 else 'records'}")


def _action(house: Installation) -> Action:
    from meterhouse.app.correcting import logged_action

    return logged_action(house.ledger, at=house.clock(), actor=house.user())


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
    columns("#Id", "State", "?Stream", "Node", "Reason", "~Detail", "?~Origin"),
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
