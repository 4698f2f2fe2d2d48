"""Billing runs: drafting the invoices of a period, and what they would be by another book."""

from __future__ import annotations

from collections.abc import Sequence
from traceback import format_exception
from typing import Any

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.call import ThisCall
from meterhouse.api.context import Context
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import IDEMPOTENCY_KEY, Body, Given, Resource, needs, one
from meterhouse.api.problems import problem_document
from meterhouse.api.resources.credits import AMOUNT
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
    ref,
    whole,
)
from meterhouse.app.billing.drafts import Drafted, DraftFault, draft_all
from meterhouse.app.billing.periods import Days, read_days
from meterhouse.app.billing.price_books import find_version
from meterhouse.app.billing.usage import not_billed
from meterhouse.app.billing.what_if import total_of, what_if
from meterhouse.app.ports import Ledger
from meterhouse.core.instant import instant_text
from meterhouse.core.invoice_text import invoice_text
from meterhouse.core.json_text import JsonValue, json_text, parse_json
from meterhouse.core.price_book import PriceBook
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.core.reading import Reading, shown

PATH = "/v1/billing-runs"
CUSTOMERS_MAX = 10_000
_PERIOD: dict[str, Schema] = {
    "period": {**nullable(TEXT), "examples": ["2026-10"]},
    "from": {**nullable(TEXT), "description": "The first day; then `to` is needed"},
    "to": {**nullable(TEXT), "description": "The day after the last one"},
    "customers": {
        **nullable(array(NAME, items_max=CUSTOMERS_MAX)),
        "description": "Their ids; without it, all",
    },
}
_WHAT_IF = whole(
    {
        "customer": TEXT,
        "currency": TEXT,
        "now": AMOUNT,
        "then": AMOUNT,
        "difference": AMOUNT,
        "unpriced": COUNT,
    }
)
SCHEMAS: dict[str, Schema] = {
    "NewBillingRun": closed(
        {**_PERIOD, "preview": {**nullable(BOOLEAN), "description": "Store nothing"}}
    ),
    "BillingRun": whole(
        {
            "drafts": array(
                whole(
                    {
                        "customer": TEXT,
                        "document": nullable(FREE_OBJECT),
                        "problem": {
                            **nullable(FREE_OBJECT),
                            "description": "Why there is no draft",
                        },
                    }
                )
            ),
            "notBilled": {
                **whole(
                    {"records": COUNT, "users": array(whole({"user": TEXT, "records": COUNT}))}
                ),
                "description": "Records of users whom no customer has",
            },
        }
    ),
    "NewWhatIf": closed(
        {
            **_PERIOD,
            "book": {
                **FREE_OBJECT,
                "description": "A price book's document, or the id and version of one",
            },
        },
        required=("book",),
    ),
    "WhatIf": whole({"customers": array(_WHAT_IF), "totals": array(_WHAT_IF)}),
}
resource = Resource("Billing runs", about="Drafting the invoices of a period", schemas=SCHEMAS)


@resource.post(
    PATH,
    guard=needs("write:invoices"),
    body=Body(ref("NewBillingRun"), examples={"october": {"period": "2026-10"}}),
    headers=(IDEMPOTENCY_KEY,),
    answers={200: Given("A draft of each customer, or why there is none", ref("BillingRun"))},
    refusals=(409,),
)
def run_billing(call: ThisCall) -> Response:
    """Draft the invoices of a period, in place of the drafts there were; as often as wanted."""
    body = call.json()
    reading = Reading(body, known=(*_PERIOD, "preview"), what="billing run")
    preview = reading.boolean("preview", default=False)
    days, customers = _read(reading)
    context = call.context

    def effect(_: Ids) -> Response:
        with context.ledger() as ledger:
            drafted = draft_all(
                ledger,
                customers,
                days=days,
                at=context.clock(),
                metadata=dict(context.software),
                stored=not preview,
            )
            nobody = not_billed(ledger, period=_period(drafted, days))
        _tell_faults(context, drafted)
        users = [{"user": user, "records": count} for user, count in nobody.users]
        return answer(
            {
                "drafts": [_shown(one) for one in drafted],
                "notBilled": {"records": nobody.records, "users": users},
            }
        )

    return once(call, effect)


def _period(drafted: Sequence[Drafted], days: Days) -> Any:
    made = [one.invoice.period for one in drafted if one.invoice is not None]
    return made[0] if made else days.in_zone("Etc/UTC")


def _tell_faults(context: Context, drafted: Sequence[Drafted]) -> None:
    """Write faults of our own, for operators."""
    for draft in drafted:
        if isinstance(draft.error, DraftFault):
            line = {
                "time": instant_text(context.clock()),
                "level": "error",
                "message": "internal error of a draft",
                "customer": draft.customer,
                "trace": "".join(format_exception(draft.error.__cause__)),
            }
            context.log(json_text(line))


def _status(error: MeterhouseError) -> int | None:
    return 500 if isinstance(error, DraftFault) else None


def _shown(drafted: Drafted) -> dict[str, Any]:
    invoice, error = drafted.invoice, drafted.error
    return {
        "customer": drafted.customer,
        "document": None if invoice is None else parse_json(invoice_text(invoice)),
        "problem": None if error is None else problem_document(error, status=_status(error)),
    }


@resource.post(
    "/v1/invoices:what-if",
    guard=needs("read:invoices"),
    body=Body(
        ref("NewWhatIf"),
        examples={
            "stored": {"period": "2026-10", "book": {"id": "liceo-es", "version": "2026-11-01.1"}}
        },
    ),
    answers=one("What each customer costs by its book and by the other one", "WhatIf"),
    refusals=(404, 409),
)
def rate_otherwise(call: ThisCall) -> Response:
    """Rate past usage by another price book, beside what it costs now. Nothing is stored."""
    reading = Reading(call.json(), known=(*_PERIOD, "book"), what="question")
    given = reading.json_object("book")
    if reading.body.get("book") is None:
        reading.fail("book", "is missing", 'give a document, or {"id": ..., "version": ...}')
    elif set(given) == {"id"}:
        reading.fail("book.version", "is missing", f"say which version of {given['id']!r} is meant")
    days, customers = _read(reading)
    with call.context.ledger() as ledger:
        other = _book(ledger, given)
        rated = what_if(ledger, other, days=days, customers=customers)
    return answer(
        {
            "customers": [one.to_api() for one in rated],
            "totals": [one.to_api() for one in total_of(rated)],
        }
    )


def _book(ledger: Ledger, given: JsonValue) -> PriceBook:
    """Return the book of a document, or a stored version where nothing else is said."""
    if set(given) == {"id", "version"} and all(isinstance(text, str) for text in given.values()):
        return find_version(ledger, given["id"], given["version"])
    try:
        return read_price_book(given)
    except DefinitionError as error:
        problems = [problem.at("book") for problem in error.problems]
        raise DefinitionError(problems, what="The price book") from error


def _read(reading: Reading) -> tuple[Days, list[str] | None]:
    """Return the period and the customers of a request."""
    texts = [reading.text(name) for name in ("period", "from", "to")]
    customers = reading.json_list("customers", items_max=CUSTOMERS_MAX)
    for place, customer in enumerate(customers):
        if not isinstance(customer, str) or not customer:
            reading.fail(f"customers[{place}]", f"is {shown(customer)}", "use a customer's id")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    every = reading.body.get("customers") is None
    return read_days(texts[0], first=texts[1], end=texts[2]), None if every else customers
