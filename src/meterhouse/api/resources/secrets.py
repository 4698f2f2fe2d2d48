"""The secrets wallet: credentials for nodes of streams. Values go in and never out.

The wallet's key is changed where it is kept, by ``meterhouse secret rotate-key``, and not here.
"""

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
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
    COUNT,
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
from meterhouse.app.secrets import (
    create_secret,
    delete_secret,
    secret_to_api,
    shown_secret,
    update_secret,
)
from meterhouse.core.secret import DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX, SecretType

PATH = "/v1/secrets"
_TYPE: Schema = {"type": "string", "enum": [type_.value for type_ in SecretType]}
_CREDENTIALS: Schema = {
    "type": "object",
    "additionalProperties": {**TEXT, "format": "password"},
    "description": "The values, by the fields of the type; they are given whole, and never shown",
    "writeOnly": True,
}
_MEMBERS: dict[str, Schema] = {
    "name": {**NAME, "maxLength": NAME_CHARS_MAX},
    "description": nullable({**TEXT, "maxLength": DESCRIPTION_CHARS_MAX}),
    "type": _TYPE,
    "credentials": _CREDENTIALS,
}
#: A body may be copied from an answer: what cannot be set is let pass.
_IGNORED = dict.fromkeys(
    ("id", "version", "revision", "numberOfStreams", "streams", "createdAt", "updatedAt"), ANYTHING
)
_SHOWN: dict[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "description": nullable(TEXT),
    "type": _TYPE,
    "version": {**COUNT, "description": "How many credentials it has had"},
    "revision": {**TEXT, "description": "What the ETag names"},
    "createdAt": TEXT,
    "updatedAt": TEXT,
}
SCHEMAS: dict[str, Schema] = {
    "NewSecret": closed(_MEMBERS | _IGNORED, required=("name", "type", "credentials")),
    "SecretPatch": closed(_MEMBERS | _IGNORED, about="A merge patch (RFC 7396); the type stays"),
    "Secret": whole({**_SHOWN, "streams": {**array(TEXT), "description": "Those that use it"}}),
    "SecretPage": page("secrets", whole({**_SHOWN, "numberOfStreams": COUNT})),
}
_ETAG = {"ETag": "The revision of the secret"}
_OF_ID = {"id": "$response.body#/id"}
resource = Resource("Secrets", about="Credentials that nodes of streams use", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:secrets"),
    answers=one_page("Secrets, without values", "SecretPage"),
)
def list_secrets(
    call: ThisCall,
    type: Annotated[SecretType | None, Query(description="Only of this type")] = None,
    name: Annotated[str | None, Query(description="Only those with this in their name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List secrets with their numbers of streams, in the order of their creation."""
    cursors = call.cursors(type=None if type is None else type.value, name=name)
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.secrets(type=type, name=name, limit=limit, after=after)
    body = {"secrets": [secret_to_api(secret, streams=count) for secret, count in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("create:secrets"),
    body=Body(ref("NewSecret")),
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("The secret", ref("Secret"), headers=_ETAG | {"Location": "Its path"})},
    refusals=(409,),
    links={
        "read": {"operationId": "get_secret", "parameters": _OF_ID},
        "change": {"operationId": "update_secret", "parameters": _OF_ID},
        "remove": {"operationId": "delete_secret", "parameters": _OF_ID},
    },
)
def create_secret_(call: ThisCall) -> Response:
    """Create a secret. Its credentials are sealed at once, and given to runs alone."""
    body = call.json()

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            found = ledger.secret(id) if ids.repeatable else None
            if found is None:
                found = create_secret(
                    *(ledger, call.context.sealer, body),
                    new_id=lambda: id,
                    at=call.context.clock(),
                )
            shown = shown_secret(ledger, found.id)
        return tagged(shown, shown["revision"], status=201, Location=f"{PATH}/{found.id}")

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:secrets"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The secret, without its values", "Secret", headers=_ETAG),
    refusals=(404,),
)
def get_secret(call: ThisCall, id: str) -> Response:
    """Read a secret by its id or name, with the streams that use it."""
    with call.context.ledger() as ledger:
        shown = shown_secret(ledger, id)
    return tagged_unless_known(call, shown, shown["revision"])


@resource.patch(
    PATH + "/{id}",
    guard=needs("update:secrets"),
    body=merge_patch(ref("SecretPatch")),
    headers=(IF_MATCH,),
    answers=one("The secret as it is now", "Secret", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def update_secret_(call: ThisCall, id: str) -> Response:
    """Change name, description or credentials. New credentials replace all old ones.

    They hold from the next run on.
    """
    expected = expected_revision(call.header("if-match"))
    patch = call.json()
    context = call.context
    with context.ledger() as ledger:
        changed = update_secret(
            *(ledger, context.sealer, id), patch=patch, at=context.clock(), revision=expected
        )
        shown = shown_secret(ledger, changed.id)
    return tagged(shown, shown["revision"])


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:secrets"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def delete_secret_(call: ThisCall, id: str) -> Response:
    """Delete a secret that no stream uses."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        delete_secret(ledger, id, revision=expected)
    return no_content()
