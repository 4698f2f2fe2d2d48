"""Files of issued invoices: rendered from the stored text and put in the archive.

Issuing lists the files in its transaction; making them comes after it. Whoever makes files makes
all that are wanted, so that a process that was killed leaves nothing undone: the same text gives
the same bytes, what is in the archive already stays, and what could not be made is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.app.billing.archive_ports import ArchiveStore
from meterhouse.app.billing.archiving import Document, archive, filed, put_back
from meterhouse.app.billing.issuing import find_invoice
from meterhouse.app.billing.ports import FileMade, FilesWanted, InvoiceHead
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import Instant
from meterhouse.core.invoice import Invoice, InvoiceStatus
from meterhouse.core.invoice_text import read_invoice
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError

_STATED = {InvoiceStatus.DRAFT: "a draft", InvoiceStatus.VOID: "void"}
#: So many invoices are read at once.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class FileMeans:
    """What making files needs: formats by name, the archive, the clock, and who asks."""

    render: Callable[[str, Invoice], Document]
    store: ArchiveStore
    clock: Callable[[], Instant]
    actor: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of making the files of one invoice. ``error``: what, or which, could not be made.

    ``given_up`` are formats that this invoice cannot be written in: nobody tries again.
    """

    invoice: InvoiceHead
    files: tuple[FileMade, ...] = ()
    error: MeterhouseError | None = None
    given_up: tuple[str, ...] = ()
    #: names of files that were gone from the archive
    back: tuple[str, ...] = ()


def finish_files(ledger: Ledger, means: FileMeans) -> list[Finished]:
    """Make all files that are wanted and not there; what fails keeps no other from being made."""
    finished: list[Finished] = []
    tried: set[tuple[str, int]] = set()
    while True:
        wanted = [
            one
            for one in ledger.files_wanted(limit=len(tried) + _AT_ONCE)
            if (one.invoice_id, one.version) not in tried
        ]
        if not wanted:
            return finished
        tried |= {(one.invoice_id, one.version) for one in wanted}
        finished += [_finish(ledger, one, means) for one in wanted]


def _finish(ledger: Ledger, wanted: FilesWanted, means: FileMeans) -> Finished:
    head = find_invoice(ledger, wanted.invoice_id)
    invoice = read_invoice(head.text)
    at = means.clock()
    try:
        rendered, refused = _rendered(means, wanted.formats, invoice)
        if refused:
            reasons = {format: str(error) for format, error in refused.items()}
            ledger.files_given_up(wanted, reasons)
        fault = _first(refused)
        if not rendered:
            return Finished(head, error=fault, given_up=tuple(refused))
        where = filed(invoice, issuer=head.issuer, version=wanted.version)
        put = archive(ledger, means.store, where, list(rendered.values()), at=at, actor=means.actor)
    except MeterhouseError as error:
        return Finished(head, error=error)
    made = tuple(
        FileMade(format, file.name, file.size, file.sha256, at)
        for format, file in zip(rendered, put, strict=True)
    )
    ledger.files_made(wanted, made)
    return Finished(head, made, error=fault, given_up=tuple(refused))


def _rendered(
    means: FileMeans, formats: Sequence[str], invoice: Invoice
) -> tuple[dict[str, Document], dict[str, MeterhouseError]]:
    """Return documents by format, and why the invoice cannot be written in others.

    The same invoice is refused each time; what is not installed may be by the next time.
    """
    made: dict[str, Document] = {}
    refused: dict[str, MeterhouseError] = {}
    for format in formats:
        try:
            made[format] = means.render(format, invoice)
        except MeterhouseError as error:
            if error.code == "extra_missing":
                raise
            refused[format] = error
    return made, refused


def _first(refused: Mapping[str, MeterhouseError]) -> MeterhouseError | None:
    for format, error in refused.items():
        message = f"There is no file of the format {format}: {error}"
        return MeterhouseError(message, code=error.code)
    return None


class FileRefused(NotFoundError):
    """An invoice cannot be written in a format: nobody will find such a file."""

    code = "file_refused"


def refuse_unmade(ledger: Ledger, reference: str, *, format: str = "") -> None:
    """Say why there is no such file, where that is known: a draft has none, and some cannot be."""
    head = ledger.invoice(reference)
    if head is None:
        return
    if head.status not in (InvoiceStatus.ISSUED, InvoiceStatus.CORRECTED):
        message = f"Invoice {head.id} is {_STATED[head.status]}: it has no files"
        raise NotFoundError(message, hint="`invoice issue` makes them of a draft")
    if reason := ledger.files_refused(head.id).get(format):
        why = " ".join(reason.split())
        message = f"Invoice {head.number} cannot be written in the format {format!r}: {why}"
        raise FileRefused(message, hint="The other formats of the invoice say the same")


def render_invoice(
    ledger: Ledger, reference: str, means: FileMeans, *, formats: tuple[str, ...]
) -> Finished:
    """Make files of an issued invoice, also in formats that it has not; raises what went wrong.

    What is gone from the archive is put back as it was.
    """
    head = find_invoice(ledger, reference)
    if head.status not in (InvoiceStatus.ISSUED, InvoiceStatus.CORRECTED):
        message = f"Invoice {head.id} is {head.status.value}: it has no files"
        raise ConflictError(message, hint="`invoice issue` makes them")
    invoice = read_invoice(head.text)
    for format in formats:
        # What cannot be written is refused before it is wanted.
        means.render(format, invoice)
    ledger.want_files(head.id, formats)
    mine = [one for one in finish_files(ledger, means) if one.invoice.id == head.id]
    for one in mine:
        if one.error is not None:
            raise one.error
    where = filed(invoice, issuer=head.issuer)
    back = put_back(
        *(ledger, means.store, where),
        formats=formats,
        render=lambda format: means.render(format, invoice),
    )
    return Finished(head, tuple(ledger.files_of(head.id)), back=back)
