"""Drafts, invoices and credit notes in the ledger: storing drafts, finding and listing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from meterhouse.app.billing.ports import Draft, InvoiceHead, ManualLine
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Invoice, InvoiceKind, InvoiceStatus
from meterhouse.core.invoice_text import invoice_text
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.quantity import number_text
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.customers import customer_at
from meterhouse.store.invoice_history import only_id
from meterhouse.store.issuers import issuer_at
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.sql_text import queries

_SQL = queries("invoices")
KIND = "invoice"


@dataclass(frozen=True, slots=True)
class StoredInvoice:
    """An invoice with the numbers of its row, its customer and its issuer."""

    head: InvoiceHead
    no: int
    customer_no: int
    issuer_no: int


class InvoiceTable(Recorder):
    """The part of the ledger that keeps drafts and finds invoices."""

    _database: Database

    def put_draft(self, draft: Draft, *, at: Instant) -> None:
        """Store a draft in place of the one of the same id."""
        invoice = draft.invoice
        with self._recorded("draft", KIND, invoice.id, customer=invoice.customer) as note:
            customer_no, _ = customer_at(self._database, invoice.customer)
            issuer_no, _ = issuer_at(self._database, draft.issuer)
            no = self._database.value(_SQL["find"], (invoice.id,))
            records = _records(draft)
            period = (invoice.period.start, invoice.period.end)
            if no is None:
                made = (invoice.id, invoice.kind.value, "draft", customer_no, issuer_no, *period)
                nothing = (None, None, None, None)
                values = (*made, *nothing, invoice_text(invoice), at, None)
                no = self._database.value(_SQL["insert"], values)
                for line in draft.manual:
                    _insert_line(self._database, no, line)
            else:
                stored = _draft_at(self._database, no)
                same = self._database.rows(_SQL["records_of"], (no,)) == records
                text = invoice_text(invoice)
                note.void = same and stored.head.text == text
                self._database.execute(
                    _SQL["update_draft"], (issuer_no, invoice.kind.value, *period, text, no)
                )
                self._database.execute(_SQL["clear_records"], (no,))
            rows = ((no, record, corrects) for record, corrects in records)
            self._database.execute_many(_SQL["insert_record"], rows)
            refuse_billed(self._database, no)

    def invoice(self, reference: str, *, begins: bool = False) -> InvoiceHead | None:
        """Find one by id or number, in this order; with ``begins``, by the beginning of its id."""
        with self._database.read():
            no = _meant(self._database, reference)
            if no is None and begins:
                rows = self._database.rows(_SQL["beginning"], {"reference": reference})
                no = rows[0][0] if len(rows) == 1 else None
            return None if no is None else _by_no(self._database, no).head

    def invoices(
        self,
        *,
        customer: str | None = None,
        status: InvoiceStatus | None = None,
        kind: InvoiceKind | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[InvoiceHead]:
        """List invoices; their periods lie within ``since`` and ``until``."""
        values = {
            "after": number_after(after),
            "customer": customer,
            "status": None if status is None else status.value,
            "kind": None if kind is None else kind.value,
            "since": since,
            "until": until,
            "limit": limit + 1,
        }
        with self._database.read():
            rows = self._database.rows(_SQL["heads"], values)
        return page_of(rows, _heads, limit=limit)

    def moved_users(self, id: str) -> Sequence[str]:
        """Return users of a draft's records whom its customer has no more; some, where many."""
        with self._database.read():
            return [user for (user,) in self._database.rows(_SQL["moved_users"], (id,))]

    def invoices_of(self, customer: str, *, after: Instant | None = None) -> Sequence[InvoiceHead]:
        """Return what billing runs have made for a customer: drafts too, nothing that is void."""
        with self._database.read():
            return _heads(
                self._database.rows(_SQL["of_customer"], {"customer": customer, "after": after})
            )

    def count_settled(self, customer: str, *, start: Instant, end: Instant) -> int:
        """Return how many invoices for exactly this period are drafts no more."""
        with self._database.read():
            count: int = self._database.value(_SQL["count_settled"], (customer, start, end))
            return count

    def void_draft(self, id: str) -> None:
        """Void a draft."""
        with self._recorded("void", KIND, id) as note:
            stored = draft_at(self._database, id)
            note.detail["customer"] = stored.head.customer
            self._database.execute(_SQL["set_status"], ("void", stored.no))
            self._database.execute(_SQL["clear_records"], (stored.no,))

    def manual_lines(self, invoice_id: str) -> list[ManualLine]:
        """Return the lines that people have added to a draft, in their order."""
        with self._database.read():
            no = self._database.value(_SQL["find"], (invoice_id,))
            rows = self._database.rows(_SQL["manual_lines"], (no,))
        return [
            ManualLine(id, name, Decimal(amount), reason, author, at, tax)
            for id, name, amount, reason, author, at, tax in rows
        ]

    def add_manual_line(
        self, invoice_id: str, line: ManualLine, *, redraft: Callable[[], Invoice]
    ) -> Invoice:
        """Add a line to a draft and make it anew, in one transaction."""
        amount = number_text(line.amount)
        detail = {"line": line.id, "name": line.name, "amount": amount, "reason": line.reason}
        with self._database.write():
            with self._recorded("add line", KIND, invoice_id, **detail):
                _insert_line(self._database, draft_at(self._database, invoice_id).no, line)
            return redraft()

    def remove_manual_line(
        self, invoice_id: str, line_id: str, *, redraft: Callable[[], Invoice]
    ) -> Invoice:
        """Take a line off a draft and make it anew, in one transaction."""
        with self._database.write():
            with self._recorded("remove line", KIND, invoice_id, line=line_id):
                stored = draft_at(self._database, invoice_id)
                if self._database.value(_SQL["delete_manual_line"], (stored.no, line_id)) is None:
                    hint = "`invoice show` shows its lines by hand with their ids"
                    raise NotFoundError(f"The draft has no line by hand {line_id!r}", hint=hint)
            return redraft()


def invoice_at(database: Database, id: str) -> StoredInvoice:
    """Return an invoice by id; the caller holds the transaction."""
    no = database.value(_SQL["find"], (id,))
    if no is None:
        hint = "`invoice list` shows those that exist"
        raise NotFoundError(f"There is no invoice {id!r}", hint=hint)
    return _by_no(database, no)


def _meant(database: Database, reference: str) -> int | None:
    """Return the place of the invoice that an id or a number means."""
    no = database.value(_SQL["find"], (reference,))
    if no is None:
        ids = [id for (id,) in database.rows(_SQL["ids_numbered"], (reference,))]
        id = only_id(ids, number=reference)
        no = None if id is None else database.value(_SQL["find"], (id,))
    return no


def _insert_line(database: Database, no: int, line: ManualLine) -> None:
    said = (line.id, line.name, number_text(line.amount), line.reason, line.author, line.at)
    database.execute(_SQL["insert_manual_line"], (*said, line.tax, no))


def draft_at(database: Database, id: str) -> StoredInvoice:
    """Return a draft by id; refused where it is one no more."""
    return _draft_at(database, invoice_at(database, id).no)


def _draft_at(database: Database, no: int) -> StoredInvoice:
    stored = _by_no(database, no)
    if stored.head.status is not InvoiceStatus.DRAFT:
        what = f"Invoice {stored.head.number or stored.head.id} is {stored.head.status.value}"
        raise ConflictError(
            f"{what}: only drafts can be changed", hint=_REMEDIES[stored.head.status]
        )
    return stored


_REMEDIES = {
    InvoiceStatus.ISSUED: "`invoice correct` takes it back and makes a new draft",
    InvoiceStatus.CORRECTED: "Draft its period again",
    InvoiceStatus.VOID: "Draft its period again",
}


def refuse_billed(database: Database, no: int) -> None:
    """Refuse a draft that has a record which is billed already."""
    row = database.row(_SQL["billed_of"], (no,))
    if row is not None:
        billed = _by_no(database, row[1]).head
        message = f"Record {row[0]} is billed already, by invoice {billed.number}"
        raise ConflictError(message, hint="Draft the invoice again: it leaves out what is billed")


def _by_no(database: Database, no: int) -> StoredInvoice:
    *head, row_no, customer_no, issuer_no = database.only_row(_SQL["head"], (no,))
    return StoredInvoice(_head((*head, row_no)), row_no, customer_no, issuer_no)


def _heads(rows: Sequence[Row]) -> list[InvoiceHead]:
    return [_head(row) for row in rows]


def _head(row: Row) -> InvoiceHead:
    id, kind, status, *rest, _ = row
    return InvoiceHead(id, InvoiceKind(kind), InvoiceStatus(status), *rest)


def _records(draft: Draft) -> list[tuple[int, str | None]]:
    corrects = dict(draft.corrects)
    return [(no, corrects.get(no)) for no in sorted(draft.records)]
