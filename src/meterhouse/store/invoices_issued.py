"""Issuing in the ledger: number, records, credits and the files to be made, all or nothing.

Theory of operation. A number is the one after the last of its series, read and written in the
transaction that issues: two processes wait for each other, and what fails gives its number back.
Records are claimed by the key of a table, so that two invoices cannot bill the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from meterhouse.app.billing.ports import FileMade, FilesWanted, InvoiceHead, Numbering
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import TRANSITIONS, CheckOutcome, Invoice, InvoiceKind, InvoiceStatus
from meterhouse.core.invoice_history import CORRECTED, ISSUED, HistoryEvent
from meterhouse.core.invoice_text import invoice_text, read_invoice
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.money import amount_text
from meterhouse.core.party_reading import Numbered
from meterhouse.core.problem import ConflictError
from meterhouse.store.activities import Note, Recorder
from meterhouse.store.connection import Database
from meterhouse.store.credits import draw, give_back
from meterhouse.store.invoice_history import InvoiceHistoryTable
from meterhouse.store.invoices import KIND, StoredInvoice, draft_at, invoice_at, refuse_billed
from meterhouse.store.sql_text import queries

_SQL = queries("invoices")
#: Makes an invoice of the one that is stored, once it has its number.
Make = Callable[[InvoiceHead], tuple[Numbering, Callable[[Numbered], Invoice]]]


class IssuedInvoiceTable(InvoiceHistoryTable, Recorder):
    """The part of the ledger that issues, and knows the files of what was issued."""

    _database: Database

    def issue_invoice(self, id: str, *, make: Make, formats: Sequence[str], at: Instant) -> Invoice:
        """Issue a draft in one transaction."""
        with self._recorded("issue", KIND, id) as note:
            stored = draft_at(self._database, id)
            _check_alone(self._database, stored)
            refuse_billed(self._database, stored.no)
            numbered, invoice = _numbered(self._database, stored, make)
            values = (numbered.series, numbered.sequence, numbered.number)
            issued = (*values, invoice_text(invoice), at, stored.no)
            self._database.execute(_SQL["issue"], issued)
            self._database.execute(_SQL["claim"], (stored.no,))
            draw(self._database, invoice.credits, invoice_no=stored.no, at=at)
            _want(self._database, stored.no, formats)
            _tell(note, invoice)
            self._add_to_history(ISSUED, invoice.id, at=at, of=invoice)
        return invoice

    def issue_credit_note(
        self, id: str, *, of: str, make: Make, formats: Sequence[str], at: Instant
    ) -> Invoice:
        """Take an issued document back in one transaction; returns what does."""
        with self._recorded("credit", KIND, of) as note:
            stored = invoice_at(self._database, of)
            _check_creditable(stored.head)
            numbered, credit_note = _numbered(self._database, stored, make)
            no = self._database.value(
                _SQL["insert"],
                (
                    *(id, credit_note.kind.value, InvoiceStatus.ISSUED.value),
                    *(stored.customer_no, stored.issuer_no, stored.head.start, stored.head.end),
                    *(numbered.series, numbered.sequence, numbered.number, stored.no),
                    *(invoice_text(credit_note), at, at),
                ),
            )
            corrected = InvoiceStatus.CORRECTED.value
            self._database.execute(_SQL["set_status"], (corrected, stored.no))
            self._database.execute(_SQL["release"], (stored.no,))
            give_back(self._database, of=stored.no, invoice_no=no, at=at)
            _want(self._database, no, formats)
            _tell(note, credit_note)
            note.detail |= {"creditNote": id, "corrects": stored.head.number}
            self._add_to_history(CORRECTED, of, at=at, of=credit_note)
            self._add_to_history(ISSUED, id, at=at, of=credit_note)
        return credit_note

    def _add_to_history(self, action: str, invoice_id: str, *, at: Instant, of: Invoice) -> None:
        """Write in the transaction what becomes of an invoice, with the hash of the document."""
        detail: dict[str, JsonValue] = {
            "document": of.id,
            "number": of.number,
            "customer": of.customer,
            "total": amount_text(of.totals.total, of.currency_digits),
            "currency": of.currency,
            "sha256": sha256(invoice_text(of).encode()).hexdigest(),
        }
        if answered := [one for one in of.checks if one.outcome is CheckOutcome.OVERRIDDEN]:
            detail["overrides"] = [
                {"code": one.code, "author": one.author, "reason": one.reason} for one in answered
            ]
        actor = "" if self.acting is None else self.acting.actor
        self.add_history(HistoryEvent(at, actor, action, invoice_id, detail))

    def files_wanted(self, *, limit: int = 100) -> list[FilesWanted]:
        """Return files that are to be made, oldest invoice first."""
        with self._database.read():
            rows = self._database.rows(_SQL["files_wanted"], (limit,))
        return [FilesWanted(id, version, parse_json(formats)) for id, version, formats in rows]

    def files_made(self, wanted: FilesWanted, made: Sequence[FileMade]) -> None:
        """Note that files are in the archive; a second time changes nothing."""
        rows = [
            (
                *(one.name, one.size, one.sha256, one.archived_at),
                *(wanted.invoice_id, wanted.version, one.format),
            )
            for one in made
        ]
        with self._database.write():
            self._database.execute_many(_SQL["file_made"], rows)

    def files_given_up(self, wanted: FilesWanted, reasons: Mapping[str, str]) -> None:
        """Want files no more that cannot be made: why, by format."""
        with self._recorded("give up files", KIND, wanted.invoice_id, **reasons):
            rows = [(wanted.invoice_id, wanted.version, format) for format in reasons]
            self._database.execute_many(_SQL["give_up_file"], rows)

    def files_refused(self, invoice_id: str) -> Mapping[str, str]:
        """Return the formats that an invoice cannot be written in, and why."""
        with self._database.read():
            stored = invoice_at(self._database, invoice_id)
            known = {row[0] for row in self._database.rows(_SQL["file_formats"], (stored.no,))}
            rows = self._database.rows(_SQL["files_refused"], (stored.head.id,))
        reasons: dict[str, str] = {}
        for (detail,) in rows:
            reasons = parse_json(detail) | reasons
        return {format: reasons[format] for format in sorted(reasons) if format not in known}

    def want_files(self, invoice_id: str, formats: Sequence[str]) -> None:
        """Have files made of an issued invoice: of these formats, and of those it has already."""
        with self._recorded("render", KIND, invoice_id, formats=list(formats)) as note:
            no = invoice_at(self._database, invoice_id).no
            known = [row[0] for row in self._database.rows(_SQL["file_formats"], (no,))]
            note.void = set(formats) <= set(known)
            if not note.void:
                _want(self._database, no, sorted({*formats, *known}))

    def files_of(self, invoice_id: str) -> list[FileMade]:
        """Return the files of the newest version that are in the archive."""
        with self._database.read():
            no = invoice_at(self._database, invoice_id).no
            return [FileMade(*row) for row in self._database.rows(_SQL["files_of"], {"no": no})]


def _numbered(database: Database, stored: StoredInvoice, make: Make) -> tuple[Numbered, Invoice]:
    """Take the next number of a series and make the document that bears it."""
    numbering, finish = make(stored.head)
    last = database.value(_SQL["last_sequence"], (stored.issuer_no, numbering.series))
    sequence = last + 1
    numbered = Numbered(numbering.series, sequence, numbering.number(sequence))
    if database.value(_SQL["number_taken"], (stored.issuer_no, numbered.number)) is not None:
        message = f"The number {numbered.number} is taken in another series"
        hint = "Give the issuer a numberFormat that tells the series apart"
        raise ConflictError(message, hint=hint)
    document = finish(numbered)
    if last:
        _check_date(database, stored, document, series=numbering.series)
    return numbered, document


def _check_date(
    database: Database, stored: StoredInvoice, document: Invoice, *, series: str
) -> None:
    """Refuse a date before that of the last number: numbers and dates go up together."""
    before = read_invoice(database.value(_SQL["last_body"], (stored.issuer_no, series)))
    assert document.issue_date is not None and before.issue_date is not None
    if document.issue_date < before.issue_date:
        message = (
            f"The issue date {document.issue_date} is before {before.issue_date}, the date of "
            f"{before.number}, which is the last number of its series"
        )
        raise ConflictError(message, hint=f"Give an issue date of {before.issue_date} or later")


def _check_alone(database: Database, stored: StoredInvoice) -> None:
    """Refuse a draft whose period is billed, or that corrects what was corrected otherwise."""
    if number := database.value(_SQL["overlapping"], (stored.no,)):
        message = f"The period of this draft is billed already, by invoice {number}"
        raise ConflictError(message, hint=f"`invoice correct {number}` replaces that one")
    if number := database.value(_SQL["stale_correction"], (stored.no,)):
        message = f"The draft corrects invoice {number}, which was taken back meanwhile"
        raise ConflictError(message, hint="Draft the invoice again")


def _check_creditable(head: InvoiceHead) -> None:
    if head.corrects is not None:
        note = head.kind is InvoiceKind.CREDIT_NOTE
        message = f"{head.number} {'is a credit note' if note else 'takes a credit note back'}"
        raise ConflictError(message, hint="Draft the period of what it takes back again")
    if InvoiceStatus.CORRECTED not in TRANSITIONS[head.status]:
        what = f"Invoice {head.number or head.id} is {head.status.value}"
        hints = {InvoiceStatus.DRAFT: "`invoice void` drops a draft"}
        hint = hints.get(head.status, "`invoice list` shows what is issued")
        raise ConflictError(f"{what}: only what is issued can be credited", hint=hint)


def _want(database: Database, no: int, formats: Sequence[str]) -> None:
    version = database.value(_SQL["file_version"], (no,))
    database.execute_many(_SQL["want_file"], [(no, version, format) for format in formats])


def _tell(note: Note, invoice: Invoice) -> None:
    note.detail |= {"number": invoice.number, "customer": invoice.customer}
