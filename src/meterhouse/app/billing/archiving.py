"""Files of invoices: put in the archive once, read back as they were put, opened by links.

The history says which files an invoice has, and what they must be: that is where they are found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from meterhouse.app.billing.archive_names import first_day, invoice_stem
from meterhouse.app.billing.archive_ports import (
    ArchiveConflict,
    ArchiveFault,
    ArchiveStore,
    InvoiceHistory,
    Link,
    LinkExpired,
    LinkInvalid,
    LinkSigner,
)
from meterhouse.app.billing.invoice_history import archive_history, entries, find_invoice
from meterhouse.core.instant import DAY, SECOND, Instant
from meterhouse.core.invoice import Invoice
from meterhouse.core.invoice_history import ARCHIVED, DOWNLOADED, LINKED, HistoryEvent
from meterhouse.core.invoice_text import invoice_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem

MANIFEST_SCHEMA = "meterhouse.manifest/1"
LINK_DAYS, LINK_DAYS_MAX = 7, 90


@dataclass(frozen=True, slots=True)
class Document:
    """A file of an invoice. ``suffix`` comes after the name's stem: ``xlsx``, ``focus.csv``.

    ``format`` is what the format is called; as the suffix where it says nothing else.
    """

    suffix: str
    media_type: str
    content: bytes
    format: str = ""


@dataclass(frozen=True, slots=True)
class Filed:
    """Under what an invoice is filed.

    ``start`` is the first day of its period, ``hash`` the SHA-256 of its canonical JSON.
    """

    id: str
    number: str
    issuer: str
    customer: str
    start: date
    hash: str
    version: int = 1
    #: what the invoice says that its files are called
    name: str = ""

    @property
    def stem(self) -> str:
        """The name of its files, without the suffix."""
        return invoice_stem(
            issuer=self.issuer,
            customer=self.customer,
            start=self.start,
            number=self.number,
            version=self.version,
            name=self.name,
        )


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file in the archive, as the manifest and the history say it is."""

    name: str
    format: str
    media_type: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    def to_api(self) -> dict[str, Any]:
        """Return the file as JSON."""
        return {
            "name": self.name,
            "format": self.format,
            "mediaType": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
        }

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> ArchivedFile:
        """Return what ``to_api`` wrote."""
        # Entries of the history from before called formats by their suffixes.
        format, _, _ = body["format"].partition(".")
        return cls(body["name"], format, body["mediaType"], int(body["size"]), body["sha256"])


def filed(invoice: Invoice, *, issuer: str, version: int = 1) -> Filed:
    """Return under what an issued invoice is filed. ``issuer`` is the id of who issues it."""
    assert invoice.number is not None, "what has no number is not issued"
    return Filed(
        invoice.id,
        invoice.number,
        issuer,
        invoice.customer,
        first_day(invoice),
        _sha256(invoice_text(invoice).encode()),
        version,
        invoice.file_name,
    )


def archive(
    history: InvoiceHistory,
    store: ArchiveStore,
    where: Filed,
    documents: Sequence[Document],
    *,
    at: Instant,
    actor: str,
) -> list[ArchivedFile]:
    """Put the files of an invoice in the archive, with their manifest and the history.

    Files that are there already stay, and doing it again changes nothing: a killed process goes on
    where it stopped. ``ArchiveConflict`` where another content has one of the names.
    """
    files = [_put(store, where, document) for document in documents]
    bodies = [file.to_api() for file in files]
    manifest = _manifest(where, bodies)
    store.put(manifest.name, manifest.content)
    detail = {
        "number": where.number,
        "version": where.version,
        "manifest": manifest.name,
        "sha256": _sha256(manifest.content),
        "files": bodies,
    }
    if not any(known == detail for known in _archived(history, where.id)):
        history.add_history(HistoryEvent(at, actor, ARCHIVED, where.id, detail))
    archive_history(history, store, at=at)
    return files


def files_of(history: InvoiceHistory, reference: str) -> list[ArchivedFile]:
    """Return the files of the newest version of an invoice, by id or number."""
    found = _archived(history, find_invoice(history, reference))
    newest = max(found, key=lambda detail: detail["version"], default={"files": []})
    return [ArchivedFile.from_api(body) for body in newest["files"]]


def file_of(history: InvoiceHistory, reference: str, *, format: str) -> ArchivedFile:
    """Return one file of an invoice."""
    files = files_of(history, reference)
    found = next((file for file in files if file.format == format), None)
    if found is None:
        known = ", ".join(file.format for file in files) or "none"
        message = f"Invoice {reference!r} has no file of the format {format!r}"
        raise NotFoundError(message, hint=f"its formats are {known}")
    return found


def content_of(store: ArchiveStore, file: ArchivedFile) -> bytes:
    """Return the content of a file; ``ArchiveFault`` where it is not what was put there."""
    content = store.get(file.name)
    if fault := _fault(file, content):
        hint = (
            f"`invoice render` with --format {file.format} makes the same file again, where none is"
        )
        raise ArchiveFault(fault, hint=hint)
    assert content is not None, "what is not there is at fault"
    return content


def _fault(file: ArchivedFile, content: bytes | None) -> str:
    """Say what is wrong with a file; an empty text where it is what was put there."""
    if content is None:
        return f"{file.name} is not there"
    right = _sha256(content) == file.sha256
    return "" if right else f"{file.name} is not what was put there"


def put_back(
    history: InvoiceHistory,
    store: ArchiveStore,
    where: Filed,
    *,
    formats: Sequence[str],
    render: Callable[[str], Document],
) -> tuple[str, ...]:
    """Put files of an invoice's newest version back that are gone; returns their names.

    They are the same to the byte, as the history says, and so is the manifest: ``ArchiveFault``
    where they are not. What was changed is left as it is: ``ArchiveConflict``.
    """
    newest = max(_archived(history, where.id), key=lambda detail: detail["version"], default=None)
    if newest is None:
        return ()
    back = []
    for file in map(ArchivedFile.from_api, newest["files"]):
        if file.format in formats:
            content = store.get(file.name)
            if content is None:
                _put_same(store, file.name, render(file.format).content, sha256=file.sha256)
                back.append(file.name)
            elif fault := _fault(file, content):
                raise ArchiveConflict(fault, hint=_remedy(file, where.number, gone=False))
    if store.get(newest["manifest"]) is None:
        # Of the entry as it is: one of an older version calls formats as its manifest does.
        manifest = _manifest(replace(where, version=newest["version"]), newest["files"])
        _put_same(store, manifest.name, manifest.content, sha256=newest["sha256"])
        back.append(manifest.name)
    return tuple(back)


def _put_same(store: ArchiveStore, name: str, content: bytes, *, sha256: str) -> None:
    if _sha256(content) != sha256:
        message = (
            f"{name} is not there, and what is made anew is another file: its SHA-256 is "
            f"{_sha256(content)}, and was {sha256}"
        )
        hint = "put it back from a backup, or by the version of meterhouse that made it"
        raise ArchiveFault(message, hint=hint)
    store.put(name, content)


def _remedy(file: ArchivedFile, reference: str, *, gone: bool) -> str:
    """Say how a file comes back that is gone, or was changed."""
    first = "" if gone else "move it out of the archive: then "
    return f"{first}`invoice render {reference} --format {file.format}` puts the right one back"


def download(
    history: InvoiceHistory,
    store: ArchiveStore,
    reference: str,
    *,
    format: str,
    at: Instant,
    actor: str,
) -> tuple[ArchivedFile, bytes]:
    """Return a file of an invoice and its content; the history says who had it."""
    file = file_of(history, reference, format=format)
    content = content_of(store, file)
    invoice = find_invoice(history, reference)
    _note_download(history, invoice, file, at=at, actor=actor)
    return file, content


def link(
    history: InvoiceHistory,
    signer: LinkSigner,
    reference: str,
    *,
    format: str,
    id: str,
    at: Instant,
    actor: str,
    days: int = LINK_DAYS,
) -> tuple[Link, str]:
    """Return a link to one file and its token: who has it can read the file, until it expires."""
    if not 1 <= days <= LINK_DAYS_MAX:
        problem = Problem("expiresInDays", f"is {days}", f"use 1 to {LINK_DAYS_MAX}")
        raise DefinitionError([problem], what="The link")
    file = file_of(history, reference, format=format)
    invoice = find_invoice(history, reference)
    # Tokens have whole seconds.
    expires = (at + days * DAY) // SECOND * SECOND
    made = Link(id, invoice, file.name, file.sha256, expires)
    detail = {"link": id, "file": file.name, "sha256": file.sha256, "days": days}
    history.add_history(HistoryEvent(at, actor, LINKED, invoice, detail))
    return made, signer.token(made)


def open_link(
    history: InvoiceHistory,
    store: ArchiveStore,
    signer: LinkSigner,
    token: str,
    *,
    at: Instant,
    address: str = "",
) -> tuple[ArchivedFile, bytes]:
    """Return the file of a link; the history says that it was read, by which link and from where.

    ``LinkInvalid`` where it is none of ours or the file is gone, ``LinkExpired`` once it has ended.
    """
    found = signer.link(token)
    if found is None:
        raise LinkInvalid("There is no such download")
    if at >= found.expires:
        raise LinkExpired("The link has expired", hint="Ask for a new one")
    known = (
        ArchivedFile.from_api(body)
        for detail in _archived(history, found.invoice)
        for body in detail["files"]
    )
    file = next(
        (one for one in known if (one.name, one.sha256) == (found.name, found.sha256)), None
    )
    if file is None:
        raise LinkInvalid("There is no such download")
    content = content_of(store, file)
    more = {"link": found.id, **({"address": address} if address else {})}
    _note_download(history, found.invoice, file, at=at, actor=f"link {found.id}", **more)
    return file, content


def verify_files(history: InvoiceHistory, store: ArchiveStore, reference: str) -> list[str]:
    """Say which files of an invoice are not what was put in the archive."""
    faults = []
    for file in files_of(history, reference):
        content = store.get(file.name)
        if fault := _fault(file, content):
            faults.append(f"{fault} ({_remedy(file, reference, gone=content is None)})")
    return faults


@dataclass(frozen=True, slots=True)
class _Manifest:
    name: str
    content: bytes


def _put(store: ArchiveStore, where: Filed, document: Document) -> ArchivedFile:
    name = f"{where.stem}.{document.suffix}"
    store.put(name, document.content)
    sha256 = _sha256(document.content)
    format = document.format or document.suffix
    return ArchivedFile(name, format, document.media_type, len(document.content), sha256)


def _manifest(where: Filed, files: Sequence[Mapping[str, Any]]) -> _Manifest:
    body = {
        "schema": MANIFEST_SCHEMA,
        "invoice": where.id,
        "number": where.number,
        "version": where.version,
        "invoiceSha256": where.hash,
        "files": list(files),
    }
    return _Manifest(f"{where.stem}.manifest.json", (json_text(body) + "\n").encode())


def _archived(history: InvoiceHistory, invoice: str) -> list[Mapping[str, Any]]:
    """Return what the history says of an invoice's files, oldest first."""
    if history.archived_invoice(invoice) is None:
        return []
    events = (entry.event for entry in entries(history, invoice=invoice))
    return [event.detail for event in events if event.action == ARCHIVED]


def _note_download(
    history: InvoiceHistory,
    invoice: str,
    file: ArchivedFile,
    *,
    at: Instant,
    actor: str,
    **more: str,
) -> None:
    detail = {"file": file.name, "sha256": file.sha256, **more}
    history.add_history(HistoryEvent(at, actor, DOWNLOADED, invoice, detail))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
