"""The invoice of an operating business for a month: what is due of it, and what is in the way.

Nothing is remembered between runs: what stands is in the ledger, and what is missing of the month
was found anew. It becomes a check of the draft, so that nobody issues it by hand unasked either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.app.aura.book_zones import has_months_of_utc, zone_problem
from meterhouse.app.aura.completeness import COMPLETENESS, Completeness, keep_finding
from meterhouse.app.aura.operation import Month, OperatingBusiness, Operation
from meterhouse.app.aura.operation_report import BusinessReport, BusinessStatus
from meterhouse.app.aura.standing import (
    Standing,
    gap_problems,
    late_warning,
    standing_of,
    unbilled_of,
    unbilled_problems,
)
from meterhouse.app.billing.books import book_and_period
from meterhouse.app.billing.drafts import Drafted, draft_all
from meterhouse.app.billing.issuing import issue_invoice
from meterhouse.app.billing.parties import find_customer
from meterhouse.app.billing.ports import Finding
from meterhouse.app.billing.priced import PRICE_CHANGE
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Check, CheckOutcome, Invoice
from meterhouse.core.money import amount_text
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice to be made; ``snapshots`` are the files that its names are from."""

    business: OperatingBusiness
    month: Month
    snapshots: str
    completeness: Completeness


def bill_month(
    ledger: Ledger,
    operation: Operation,
    bill: Bill,
    *,
    at: Instant,
    software: Mapping[str, str],
    formats: Sequence[str],
) -> BusinessReport:
    """Draft or issue the invoice of a business for a month, whatever is due of it."""
    business, month, found = bill.business, bill.month, bill.completeness
    unbillable = _find(ledger, bill, at=at) if found.metering.rows else None
    settled = settled_month(ledger, business, month, found)
    if settled is not None:
        return settled
    if not found.metering.rows:
        problems = [_missing(month), *found.problems]
        late = _late(ledger, business, month)
        return _reported(bill, BusinessStatus.MISSING, problems=problems, warnings=late)
    if unbillable is not None:
        return _reported(bill, BusinessStatus.FAILED, problems=problems_of(unbillable))
    drafted = _drafted(ledger, bill, at=at, software=software)
    if drafted.invoice is None:
        return _reported(bill, BusinessStatus.FAILED, problems=problems_of(drafted.error))
    draft = drafted.invoice
    unbilled = unbilled_of(ledger, business, month, draft=draft.period)
    lost = list(unbilled_problems(unbilled, business, month, invoices=()))
    if lost or found.problems:
        problems = [*lost, *(_answered(one, draft.id) for one in found.problems)]
        return _told(business, BusinessStatus.BLOCKED, found, draft, problems=problems)
    if not operation.is_to_issue(month, at):
        return _told(business, BusinessStatus.DRAFTED, found, draft)
    try:
        issued = issue_invoice(ledger, draft.id, formats=formats, at=at)
    except MeterhouseError as error:
        problems = [_with_command(one, draft.id) for one in problems_of(error)]
        return _told(business, BusinessStatus.BLOCKED, found, draft, problems=problems)
    return _told(business, BusinessStatus.ISSUED, found, issued, number=issued.number)


def _find(ledger: Ledger, bill: Bill, *, at: Instant) -> MeterhouseError | None:
    """Have the invoice of a month say what is missing of it; returns why there can be none."""
    month, customer = bill.month, bill.business.customer
    try:
        book, period = book_and_period(ledger, find_customer(ledger, customer), month.days)
        keep_finding(ledger, customer, bill.completeness.finding, period=period, at=at)
    except MeterhouseError as error:
        return error
    if has_months_of_utc(book, [month]):
        return None
    return DefinitionError([zone_problem(book)])


def _drafted(ledger: Ledger, bill: Bill, *, at: Instant, software: Mapping[str, str]) -> Drafted:
    """Draft a month. That some of it has other prices than those of its day becomes a check."""

    def draft() -> Drafted:
        metadata = {**software, "dimensions": bill.snapshots}
        who, days = bill.business.customer, bill.month.days
        return draft_all(ledger, [who], days=days, at=at, metadata=metadata)[0]

    drafted = draft()
    invoice = drafted.invoice
    if invoice is None:
        return drafted
    said = [text for code, text in invoice.exceptions if code == PRICE_CHANGE]
    checks = [Check(PRICE_CHANGE, "; ".join(said), CheckOutcome.BLOCKED)] if said else []
    if checks == [one for one in invoice.checks if one.code == PRICE_CHANGE]:
        return drafted
    finding = Finding(PRICE_CHANGE, tuple(checks))
    period = bill.month.days.in_zone(invoice.period.timezone)
    keep_finding(ledger, invoice.customer, finding, period=period, at=at)
    return draft()


def settled_month(
    ledger: Ledger, business: OperatingBusiness, month: Month, found: Completeness | None
) -> BusinessReport | None:
    """Report on a month whose days are on invoices; ``None`` where it is still to be billed.

    Where only some of its days are, the others are a person's: the operation bills whole months.
    What was taken back is a person's to issue anew, too, unless it was of a part of the month.
    """
    standing = standing_of(ledger, business, month)
    if standing.issued and not standing.gaps:
        return _stands(ledger, business, standing, found)
    if standing.is_taken_back:
        return _taken_back(business, standing, found)
    if standing.issued:
        last = standing.issued[-1]
        problems = [*gap_problems(standing, business), *(found.problems if found else ())]
        return _told(
            *(business, BusinessStatus.BLOCKED, found, last.invoice),
            number=last.head.number,
            problems=problems,
        )
    return None


def _stands(
    ledger: Ledger, business: OperatingBusiness, standing: Standing, found: Completeness | None
) -> BusinessReport:
    """Report on a month all of whose days were issued, by one invoice or by several."""
    last, month = standing.issued[-1], standing.month
    numbers = [str(one.head.number) for one in standing.issued]
    unbilled = unbilled_of(ledger, business, month)
    problems = list(unbilled_problems(unbilled, business, month, invoices=numbers))
    others = [f"other days of the month are on invoice {number}" for number in numbers[:-1]]
    return _told(
        business,
        BusinessStatus.BLOCKED if problems else BusinessStatus.ISSUED,
        found,
        last.invoice,
        number=last.head.number,
        problems=problems,
        warnings=[*others, *late_warning(unbilled)],
    )


def _taken_back(
    business: OperatingBusiness, standing: Standing, found: Completeness | None
) -> BusinessReport:
    """Report on a month of which an invoice was taken back: the next one is a person's."""
    taken_back = standing.taken_back[-1]
    number = taken_back.head.number
    if not standing.drafts:
        text = f"invoice {number} was taken back, and no other one was drafted"
        invoice = taken_back.invoice
        return _told(business, BusinessStatus.CORRECTED, found, invoice, warnings=[text])
    draft = standing.drafts[-1]
    text = (
        f"invoice {number} was taken back: review the draft that replaces it, and issue "
        f"it yourself: `meterhouse invoice issue {draft.head.id}`"
    )
    return _told(business, BusinessStatus.DRAFTED, found, draft.invoice, warnings=[text])


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


def problems_of(error: MeterhouseError | None) -> list[Problem]:
    """Return what an error says, problem by problem; nothing of none."""
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
        yield from (*found.rejected, *found.notes)


def _once(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _reported(
    bill: Bill,
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
        warnings=[*warnings, *bill.completeness.rejected, *bill.completeness.notes],
        metering=metering,
    )
