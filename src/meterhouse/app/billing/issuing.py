"""Issuing, voiding, crediting and correcting invoices.

Theory of operation. What is issued was drafted before: issuing rates nothing. One transaction gives
the number, claims the records, draws the credits and lists the files to be made; whoever comes
next makes them. An issued invoice never changes: a credit note takes it back, all of it, and its
records can be billed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid5

from meterhouse.app.billing.archive_names import file_name
from meterhouse.app.billing.books import used_book
from meterhouse.app.billing.drafts import OWN_METADATA, keep, prepare
from meterhouse.app.billing.late import BLOCKING, refuse_stale
from meterhouse.app.billing.lines_by_hand import LEFT_OUT, REMEDY
from meterhouse.app.billing.overriding import (
    Override,
    blocking_checks,
    needless_overrides,
    overridden,
)
from meterhouse.app.billing.parties import find_customer, find_issuer
from meterhouse.app.billing.periods import day_of, days_billed, days_of
from meterhouse.app.billing.ports import InvoiceHead, Invoices, ManualLine, Numbering
from meterhouse.app.billing.priced import unpriced_usage
from meterhouse.app.billing.staleness import refuse_outdated
from meterhouse.app.billing.usage import changed_usage, open_usage
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import Unpriced
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.json_text import JsonValue
from meterhouse.core.money import amount_text, rounded
from meterhouse.core.party_reading import TEXT_CHARS_MAX, Numbered, number_of, series_of
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.core.quantity import ZERO, in_range, number_from_text, number_text
from meterhouse.core.reading import Reading, missing_or_shown
from meterhouse.rating.taxing import tax_named

_NAMESPACE = UUID("6c1d3a0e-54d1-5c39-8a9c-0f4b3a1c2d5e")
_REMEDIES = {
    "no_price": "add a price for it to a new version of the price book, and draft again",
    "ambiguous": "give one of these prices a higher priority, and draft again",
    "no_value": "add the value to the matrix, or a default, and draft again",
    "no_events": "only the single events say what is due: meter it by a meter type with "
    "periodAssignment event, or, for what is metered already, give the customer a price book "
    "without fixed amounts, free events and limits of events",
    "no_breakdown": "have the meter group by these fields, or price it without them",
    "below_zero": "void or amend what takes back more than there was, or count it by a price of "
    "the model included and give the money back by a line by hand, and draft again",
    "refund_of_free": "price it without free events, free amounts and included units, or void the "
    "events below 0 and give the money back by a line by hand, and draft again",
    "above_tiers": "give the last tier no up_to in a new version of the book, and draft again",
    "too_many_digits": "check the quantities and the prices (80 digits are computed), and draft "
    "again",
}
_RECORDS_NAMED = 5
#: Two years, of which one may have a leap day.
_AHEAD_MAX = timedelta(days=2 * 365 + 1)
#: Reasons that are about single records, not about kinds of usage.
_OF_RECORDS = ("below_zero", "refund_of_free")


#: What takes a document of a kind back.
_OPPOSITE = {
    InvoiceKind.INVOICE: InvoiceKind.CREDIT_NOTE,
    InvoiceKind.CREDIT_NOTE: InvoiceKind.INVOICE,
}
LINE_FIELDS = ("amount", "reason", "name", "tax")


class InvoiceBlocked(DefinitionError):
    """A draft cannot be issued as it is; ``problems`` says everything that is in the way."""

    code = "invoice_blocked"


def find_invoice(invoices: Invoices, reference: str, *, begins: bool = False) -> InvoiceHead:
    """Return an invoice by id or number; with ``begins``, also by the beginning of its id.

    Whoever only looks may give the beginning of an id. What changes something asks for all of it.
    """
    head = invoices.invoice(reference, begins=begins)
    if head is None:
        hint = "`invoice list` shows those that exist: give the number, or the whole id"
        raise NotFoundError(f"There is no invoice {reference!r}", hint=hint)
    return head


def stored_invoice(head: InvoiceHead) -> Invoice:
    """Return the invoice of a head, with the status that it has by now."""
    return replace(read_invoice(head.text), status=head.status)


def head_shown(head: InvoiceHead) -> dict[str, Any]:
    """Return the API's object of an invoice in a list."""
    invoice = read_invoice(head.text)
    digits = invoice.currency_digits
    return {
        "id": head.id,
        "kind": head.kind.value,
        "status": head.status.value,
        "number": head.number,
        "customer": head.customer,
        "issuer": head.issuer,
        "periodStart": instant_text(head.start),
        "periodEnd": instant_text(head.end),
        "issueDate": None if invoice.issue_date is None else invoice.issue_date.isoformat(),
        "currency": invoice.currency,
        "net": amount_text(invoice.totals.net, digits),
        "tax": amount_text(invoice.totals.tax, digits),
        "total": amount_text(invoice.totals.total, digits),
        "payable": amount_text(invoice.totals.payable, digits),
        "corrects": head.corrects,
        "unpriced": len(invoice.unpriced),
        "exceptions": len(invoice.exceptions),
        "createdAt": instant_text(head.created_at),
        "issuedAt": None if head.issued_at is None else instant_text(head.issued_at),
    }


def blocked_by(invoice: Invoice) -> list[Problem]:
    """Return what keeps a draft from being issued, by its places in the draft's document."""
    problems = [_unpriced(usage, place) for place, usage in enumerate(invoice.unpriced)]
    remedies = BLOCKING | {LEFT_OUT: REMEDY}
    problems += [
        Problem(f"exceptions[{place}]", text, remedies[code])
        for place, (code, text) in enumerate(invoice.exceptions)
        if code in remedies
    ]
    if invoice.totals.total < ZERO:
        hint = "add a line by hand that brings it to 0, or wait for usage of the next period"
        total = amount_text(invoice.totals.total, invoice.currency_digits)
        problems.append(Problem("totals.total", f"is {total} {invoice.currency}", hint))
    return problems


def _unpriced(usage: Unpriced, place: int) -> Problem:
    prices = f" ({', '.join(usage.skus)})" if usage.skus else ""
    message = f"{unpriced_usage(usage)} is unpriced: {usage.reason}"
    if usage.reason in _OF_RECORDS:
        few = ", ".join(usage.records[:_RECORDS_NAMED])
        prices += f", records: {few}" + (" ..." if len(usage.records) > _RECORDS_NAMED else "")
    remedy = _REMEDIES.get(usage.reason, "draft again")
    return Problem(f"unpriced[{place}]", message + prices, remedy)


def issue_invoice(
    ledger: Ledger,
    reference: str,
    *,
    formats: Sequence[str],
    at: Instant,
    issue_date: date | None = None,
    before_end: bool = False,
    empty: bool = False,
    overrides: Sequence[Override] = (),
    one_of_many: bool = False,
) -> Invoice:
    """Issue a draft. Without a date, that of ``at`` in the zone of the period.

    Refused on a day before the period's end, unless ``before_end``: more usage may come; and
    without any line, unless ``empty``: it would take a number for nothing. Checks that block it are
    named by ``overrides``, which the invoice and its history say; it may have other checks only if
    it is ``one_of_many`` that they are for (see ``refuse_needless``).
    """
    head = find_invoice(ledger, reference)

    def make(present: InvoiceHead) -> tuple[Numbering, Callable[[Numbered], Invoice]]:
        invoice = read_invoice(present.text)
        if problems := [*blocked_by(invoice), *blocking_checks(invoice, overrides)]:
            raise InvoiceBlocked(problems, what=f"The draft of {present.customer!r}")
        if not (invoice.lines or empty):
            message = f"The draft of {invoice.customer!r} has no lines: there is nothing to bill"
            hint = "void it, or say --empty (empty: true): it takes a number all the same"
            raise ConflictError(message, hint=hint, code="invoice_empty")
        needless = needless_overrides(invoice, overrides)
        if needless and not one_of_many:
            raise DefinitionError(needless, what=f"The draft of {present.customer!r}")
        refuse_stale(ledger, invoice)
        refuse_outdated(ledger, invoice)
        if not before_end:
            _refuse_early(invoice, issue_date or day_of(at, invoice.period.timezone))
        answered = overridden(invoice, overrides)
        return _numbering(ledger, present, answered, at=at, issue_date=issue_date)

    return ledger.issue_invoice(head.id, make=make, formats=formats, at=at)


def _refuse_early(invoice: Invoice, day: date) -> None:
    end = days_of(invoice.period).end
    if day < end:
        message = f"The period of this draft of {invoice.customer!r} is not over before {end}"
        hint = "more usage may come: wait, or say --before-end (beforeEnd: true)"
        raise ConflictError(message, hint=hint, code="period_not_over")


def still_open(ledger: Ledger, reference: str) -> list[tuple[str, str]]:
    """Tell, as exceptions do, of usage of its period that an issued invoice does not have."""
    head = find_invoice(ledger, reference)
    within = {"start": head.start, "end": head.end}
    told = open_usage(ledger, head.customer, **within)
    return told + changed_usage(ledger, head.customer, **within)


def credit_invoice(
    ledger: Ledger,
    reference: str,
    *,
    reason: str,
    formats: Sequence[str],
    at: Instant,
    issue_date: date | None = None,
    repeatable: bool = False,
) -> Invoice:
    """Take an issued invoice back by a credit note over all of it; returns the note.

    A credit note of a billing run is taken back by an invoice over all of it.
    """
    head = find_invoice(ledger, reference)
    id = credit_note_id(head.id)
    # Whoever may be repeating a request finds the note that it made: there is one at most.
    made = ledger.invoice(id) if repeatable else None
    if made is not None and read_invoice(made.text).metadata.get("reason") == reason:
        return read_invoice(made.text)

    def make(present: InvoiceHead) -> tuple[Numbering, Callable[[Numbered], Invoice]]:
        original = read_invoice(present.text)
        assert original.number is not None and original.issue_date is not None
        day = issue_date or max(day_of(at, original.period.timezone), original.issue_date)
        if day < original.issue_date:
            message = f"The issue date {day} is before that of {original.number}"
            hint = f"Give an issue date of {original.issue_date} or later"
            raise ConflictError(message, hint=hint)
        note = replace(
            original,
            id=id,
            kind=_OPPOSITE[original.kind],
            corrects=(original.number, original.issue_date),
            exceptions=(),
            checks=(),
            metadata={**original.metadata, "reason": reason},
        )
        return _numbering(ledger, present, note, at=at, issue_date=day)

    return ledger.issue_credit_note(id, of=head.id, make=make, formats=formats, at=at)


def credit_note_id(invoice_id: str) -> str:
    """Return the id of the credit note that takes an invoice back: there is one at most."""
    return str(uuid5(_NAMESPACE, invoice_id))


def correct_invoice(
    ledger: Ledger,
    reference: str,
    *,
    reason: str,
    formats: Sequence[str],
    at: Instant,
    metadata: dict[str, str] | None = None,
    issue_date: date | None = None,
    repeatable: bool = False,
) -> tuple[Invoice, Invoice]:
    """Take an issued invoice back and draft its period anew; returns credit note and draft.

    ``issue_date`` is that of the credit note. ``repeatable``: where it was taken back already, it
    is by this request.
    """
    head = find_invoice(ledger, reference)
    note = credit_invoice(
        ledger,
        head.id,
        reason=reason,
        formats=formats,
        at=at,
        issue_date=issue_date,
        repeatable=repeatable,
    )
    draft = prepare(
        ledger, find_customer(ledger, head.customer), days=days_billed(note), metadata=metadata
    )
    keep(ledger, draft, at=at)
    return note, draft.invoice


def read_line(body: JsonValue, *, id: str, author: str, at: Instant) -> ManualLine:
    """Read a line by hand. Raises ``DefinitionError`` listing every problem."""
    reading = Reading(body, known=LINE_FIELDS, what="line")
    given = reading.body.get("amount")
    amount = number_from_text(given) if isinstance(given, str) else None
    if not amount or not in_range(amount):
        hint = 'write it as text, such as "-25.00", with at most 20 digits before the point'
        reading.fail("amount", missing_or_shown(given), hint)
    reason = reading.text("reason", required=True, chars_max=TEXT_CHARS_MAX) or ""
    name = reading.text("name", chars_max=TEXT_CHARS_MAX) or reason
    tax = reading.text("tax", chars_max=TEXT_CHARS_MAX)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The line")
    assert amount is not None
    return ManualLine(id, name, amount, reason, author, at, tax)


def add_line(ledger: Ledger, reference: str, line: ManualLine, *, at: Instant) -> Invoice:
    """Add a line to a draft, and draft it again with it; returns the draft."""
    head = find_invoice(ledger, reference)
    _check_line(ledger, read_invoice(head.text), line)
    return ledger.add_manual_line(head.id, line, redraft=_anew(ledger, head.id, at=at))


def _check_line(ledger: Ledger, draft: Invoice, line: ManualLine) -> None:
    """Refuse a line that the draft cannot have, before it is kept."""
    digits = draft.currency_digits
    if rounded(line.amount, digits) != line.amount:
        hint = f"{draft.currency} has {digits} digits after the point"
        fault = Problem("amount", f"is {number_text(line.amount)}", hint)
        raise DefinitionError([fault], what="The line")
    tax_named(used_book(ledger, draft.books[0]), line.tax)


def remove_line(ledger: Ledger, reference: str, line_id: str, *, at: Instant) -> Invoice:
    """Take a line by hand off a draft, and draft it again without it; returns the draft."""
    head = find_invoice(ledger, reference)
    return ledger.remove_manual_line(head.id, line_id, redraft=_anew(ledger, head.id, at=at))


def _anew(ledger: Ledger, id: str, *, at: Instant) -> Callable[[], Invoice]:
    """Return what drafts again; refused where that makes another draft than the line is of."""

    def drafted() -> Invoice:
        draft = redraft(ledger, find_invoice(ledger, id), at=at)
        if draft.id != id:
            message = f"The period of the draft {id} is another one by the customer's price book"
            raise ConflictError(message, hint="Void it, draft the period, and add the line then")
        return draft

    return drafted


def redraft(ledger: Ledger, head: InvoiceHead, *, at: Instant) -> Invoice:
    """Draft a customer's period again; returns the draft."""
    present = read_invoice(head.text)
    kept = {name: text for name, text in present.metadata.items() if name not in OWN_METADATA}
    draft = prepare(
        ledger, find_customer(ledger, head.customer), days=days_billed(present), metadata=kept
    )
    keep(ledger, draft, at=at)
    return draft.invoice


def _refuse_far(day: date, *, today: date) -> None:
    """Refuse a date that can only be a misprint: no later number could have one before it."""
    if day - today > _AHEAD_MAX:
        hint = f"today is {today}: give a date within two years, or none for today"
        fault = Problem("issueDate", f"is {day}, more than two years ahead", hint)
        raise DefinitionError([fault], what="The issue date")


def _numbering(
    ledger: Ledger, head: InvoiceHead, document: Invoice, *, at: Instant, issue_date: date | None
) -> tuple[Numbering, Callable[[Numbered], Invoice]]:
    """Return how a document is numbered, and what it is once it has its number."""
    if issue_date is not None:
        _refuse_far(issue_date, today=day_of(at, document.period.timezone))
    issuer = find_issuer(ledger, head.issuer)
    credit_note = document.kind is InvoiceKind.CREDIT_NOTE
    issued = issue_date or day_of(at, document.period.timezone)
    due = None if credit_note else issued + timedelta(days=issuer.payment_days)
    known = {"customer": head.customer, "issue_date": issued, "credit_note": credit_note}

    def finish(numbered: Numbered) -> Invoice:
        return replace(
            document,
            status=InvoiceStatus.ISSUED,
            number=numbered.number,
            issue_date=issued,
            due_date=due,
            file_name=file_name(
                issuer.file_name, document, issuer=issuer.id, number=numbered.number
            ),
        )

    series = series_of(issuer, **known)
    return Numbering(series, lambda sequence: number_of(issuer, sequence, **known)), finish
