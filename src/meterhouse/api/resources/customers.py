"""Customers: who pays for usage, by which price book."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

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
from meterhouse.api.resources.issuers import PARTY, REVISION
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
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
from meterhouse.app.billing.parties import (
    create_customer,
    customer_shown,
    delete_customer,
    find_customer,
    update_customer,
)
from meterhouse.core.party_reading import TEXT_CHARS_MAX, USERS_MAX

PATH = "/v1/customers"
_MEMBERS: dict[str, Schema] = {
    **PARTY,
    "issuer": {**NAME, "description": "The id of who sells"},
    "priceBook": {**NAME, "description": "The id of its price book"},
    "users": {
        **array(NAME, items_max=USERS_MAX),
        "description": "User ids of meters; none: the one that has the customer's id",
    },
    "reference": {**TEXT, "maxLength": TEXT_CHARS_MAX},
    "language": {**TEXT, "examples": ["en"]},
    "customFields": FREE_OBJECT,
    "from": {**nullable(TEXT), "description": "The first day of the contract: 2026-11-14"},
    "to": {**nullable(TEXT), "description": "The day after the last one of the contract"},
}
_GIVEN = _MEMBERS | {"revision": ANYTHING}
SCHEMAS: dict[str, Schema] = {
    "NewCustomer": closed(_GIVEN, required=("id", "name", "address", "issuer", "priceBook")),
    "CustomerPatch": closed(
        {name: {} for name in _GIVEN}, about="A merge patch (RFC 7396); the id stays"
    ),
    "Customer": whole(_MEMBERS | {"revision": REVISION}),
    "CustomerPage": page("customers", ref("Customer")),
}
_ETAG = {"ETag": "The revision of the customer"}
_OF_ID = {"id": "$response.body#/id"}
_EXAMPLE = {
    "id": "es",
    "name": "OB Spain",
    "address": {"country": "ES"},
    "issuer": "liceo",
    "priceBook": "liceo-es",
    "users": ["ES"],
}
resource = Resource("Customers", about="Who pays for usage, by which price book", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:invoices"),
    answers=one_page("Customers", "CustomerPage"),
)
def list_customers(
    call: ThisCall,
    issuer: Annotated[str | None, Query(description="Only of this issuer")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List customers, in the order in which they were made."""
    cursors = call.cursors(issuer=issuer)
    with call.context.ledger() as ledger:
        found = ledger.customers(issuer=issuer, limit=limit, after=cursors.after(cursor))
    body = {"customers": [customer_shown(customer) for customer in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("write:invoices"),
    body=Body(ref("NewCustomer"), examples={"spain": _EXAMPLE}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The customer", ref("Customer"), headers=_ETAG | {"Location": "Its path"})},
    refusals=(409,),
    links={
        "read": {"operationId": "get_customer", "parameters": _OF_ID},
        "change": {"operationId": "change_customer", "parameters": _OF_ID},
        "remove": {"operationId": "remove_customer", "parameters": _OF_ID},
    },
)
def add_customer(call: ThisCall) -> Response:
    """Create a customer. A user id may be of one customer only."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        with call.context.ledger() as ledger:
            customer = create_customer(ledger, body, repeatable=ids.again)
        shown = customer_shown(customer)
        return tagged(shown, shown["revision"], status=201, Location=f"{PATH}/{customer.id}")

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:invoices"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The customer", "Customer", headers=_ETAG),
    refusals=(404,),
)
def get_customer(call: ThisCall, id: str) -> Response:
    """Read a customer."""
    with call.context.ledger() as ledger:
        shown = customer_shown(find_customer(ledger, id))
    return tagged_unless_known(call, shown, shown["revision"])


@resource.patch(
    PATH + "/{id}",
    guard=needs("write:invoices"),
    body=merge_patch(ref("CustomerPatch")),
    headers=(IF_MATCH,),
    answers=one("The customer as it is now", "Customer", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def change_customer(call: ThisCall, id: str) -> Response:
    """Change a customer. What was issued stays as it is."""
    expected = expected_revision(call.header("if-match"))
    patch = call.json()
    with call.context.ledger() as ledger:
        shown = customer_shown(update_customer(ledger, id, patch=patch, revision=expected))
    return tagged(shown, shown["revision"])


@resource.delete(
    PATH + "/{id}",
    guard=needs("write:invoices"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def remove_customer(call: ThisCall, id: str) -> Response:
    """Delete a customer that was never billed."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        delete_customer(ledger, id, revision=expected)
    return no_content()
