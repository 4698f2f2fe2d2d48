"""The billing operation: streams, drafts, invoices and their files, for every operating business.

Theory of operation. Nothing is remembered of the operation itself: what is due follows from its
document, the clock and the ledger. So it may be run as often as anybody likes, and a killed one is
simply run again: streams commit once for each file, an invoice that stands is never made anew, and
files that were not made yet are made by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterhouse.app.aura.dimension_tables import SnapshotUsed
from meterhouse.app.aura.operation import Month, OperatingBusiness, Operation
from meterhouse.app.aura.operation_report import (
    BusinessReport,
    BusinessStatus,
    MonthReport,
    OperationReport,
    StreamReport,
)
from meterhouse.app.billing.drafts import draft_all
from meterhouse.app.billing.files import FileMeans, finish_files
from meterhouse.app.billing.issuing import issue_invoice
from meterhouse.app.billing.ports import InvoiceHead
from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means, run_stream
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.money import amount_text
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem


@dataclass(frozen=True, slots=True)
class OperationMeans:
    """What the operation needs of the world, beside the ledger.

    ``rows`` tells how many rows the catalogue has of a business (its code) in a month.
    ``prepare`` makes ready what the streams look things up in; ``formats`` are those of the files.
    """

    running: Means
    files: FileMeans
    formats: Sequence[str]
    rows: Callable[[str, Month], int]
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

    Where a stream fails, nothing is drafted: an invoice of half the usage helps nobody.
    """
    due = operation.months(at)
    if not due:
        return OperationReport(operation.name, at, (), (), _finish(ledger, means))
    used = means.prepare(due)
    streams = [
        _run(ledger, name, due=due, operation=operation, at=at, means=means)
        for name in operation.streams
    ]
    if any(one.error is not None for one in streams):
        return OperationReport(operation.name, at, streams, ())
    months = [
        MonthReport(
            one.text,
            [
                _bill(ledger, operation, _Bill(who, one, _snapshots(used, who, one)), at, means)
                for who in operation.businesses
            ],
        )
        for one in (due if month is None else [month])
    ]
    return OperationReport(operation.name, at, streams, months, _finish(ledger, means))


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
    """Return the clock of a stream's last run; ``None`` where it never ran."""
    stream = find_stream(ledger, name)
    last = next(iter(ledger.runs(stream_id=stream.id, limit=1).items), None)
    return None if last is None else last.at


@dataclass(frozen=True, slots=True)
class _Bill:
    """An invoice to be made; ``snapshots`` are the files that its names are from."""

    business: OperatingBusiness
    month: Month
    snapshots: str


def _snapshots(used: Sequence[SnapshotUsed], business: OperatingBusiness, month: Month) -> str:
    files = [one.file for one in used if one.month == month.text]
    return ", ".join(sorted({file.name for file in files if file.ob in (business.code, None)}))


def _bill(
    ledger: Ledger, operation: Operation, bill: _Bill, at: Instant, means: OperationMeans
) -> BusinessReport:
    """Draft or issue the invoice of a business for a month, whatever is due of it."""
    business, month = bill.business, bill.month
    rows = means.rows(business.code, month)
    standing = _standing(ledger, business, month)
    if standing is not None:
        invoice = read_invoice(standing.text)
        return _told(business, BusinessStatus.ISSUED, rows, invoice, number=standing.number)
    if not rows:
        return _reported(business, BusinessStatus.MISSING, rows, problems=[_missing(month)])
    drafted = draft_all(
        ledger,
        [business.customer],
        days=month.days,
        at=at,
        metadata=means.software | {"dimensions": bill.snapshots},
    )[0]
    if drafted.invoice is None:
        return _reported(business, BusinessStatus.FAILED, rows, problems=_problems(drafted.error))
    if not operation.is_to_issue(month, at):
        return _told(business, BusinessStatus.DRAFTED, rows, drafted.invoice)
    try:
        issued = issue_invoice(ledger, drafted.invoice.id, formats=means.formats, at=at)
    except MeterhouseError as error:
        problems = _problems(error)
        return _told(business, BusinessStatus.BLOCKED, rows, drafted.invoice, problems=problems)
    return _told(business, BusinessStatus.ISSUED, rows, issued, number=issued.number)


def _standing(ledger: Ledger, business: OperatingBusiness, month: Month) -> InvoiceHead | None:
    """Return the issued invoice of a month, where there is one."""
    for head in ledger.invoices_of(business.customer):
        if head.status is InvoiceStatus.ISSUED and month.start <= head.start < month.end:
            return head
    return None


def _missing(month: Month) -> Problem:
    hint = "see that its uploader runs and that its files were imported (`meterhouse doctor`)"
    return Problem("dataset", f"has no row of {month.text}", hint)


def _problems(error: MeterhouseError | None) -> list[Problem]:
    if isinstance(error, DefinitionError):
        return list(error.problems)
    return [] if error is None else [Problem("", error.args[0], error.hint)]


def _told(
    business: OperatingBusiness,
    status: BusinessStatus,
    rows: int,
    invoice: Invoice,
    *,
    number: str | None = None,
    problems: Sequence[Problem] = (),
) -> BusinessReport:
    total = amount_text(invoice.totals.total, invoice.currency_digits)
    return BusinessReport(
        business.code,
        business.country,
        business.customer,
        status,
        rows,
        invoice=invoice.id,
        number=number,
        total=f"{total} {invoice.currency}",
        problems=problems,
        warnings=[text for _, text in invoice.exceptions],
    )


def _reported(
    business: OperatingBusiness, status: BusinessStatus, rows: int, *, problems: Sequence[Problem]
) -> BusinessReport:
    return BusinessReport(
        business.code, business.country, business.customer, status, rows, problems=problems
    )


def _finish(ledger: Ledger, means: OperationMeans) -> list[str]:
    """Make the files that are wanted, of whatever invoice; what could not be made is told."""
    return [
        f"files of {one.invoice.number}: {one.error}"
        for one in finish_files(ledger, means.files)
        if one.error is not None
    ]
