"""What the use cases of billing ask of the ledger.

Lists and transactions: as ``ports`` has them. What decides (``change``, ``check``, ``number``) is
called inside the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from meterhouse.app.page import Page
from meterhouse.core.credit import Grant
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Check, Invoice, InvoiceKind, InvoiceStatus
from meterhouse.core.party import Customer, Issuer
from meterhouse.core.party_reading import Numbered
from meterhouse.streams.record import ConsumedFile


@dataclass(frozen=True, slots=True)
class BillableRecord:
    """A golden record or an adjustment in the ledger.

    ``no`` is its place there; ``adjusts`` is the id of the record that it restates; ``billed`` is
    the id of the invoice that bills it. ``run_id`` is ``None`` until a run has taken it downstream;
    ``category`` is that of its meter type when it was taken note of, ``None`` where that was gone.
    """

    no: int
    record_id: str
    user: str
    period_end: Instant
    text: str
    run_id: str | None
    adjusts: str | None = None
    billed: str | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class InvoiceHead:
    """What lists show of an invoice, and what others of the same customer must know of it."""

    id: str
    kind: InvoiceKind
    status: InvoiceStatus
    customer: str
    issuer: str
    start: Instant
    end: Instant
    number: str | None
    corrects: str | None
    text: str
    created_at: Instant
    issued_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ManualLine:
    """A line that somebody has added to a draft."""

    id: str
    name: str
    amount: Decimal
    reason: str
    author: str
    at: Instant
    tax: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft as it is stored: the invoice, and the records that it is made of.

    ``corrects`` says of late records which invoice (by id) they correct. ``manual`` are the lines
    by hand that a new draft begins with.
    """

    invoice: Invoice
    issuer: str
    records: Sequence[int]
    corrects: Sequence[tuple[int, str]] = ()
    manual: Sequence[ManualLine] = ()


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a document gets its number: the series, and what is written of a place in it."""

    series: str
    number: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class FilesWanted:
    """Files of an issued invoice that are not in the archive yet, in one version."""

    invoice_id: str
    version: int
    formats: Sequence[str]


@dataclass(frozen=True, slots=True)
class FileMade:
    """A file of an issued invoice that is in the archive."""

    format: str
    name: str
    size: int
    sha256: str
    archived_at: Instant


@dataclass(frozen=True, slots=True)
class Finding:
    """What somebody found of a customer's usage of a period, to be told on its invoice.

    ``origin`` says who: what it finds again replaces what it found before.
    """

    origin: str
    checks: tuple[Check, ...] = ()
    exceptions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RunInput:
    """What a run has read: a file, or a part of what has no files, with how far."""

    node: str
    name: str
    detail: str


class Findings(Protocol):
    """What was found of usage that is billed, beside the usage itself."""

    def put_finding(
        self, customer: str, finding: Finding, *, start: Instant, end: Instant, at: Instant
    ) -> None:
        """Keep a finding for the invoice of a period, in place of the one before."""
        ...

    def findings(self, customer: str, *, start: Instant, end: Instant) -> Sequence[Finding]:
        """Return what was found of exactly this period, in the order of the origins."""
        ...


class Issuers(Protocol):
    """Who issues invoices."""

    def add_issuer(self, issuer: Issuer) -> None:
        """Add; ``ConflictError`` where the id is taken."""
        ...

    def issuer(self, id: str) -> Issuer | None:
        """Find one by id."""
        ...

    def issuers(self, *, limit: int = 100, after: str | None = None) -> Page[Issuer]:
        """List issuers."""
        ...

    def update_issuer(self, id: str, change: Callable[[Issuer], Issuer]) -> Issuer:
        """Replace by what ``change`` makes of it, in one transaction; returns that."""
        ...

    def delete_issuer(self, id: str, check: Callable[[Issuer], None]) -> None:
        """Delete; ``ConflictError`` while customers or invoices have it."""
        ...


class Customers(Protocol):
    """Who pays for usage."""

    def add_customer(self, customer: Customer) -> None:
        """Add; ``ConflictError`` where the id or a user is taken, or there is no such issuer."""
        ...

    def customer(self, id: str) -> Customer | None:
        """Find one by id."""
        ...

    def customers(
        self, *, issuer: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Customer]:
        """List customers."""
        ...

    def update_customer(self, id: str, change: Callable[[Customer], Customer]) -> Customer:
        """Replace by what ``change`` makes of it, in one transaction; returns that."""
        ...

    def delete_customer(self, id: str, check: Callable[[Customer], None]) -> None:
        """Delete; ``ConflictError`` while there are invoices or credits of it."""
        ...


class BillingRecords(Protocol):
    """Golden records and adjustments, as billing reads them."""

    def index_billable(self) -> None:
        """Take up the records that runs have made since; the others below do not see them."""
        ...

    def billable_records(
        self, customer_id: str, *, after: Instant | None, until: Instant, unbilled: bool = False
    ) -> Sequence[BillableRecord]:
        """Return records of a customer whose periods end in ``(after, until]``.

        With ``unbilled``, only those that no invoice bills.

        Those of its users, but for what another customer was billed; and what it was billed, with
        the adjustments of it, whoever has the user now.
        """
        ...

    def billable_record(self, record_id: str) -> BillableRecord | None:
        """Return one record."""
        ...

    def records_of_nobody(self, *, after: Instant, until: Instant) -> Sequence[tuple[str, int]]:
        """Return users whom no customer has, with their numbers of records in a period."""
        ...

    def open_event_periods(self, customer_id: str, *, after: Instant, until: Instant) -> int:
        """Return how many meters of a customer have usage in a period that has not closed.

        Of event-time meters; their periods end in ``(after, until]``.
        """
        ...

    def runs_that_fed(self, record_id: str, *, start: Instant) -> Sequence[str]:
        """Return runs whose input a record has: of its stream, from the start of its period on.

        The run that let it out is the last of them; 1,000 at most.
        """
        ...

    def files_of_run(self, run_id: str) -> Sequence[ConsumedFile]:
        """Return the files that a run has read: their hashes (datasets) and numbers of records."""
        ...

    def files_that_fed(self, runs: Sequence[str], *, start: Instant) -> Sequence[ConsumedFile]:
        """Return the files that the streams of runs have read for these or for runs before them.

        Those of complete runs whose clocks stood at an instant, or after it.
        """
        ...

    def inputs_of_run(self, run_id: str) -> Sequence[RunInput]:
        """Return what a run has read, as far as the ledger still knows it."""
        ...


class Invoices(Protocol):
    """Drafts, invoices and credit notes."""

    def put_draft(self, draft: Draft, *, at: Instant) -> None:
        """Store a draft in place of the one of the same id.

        ``ConflictError`` where a record of it is billed, or what it replaces is a draft no more.
        """
        ...

    def invoice(self, reference: str, *, begins: bool = False) -> InvoiceHead | None:
        """Find one by id or number, in this order; with ``begins``, by the beginning of its id.

        ``ConflictError`` where several issuers have given the number.
        """
        ...

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
        ...

    def moved_users(self, id: str) -> Sequence[str]:
        """Return users of a draft's records whom its customer has no more; some, where many."""
        ...

    def invoices_of(self, customer: str, *, after: Instant | None = None) -> Sequence[InvoiceHead]:
        """Return what billing runs have made for a customer: drafts too, nothing that is void.

        With ``after``, only of periods that end later.

        Invoices, and credit notes where a period came to less than nothing; not what takes one of
        them back.
        """
        ...

    def count_settled(self, customer: str, *, start: Instant, end: Instant) -> int:
        """Return how many invoices for exactly this period are drafts no more."""
        ...

    def manual_lines(self, invoice_id: str) -> Sequence[ManualLine]:
        """Return the lines that people have added to a draft, in their order."""
        ...

    def add_manual_line(
        self, invoice_id: str, line: ManualLine, *, redraft: Callable[[], Invoice]
    ) -> Invoice:
        """Add a line to a draft and make it anew, in one transaction; returns the draft.

        ``ConflictError`` where it is none.
        """
        ...

    def remove_manual_line(
        self, invoice_id: str, line_id: str, *, redraft: Callable[[], Invoice]
    ) -> Invoice:
        """Take a line off a draft and make it anew, in one transaction; returns the draft.

        ``NotFoundError``, ``ConflictError``.
        """
        ...

    def issue_invoice(
        self,
        id: str,
        *,
        make: Callable[[InvoiceHead], tuple[Numbering, Callable[[Numbered], Invoice]]],
        formats: Sequence[str],
        at: Instant,
    ) -> Invoice:
        """Issue a draft in one transaction: see ``app/billing/issuing``. Returns the invoice.

        ``ConflictError`` where it is no draft, its period or a record of it is billed already,
        what it corrects was corrected otherwise, or a grant has less left than it draws.
        """
        ...

    def issue_credit_note(
        self,
        id: str,
        *,
        of: str,
        make: Callable[[InvoiceHead], tuple[Numbering, Callable[[Numbered], Invoice]]],
        formats: Sequence[str],
        at: Instant,
    ) -> Invoice:
        """Take an issued document back in one transaction; returns what does: see ``make``.

        Its records can be billed again, and what it drew of grants is given back.
        ``ConflictError`` where it is not issued.
        """
        ...

    def void_draft(self, id: str) -> None:
        """Void a draft; ``ConflictError`` where it is none."""
        ...


class InvoiceFiles(Protocol):
    """Files of issued invoices: which are to be made, and which are there."""

    def files_wanted(self, *, limit: int = 100) -> Sequence[FilesWanted]:
        """Return files that are to be made, oldest invoice first."""
        ...

    def files_made(self, wanted: FilesWanted, made: Sequence[FileMade]) -> None:
        """Note that files are in the archive; a second time changes nothing."""
        ...

    def files_given_up(self, wanted: FilesWanted, reasons: Mapping[str, str]) -> None:
        """Want files no more that cannot be made: why, by format."""
        ...

    def files_refused(self, invoice_id: str) -> Mapping[str, str]:
        """Return the formats that an invoice cannot be written in, and why."""
        ...

    def want_files(self, invoice_id: str, formats: Sequence[str]) -> None:
        """Have files made of an issued invoice: of these formats, and of those it has already."""
        ...

    def files_of(self, invoice_id: str) -> Sequence[FileMade]:
        """Return the files of the newest version that are in the archive."""
        ...


class Credits(Protocol):
    """Prepaid credit and its entries."""

    def add_grant(self, grant: Grant) -> None:
        """Add; ``NotFoundError`` where there is no such customer."""
        ...

    def grant(self, id: str) -> Grant | None:
        """Find one by id, or by its first characters."""
        ...

    def grants(
        self, *, customer: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[Grant]:
        """List grants with what is left of them."""
        ...

    def entries_of_grant(self, id: str) -> Sequence[tuple[Instant, str, Decimal]]:
        """Return what changed a grant: when, the id of the invoice, the amount."""
        ...


class Billing(
    Issuers, Customers, BillingRecords, Invoices, InvoiceFiles, Credits, Findings, Protocol
):
    """The part of the ledger that knows of billing."""
