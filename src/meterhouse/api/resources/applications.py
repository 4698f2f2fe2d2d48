"""Applications: the programs that may use the API, and their scopes."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import ThisCall
from meterhouse.api.etag import expected_revision, tagged, tagged_unless_known
from meterhouse.api.idempotency import AlreadyShown, Ids, once
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
from meterhouse.app.applications import (
    NewClient,
    Principal,
    create_application,
    delete_application,
    find_application,
    rotate_client_secret,
    update_application,
)
from meterhouse.core.application import NAME_CHARS_MAX
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading
from meterhouse.core.scope import SCOPES

PATH = "/v1/applications"
_SCOPES: Schema = array({"type": "string", "enum": list(SCOPES)})
_MEMBERS: dict[str, Schema] = {"name": {**NAME, "maxLength": NAME_CHARS_MAX}, "scopes": _SCOPES}
#: A body may be copied from an answer: what cannot be set is let pass.
_IGNORED = dict.fromkeys(("id", "clientId", "revision", "createdAt", "updatedAt"), ANYTHING)
SCHEMAS: dict[str, Schema] = {
    "NewApplication": closed(
        _MEMBERS | _IGNORED,
        required=("name", "scopes"),
        about="Its scopes are among those of its creator",
    ),
    "ApplicationPatch": closed(_MEMBERS | _IGNORED, about="A merge patch (RFC 7396)"),
    "Application": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "clientId": TEXT,
            "scopes": _SCOPES,
            "revision": {**TEXT, "description": "What the ETag names"},
            "createdAt": TEXT,
            "updatedAt": TEXT,
        }
    ),
    "ApplicationPage": page("applications", ref("Application")),
    "ApplicationClient": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "clientId": TEXT,
            "clientSecret": {**TEXT, "description": "Shown this once"},
            "scopes": _SCOPES,
        }
    ),
    "Rotation": closed(
        {
            "oldUntil": nullable(
                {**INSTANT, "description": "The present client secret works until then"}
            )
        }
    ),
}
_ETAG = {"ETag": "The revision of the application"}
_OF_ID = {"id": "$response.body#/id"}
resource = Resource("Applications", about="The programs that may use the API", schemas=SCHEMAS)


def _asking(call: ThisCall) -> Principal:
    assert call.principal is not None, "none of these operations is open to all"
    return Principal(call.principal.client_id, call.principal.scopes)


@resource.get(
    PATH,
    guard=needs("read:applications"),
    answers=one_page("Applications", "ApplicationPage"),
)
def list_applications(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the programs that have access, in the order of their creation."""
    cursors = call.cursors()
    after = cursors.after(cursor)
    with call.context.ledger() as ledger:
        found = ledger.applications(limit=limit, after=after)
    body = {"applications": [application.to_api() for application in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("create:applications"),
    body=Body(ref("NewApplication")),
    headers=(IDEMPOTENCY_KEY,),
    answers={
        201: Given(
            "The application, with its client secret",
            ref("ApplicationClient"),
            headers={"Location": "Its path"},
        )
    },
    refusals=(409,),
    links={
        "read": {"operationId": "get_application", "parameters": _OF_ID},
        "change": {"operationId": "update_application", "parameters": _OF_ID},
        "renew": {"operationId": "rotate_client_secret", "parameters": _OF_ID},
        "remove": {"operationId": "delete_application", "parameters": _OF_ID},
    },
)
def create_application_(call: ThisCall) -> Response:
    """Give a program access. Its client secret is shown this once, and kept nowhere.

    A client gives no scope that it does not have. A repeat under an `Idempotency-Key` creates
    nothing and is answered by 409: where the first answer was lost, rotate the client secret.
    """
    body = call.json()

    def effect(ids: Ids) -> Response:
        first = ids()
        with call.context.ledger() as ledger:
            if ids.repeatable and (known := ledger.application(first)) is not None:
                raise AlreadyShown(f"{PATH}/{known.id}")
            remaining = iter([first])
            client = create_application(
                *(ledger, call.context.client_secrets, body),
                new_id=lambda: next(remaining, None) or ids(),
                at=call.context.clock(),
                by=_asking(call),
            )
        return _shown_once(client, status=201)

    return once(call, effect, shown_once=True)


def _shown_once(client: NewClient, *, status: int) -> Response:
    location = f"{PATH}/{client.application.id}"
    return answer(client.to_api(), status=status, headers={"Location": location})


@resource.get(
    PATH + "/{id}",
    guard=needs("read:applications"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The application", "Application", headers=_ETAG),
    refusals=(404,),
)
def get_application(call: ThisCall, id: str) -> Response:
    """Read an application by its id, client id or name."""
    with call.context.ledger() as ledger:
        application = find_application(ledger, id)
    return tagged_unless_known(call, application.to_api(), application.revision)


@resource.patch(
    PATH + "/{id}",
    guard=needs("update:applications"),
    body=merge_patch(ref("ApplicationPatch")),
    headers=(IF_MATCH,),
    answers=one("The application as it is now", "Application", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def update_application_(call: ThisCall, id: str) -> Response:
    """Change name or scopes. A scope that is taken away ends at once, in tokens too.

    A client adds no scope that it does not have, and does not narrow the last application that
    looks after applications.
    """
    expected = expected_revision(call.header("if-match"))
    patch = call.json()
    with call.context.ledger() as ledger:
        changed = update_application(
            *(ledger, id),
            patch=patch,
            at=call.context.clock(),
            revision=expected,
            by=_asking(call),
        )
    return tagged(changed.to_api(), changed.revision)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:applications"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 409, 412, 428),
)
def delete_application_(call: ThisCall, id: str) -> Response:
    """End a program's access; its tokens are refused from now on.

    The last application that looks after applications stays.
    """
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        delete_application(ledger, id, revision=expected, by=_asking(call))
    return no_content()


@resource.post(
    PATH + "/{id}/rotate",
    guard=needs("update:applications"),
    body=Body(ref("Rotation"), required=False),
    headers=(IDEMPOTENCY_KEY,),
    answers=one("The application with a new client secret", "ApplicationClient"),
    refusals=(404, 409),
)
def rotate_client_secret_(call: ThisCall, id: str) -> Response:
    """Give a program a new client secret, which is shown this once.

    The present one ends at once, or when `oldUntil` says. A client that may less than the
    application is refused. A repeat under an `Idempotency-Key` is answered by 409.
    """
    old_until = _read_old_until(call.optional_json())

    def effect(_: Ids) -> Response:
        now = call.context.clock()
        with call.context.ledger() as ledger:
            client = rotate_client_secret(
                *(ledger, call.context.client_secrets, id),
                old_until=now if old_until is None else old_until,
                at=now,
                by=_asking(call),
            )
        return _shown_once(client, status=200)

    return once(call, effect, shown_once=True)


def _read_old_until(body: JsonValue) -> Instant | None:
    reading = Reading(body, known=("oldUntil",), what="request")
    found = reading.instant("oldUntil")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The request")
    return found
