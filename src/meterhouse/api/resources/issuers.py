"""Issuers: who issues invoices, and how they are numbered."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import no_content
from meterhouse.api.call import ThisCall
from meterhouse.api.etag import expected_revision, tagged, tagged_unless_known
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    Body,
    Given,
    Resource,
    merge_patch,
    needs,
    one,
    one_page,
    one_unless_known,
)
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import ANYTHING, NAME, TEXT, Schema, closed, page, ref, whole
from meterhouse.app.billing.parties import (
    create_issuer,
    delete_issuer,
    find_issuer,
    issuer_shown,
    update_issuer,
)
from meterhouse.core.party_reading import (
    ID_CHARS_MAX,
    PAYMENT_DAYS_MAX,
    TEXT_CHARS_MAX,
)

PATH = "/v1/issuers"
_LINE: Schema = {**TEXT, "maxLength": TEXT_CHARS_MAX}
ADDRESS: Schema = closed(
    {
        "country": {**NAME, "description": "ISO 3166-1 alpha-2", "examples": ["ES"]},
        **dict.fromkeys(("street", "city", "postcode", "region"), _LINE),
    },
    required=("country",),
)
#: What issuers and customers have in common.
PARTY: dict[str, Schema] = {
    "id": {**NAME, "maxLength": ID_CHARS_MAX},
    "name": {**NAME, "maxLength": TEXT_CHARS_MAX},
    "address": ADDRESS,
    "taxId": {**_LINE, "description": "The VAT identifier"},
    "legalId": {**_LINE, "description": "The registration"},
    "email": _LINE,
}
REVISION: Schema = {**TEXT, "description": "What the ETag names"}
_MEMBERS: dict[str, Schema] = {
    **PARTY,
    "numberFormat": {**NAME, "examples": ["LICEO-{year}-{number:6}"]},
    "series": {**NAME, "examples": ["invoices-{year}"]},
    "creditNoteFormat": {**NAME, "examples": ["CN-{year}-{number:6}"]},
    "paymentDays": {"type": "integer", "minimum": 0, "maximum": PAYMENT_DAYS_MAX},
}
_FILE_NAME: dict[str, Schema] = {
    "fileName": {
        **TEXT,
        "description": "What files are called, if not as all are",
        "examples": ["LICEO_{country3}_{period}_{number}"],
    }
}
_GIVEN = _MEMBERS | _FILE_NAME | {"revision": ANYTHING}
SCHEMAS: dict[str, Schema] = {
    "NewIssuer": closed(_GIVEN, required=("id", "name", "address")),
    "IssuerPatch": closed(
        {name: {} for name in _GIVEN}, about="A merge patch (RFC 7396); the id stays"
    ),
    "Issuer": whole(_MEMBERS | _FILE_NAME | {"revision": REVISION}, optional=("fileName",)),
    "IssuerPage": page("issuers", ref("Issuer")),
}
_ETAG = {"ETag": "The revision of the issuer"}
_OF_ID = {"id": "$response.body#/id"}
_EXAMPLE = {
    "id": "liceo",
    "name": "Liceo S.A.",
    "address": {"country": "ES", "city": "Madrid"},
    "taxId": "ESA28000000",
    "numberFormat": "LICEO-{year}-{number:6}",
}
resource = Resource(
    "Issuers", about="Who issues invoices, and how they are numbered", schemas=SCHEMAS
)


@resource.get(
    PATH,
    guard=needs("read:invoices"),
    answers=one_page("Issuers", "IssuerPage"),
)
def list_issuers(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List issuers, in the order in which they were made."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.issuers(limit=limit, after=cursors.after(cursor))
    body = {"issuers": [issuer_shown(issuer) for issuer in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("write:invoices"),
    body=Body(ref("NewIssuer"), examples={"liceo": _EXAMPLE}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The issuer", ref("Issuer"), headers=_ETAG | {"Location": "Its path"})},
    refusals=(409,),
    links={
        "read": {"operationId": "get_issuer", "parameters": _OF_ID},
        "change": {"operationId": "change_issuer", "parameters": _OF_ID},
        "remove": {"operationId": "remove_issuer", "parameters": _OF_ID},
    },
)
def add_issuer(call: ThisCall) -> Response:
    """Create an issuer."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        with call.context.ledger() as ledger:
            issuer = create_issuer(ledger, body, repeatable=ids.again)
        shown = issuer_shown(issuer)
        return tagged(shown, shown["revision"], status=201, Location=f"{PATH}/{issuer.id}")

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:invoices"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The issuer", "Issuer", headers=_ETAG),
    refusals=(404,),
)
def get_issuer(call: ThisCall, id: str) -> Response:
    """Read an issuer."""
    with call.context.ledger() as ledger:
        shown = issuer_shown(find_issuer(ledger, id))
    return tagged_unless_known(call, shown, shown["revision"])


@resource.patch(
    PATH + "/{id}",
    guard=needs("write:invoices"),
    body=merge_patch(ref("IssuerPatch")),
    headers=(IF_MATCH,),
    answers=one("The issuer as it is now", "Issuer", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def change_issuer(call: ThisCall, id: str) -> Response:
    """Change an issuer. What was issued stays as it is."""
    expected = expected_revision(call.header("if-match"))
    patch = call.json()
    with call.context.ledger() as ledger:
        shown = issuer_shown(update_issuer(ledger, id, patch=patch, revision=expected))
    return tagged(shown, shown["revision"])


@resource.delete(
    PATH + "/{id}",
    guard=needs("write:invoices"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def remove_issuer(call: ThisCall, id: str) -> Response:
    """Delete an issuer that has no customers and no invoices."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        delete_issuer(ledger, id, revision=expected)
    return no_content()
