"""Notification groups: who is told of what happens to streams."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Response

from meterhouse.api.answer import answer, no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.etag import expected_revision, tagged, tagged_unless_known
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    Body,
    Given,
    Resource,
    needs,
    one,
    one_page,
    one_unless_known,
)
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
    BOOLEAN,
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
from meterhouse.app import notifications
from meterhouse.core.json_text import JsonValue
from meterhouse.streams.notification import (
    DESCRIPTION_CHARS_MAX,
    EMAILS_MAX,
    EVENTS,
    NAME_CHARS_MAX,
    SET_BY_US,
    STREAMS_MAX,
    WEBHOOKS_MAX,
    NotificationGroup,
)

PATH = "/v1/notification-groups"
_EVENT: Schema = {"type": "string", "enum": list(EVENTS)}
_FOR_ALL = "Names or ids; null is all streams, also those that come"
_WEBHOOK = {
    "uri": {**NAME, "description": "Where messages are sent by POST"},
    "secret": {**NAME, "description": "Name or id of the secret of type webhookSigning"},
}
SCHEMAS: dict[str, Schema] = {
    "NotificationGroup": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "description": nullable(TEXT),
            "events": array(_EVENT),
            "emails": array(TEXT),
            "webhooks": array(whole(_WEBHOOK)),
            "streams": {**nullable(array(TEXT)), "description": _FOR_ALL},
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "revision": {**TEXT, "description": "What the ETag names"},
        }
    ),
    "NotificationGroupPage": page("notificationGroups", ref("NotificationGroup")),
    "NewNotificationGroup": closed(
        {
            "name": {**NAME, "maxLength": NAME_CHARS_MAX},
            "description": nullable({**TEXT, "maxLength": DESCRIPTION_CHARS_MAX}),
            "events": {**array(_EVENT, items_max=len(EVENTS)), "minItems": 1},
            "emails": nullable(array(NAME, items_max=EMAILS_MAX)),
            "webhooks": nullable(
                array(closed(_WEBHOOK, required=("uri", "secret")), items_max=WEBHOOKS_MAX)
            ),
            "streams": {
                **nullable(array(NAME, items_max=STREAMS_MAX)),
                "minItems": 1,
                "description": _FOR_ALL,
            },
            **dict.fromkeys(SET_BY_US, ANYTHING),
        },
        required=("name", "events"),
        about="It has an address at least. What the system sets is let pass, and not taken over",
    ),
    "NotificationTest": whole(
        {"attempts": array(whole({"address": TEXT, "accepted": BOOLEAN, "reason": nullable(TEXT)}))}
    ),
}
_ETAG = {"ETag": "The revision of the notification group"}
_NEW = Body(
    ref("NewNotificationGroup"),
    examples={
        "on call": {
            "name": "On call",
            "events": ["stream_failed", "no_file_found"],
            "webhooks": [{"uri": "https://hooks.example.com/billing", "secret": "Hooks"}],
            "streams": ["Botbot AI assist"],
        }
    },
)
_OF_ID = {"id": "$response.body#/id"}
resource = Resource(
    "Notifications", about="Who is told of what happens to streams", schemas=SCHEMAS
)


def _shown(group: NotificationGroup) -> dict[str, object]:
    return group.to_api() | {"revision": group.revision}


def _demand(call: Call, body: JsonValue) -> None:
    """Let nobody sign with a secret that they may not know of."""
    if isinstance(body, Mapping) and body.get("webhooks"):
        call.demand("read:secrets")


@resource.get(
    PATH,
    guard=needs("read:notifications"),
    answers=one_page("Notification groups", "NotificationGroupPage"),
)
def list_notification_groups(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List notification groups in the order in which they were made."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.notification_groups(limit=limit, after=cursors.after(cursor))
    body = {"notificationGroups": [_shown(group) for group in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("create:notifications"),
    body=_NEW,
    headers=(IDEMPOTENCY_KEY,),
    answers={
        201: Given("It is made", ref("NotificationGroup"), headers=_ETAG | {"Location": "Its path"})
    },
    refusals=(404, 409),
    links={"read": {"operationId": "get_notification_group", "parameters": _OF_ID}},
)
def create_notification_group(call: ThisCall) -> Response:
    """Make a notification group. E-mail needs a mail server that the operator configures.

    To name a secret needs the scope `read:secrets` as well.
    """
    body = call.json()
    _demand(call, body)

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            known = ledger.notification_group(id) if ids.repeatable else None
            group = known or notifications.create_notification_group(
                ledger,
                body,
                mails=call.context.mails,
                new_id=lambda: id,
                at=call.context.clock(),
            )
        path = f"{PATH}/{group.id}"
        return tagged(_shown(group), group.revision, status=201, Location=path)

    return once(call, effect)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:notifications"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The notification group", "NotificationGroup", headers=_ETAG),
    refusals=(404,),
)
def get_notification_group(call: ThisCall, id: str) -> Response:
    """Read a notification group by its id or name. Keys that sign are never shown."""
    with call.context.ledger() as ledger:
        group = notifications.find_notification_group(ledger, id)
    return tagged_unless_known(call, _shown(group), group.revision)


@resource.put(
    PATH + "/{id}",
    guard=needs("update:notifications"),
    body=_NEW,
    headers=(IF_MATCH,),
    answers=one("The notification group as it is now", "NotificationGroup", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def replace_notification_group(call: ThisCall, id: str) -> Response:
    """Replace a notification group. What is on its way goes where it was to go.

    To name a secret needs the scope `read:secrets` as well.
    """
    expected = expected_revision(call.header("if-match"))
    body = call.json()
    _demand(call, body)
    with call.context.ledger() as ledger:
        group = notifications.update_notification_group(
            ledger,
            id,
            body=body,
            mails=call.context.mails,
            at=call.context.clock(),
            expected_revision=expected,
        )
    return tagged(_shown(group), group.revision)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:notifications"),
    headers=(IF_MATCH,),
    answers={204: Given("It is deleted")},
    refusals=(404, 412, 428),
)
def delete_notification_group(call: ThisCall, id: str) -> Response:
    """Delete a notification group. What is on its way is delivered all the same."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        notifications.delete_notification_group(ledger, id, expected_revision=expected)
    return no_content()


@resource.post(
    PATH + "/{id}/test",
    guard=needs("update:notifications"),
    answers=one("What became of it at each address", "NotificationTest"),
    refusals=(404,),
)
def try_notification_group(call: ThisCall, id: str) -> Response:
    """Send a test to every address of a group now, once."""
    context = call.context
    with context.ledger() as ledger:
        attempts = notifications.try_notification_group(
            ledger, id, means=context.forwarding, new_id=context.new_id, at=context.clock()
        )
    return answer({"attempts": [attempt.to_api() for attempt in attempts]})
