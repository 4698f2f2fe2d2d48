"""``meterhouse record``: the metered records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.local_time import local_text
from meterhouse.cli.options import (
    new_group,
)
from meterhouse.cli.output import Cell, Listing, columns
from meterhouse.core.instant import parse_instant

if TYPE_CHECKING:
    from meterhouse.app.ports import RecordEntry

ABOUT = (
    "Metered records: golden ones left at a reset, threshold ones at a threshold, adjustments "
    "restate a period that had left."
)
app = new_group(ABOUT)
app.callback(help=ABOUT)(lambda: None)  # One command is a command; this makes it a group.

KindOption = Annotated[
    Literal["golden", "threshold", "adjustment"] | None,
    typer.Option("--kind", help="Only of this kind."),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        "--run", metavar="R", help="Only of this run: id or its first 6 characters or more."
    ),
]


@command(
    app,
    "meterhouse record list --kind golden",
    "meterhouse record list --run 5e1c… --all --json > golden.ndjson",
    lists=True,
)
def list_(call: Call, *, kind: KindOption = None, run: RunOption = None) -> None:
    """List metered records as they left. With --json they are bare records."""
    from meterhouse.app.completing import completed
    from meterhouse.app.records import list_records
    from meterhouse.core.metered_record import Kind

    wanted = None if kind is None else Kind(kind)
    with call.opened() as house:
        run = None if run is None else completed(house.ledger, run, kind="run")
        found = list_records(house.ledger, kind=wanted, run_id=run, limit=call.limit)
        call.show(found, LISTING)


def _row(entry: RecordEntry) -> list[Cell]:
    from meterhouse.core.json_text import NESTING_MAX, parse_json

    # What a record carries may itself nest as deep as any record may.
    record = parse_json(entry.text, nesting_max=2 * NESTING_MAX)
    reached = record.get("thresholdReached") or {}
    start, end = (_local(record[name], record["timezone"]) for name in ("periodStart", "periodEnd"))
    return [
        *(entry.kind, record["userId"], record["meterTypeName"], record["value"], record["unit"]),
        *(start, end, reached.get("name"), record["recordId"], record["timezone"]),
    ]


def _local(text: str, timezone: str) -> str:
    instant = parse_instant(text)
    assert instant is not None, "a record's own instants can be read"
    return local_text(instant, timezone)


LISTING = Listing(
    "metered records",
    columns(
        *("Kind", "User ID", "Meter type", "#Value", "?Unit", "Period start", "Period end"),
        # The last ones are the first to go where a terminal is narrow.
        *("?Threshold", "?Record id", "?Time zone"),
    ),
    _row,
    lambda entry: entry.text,
)
