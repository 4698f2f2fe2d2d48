"""Invoices: drafts of billing runs, issued invoices, credit notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.etag import tagged_unless_known
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    Body,
    Given,
    Resource,
    needs,
    one,
    one_page,
    one_unless_known,
)
from meterhouse.api.resources.credits import AMOUNT
from meterhouse.api.resources.invoice_files import files_refused
from meterhouse.api.resources.meters import NOTE, Cursor, Limit
from meterhouse.api.schemas import (
    BOOLEAN,
    COUNT,
    FREE_OBJECT,
    NAME,
    TEXT,
    Schema,
    array,
    closed,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app.billing import issuing
from meterhouse.app.billing.explaining import RECORDS_SHOWN, explain_line
from meterhouse.app.billing.files import finish_files
from meterhouse.app.billing.issuing import find_invoice, head_shown
from meterhouse.app.billing.line_rows import rows_of_line
from meterhouse.app.billing.overriding import read_overrides
from meterhouse.app.billing.periods import read_days
from meterhouse.app.billing.ports import InvoiceHead
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice import InvoiceKind, InvoiceStatus
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.problem import DefinitionError
from meterhouse.core.quantity import number_text
from meterhouse.core.reading import Reading
from meterhouse.core.revision import revision_of

PATH = "/v1/invoices"
#: So many input records of a line are told at most; the command line tells all.
RECORDS_MAX = 100_000
#: So many rows of input files are told at a time.
ROWS_MAX = 1_000
_STATUS: Schema = {"type": "string", "enum": [status.value for status in InvoiceStatus]}
_KIND: Schema = {"type": "string", "enum": [kind.value for kind in InvoiceKind]}
_HEAD: dict[str, Schema] = {
    "id": TEXT,
    "kind": _KIND,
    "status": _STATUS,
    "number": nullable(TEXT),
    "customer": TEXT,
    "issuer": TEXT,
    "periodStart": TEXT,
    "periodEnd": TEXT,
    "issueDate": nullable(TEXT),
    "currency": TEXT,
    **dict.fromkeys(("net", "tax", "total", "payable"), AMOUNT),
    "corrects": {**nullable(TEXT), "description": "The id of the invoice that a note takes back"},
    "unpriced": {**COUNT, "description": "Kinds of usage that no price is for"},
    "exceptions": COUNT,
    "createdAt": TEXT,
    "issuedAt": nullable(TEXT),
}
_BY_HAND = whole(
    {
        "id": TEXT,
        "name": TEXT,
        "amount": AMOUNT,
        "reason": TEXT,
        "author": TEXT,
        "at": TEXT,
        "tax": nullable(TEXT),
    }
)
_FILE = whole({"format": TEXT, "name": TEXT, "size": COUNT, "sha256": TEXT, "archivedAt": TEXT})
_DAY: Schema = {**TEXT, "format": "date", "examples": ["2026-11-03"]}
_REASON: Schema = {**NAME, "maxLength": issuing.TEXT_CHARS_MAX}
SCHEMAS: dict[str, Schema] = {
    "InvoiceHead": whole(_HEAD),
    "Invoice": whole(
        {
            **_HEAD,
            "document": {**FREE_OBJECT, "description": "The invoice, as its JSON file has it"},
            "manualLines": array(_BY_HAND),
            "files": array(_FILE),
            "filesRefused": array(ref("InvoiceFileRefused")),
        }
    ),
    "InvoicePage": page("invoices", ref("InvoiceHead")),
    "IssueInvoice": closed(
        {
            "issueDate": nullable(_DAY),
            "beforeEnd": {**nullable(BOOLEAN), "description": "Though the period is not over"},
            "empty": {**nullable(BOOLEAN), "description": "Though it has no lines"},
            "overrides": {
                **array(TEXT),
                "description": "Codes of checks that block the draft, and are answered for",
            },
            "reason": {**TEXT, "description": "Why these checks are overridden"},
        }
    ),
    "TakeInvoiceBack": closed(
        {"reason": _REASON, "issueDate": nullable(_DAY)}, required=("reason",)
    ),
    "CorrectInvoice": closed(
        {
            "reason": _REASON,
            "issueDate": {**nullable(_DAY), "description": "Of the credit note"},
        },
        required=("reason",),
    ),
    "CorrectedInvoice": whole({"creditNote": ref("Invoice"), "draft": ref("Invoice")}),
    "NewInvoiceLine": closed(
        {
            "amount": {**AMOUNT, "description": "May be below 0", "examples": ["-25.00"]},
            "reason": _REASON,
            "name": {**TEXT, "maxLength": issuing.TEXT_CHARS_MAX},
            "tax": nullable(NAME),
        },
        required=("amount", "reason"),
    ),
    "LineRows": whole(
        {
            **dict.fromkeys(("invoice", "line", "name", "unit"), TEXT),
            "number": nullable(TEXT),
            "metered": AMOUNT,
            "value": {**AMOUNT, "description": "What all rows come to"},
            "exact": {**BOOLEAN, "description": "Whether that is what was metered"},
            "rowCount": COUNT,
            "remarks": array(TEXT),
            "rows": array(
                whole(
                    {
                        "file": TEXT,
                        "row": {**COUNT, "description": "Its place in the file, from 1"},
                        "timestamp": TEXT,
                        "quantity": AMOUNT,
                        "record": FREE_OBJECT,
                    }
                )
            ),
        }
    ),
    "LineExplanation": {**FREE_OBJECT, "description": "Price, calculation, records, runs, input"},
}
_ETAG = {"ETag": "Of the invoice as it is"}
_OF_ID = {"id": "$response.body#/id"}
_LINKS = {
    "read": {"operationId": "get_invoice", "parameters": _OF_ID},
    "credit": {"operationId": "credit_invoice", "parameters": _OF_ID},
}
resource = Resource("Invoices", about="Drafts, invoices and credit notes", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:invoices"),
    answers=one_page("Invoices", "InvoicePage"),
    refusals=(404,),
)
def list_invoices(
    call: ThisCall,
    customer: Annotated[str | None, Query(description="Only of this customer")] = None,
    status: Annotated[InvoiceStatus | None, Query(description="Only with this status")] = None,
    kind: Annotated[InvoiceKind | None, Query(description="Only of this kind")] = None,
    period: Annotated[str | None, Query(description="Only of this month, as 2026-10")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List drafts, invoices and credit notes, in the order in which they were made."""
    cursors = call.cursors(
        customer=customer,
        status=None if status is None else status.value,
        kind=None if kind is None else kind.value,
        period=period,
    )
    after = cursors.after(cursor)
    since, until = (None, None) if period is None else read_days(period).around()
    with call.context.ledger() as ledger:
        found = ledger.invoices(
            customer=customer,
            status=status,
            kind=kind,
            since=since,
            until=until,
            limit=limit,
            after=after,
        )
    body = {"invoices": [head_shown(head) for head in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:invoices"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The invoice", "Invoice", headers=_ETAG),
    refusals=(404, 409),
)
def get_invoice(call: ThisCall, id: str) -> Response:
    """Read an invoice by its id or number: its document, lines by hand, and files."""
    with call.context.ledger() as ledger:
        shown = invoice_shown(ledger, find_invoice(ledger, id))
    return tagged_unless_known(call, shown, revision_of(shown))


def invoice_shown(ledger: Ledger, head: InvoiceHead) -> dict[str, Any]:
    """Return the API's object of an invoice."""
    manual = [
        {
            "id": line.id,
            "name": line.name,
            "amount": number_text(line.amount),
            "reason": line.reason,
            "author": line.author,
            "at": instant_text(line.at),
            "tax": line.tax,
        }
        for line in ledger.manual_lines(head.id)
    ]
    files = [
        {
            "format": file.format,
            "name": file.name,
            "size": file.size,
            "sha256": file.sha256,
            "archivedAt": instant_text(file.archived_at),
        }
        for file in ledger.files_of(head.id)
    ]
    document = parse_json(head.text, nesting_max=200)
    return head_shown(head) | {
        "document": document,
        "manualLines": manual,
        "files": files,
        "filesRefused": files_refused(ledger, head.id),
    }


def _shown(ledger: Ledger, id: str) -> dict[str, Any]:
    return invoice_shown(ledger, find_invoice(ledger, id))


@resource.post(
    PATH + "/{id}/issue",
    guard=needs("issue:invoices"),
    body=Body(ref("IssueInvoice"), required=False, examples={"dated": {"issueDate": "2026-11-03"}}),
    headers=(IDEMPOTENCY_KEY,),
    answers={200: Given("The invoice", ref("Invoice"), headers={NOTE: "What to mind"})},
    refusals=(404, 409),
    links=_LINKS,
)
def issue_invoice(call: ThisCall, id: str) -> Response:
    """Issue a draft: it gets the next number of its series, and never changes again."""
    body = call.optional_json()
    known = ("issueDate", "beforeEnd", "empty", "overrides", "reason")
    day = _day(body, known=known)
    before_end, empty = _said(body, "beforeEnd"), _said(body, "empty")
    overrides = read_overrides(body, author=call.client_id)

    def effect(ids: Ids) -> Response:
        with call.context.ledger() as ledger:
            head = find_invoice(ledger, id)
            if not (ids.again and _is_issued(head, day)):
                issuing.issue_invoice(
                    ledger,
                    head.id,
                    formats=call.context.invoice_formats,
                    at=call.context.clock(),
                    issue_date=day,
                    before_end=before_end,
                    empty=empty,
                    overrides=overrides,
                )
            _finish(call, ledger)
            shown = _shown(ledger, head.id)
            missing = [text for _, text in issuing.still_open(ledger, head.id)]
        return answer(shown, headers=_note(shown, missing))

    return once(call, effect)


@resource.post(
    PATH + "/{id}/void",
    guard=needs("write:invoices"),
    answers={200: Given("The draft, void", ref("Invoice"))},
    refusals=(404, 409),
)
def void_invoice(call: ThisCall, id: str) -> Response:
    """Drop a draft. Its records can be drafted again."""
    with call.context.ledger() as ledger:
        head = find_invoice(ledger, id)
        ledger.void_draft(head.id)
        return answer(_shown(ledger, head.id))


@resource.post(
    PATH + "/{id}/credit",
    guard=needs("issue:invoices"),
    body=Body(ref("TakeInvoiceBack"), examples={"mistake": {"reason": "Wrong customer"}}),
    headers=(IDEMPOTENCY_KEY,),
    answers={
        201: Given(
            "The credit note",
            ref("Invoice"),
            headers={"Location": "Its path", NOTE: "What to mind"},
        )
    },
    refusals=(404, 409),
    links={"read": {"operationId": "get_invoice", "parameters": _OF_ID}},
)
def credit_invoice(call: ThisCall, id: str) -> Response:
    """Take an issued invoice back by a credit note over all of it."""
    body = call.json()
    reason, day = _reason(body), _day(body, known=("reason", "issueDate"))

    def effect(ids: Ids) -> Response:
        with call.context.ledger() as ledger:
            note = issuing.credit_invoice(
                ledger,
                id,
                reason=reason,
                formats=call.context.invoice_formats,
                at=call.context.clock(),
                issue_date=day,
                repeatable=ids.again,
            )
            _finish(call, ledger)
            shown = _shown(ledger, note.id)
        headers = {"Location": f"{PATH}/{note.id}"} | _note(shown)
        return answer(shown, status=201, headers=headers)

    return once(call, effect)


@resource.post(
    PATH + "/{id}/correct",
    guard=needs("issue:invoices"),
    body=Body(ref("CorrectInvoice"), examples={"price": {"reason": "The price of October"}}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The credit note and the new draft", ref("CorrectedInvoice"))},
    refusals=(404, 409),
)
def correct_invoice(call: ThisCall, id: str) -> Response:
    """Take an issued invoice back and draft its period anew, by the books as they are now."""
    body = call.json()
    reason, day = _reason(body), _day(body, known=("reason", "issueDate"))

    def effect(ids: Ids) -> Response:
        context = call.context
        with context.ledger() as ledger:
            note, draft = issuing.correct_invoice(
                ledger,
                id,
                reason=reason,
                formats=context.invoice_formats,
                at=context.clock(),
                metadata=dict(context.software),
                issue_date=day,
                repeatable=ids.again,
            )
            _finish(call, ledger)
            shown = {"creditNote": _shown(ledger, note.id), "draft": _shown(ledger, draft.id)}
        return answer(shown, status=201)

    return once(call, effect, in_steps=True)


@resource.post(
    PATH + "/{id}/lines",
    guard=needs("write:invoices"),
    body=Body(
        ref("NewInvoiceLine"), examples={"goodwill": {"amount": "-25.00", "reason": "Goodwill"}}
    ),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The draft with the line", ref("Invoice"))},
    refusals=(404, 409),
)
def add_invoice_line(call: ThisCall, id: str) -> Response:
    """Add a line to a draft by hand. It stays when the draft is made anew."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        context = call.context
        line_id = ids()
        with context.ledger() as ledger:
            head = find_invoice(ledger, id)
            known = {line.id for line in ledger.manual_lines(head.id)} if ids.repeatable else set()
            if line_id not in known:
                line = issuing.read_line(
                    body, id=line_id, author=call.client_id, at=context.clock()
                )
                issuing.add_line(ledger, head.id, line, at=context.clock())
            return answer(_shown(ledger, head.id), status=201)

    return once(call, effect)


@resource.delete(
    PATH + "/{id}/lines/{line}",
    guard=needs("write:invoices"),
    answers={204: Given("The draft is made anew without it")},
    refusals=(404, 409),
)
def remove_invoice_line(call: ThisCall, id: str, line: str) -> Response:
    """Take a line by hand off a draft; `line` is its id among `manualLines`."""
    with call.context.ledger() as ledger:
        issuing.remove_line(ledger, id, line, at=call.context.clock())
    return no_content()


@resource.get(
    PATH + "/{id}/lines/{line}/explanation",
    guard=needs("read:invoices"),
    answers=one("How the line came about", "LineExplanation"),
    refusals=(404, 409),
)
def explain_invoice_line(
    call: ThisCall,
    id: str,
    line: str,
    records: Annotated[
        int,
        Query(ge=0, le=RECORDS_MAX, description="How many input records of each metered one"),
    ] = RECORDS_SHOWN,
) -> Response:
    """Show how a line came about: its price, its calculation, its records and their input."""
    with call.context.ledger() as ledger:
        return answer(explain_line(ledger, id, line, records=records))


@resource.get(
    PATH + "/{id}/lines/{line}/rows",
    guard=needs("read:invoices"),
    answers=one("Rows of input files", "LineRows"),
    refusals=(404, 409),
)
def list_rows_of_invoice_line(
    call: ThisCall,
    id: str,
    line: str,
    limit: Annotated[int, Query(ge=1, le=ROWS_MAX, description="How many rows at most")] = 100,
    first: Annotated[int, Query(ge=0, le=10**12, description="How many to pass over")] = 0,
) -> Response:
    """List rows of input files that a line is made of, where its meters keep no single usage.

    The files that were read then are read again for each answer, which takes as long as that run.
    """
    rows: list[dict[str, Any]] = []
    context = call.context
    with (
        context.ledger() as ledger,
        rows_of_line(ledger, id, line, services=context.means().services) as found,
    ):
        found.each(lambda row: rows.append(row.to_api()), first=first, most=limit)
        return answer({**found.to_api(), "rows": rows})


def _finish(call: Call, ledger: Ledger) -> None:
    """Make files that were asked for, of whatever request; what fails is tried again later."""
    finish_files(ledger, call.context.file_means(call.client_id))


def _is_issued(head: InvoiceHead, day: date | None) -> bool:
    """Whether an invoice is what an earlier call of the same request has made of it."""
    dated = head_shown(head)["issueDate"]
    return head.status is InvoiceStatus.ISSUED and (day is None or dated == day.isoformat())


def _note(shown: dict[str, Any], more: Sequence[str] = ()) -> dict[str, str]:
    """Say that some files cannot be made (``filesRefused`` says why), and what else to mind."""
    formats = ", ".join(one["format"] for one in shown["filesRefused"])
    refused = [f"there are no files of the formats {formats}: see filesRefused"] if formats else []
    notes = [*refused, *more]
    return {NOTE: "; ".join(notes)} if notes else {}


def _reason(body: JsonValue) -> str:
    reading = Reading(body)
    reason = reading.text("reason", required=True, chars_max=issuing.TEXT_CHARS_MAX)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    return reason or ""


def _said(body: JsonValue, name: str) -> bool:
    reading = Reading(body)
    given = reading.boolean(name, default=False)
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    return given


def _day(body: JsonValue, *, known: tuple[str, ...]) -> date | None:
    reading = Reading(body, known=known, what="request")
    given = reading.body.get("issueDate")
    day = None
    if given is not None:
        try:
            day = date.fromisoformat(given)
        except (TypeError, ValueError):
            reading.fail("issueDate", f"is {given!r}, not a day", "write it such as 2026-11-03")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    return day
