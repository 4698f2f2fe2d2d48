"""The billing operation: streams, drafts, invoices and their files, for every operating business.

Theory of operation. Nothing is remembered of the operation itself: what is due follows from its
document, the clock and the ledger. So it may be run as often as anybody likes, and a killed one is
simply run again: streams commit once for each file, an invoice that stands is never made anew, and
files that were not made yet are made by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterhouse.app.aura.bill import Bill, bill_month, problems_of, settled_month
from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.completeness import Inputs
from meterhouse.app.aura.dimension_tables import SnapshotUsed
from meterhouse.app.aura.operation import Month, OperatingBusiness, Operation
from meterhouse.app.aura.operation_report import (
    BusinessReport,
    BusinessStatus,
    MonthReport,
    OperationReport,
    StreamReport,
)
from meterhouse.app.aura.rejecting import RejectedFile
from meterhouse.app.aura.unlisted import unlisted
from meterhouse.app.aura.upload_accounts import UploadsTold
from meterhouse.app.billing.files import FileMeans, finish_files
from meterhouse.app.datasets.ports import StoredFile
from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means, run_stream
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.streams.ports import InputError
from meterhouse.streams.record import RunStatus


@dataclass(frozen=True, slots=True)
class OperationMeans:
    """What the operation needs of the world, beside the ledger.

    ``catalogue`` is where the streams read, ``waiting`` are the files of common storage that were
    not imported, ``rejected`` those that never will be. ``uploads`` is what accounts of uploads
    tell.
    ``prepare`` makes ready what the streams look things up in; ``formats`` are those of the files.
    """

    running: Means
    files: FileMeans
    formats: Sequence[str]
    catalogue: OperationCatalogue
    waiting: Callable[[], Sequence[StoredFile]]
    rejected: Callable[[], Sequence[RejectedFile]]
    uploads: Callable[[], UploadsTold]
    prepare: Callable[[Sequence[Month]], Sequence[SnapshotUsed]]
    new_id: Callable[[], str]
    new_seed: Callable[[], int]
    software: dict[str, str]


def operate(
    ledger: Ledger,
    operation: Operation,
    *,
    at: Instant,
    means: OperationMeans,
    month: Month | None = None,
) -> OperationReport:
    """Do what is due at an instant: of all months, or of one. Returns what became of each business.

    Where a stream fails, or the catalogue does not answer, nothing is drafted: an invoice of half
    the usage helps nobody.
    """
    due = operation.months(at)
    if not due:
        return OperationReport(operation.name, at, (), (), _finish(ledger, means))
    billed = due if month is None else [month]
    try:
        used = means.prepare(due)
    except MeterhouseError as error:
        months = _failed(ledger, operation, billed, problems_of(error))
        return OperationReport(operation.name, at, (), months)
    streams = [
        _run(ledger, name, due=due, operation=operation, at=at, means=means)
        for name in operation.streams
    ]
    if faults := [one for one in streams if one.error is not None]:
        problems = [Problem(f"stream {one.stream}", one.error or "") for one in faults]
        months = _failed(ledger, operation, billed, problems)
        return OperationReport(operation.name, at, streams, months)
    inputs = Inputs(
        ledger,
        operation,
        catalogue=means.catalogue,
        waiting=means.waiting(),
        rejected=means.rejected(),
        uploads=means.uploads(),
    )
    months = []
    for one in billed:
        try:
            bills = [
                Bill(who, one, _snapshots(used, who, one), inputs.judged(who, one))
                for who in operation.businesses
            ]
            others = list(unlisted(operation, means.catalogue, one))
        except InputError as error:
            months += _failed(ledger, operation, [one], problems_of(error))
        else:
            wanted = {"software": means.software, "formats": means.formats}
            reports = [bill_month(ledger, operation, bill, at=at, **wanted) for bill in bills]
            months.append(MonthReport(one.text, [*reports, *others]))
    return OperationReport(operation.name, at, streams, months, _finish(ledger, means))


def _failed(
    ledger: Ledger, operation: Operation, months: Sequence[Month], problems: Sequence[Problem]
) -> list[MonthReport]:
    """Report that nothing could be billed, but for what was settled before."""
    return [
        MonthReport(
            month.text,
            [
                settled_month(ledger, who, month, None)
                or BusinessReport(
                    *(who.code, who.country, who.customer),
                    status=BusinessStatus.FAILED,
                    rows=None,
                    problems=problems,
                )
                for who in operation.businesses
            ],
        )
        for month in months
    ]


def _run(
    ledger: Ledger,
    name: str,
    *,
    due: Sequence[Month],
    operation: Operation,
    at: Instant,
    means: OperationMeans,
) -> StreamReport:
    """Run a stream for each month that is due, just before that closes, and then as of now.

    So the golden record of a month has all that was there when it was drafted first, and only what
    comes afterwards restates it.
    """
    read, run_id = 0, None
    try:
        last = _last_clock(ledger, name)
        clocks = [month.end + operation.draft_after * DAY - 1 for month in due]
        for clock in [*(clock for clock in clocks if last is None or clock > last), at]:
            ended = run_stream(
                ledger,
                name,
                means=means.running,
                run_id=means.new_id(),
                seed=means.new_seed(),
                at=clock,
            )
            run_id = ended.run.id
            readers = [node for node in ended.run.nodes if node.type.startswith("readers/")]
            read += sum(count for node in readers for count in node.out.values())
            if ended.error is not None:
                raise ended.error
    except MeterhouseError as error:
        return StreamReport(name, run_id, read, str(error))
    return StreamReport(name, run_id, read)


def _last_clock(ledger: Ledger, name: str) -> Instant | None:
    """Return the clock of a stream's last run that was completed; ``None`` where none was."""
    stream = find_stream(ledger, name)
    done = ledger.runs(stream_id=stream.id, status=RunStatus.COMPLETE, limit=1)
    last = next(iter(done.items), None)
    return None if last is None else last.at


def _snapshots(used: Sequence[SnapshotUsed], business: OperatingBusiness, month: Month) -> str:
    files = [one.file for one in used if one.month == month.text]
    return ", ".join(sorted({file.name for file in files if file.ob in (business.code, None)}))


def _finish(ledger: Ledger, means: OperationMeans) -> list[str]:
    """Make the files that are wanted, of whatever invoice; what could not be made is told."""
    return [
        f"files of {one.invoice.number}: {one.error}"
        for one in finish_files(ledger, means.files)
        if one.error is not None
    ]
