"""Credits: prepaid credit of customers, which invoices draw from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer
from meterhouse.api.call import ThisCall
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import IDEMPOTENCY_KEY, Body, Given, Resource, needs, one, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    BOOLEAN,
    INSTANT,
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
from meterhouse.app.billing.credits import find_grant, grant_credit, grant_shown

PATH = "/v1/credits"
AMOUNT: Schema = {**TEXT, "examples": ["200.00"], "description": "An exact amount, as text"}
_PRIORITY: Schema = {
    "type": "integer",
    "minimum": -1_000_000,
    "maximum": 1_000_000,
    "description": "A lower number is drawn first",
}
_WHEN: Schema = {
    **INSTANT,
    "description": "An instant; or a day, which begins in the time zone of the price book",
}
_SHOWN: dict[str, Schema] = {
    "id": TEXT,
    "customer": TEXT,
    "name": TEXT,
    "amount": AMOUNT,
    "remaining": AMOUNT,
    "currency": TEXT,
    "promotional": {**BOOLEAN, "description": "Taken off before tax; otherwise it pays after it"},
    "priority": _PRIORITY,
    "effective": TEXT,
    "expires": nullable(TEXT),
    "grantedAt": TEXT,
}
_ENTRY = whole({"at": TEXT, "invoice": TEXT, "amount": AMOUNT})
SCHEMAS: dict[str, Schema] = {
    "NewCredit": closed(
        {
            "customer": NAME,
            "name": {**TEXT, "maxLength": 200},
            "amount": AMOUNT,
            "currency": {**NAME, "examples": ["EUR"]},
            "priority": _PRIORITY,
            "effective": nullable(_WHEN),
            "expires": nullable(_WHEN),
            "promotional": BOOLEAN,
        },
        required=("customer", "amount", "currency"),
    ),
    "Credit": whole(_SHOWN),
    "CreditWithEntries": whole(_SHOWN | {"entries": array(_ENTRY)}),
    "CreditPage": page("credits", ref("Credit")),
}
_EXAMPLE = {"customer": "es", "amount": "200.00", "currency": "EUR"}
resource = Resource("Credits", about="Prepaid credit, which invoices draw from", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:invoices"),
    answers=one_page("Grants of credit", "CreditPage"),
)
def list_credits(
    call: ThisCall,
    customer: Annotated[str | None, Query(description="Only of this customer")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List grants with what is left of them, in the order in which they were made."""
    cursors = call.cursors(customer=customer)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.grants(customer=customer, limit=limit, after=after)
    body = {"credits": [grant_shown(grant) for grant in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("write:invoices"),
    body=Body(ref("NewCredit"), examples={"prepaid": _EXAMPLE}),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The grant", ref("Credit"), headers={"Location": "Its path"})},
    refusals=(404, 409),
    links={"read": {"operationId": "get_credit", "parameters": {"id": "$response.body#/id"}}},
)
def grant_credit_(call: ThisCall) -> Response:
    """Give a customer credit. Invoices draw from it until nothing is left."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            known = ledger.grant(id) if ids.repeatable else None
            grant = known or grant_credit(ledger, body, new_id=lambda: id, at=call.context.clock())
        return answer(grant_shown(grant), status=201, headers={"Location": f"{PATH}/{grant.id}"})

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:invoices"),
    answers=one("The grant, and every entry that changed it", "CreditWithEntries"),
    refusals=(404,),
)
def get_credit(call: ThisCall, id: str) -> Response:
    """Read a grant, with what drew from it and what was given back."""
    with call.context.ledger() as ledger:
        grant = find_grant(ledger, id)
        entries = ledger.entries_of_grant(grant.id)
    return answer(grant_shown(grant, entries))
