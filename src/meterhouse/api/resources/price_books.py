"""Price books: what usage costs, by dated versions that never change once they were used."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import JSON_TYPES, Call, ThisCall
from meterhouse.api.operation import Body, Given, Resource, needs, one, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    BOOLEAN,
    COUNT,
    FREE_OBJECT,
    TEXT,
    Schema,
    array,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app.billing.price_books import (
    Document,
    check_price_books,
    create_price_books,
    delete_version,
    find_stored,
    shown_book,
)
from meterhouse.app.billing.price_import import FORMATS, read_price_import
from meterhouse.core.problem import DefinitionError, Problem

PATH = "/v1/price-books"
_DOCUMENT: Schema = {
    **FREE_OBJECT,
    "description": "A price book; prices may be written as texts, and are exact either way",
}
_VERSION: dict[str, Schema] = {
    "id": TEXT,
    "version": TEXT,
    "hash": {**TEXT, "description": "SHA-256 of the document's canonical JSON"},
    "customer": nullable(TEXT),
    "currency": TEXT,
    "timezone": TEXT,
    "validFrom": {**TEXT, "description": "The first day"},
    "validTo": {**nullable(TEXT), "description": "The first day that it is not valid on"},
    "numberOfPrices": COUNT,
    "createdAt": TEXT,
    "createdBy": TEXT,
    "usedAt": {**nullable(TEXT), "description": "Since then it cannot be deleted"},
}
_FINDING = whole({"place": TEXT, "message": TEXT, "hint": TEXT})
SCHEMAS: dict[str, Schema] = {
    "PriceBookDocument": _DOCUMENT,
    "PriceBookVersion": whole({**_VERSION, "document": _DOCUMENT}),
    "CreatedPriceBook": whole({**_VERSION, "new": {**BOOLEAN, "description": "False: as before"}}),
    "PriceBookPage": page("priceBooks", whole(_VERSION)),
    "ImportedPriceBooks": whole(
        {
            "priceBooks": {
                **array(ref("CreatedPriceBook")),
                "description": "Those that are stored; none of a preview",
            },
            "documents": array(ref("PriceBookDocument")),
            "notices": {**array(TEXT), "description": "What price books cannot say, left out"},
        }
    ),
    "PriceBookCheck": whole(
        {
            "id": nullable(TEXT),
            "version": nullable(TEXT),
            "hash": nullable(TEXT),
            "problems": array(_FINDING),
            "warnings": array(_FINDING),
        }
    ),
}
_TABLES = (*JSON_TYPES, "text/csv")
resource = Resource("Price books", about="What usage costs", schemas=SCHEMAS)
Version = Annotated[str, Path(description="The version")]


def _document(call: Call) -> Document:
    body = call.json()
    return Document("", call.body.decode("utf-8-sig"), "json", body)


@resource.get(
    PATH,
    guard=needs("read:prices"),
    answers=one_page("Versions of price books", "PriceBookPage"),
)
def list_price_books(
    call: ThisCall,
    id: Annotated[str | None, Query(description="Only versions of this book")] = None,
    customer: Annotated[str | None, Query(description="Only those for this customer")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List versions of price books, without their documents, in the order of their creation."""
    cursors = call.cursors(id=id, customer=customer)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.price_books(id=id, customer=customer, limit=limit, after=after)
    body = {"priceBooks": [about.to_api() for about in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("write:prices"),
    body=Body(ref("PriceBookDocument")),
    answers={
        200: Given(
            "This version is stored already, with the same contents", ref("CreatedPriceBook")
        ),
        201: Given("A new version", ref("CreatedPriceBook"), headers={"Location": "Its path"}),
    },
    refusals=(409,),
)
def create_price_book(call: ThisCall) -> Response:
    """Store a version of a price book.

    A version that is stored with other contents is refused; with the same contents nothing happens,
    so that a request may simply be repeated.
    """
    document = _document(call)
    context = call.context
    with context.ledger() as ledger:
        [(about, is_new)] = create_price_books(
            ledger, [document], at=context.clock(), by=call.client_id
        )
    headers = {"Location": f"{PATH}/{about.id}/versions/{about.version}"} if is_new else None
    status = 201 if is_new else 200
    return answer(about.to_api() | {"new": is_new}, status=status, headers=headers)


@resource.post(
    PATH + ":check",
    guard=needs("read:prices"),
    body=Body({"description": "What may be a price book"}),
    answers=one("What was found", "PriceBookCheck"),
)
def check_price_book(call: ThisCall) -> Response:
    """Say what is wrong or strange in a price book, beside those stored. Nothing is stored."""
    document = _document(call)
    with call.context.ledger() as ledger:
        [checked] = check_price_books(ledger, [document])
    book = checked.book
    body = {
        "id": None if book is None else book.id,
        "version": None if book is None else book.version,
        "hash": None if book is None else book.hash,
        "problems": list(map(_finding, checked.lint.problems)),
        "warnings": list(map(_finding, checked.lint.warnings)),
    }
    return answer(body)


@resource.post(
    PATH + ":import-llm-prices",
    guard=needs("write:prices"),
    body=Body({"description": "The table, as it was published"}, types=_TABLES),
    answers=one("What came of it", "ImportedPriceBooks"),
    refusals=(409,),
)
def import_llm_prices(
    call: ThisCall,
    format: Annotated[
        str, Query(description="What the table is", json_schema_extra={"enum": list(FORMATS)})
    ],
    id: Annotated[str, Query(description="The id of the price book")],
    customer: Annotated[str | None, Query(description="Whom it is for; anybody")] = None,
    currency: Annotated[str | None, Query(description="What the prices are in; USD")] = None,
    models: Annotated[
        list[str] | None, Query(description="Only these: names or patterns, as `gpt-4o*`")
    ] = None,
    provider: Annotated[list[str] | None, Query(description="Only of these providers")] = None,
    at: Annotated[str | None, Query(description="The prices of this day, one version")] = None,
    from_: Annotated[
        str | None, Query(alias="from", description="From when the one version is valid")
    ] = None,
    markup: Annotated[str | None, Query(description="Prices times this: 1.2 adds a fifth")] = None,
    preview: Annotated[bool, Query(description="Store nothing")] = False,
) -> Response:
    """Make price books of published prices of language models, by model and type of token.

    A dated table becomes a version for each day on which a price changed; with `at` or `from` it
    becomes one. A version that is stored with the same contents stays, so that a request may simply
    be repeated.
    """
    said = {"format": format, "id": id, "customer": customer, "currency": currency}
    said |= {"models": models, "provider": provider, "at": at, "from": from_, "markup": markup}
    wanted, context = read_price_import(said), call.context
    made = context.price_importer(_text(call), wanted, what="The table")
    stored = []
    if not preview:
        with context.ledger() as ledger:
            stored = create_price_books(
                ledger, made.to_store(), at=context.clock(), by=call.client_id
            )
    body = {
        "priceBooks": [about.to_api() | {"new": is_new} for about, is_new in stored],
        "documents": list(made.documents),
        "notices": list(made.notices),
    }
    return answer(body)


def _text(call: Call) -> str:
    try:
        return call.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: {error.reason} at byte {error.start}"
        raise DefinitionError([Problem("", message, "send UTF-8")], what="The table") from error


def _finding(problem: Problem) -> dict[str, str]:
    return {"place": problem.place, "message": problem.message, "hint": problem.hint}


@resource.get(
    PATH + "/{id}",
    guard=needs("read:prices"),
    answers=one("The version that begins last", "PriceBookVersion"),
    refusals=(404,),
)
def get_price_book(call: ThisCall, id: str) -> Response:
    """Read the version of a price book that begins last."""
    with call.context.ledger() as ledger:
        return answer(shown_book(find_stored(ledger, id)))


@resource.get(
    PATH + "/{id}/versions/{version}",
    guard=needs("read:prices"),
    answers=one("The version", "PriceBookVersion"),
    refusals=(404,),
)
def get_price_book_version(call: ThisCall, id: str, version: Version) -> Response:
    """Read a version of a price book with its document."""
    with call.context.ledger() as ledger:
        return answer(shown_book(find_stored(ledger, id, version)))


@resource.delete(
    PATH + "/{id}/versions/{version}",
    guard=needs("write:prices"),
    answers={204: Given("It is deleted")},
    refusals=(404, 409),
)
def delete_price_book_version(call: ThisCall, id: str, version: Version) -> Response:
    """Delete a version that nothing was rated with."""
    with call.context.ledger() as ledger:
        delete_version(ledger, id, version)
    return no_content()
