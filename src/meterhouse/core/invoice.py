"""Invoices and credit notes: what they say, whatever they are written as.

An invoice is a value. Drafts are made anew as often as anybody likes; once issued, its canonical
JSON is what is stored, and everything else is made from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum

from meterhouse.core.charge import BillingPeriod, Charge, Reduction, Unpriced
from meterhouse.core.party import Party
from meterhouse.core.quantity import ZERO


class InvoiceKind(Enum):
    """An invoice asks for money, a credit note gives it back; amounts of both are positive."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class InvoiceStatus(Enum):
    """Draft, then issued or void; what was issued may be corrected by a credit note."""

    DRAFT = "draft"
    ISSUED = "issued"
    CORRECTED = "corrected"
    VOID = "void"


#: What may become of an invoice.
TRANSITIONS: Mapping[InvoiceStatus, frozenset[InvoiceStatus]] = {
    InvoiceStatus.DRAFT: frozenset({InvoiceStatus.ISSUED, InvoiceStatus.VOID}),
    InvoiceStatus.ISSUED: frozenset({InvoiceStatus.CORRECTED}),
    InvoiceStatus.CORRECTED: frozenset(),
    InvoiceStatus.VOID: frozenset(),
}


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A charge with its number on the invoice (``"1"``, ``"2"`` ...) and its tax.

    ``net`` is what counts: the charge's net without its share of the discounts of the whole
    invoice, which ``shares`` lists. ``corrects`` names the invoice whose usage an adjustment
    corrects; ``author`` and ``reason`` are of lines by hand.
    """

    id: str
    charge: Charge
    net: Decimal
    tax_category: str
    tax_rate: Decimal
    book: str
    shares: tuple[Reduction, ...] = ()
    corrects: str | None = None
    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TaxTotal:
    """The tax of one category and rate: ``amount`` is computed once, of the ``base``."""

    category: str
    rate: Decimal
    base: Decimal
    amount: Decimal
    name: str = "VAT"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CreditUse:
    """What a grant of prepaid credit paid."""

    grant: str
    name: str
    amount: Decimal
    paid: bool  # bought, so it pays after tax; a promotional one is taken off before tax


@dataclass(frozen=True, slots=True)
class BookUsed:
    """A version of a price book that lines were rated with."""

    id: str
    version: str
    hash: str


@dataclass(frozen=True, slots=True)
class Window:
    """Usage of one part of the period, for the charts and the ``Daily`` sheet.

    ``unit`` is the meter's; empty where all usage of the invoice has the same.
    """

    start: date
    fields: Mapping[str, str]
    quantity: Decimal
    unit: str = ""


class CheckOutcome(Enum):
    """What a check found: nothing wrong, or a lot that somebody must answer for."""

    PASSED = "passed"
    WARNING = "warning"  # told, and nothing else
    BLOCKED = "blocked"  # keeps the draft from being issued
    OVERRIDDEN = "overridden"  # would have, and somebody said why it does not


@dataclass(frozen=True, slots=True)
class Check:
    """A check of an invoice: what was looked at, and what was found.

    ``author`` and ``reason`` are of whoever has overridden it.
    """

    code: str
    text: str
    outcome: CheckOutcome
    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that usage was read from. ``dataset`` and ``version`` are of files of datasets."""

    name: str
    dataset: str = ""
    version: str = ""
    rows: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """All sums of an invoice.

    ``lines`` - ``credits_before_tax`` = ``net``; ``net`` + ``tax`` = ``total``;
    ``total`` - ``prepaid`` = ``payable``.
    """

    lines: Decimal = ZERO
    credits_before_tax: Decimal = ZERO
    net: Decimal = ZERO
    tax: Decimal = ZERO
    total: Decimal = ZERO
    prepaid: Decimal = ZERO
    payable: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice or a credit note.

    ``id`` is a UUID that never changes; ``number`` is given when it is issued. ``requests`` is the
    total number of requests where somebody counts them otherwise than by adding lines up.
    """

    id: str
    kind: InvoiceKind
    status: InvoiceStatus
    customer: str
    seller: Party
    buyer: Party
    period: BillingPeriod
    currency: str
    currency_digits: int
    invoicing_model: str
    lines: tuple[InvoiceLine, ...]
    taxes: tuple[TaxTotal, ...]
    totals: Totals
    books: tuple[BookUsed, ...]
    number: str | None = None
    issue_date: date | None = None
    due_date: date | None = None
    reference: str = ""
    language: str = "en"
    credits: tuple[CreditUse, ...] = ()
    unpriced: tuple[Unpriced, ...] = ()
    #: the number and the issue date of the invoice that a credit note or a new one is for
    corrects: tuple[str, date] | None = None
    requests: Decimal | None = None
    windows: tuple[Window, ...] = ()
    #: what reviewers should know: code and text
    exceptions: tuple[tuple[str, str], ...] = ()
    #: the program's version, runs, checks: shown on the Metadata sheet
    metadata: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    #: the files of datasets that its usage was read from
    sources: tuple[SourceFile, ...] = ()
    #: what its files are called, without version and suffix; empty: as all are
    file_name: str = ""
