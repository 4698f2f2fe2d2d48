"""Files of invoices in the archive: read, linked to, and what became of them.

A link opens one file to whoever has it, without a token of a client, until it expires.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated

from fastapi import Path, Query, Response

from meterhouse.api.answer import answer
from meterhouse.api.authority import OPEN
from meterhouse.api.call import ThisCall
from meterhouse.api.operation import Body, Given, Resource, needs, one, one_page
from meterhouse.api.problems import ApiError
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    COUNT,
    FREE_OBJECT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    page,
    ref,
    whole,
)
from meterhouse.app.billing import archiving
from meterhouse.app.billing.archive_ports import ArchiveFault
from meterhouse.app.billing.archiving import LINK_DAYS, LINK_DAYS_MAX, ArchivedFile
from meterhouse.app.billing.files import refuse_unmade
from meterhouse.app.billing.invoice_history import find_invoice
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown

_FILES = "/v1/invoices/{id}/files"
_CHARS_MAX = 2_048
Id = Annotated[str, Path(max_length=255, description="The id or the number of the invoice")]
Format = Annotated[str, Path(max_length=64, description="The format of the file: xlsx, json")]
Token = Annotated[str, Path(max_length=_CHARS_MAX, description="The token of the link")]
_FILE: Schema = whole(
    {"name": TEXT, "format": TEXT, "mediaType": TEXT, "size": COUNT, "sha256": TEXT}
)
SCHEMAS: dict[str, Schema] = {
    "InvoiceFile": _FILE,
    "InvoiceFileRefused": whole(
        {"format": TEXT, "reason": {**TEXT, "description": "Why it cannot be written in it"}}
    ),
    "InvoiceFiles": whole(
        {"files": array(ref("InvoiceFile")), "refused": array(ref("InvoiceFileRefused"))}
    ),
    "InvoiceLinkRequest": closed(
        {
            "format": {**NAME, "examples": ["xlsx"]},
            "expiresInDays": {
                "type": "integer",
                "minimum": 1,
                "maximum": LINK_DAYS_MAX,
                "default": LINK_DAYS,
            },
        },
        required=("format",),
        about="Which file a link opens, and how long",
    ),
    "InvoiceLink": whole(
        {
            "id": {**TEXT, "description": "What the history calls the link"},
            "url": {**TEXT, "description": "Whoever has it can read the file"},
            "expiresAt": TEXT,
            "file": ref("InvoiceFile"),
        }
    ),
    "InvoiceHistoryEntry": whole(
        {
            "sequence": COUNT,
            "at": TEXT,
            "actor": TEXT,
            "action": {**TEXT, "examples": ["issued", "archived", "linked", "downloaded"]},
            "invoice": TEXT,
            "detail": FREE_OBJECT,
            "previous": {**TEXT, "description": "The hash of the entry before"},
            "hash": {**TEXT, "description": "SHA-256 of the canonical JSON of all other members"},
        }
    ),
    "InvoiceHistoryPage": page("entries", ref("InvoiceHistoryEntry")),
}
resource = Resource(
    "Invoice files", about="Files of invoices in the archive, and their history", schemas=SCHEMAS
)
_BYTES: dict[int, Given] = {
    200: Given(
        "The file, as it was put in the archive",
        {"type": "string", "format": "binary"},
        media_type="application/octet-stream",
        headers={"Content-Disposition": "Its name", "Content-Digest": "Its SHA-256 (RFC 9530)"},
    )
}


@resource.get(
    _FILES,
    guard=needs("download:invoices"),
    answers=one("The files", "InvoiceFiles"),
    refusals=(404, 409),
)
def list_invoice_files(call: ThisCall, id: Id) -> Response:
    """List the files of the newest version of an invoice."""
    with call.context.ledger() as ledger:
        refuse_unmade(ledger, id)
        files = archiving.files_of(ledger, id)
        refused = files_refused(ledger, find_invoice(ledger, id))
    return answer({"files": [file.to_api() for file in files], "refused": refused})


def files_refused(ledger: Ledger, invoice_id: str) -> list[JsonValue]:
    """Return the API's objects of the formats that an invoice cannot be written in."""
    if ledger.invoice(invoice_id) is None:
        return []
    reasons = ledger.files_refused(invoice_id)
    return [{"format": format, "reason": reason} for format, reason in reasons.items()]


@resource.get(
    _FILES + "/{format}", guard=needs("download:invoices"), answers=_BYTES, refusals=(404, 409)
)
def get_invoice_file(call: ThisCall, id: Id, format: Format) -> Response:
    """Read a file of an invoice; the history says who did."""
    at = call.context.clock()
    with call.context.ledger() as ledger:
        refuse_unmade(ledger, id, format=format)
        file, content = archiving.download(
            ledger, call.context.archive, id, format=format, at=at, actor=call.client_id
        )
    return _file(file, content)


@resource.post(
    "/v1/invoices/{id}/links",
    guard=needs("download:invoices"),
    body=Body(ref("InvoiceLinkRequest"), examples={"a week": {"format": "xlsx"}}),
    answers={201: Given("The link", ref("InvoiceLink"))},
    refusals=(404, 409),
)
def create_invoice_link(call: ThisCall, id: Id) -> Response:
    """Make a link to one file, for people who have no access here.

    It reads that file and nothing else, and ends after 7 days unless another number is given.
    """
    reading = Reading(call.json(), known=("format", "expiresInDays"), what="link")
    format = reading.text("format", required=True) or ""
    days = reading.body.get("expiresInDays", LINK_DAYS)
    if type(days) is not int:
        reading.fail("expiresInDays", f"is {shown(days)}", f"use 1 to {LINK_DAYS_MAX}")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The link")
    context = call.context
    with context.ledger() as ledger:
        refuse_unmade(ledger, id, format=format)
        link, token = archiving.link(
            ledger,
            context.links,
            id,
            format=format,
            id=context.new_id(),
            at=context.clock(),
            actor=call.client_id,
            days=days,
        )
        file = archiving.file_of(ledger, id, format=format)
    body = {
        "id": link.id,
        "url": f"{context.public_url}/v1/downloads/{token}",
        "expiresAt": instant_text(link.expires),
        "file": file.to_api(),
    }
    return answer(body, status=201)


@resource.get("/v1/downloads/{token}", guard=OPEN, answers=_BYTES, refusals=(404, 410))
def get_download(call: ThisCall, token: Token) -> Response:
    """Read the file of a link; the history says that it was read."""
    context, client = call.context, call.request.client
    try:
        with context.ledger() as ledger:
            file, content = archiving.open_link(
                ledger,
                context.archive,
                context.links,
                token,
                at=context.clock(),
                address=client.host if client else "",
            )
    except ArchiveFault as error:
        # Where the archive is, is nobody's business who has no access here.
        hint = "Try again later, or ask who gave you the link"
        raise ApiError("archive_failed", "The file cannot be read now", hint=hint) from error
    return _file(file, content)


@resource.get(
    "/v1/invoice-history",
    guard=needs("read:audit"),
    answers=one_page("Entries", "InvoiceHistoryPage"),
    refusals=(404, 409),
)
def list_invoice_history(
    call: ThisCall,
    invoice: Annotated[str | None, Query(description="Only of this id or number")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List what became of invoices and who had their files, oldest first."""
    cursors = call.cursors(invoice=invoice)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        id_ = None if invoice is None else find_invoice(ledger, invoice)
        found = ledger.history(invoice=id_, limit=limit, after=after)
    body = {"entries": [entry.to_api() for entry in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


def _file(file: ArchivedFile, content: bytes) -> Response:
    headers = {
        # Names in the archive are of letters, digits and few marks: none needs quoting.
        "Content-Disposition": f'attachment; filename="{file.file_name}"',
        "Content-Digest": f"sha-256=:{b64encode(bytes.fromhex(file.sha256)).decode()}:",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, headers=headers, media_type=file.media_type)
