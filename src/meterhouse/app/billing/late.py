"""Late usage: what a billed period comes to by now, less what its invoices have billed.

Theory of operation. Money decides, not records. All of the period is rated anew at the book of its
invoice, with discounts and commitments; from it goes each line for that period on an invoice that
stands. However often usage is restated, and whichever invoice is taken back, all invoices of a
period come to what it costs. So a draft of a period of which late usage stands on another
invoice (its own was taken back) deducts that. What a draft has counted on, it says; when that is
no longer so, it is stale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meterhouse.app.billing.books import used_book
from meterhouse.app.billing.cut_before import BilledCuts
from meterhouse.app.billing.late_counts import counted_late
from meterhouse.app.billing.lost_events import comparable
from meterhouse.app.billing.ports import InvoiceHead
from meterhouse.app.billing.priced import PricedPeriod, priced_period, starts_of
from meterhouse.app.billing.usage import LateUsage
from meterhouse.app.billing.versions import versions_used
from meterhouse.app.ports import Ledger
from meterhouse.core.charge import BillingPeriod, Unpriced
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceLine, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.party import Customer
from meterhouse.core.price_book import PriceBook
from meterhouse.core.problem import ConflictError
from meterhouse.rating.giving_back import turned_lines
from meterhouse.rating.invoicing import Late
from meterhouse.rating.line_changes import line_changes

#: The SKU and the model of lines by hand.
BY_HAND = "by-hand"
#: The metadata that names the invoices whose lines a draft has counted on.
BILLED_BEFORE = "billedBefore"
_RECORDS_NAMED = 5
#: Exceptions of late usage that keep a draft from being issued, with what to do.
BLOCKING = {
    "late_currency": "give the customer a price book in that currency, or `invoice correct` the "
    "invoice of that period, and draft again",
    "billed_otherwise": "`invoice credit` that invoice first, and draft again",
    "late_not_cut": "put the meter and its single usage back from a backup; or `invoice correct` "
    "the invoice, which rates such usage by its first version, and even it out by a line by hand",
    "late_no_events": "put the meter and its single usage back from a backup; or give the customer "
    "a price book that needs no single events, `invoice correct` the invoice, and even it out by a "
    "line by hand",
}


@dataclass(frozen=True, slots=True)
class LateLines:
    """What late usage adds to a draft. ``exceptions`` are for whoever reviews it.

    So is ``counted``: what there is of usage that is not charged.
    """

    lines: tuple[Late, ...] = ()
    books: tuple[PriceBook, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    exceptions: tuple[tuple[str, str], ...] = ()
    counted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Billed:
    """The lines of an invoice that stands which are for a period."""

    invoice: Invoice
    lines: tuple[InvoiceLine, ...]


class Issued:
    """The invoices of a customer that stand, each read once at most."""

    def __init__(self, heads: Iterable[InvoiceHead]) -> None:
        self.heads = tuple(head for head in heads if head.status is InvoiceStatus.ISSUED)
        self._read: dict[str, Invoice] = {}

    def invoice(self, head: InvoiceHead) -> Invoice:
        """Return the invoice of a head."""
        if head.id not in self._read:
            self._read[head.id] = read_invoice(head.text)
        return self._read[head.id]

    def billed(self, period: BillingPeriod) -> list[Billed]:
        """Return what has billed a period: its invoice, and late usage on later ones."""
        found = []
        for head in self.heads:
            if head.start >= period.start:
                invoice = self.invoice(head)
                lines = tuple(line for line in charged_lines(invoice) if _is_for(line, period))
                if lines:
                    found.append(Billed(invoice, lines))
        return found


def late_lines(
    ledger: Ledger,
    late: Iterable[LateUsage],
    issued: Issued,
    customer: Customer,
    *,
    book: PriceBook,
    period: BillingPeriod,
) -> LateLines:
    """Return the lines of late usage of a draft, and of what its own period was billed already."""
    found = [_deducted(ledger, issued, book=book, period=period)]
    found += [_rated_anew(ledger, issued, one, customer, book) for one in late]
    return LateLines(
        tuple(line for one in found for line in one.lines),
        tuple(book for one in found for book in one.books),
        tuple(usage for one in found for usage in one.unpriced),
        tuple(exception for one in found for exception in one.exceptions),
        tuple(told for one in found for told in one.counted),
    )


def billed_before(invoice: Invoice, issued: Issued) -> str:
    """Return the numbers of the invoices that have billed the periods a draft has lines of."""
    corrected = {line.corrects for line in invoice.lines}
    periods = [invoice.period]
    periods += [issued.invoice(head).period for head in issued.heads if head.number in corrected]
    numbers = [one.invoice.number for period in periods for one in issued.billed(period)]
    return " ".join(dict.fromkeys(number for number in numbers if number is not None))


def refuse_stale(ledger: Ledger, draft: Invoice) -> None:
    """Refuse a draft when its usage is another customer's by now.

    Or when its periods are not billed any more as they were when it was made.
    """
    if moved := ledger.moved_users(draft.id):
        users = ", ".join(repr(user) for user in moved)
        message = f"The draft has usage of {users}, who is of another customer by now, or of nobody"
        raise ConflictError(message, hint="Draft the invoice again, and that of the other one")
    first = min((line.charge.period.start for line in draft.lines), default=draft.period.start)
    # What a credit note refers to may be older than all that it has lines for.
    after = None if draft.corrects is not None else min(first, draft.period.start)
    issued = Issued(ledger.invoices_of(draft.customer, after=after))
    numbers = {head.number for head in issued.heads}
    if draft.corrects is not None and draft.corrects[0] not in numbers:
        message = f"The draft gives back of {draft.corrects[0]}, which was taken back meanwhile"
        raise ConflictError(message, hint="Draft the invoice again")
    now = billed_before(draft, issued)
    then = draft.metadata.get(BILLED_BEFORE, "")
    if now != then:
        message = (
            "Other invoices bill the periods of this draft than did when it was made: then "
            f"{_listed(then)}, now {_listed(now)}"
        )
        raise ConflictError(message, hint="Draft the invoice again: it is made of what they billed")


def _listed(numbers: str) -> str:
    return numbers.replace(" ", ", ") or "none"


def charged_lines(invoice: Invoice) -> tuple[InvoiceLine, ...]:
    """Return the lines of a document as an invoice has them: below 0 is what it gives back."""
    credit_note = invoice.kind is InvoiceKind.CREDIT_NOTE
    return turned_lines(invoice.lines) if credit_note else invoice.lines


def share_of(invoice: Invoice) -> tuple[int, int]:
    """Return how many of how many days an invoice has charged."""
    texts = [invoice.metadata.get(name) for name in ("chargedDays", "periodDays")]
    charged, whole = (1 if text is None else int(text) for text in texts)
    return charged, whole


def _is_for(line: InvoiceLine, period: BillingPeriod) -> bool:
    of = line.charge.period
    return line.charge.sku != BY_HAND and of.start < period.end and period.start < of.end


def _rated_anew(
    ledger: Ledger, issued: Issued, late: LateUsage, customer: Customer, book: PriceBook
) -> LateLines:
    original = issued.invoice(late.corrects)
    if original.currency != book.currency:
        return _other_currency(original, book)
    versions = versions_used(ledger, original, share_of(original))
    period = original.period
    billed = issued.billed(period)
    lines = [line for one in billed for line in one.lines]
    cuts = BilledCuts(lines, starts_of(versions, period))
    priced = priced_period(
        ledger,
        late.usage,
        versions=versions,
        period=period,
        customer=customer.id,
        late=True,
        billed=lines,
    )
    known = comparable(lines, priced)
    changes = line_changes(known.billed, known.priced)
    books = {book.hash: book for book in priced.books} | _books(ledger, billed)
    return LateLines(
        tuple((charge, original.number, books[hash]) for charge, hash in changes),
        (*priced.books, *(books[hash] for _, hash in changes)),
        known.unpriced,
        tuple(
            (code, f"invoice {original.number}: {text}")
            for code, text in (
                *priced.exceptions,
                *known.exceptions,
                *_not_cut(late, priced, cuts),
            )
        ),
        tuple(counted_late(ledger, late, versions=versions, cuts=cuts, customer=customer.id)),
    )


def _not_cut(late: LateUsage, priced: PricedPeriod, cuts: BilledCuts) -> list[tuple[str, str]]:
    """Tell of records that were billed in parts, and of which nobody knows the parts any more."""
    restates, values = late.restates, {one.record_id: one.value for one in late.usage}
    families: dict[str, list[str]] = {}
    for id in {*restates, *restates.values(), *priced.whole}:
        families.setdefault(late.root(id), []).append(id)
    # What only some versions count is on no line: less on lines than there is was cut by that.
    counts = [book.counts for book in priced.books]
    uneven = any(one != counts[0] for one in counts)
    lost = [
        id
        for id in priced.whole
        if cuts.after_change(families[late.root(id)])
        or (uneven and id not in late.fresh and cuts.billed(id) != values[id])
    ]
    if not lost:
        return []
    few = ", ".join(lost[:_RECORDS_NAMED]) + (" ..." if len(lost) > _RECORDS_NAMED else "")
    text = (
        "prices changed within its period, and of some usage that it bills in parts nobody knows "
        f"the days any more (records: {few}): it would be billed anew at other prices"
    )
    return [("late_not_cut", text)]


def _deducted(
    ledger: Ledger, issued: Issued, *, book: PriceBook, period: BillingPeriod
) -> LateLines:
    """Deduct late usage of a draft's period that is billed on invoices which stand."""
    found = LateLines()
    for one in issued.billed(period):
        if one.invoice.currency != book.currency:
            made = _other_currency(one.invoice, book)
        elif any(not _within(line.charge.period, period) for line in one.lines):
            text = f"invoice {one.invoice.number} bills late usage of only a part of this period"
            made = LateLines(exceptions=(("billed_otherwise", text),))
        else:
            books = _books(ledger, [one])
            changes = line_changes(one.lines, ())
            lines = [(charge, one.invoice.number, books[hash]) for charge, hash in changes]
            made = LateLines(tuple(lines), tuple(books.values()))
        found = LateLines(
            (*found.lines, *made.lines),
            (*found.books, *made.books),
            exceptions=(*found.exceptions, *made.exceptions),
        )
    return found


def _within(inner: BillingPeriod, outer: BillingPeriod) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _books(ledger: Ledger, billed: Iterable[Billed]) -> dict[str, PriceBook]:
    """Return the books of the lines of invoices, by hash."""
    used = {
        book.hash: book
        for one in billed
        for book in one.invoice.books
        if any(line.book == book.hash for line in one.lines)
    }
    return {hash: used_book(ledger, book) for hash, book in used.items()}


def _other_currency(invoice: Invoice, book: PriceBook) -> LateLines:
    text = (
        f"late usage of invoice {invoice.number} is in {invoice.currency}, this draft in "
        f"{book.currency}: it cannot be billed here"
    )
    return LateLines(exceptions=(("late_currency", text),))
