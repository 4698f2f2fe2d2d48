"""``meterhouse aura init`` and ``run``: the billing operation, for every operating business.

``register`` adds the commands to the group of the noun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from meterhouse.cli.command import Call, command
from meterhouse.cli.exits import WrongUsage
from meterhouse.cli.output import Cell, Listing, columns, note, show_list, write_text
from meterhouse.core.counted import counted
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError

if TYPE_CHECKING:
    from meterhouse.app.aura.operation import Operation
    from meterhouse.app.aura.operation_report import BusinessReport, OperationReport

FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="The operation: YAML or JSON; - is standard input.")
]
PeriodOption = Annotated[
    str | None,
    typer.Option("--period", metavar="M", help="Only this month (2026-10); all due ones if none."),
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="INSTANT", help="As if it were then; now if none.")
]

#: So many problems and warnings of a business are shown; the report has all.
SHOWN_MAX = 3


class OperationIncomplete(MeterhouseError):
    """Something that is due could not be done; the report says what."""

    code = "operation_incomplete"


def init(call: Call, file: FileArgument, *, at: AtOption = None) -> None:
    """Make what an operation needs and is not there: datasets, meter types, streams, meters."""
    from meterhouse.app.aura.installing import install
    from meterhouse.bootstrap_aura import operation_kernel, table_means

    operation = _operation(file)
    with call.opened() as house, table_means(house, operation) as tables:
        made = install(
            house.ledger,
            operation,
            tables=tables,
            new_id=house.new_id,
            at=_instant(at, house.clock()),
            kernel=operation_kernel(house, operation),
        )
    text = (
        f"{operation.name}: {counted(len(made.datasets), 'dataset')}, "
        f"{counted(len(made.meter_types), 'meter type')}, "
        f"{counted(len(made.streams), 'stream')} and {counted(made.meters, 'meter')} made"
    )
    call.tell(made.to_api(), text)


def run(
    call: Call, file: FileArgument, *, period: PeriodOption = None, at: AtOption = None
) -> None:
    """Do what is due: run the streams, draft, issue and archive, and report on every business.

    It may be run as often as anybody likes, and is run again where it was killed. It fails where a
    business has no data or cannot be billed; the others are issued all the same.
    """
    from meterhouse.app.aura.operating import operate
    from meterhouse.app.aura.operation import month_of
    from meterhouse.bootstrap_aura import keep_operation_report, operation_means

    operation = _operation(file)
    with call.opened() as house:
        now = _instant(at, house.clock())
        month = None if period is None else month_of(period, operation, at=now)
        with operation_means(house, operation, at=now) as means:
            report = operate(house.ledger, operation, at=now, means=means, month=month)
        place = keep_operation_report(house, report)
    _tell(call, report)
    note(f"report: {place}")
    if not report.is_complete:
        raise OperationIncomplete("The operation is not complete", hint=_what_is_missing(report))


def _operation(file: str) -> Operation:
    from meterhouse.app.aura.operation import read_operation
    from meterhouse.cli.arguments import file_name
    from meterhouse.cli.party_file import read_bodies

    found = read_bodies(file)
    if len(found) != 1:
        hint = "write one operation into a file"
        raise WrongUsage(f"{file_name(file)} has {len(found)} objects", hint=hint)
    return read_operation(found[0].body)


def _instant(text: str | None, now: Instant) -> Instant:
    if text is None:
        return now
    instant = parse_instant(text)
    if instant is None:
        raise WrongUsage(f"--at is {text!r}", hint="write it such as 2026-11-06T03:00:00Z")
    return instant


def _tell(call: Call, report: OperationReport) -> None:
    if call.as_json:
        write_text(json_text(report.to_api()))
        return
    for stream in report.streams:
        came_of_it = stream.error or counted(stream.records, "record")
        write_text(f"stream {stream.stream}: {came_of_it}")
    for month in report.months:
        write_text()
        write_text(f"{month.period}:")
        show_list(month.businesses, BUSINESSES, limit=None, as_json=False)
    for month in report.months:
        for business in month.businesses:
            _tell_business(month.period, business)
    for undone in report.undone:
        note(undone)


def _tell_business(period: str, business: BusinessReport) -> None:
    """Say what stops a business, and a little of what does not; invoices that stand are done."""
    for problem in business.problems[:SHOWN_MAX]:
        note(f"{period} {business.code}: {problem}")
    if business.number is None:
        for warning in business.warnings[:SHOWN_MAX]:
            note(f"{period} {business.code}: {warning}")
        more = len(business.problems[SHOWN_MAX:]) + len(business.warnings[SHOWN_MAX:])
        if more:
            note(f"{period} {business.code}: {more} more; the report has all of them")


def _row(one: BusinessReport) -> list[Cell]:
    shown = one.number or (one.invoice or "")[:8]
    return [one.code, one.customer, one.status.value, one.rows, shown, one.total or ""]


BUSINESSES = Listing(
    "business",
    columns("OB", "Customer", "Status", "#Rows", "Invoice", "#Total"),
    _row,
    lambda one: json_text(one.to_api()),
)


def _what_is_missing(report: OperationReport) -> str:
    from meterhouse.app.aura.operation_report import FAULTS

    faults = [
        f"{one.code} {month.period} is {one.status.value}"
        for month in report.months
        for one in month.businesses
        if one.status in FAULTS
    ]
    faults += [f"stream {one.stream} failed" for one in report.streams if one.error is not None]
    faults += list(report.undone)
    return "; ".join(faults)


def register(group: typer.Typer) -> None:
    """Add the commands to the group of their noun."""
    command(group, "meterhouse aura init aura.yaml")(init)
    command(
        group,
        "meterhouse aura run aura.yaml",
        "meterhouse aura run aura.yaml --period 2026-10 --at 2026-11-06T03:00:00Z",
    )(run)
