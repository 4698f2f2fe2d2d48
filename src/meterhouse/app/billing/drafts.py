"""Drafts: rating what was gathered, and making an invoice of it that nobody has issued yet.

The same records, price book, credits and lines by hand make the same draft, byte for byte: it has
the id that its customer, its period and the invoices before it give it, and no clock is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from traceback import extract_tb
from uuid import UUID, uuid5

from meterhouse.app.billing.books import book_and_period, book_used
from meterhouse.app.billing.late import BILLED_BEFORE, BY_HAND, Issued, billed_before, late_lines
from meterhouse.app.billing.lines_by_hand import on_draft
from meterhouse.app.billing.parties import find_customer, find_issuer
from meterhouse.app.billing.periods import (
    FIRST_DAY,
    Days,
    days_billed,
    days_of,
    first_day_said,
)
from meterhouse.app.billing.ports import Draft, InvoiceHead, ManualLine
from meterhouse.app.billing.price_books import mark_used
from meterhouse.app.billing.priced import PricedPeriod, priced_period, starts_of
from meterhouse.app.billing.telling import told_on
from meterhouse.app.billing.usage import Gathered, gather
from meterhouse.app.billing.versions import PRICE_CHANGES, Versions, versions_within
from meterhouse.app.billing.windows import UsageByDay, usage_by_day
from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, Charge, ChargeKind
from meterhouse.core.currency import currency_digits
from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.party import Customer
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import ConflictError, MeterhouseError
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.giving_back import given_back
from meterhouse.rating.invoicing import InvoiceSums, LineByHand, completed

_NAMESPACE = UUID("3f0f2c52-6a0e-5c0e-9d0b-8f6f0c2a7d14")
#: What a draft says of itself, anew each time.
OWN_METADATA = (
    "records",
    "lateRecords",
    "chargedDays",
    "periodDays",
    "runs",
    BILLED_BEFORE,
    PRICE_CHANGES,
    FIRST_DAY,
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """What became of a customer in a billing run: a draft, or why there is none."""

    customer: str
    invoice: Invoice | None
    error: MeterhouseError | None = None


class DraftFault(MeterhouseError):
    """What nobody expected ended a draft: a fault of our own, which is the cause of this error."""

    code = "internal_error"

    @classmethod
    def of(cls, cause: Exception) -> DraftFault:
        """Return the fault, that says what it is and where."""
        place = extract_tb(cause.__traceback__)[-1]
        where = f"{PurePath(place.filename).name}, line {place.lineno}"
        error = cls(
            f"internal error: {type(cause).__name__}: {cause} ({where})",
            hint="Report it: the draft of this customer cannot be made until it is mended",
        )
        error.__cause__ = cause
        return error


def draft_all(
    ledger: Ledger,
    customers: Sequence[str] | None,
    *,
    days: Days,
    at: Instant,
    metadata: dict[str, str] | None = None,
    stored: bool = True,
) -> list[Drafted]:
    """Draft the invoices of customers, of all where none are named; each is told of.

    Of all, those who have nothing to bill are left out: no lines, nothing unpriced, no exceptions.
    What is wrong with one customer's books keeps nobody else from theirs, be it a fault of our
    own, which is told with its cause. Not ``stored``: a preview, which changes nothing.
    """
    chosen = customers
    if chosen is None:
        chosen = [customer.id for customer in take(ledger.customers, limit=None)]
    drafted = []
    for id in dict.fromkeys(chosen):
        try:
            customer = find_customer(ledger, id)
            draft = prepare(ledger, customer, days=days, metadata=metadata)
            known = ledger.invoice(draft.invoice.id) is not None
            if customers is None and not known and _has_nothing(draft.invoice, customer, days):
                continue
            if stored:
                keep(ledger, draft, at=at)
        except MeterhouseError as error:
            drafted.append(Drafted(id, None, error))
        except Exception as error:
            drafted.append(Drafted(id, None, DraftFault.of(error)))
        else:
            drafted.append(Drafted(id, draft.invoice))
    return drafted


def _has_nothing(invoice: Invoice, customer: Customer, days: Days) -> bool:
    """Whether there is nothing to bill, and nothing that somebody has to look at."""
    charged, _ = customer.charged_days(days.first, days.end)
    return not (invoice.lines or invoice.unpriced or (invoice.exceptions and charged))


def keep(ledger: Ledger, draft: Draft, *, at: Instant) -> None:
    """Store a draft in place of the one before; its price books are used from now on."""
    for book in draft.invoice.books:
        mark_used(ledger, book.id, book.version, at=at)
    ledger.put_draft(draft, at=at)


def prepare(
    ledger: Ledger, customer: Customer, *, days: Days, metadata: dict[str, str] | None = None
) -> Draft:
    """Return the draft of a customer's period. An error in any record leaves no draft at all."""
    book, period, moved = _book_and_period(ledger, customer, days)
    _refuse_billed(ledger, customer, period)
    gathered = gather(ledger, customer.id, period=period)
    id, kept, copied = _lines_by_hand(ledger, customer, period, days=days)
    manual, left_out = on_draft(kept, book)
    share = customer.charged_days(days.first, days.end)
    versions = versions_within(ledger, book, period, customer=customer, days=days)
    priced = priced_period(
        ledger, gathered.usage, versions=versions, period=period, customer=customer.id
    )
    issued = Issued(gathered.issued)
    late = late_lines(ledger, gathered.late, issued, customer, book=book, period=period)
    sums = completed(
        priced.books,
        priced.lines,
        period=period,
        grants=list(take_grants(ledger, customer)),
        corrections=late.lines,
        manual=[_by_hand(line, period) for line in manual],
    )
    sums, corrects = _settled(ledger, sums, gathered.issued, customer)
    by_day = _by_day(
        ledger, gathered, priced=priced, starts=starts_of(versions, period), of=customer
    )
    issuer, digits = find_issuer(ledger, customer.issuer), currency_digits(book.currency)
    assert digits is not None, "a price book has a currency that there is"
    invoice = Invoice(
        id=id,
        kind=InvoiceKind.INVOICE if corrects is None else InvoiceKind.CREDIT_NOTE,
        status=InvoiceStatus.DRAFT,
        customer=customer.id,
        seller=issuer.party,
        buyer=customer.party,
        period=period,
        currency=book.currency,
        currency_digits=digits,
        invoicing_model=book.invoicing_model,
        lines=sums.lines,
        taxes=sums.taxes,
        totals=sums.totals,
        books=tuple(dict.fromkeys(book_used(one) for one in (*priced.books, *late.books))),
        reference=customer.reference,
        language=customer.language,
        credits=sums.credits,
        corrects=corrects,
        unpriced=(*priced.unpriced, *late.unpriced),
        windows=by_day.windows,
        exceptions=(
            *moved,
            *gathered.exceptions,
            *late.exceptions,
            *priced.exceptions,
            *by_day.exceptions,
            *left_out,
            *_owed(sums, corrects),
        ),
        metadata=_metadata(gathered, share, metadata) | _of_days(versions, period),
    )
    invoice = told_on(ledger, invoice, gathered=gathered, told=priced.told, late=late.counted)
    late_of = [(no, one.corrects.id) for one in gathered.late for no in one.records]
    return Draft(
        _with_billed(invoice, issued),
        issuer.id,
        (*gathered.records, *(no for no, _ in late_of)),
        tuple(late_of),
        kept if copied else (),
    )


def _by_day(
    ledger: Ledger,
    gathered: Gathered,
    *,
    priced: PricedPeriod,
    starts: Sequence[Instant],
    of: Customer,
) -> UsageByDay:
    return usage_by_day(
        ledger,
        gathered.usage,
        books=priced.books,
        starts=starts,
        customer=of.id,
        whole=priced.whole,
    )


def take_grants(ledger: Ledger, customer: Customer):
    """Return the prepaid credit of a customer."""
    return take(
        lambda *, limit, after: ledger.grants(customer=customer.id, limit=limit, after=after),
        limit=None,
    )


def _book_and_period(
    ledger: Ledger, customer: Customer, days: Days
) -> tuple[PriceBook, BillingPeriod, list[tuple[str, str]]]:
    book, whole = book_and_period(ledger, customer, days)
    return book, *after_other_zone(ledger, customer, whole)


def after_other_zone(
    ledger: Ledger, customer: Customer, period: BillingPeriod
) -> tuple[BillingPeriod, list[tuple[str, str]]]:
    """Return a period that begins where an invoice of another time zone has ended before it.

    A price book of another zone begins its month some hours before or after the last one ended:
    these are billed once. Days that nobody has billed between the two are no such hours.
    """
    standing = [
        head
        for head in ledger.invoices_of(customer.id, after=period.start - 2 * DAY)
        if head.status is InvoiceStatus.ISSUED
        and head.start < period.start
        and head.end < period.start + DAY
    ]
    last = max(standing, key=lambda head: head.end, default=None)
    if last is None or last.end == period.start:
        return period, []
    billed = read_invoice(last.text).period
    next_day = days_of(billed).end == days_of(period).first
    if billed.timezone == period.timezone or (last.end < period.start and not next_day):
        return period, []
    text = (
        f"the period begins at {instant_text(last.end)}, where that of invoice {last.number} "
        f"ends: its price book was in the time zone {billed.timezone}"
    )
    return replace(period, start=last.end), [("time_zone_changed", text)]


def _refuse_billed(ledger: Ledger, customer: Customer, period: BillingPeriod) -> None:
    for head in ledger.invoices_of(customer.id, after=period.start):
        if head.status is InvoiceStatus.ISSUED and _overlap(head, period):
            message = f"Invoice {head.number} bills this period of {customer.id!r} already"
            raise ConflictError(message, hint=f"`invoice correct {head.number}` replaces it")


def _overlap(head: InvoiceHead, period: BillingPeriod) -> bool:
    return head.start < period.end and period.start < head.end


def _draft_id(customer: Customer, period: BillingPeriod, before: int) -> str:
    return str(uuid5(_NAMESPACE, f"{customer.id}/{period.start}/{period.end}/{before}"))


def _lines_by_hand(
    ledger: Ledger, customer: Customer, period: BillingPeriod, *, days: Days
) -> tuple[str, Sequence[ManualLine], bool]:
    """Return the id of a draft and its lines by hand, and whether it takes them over.

    A draft of the same days stays the same one, though its hours were those of another time zone.
    A new draft begins with the lines of the one before for its period, which was voided or
    corrected.
    """
    before = ledger.count_settled(customer.id, start=period.start, end=period.end)
    id = _draft_id(customer, period, before)
    if ledger.invoice(id) is not None:
        return id, ledger.manual_lines(id), False
    if (other := _draft_of_other_hours(ledger, customer, period, days=days)) is not None:
        return other, ledger.manual_lines(other), False
    if not before:
        return id, (), False
    taken_over = [
        replace(line, id=str(uuid5(_NAMESPACE, f"{id}/{line.id}")))
        for line in ledger.manual_lines(_draft_id(customer, period, before - 1))
    ]
    return id, taken_over, True


def _draft_of_other_hours(
    ledger: Ledger, customer: Customer, period: BillingPeriod, *, days: Days
) -> str | None:
    """Return the id of the draft of the same days, if any, that begins or ends at other hours."""
    heads = ledger.invoices_of(customer.id, after=period.start)
    drafts = (head for head in heads if head.status is InvoiceStatus.DRAFT)
    same = (head.id for head in drafts if days_billed(read_invoice(head.text)) == days)
    return next(same, None)


def _by_hand(line: ManualLine, period: BillingPeriod) -> LineByHand:
    one = Decimal(1)
    charge = Charge(
        sku=BY_HAND,
        kind=ChargeKind.ADJUSTMENT,
        name=line.name,
        model=BY_HAND,
        unit="",
        fields={},
        quantity=one,
        billable=one,
        per=one,
        list_price=line.amount,
        parts=(),
        exact=line.amount,
        gross=line.amount,
        net=line.amount,
        tax=line.tax,
        period=period,
    )
    return LineByHand(charge, line.author, line.reason)


def _with_billed(invoice: Invoice, issued: Issued) -> Invoice:
    """Have a draft say which invoices it has counted on."""
    if numbers := billed_before(invoice, issued):
        return replace(invoice, metadata={**invoice.metadata, BILLED_BEFORE: numbers})
    return invoice


def _settled(
    ledger: Ledger, sums: InvoiceSums, issued: Sequence[InvoiceHead], customer: Customer
) -> tuple[InvoiceSums, tuple[str, date] | None]:
    """Return sums as a document has them, and the invoice that a credit note gives back of."""
    corrects = _given_back_of(ledger, sums, issued, customer)
    return (sums if corrects is None else given_back(sums)), corrects


def _given_back_of(
    ledger: Ledger, sums: InvoiceSums, issued: Sequence[InvoiceHead], customer: Customer
) -> tuple[str, date] | None:
    """Return the invoice that sums below 0 give back of; ``None`` where there is no such.

    Of those that lines name, the one of which most is given back; otherwise the last one.
    """
    if not sums.owed_back:
        return None
    given: dict[str, Decimal] = {}
    for line in sums.lines:
        if line.corrects is not None:
            given[line.corrects] = EXACT.add(given.get(line.corrects, ZERO), line.net)
    heads = [head for head in issued if head.kind is InvoiceKind.INVOICE]
    by_number = {head.number: head for head in heads}
    for number in sorted(given, key=lambda number: given[number]):
        if given[number] < ZERO and number in by_number:
            return _reference(by_number[number])
    every = [one for one in ledger.invoices_of(customer.id) if one.kind is InvoiceKind.INVOICE]
    stand = [one for one in every if one.status is InvoiceStatus.ISSUED]
    return _reference(stand[-1]) if stand else None


def _reference(head: InvoiceHead) -> tuple[str, date]:
    invoice = read_invoice(head.text)
    assert invoice.number is not None and invoice.issue_date is not None, "it was issued"
    return invoice.number, invoice.issue_date


def _owed(sums: InvoiceSums, corrects: tuple[str, date] | None) -> list[tuple[str, str]]:
    if corrects is not None:
        text = f"more is given back than is charged: this draft is a credit note to {corrects[0]}"
        return [("credit_note", text)]
    if sums.owed_back == ZERO:
        return []
    text = "the total is below 0, and there is no invoice to give it back of: add a line by hand"
    return [("negative_total", text)]


def _metadata(
    gathered: Gathered, share: tuple[int, int], more: dict[str, str] | None
) -> dict[str, str]:
    late = sum(len(one.records) for one in gathered.late)
    counts = {"records": str(len(gathered.records)), "lateRecords": str(late)}
    charged, whole = share
    days = {} if charged == whole else {"chargedDays": str(charged), "periodDays": str(whole)}
    return {**(more or {}), **counts, **days, "runs": " ".join(gathered.runs)}


def _of_days(versions: Versions, period: BillingPeriod) -> dict[str, str]:
    return versions.to_metadata() | first_day_said(period, versions.dated[0].first)
