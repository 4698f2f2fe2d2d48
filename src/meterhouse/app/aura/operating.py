"""The billing operation: streams, drafts, invoices and their files, for every operating business.

Theory of operation. Nothing is remembered of the operation itself: what is due follows from its
document, the clock and the ledger. So it may be run as often as anybody likes, and a killed one is
simply run again: streams commit once for each file, an invoice that stands is never made anew, and
files that were not made yet are made by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.aura.completeness import COMPLETENESS, Completeness, Inputs, keep_finding
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
from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.drafts import draft_all
from meterhouse.app.billing.files import FileMeans, finish_files
from meterhouse.app.billing.issuing import issue_invoice
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.ports import InvoiceHead
from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means, run_stream
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import DAY, Instant
from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.money import amount_text
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem
from meterhouse.streams.ports import InputError
from meterhouse.streams.record import RunStatus


@dataclass(frozen=True, slots=True)
class OperationMeans:
    """What the operation needs of the world, beside the ledger.

    ``catalogue`` is where the streams read, ``waiting`` names the files of common storage that were
    not imported, ``rejected`` those that never will be.
    ``prepare`` makes ready what the streams look things up in; ``formats`` are those of the files.
    """

    running: Means
    files: FileMeans
    formats: Sequence[str]
    catalogue: OperationCatalogue
    waiting: Callable[[], Sequence[str]]
    rejected: Callable[[], Sequence[RejectedFile]]
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
        months = _failed(ledger, operation, billed, _problems(error))
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
    )
    months = []
    for one in billed:
        try:
            bills = [
                _Bill(who, one, _snapshots(used, who, one), inputs.judged(who, one))
                for who in operation.businesses
            ]
        except InputError as error:
            months += _failed(ledger, operation, [one], _problems(error))
        else:
            reports = [_bill(ledger, operation, bill, at, means) for bill in bills]
            months.append(MonthReport(one.text, reports))
    return OperationReport(operation.name, at, streams, months, _finish(ledger, means))


def _failed(
    ledger: Ledger, operation: Operation, months: Sequence[Month], problems: Sequence[Problem]
) -> list[MonthReport]:
    """Report that nothing could be billed, but for what was settled before."""
    return [
        MonthReport(
            month.text,
            [
                _settled(ledger, who, month, None)
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


@dataclass(frozen=True, slots=True)
class _Bill:
    """An invoice to be made; ``snapshots`` are the files that its names are from."""

    business: OperatingBusiness
    month: Month
    snapshots: str
    completeness: Completeness


def _snapshots(used: Sequence[SnapshotUsed], business: OperatingBusiness, month: Month) -> str:
    files = [one.file for one in used if one.month == month.text]
    return ", ".join(sorted({file.name for file in files if file.ob in (business.code, None)}))


def _bill(
    ledger: Ledger, operation: Operation, bill: _Bill, at: Instant, means: OperationMeans
) -> BusinessReport:
    """Draft or issue the invoice of a business for a month, whatever is due of it."""
    business, month, found = bill.business, bill.month, bill.completeness
    unbillable = _find(ledger, bill, at=at) if found.metering.rows else None
    settled = _settled(ledger, business, month, found)
    if settled is not None:
        return settled
    if not found.metering.rows:
        problems = [_missing(month), *found.problems]
        late = _late(ledger, business, month)
        return _reported(bill, BusinessStatus.MISSING, problems=problems, warnings=late)
    if unbillable is not None:
        return _reported(bill, BusinessStatus.FAILED, problems=_problems(unbillable))
    drafted = draft_all(
        ledger,
        [business.customer],
        days=month.days,
        at=at,
        metadata=means.software | {"dimensions": bill.snapshots},
    )[0]
    if drafted.invoice is None:
        return _reported(bill, BusinessStatus.FAILED, problems=_problems(drafted.error))
    draft = drafted.invoice
    if found.problems:
        problems = [_answered(one, draft.id) for one in found.problems]
        return _told(business, BusinessStatus.BLOCKED, found, draft, problems=problems)
    if not operation.is_to_issue(month, at):
        return _told(business, BusinessStatus.DRAFTED, found, draft)
    try:
        issued = issue_invoice(ledger, draft.id, formats=means.formats, at=at)
    except MeterhouseError as error:
        problems = [_with_command(one, draft.id) for one in _problems(error)]
        return _told(business, BusinessStatus.BLOCKED, found, draft, problems=problems)
    return _told(business, BusinessStatus.ISSUED, found, issued, number=issued.number)


def _find(ledger: Ledger, bill: _Bill, *, at: Instant) -> MeterhouseError | None:
    """Have the invoice of a month say what is missing of it; returns why there can be none."""
    month, customer = bill.month, bill.business.customer
    try:
        book, period = book_and_period(ledger, find_customer(ledger, customer), month.days)
        keep_finding(ledger, customer, bill.completeness.finding, period=period, at=at)
    except MeterhouseError as error:
        return error
    if (period.start, period.end) == (month.start, month.end):
        return None
    message = f"has the time zone {period.timezone}, and rows are of months of UTC"
    hint = "give it the time zone Etc/UTC in a new version: it would bill another month's usage"
    return DefinitionError([Problem(f"price book {book.id}", message, hint)])


def _settled(
    ledger: Ledger, business: OperatingBusiness, month: Month, found: Completeness | None
) -> BusinessReport | None:
    """Report on a month of which an invoice was issued once; ``None`` where none was.

    What was taken back is a person's to issue anew, never the operation's.
    """
    every = [
        head
        for head in ledger.invoices_of(business.customer)
        if month.start <= head.start < month.end
    ]
    by_status: dict[InvoiceStatus, InvoiceHead] = {head.status: head for head in every}
    standing = by_status.get(InvoiceStatus.ISSUED)
    if standing is not None:
        invoice = read_invoice(standing.text)
        return _told(business, BusinessStatus.ISSUED, found, invoice, number=standing.number)
    taken_back = by_status.get(InvoiceStatus.CORRECTED)
    if taken_back is None:
        return None
    draft = by_status.get(InvoiceStatus.DRAFT)
    if draft is None:
        invoice = read_invoice(taken_back.text)
        text = f"invoice {taken_back.number} was taken back, and no other one was drafted"
        return _told(business, BusinessStatus.CORRECTED, found, invoice, warnings=[text])
    text = (
        f"invoice {taken_back.number} was taken back: review the draft that replaces it, and issue "
        f"it yourself: `meterhouse invoice issue {draft.id}`"
    )
    invoice = read_invoice(draft.text)
    return _told(business, BusinessStatus.DRAFTED, found, invoice, warnings=[text])


def _late(ledger: Ledger, business: OperatingBusiness, month: Month) -> list[str]:
    """Tell of late usage that no invoice has: without usage of this month there is no draft."""
    ledger.index_billable()
    records = ledger.billable_records(
        business.customer, after=None, until=month.start, unbilled=True
    )
    count = sum(1 for record in records if record.adjusts is not None)
    if not count:
        return []
    return [
        f"late usage of earlier months (metered records: {count}) is on no invoice: draft "
        f"one: `meterhouse invoice draft --customer {business.customer} --period {month.text}`"
    ]


def _answered(problem: Problem, draft: str) -> Problem:
    """Return a problem that says how somebody may issue the draft all the same."""
    command = f"meterhouse invoice issue {draft} --override {COMPLETENESS} --reason ..."
    hint = f"{problem.hint}; or answer for it: `{command}`"
    return Problem(problem.place, problem.message, hint)


def _with_command(problem: Problem, draft: str) -> Problem:
    place, _, code = problem.place.partition(" ")
    if place != "check":
        return problem
    hint = (
        "mend it and run again, or answer for it: "
        f"`meterhouse invoice issue {draft} --override {code} --reason ...`"
    )
    return Problem(problem.place, problem.message, hint)


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
    found: Completeness | None,
    invoice: Invoice,
    *,
    number: str | None = None,
    problems: Sequence[Problem] = (),
    warnings: Sequence[str] = (),
) -> BusinessReport:
    total = amount_text(invoice.totals.total, invoice.currency_digits)
    if status is BusinessStatus.ISSUED and found is not None:
        # The invoice stands; what came since is on the next one, or is missing there.
        warnings = [*warnings, *(str(one) for one in found.problems)]
    return BusinessReport(
        business.code,
        business.country,
        business.customer,
        status,
        None if found is None else found.metering.rows,
        invoice=invoice.id,
        number=number,
        total=f"{total} {invoice.currency}",
        problems=problems,
        warnings=_once([*warnings, *_exceptions(invoice, found)]),
        metering=None if found is None else found.metering,
    )


def _exceptions(invoice: Invoice, found: Completeness | None) -> Iterator[str]:
    """Yield what an invoice tells, but what is missing, which is told as a problem."""
    for code, text in invoice.exceptions:
        if code != COMPLETENESS or found is None:
            yield text
    if found is not None:
        yield from found.rejected


def _once(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _reported(
    bill: _Bill,
    status: BusinessStatus,
    *,
    problems: Sequence[Problem],
    warnings: Sequence[str] = (),
) -> BusinessReport:
    business, metering = bill.business, bill.completeness.metering
    return BusinessReport(
        business.code,
        business.country,
        business.customer,
        status,
        metering.rows,
        problems=problems,
        warnings=[*warnings, *bill.completeness.rejected],
        metering=metering,
    )


def _finish(ledger: Ledger, means: OperationMeans) -> list[str]:
    """Make the files that are wanted, of whatever invoice; what could not be made is told."""
    return [
        f"files of {one.invoice.number}: {one.error}"
        for one in finish_files(ledger, means.files)
        if one.error is not None
    ]
