"""Schedules: when streams and groups run by themselves."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import no_content
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.etag import expected_revision, tagged, tagged_unless_known
from meterhouse.api.operation import (
    IF_MATCH,
    IF_NONE_MATCH,
    Body,
    Given,
    Resource,
    needs,
    one_page,
    one_unless_known,
)
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.schemas import (
    ANYTHING,
    BOOLEAN,
    COUNT,
    NAME,
    TEXT,
    Schema,
    array,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app import schedules
from meterhouse.core.revision import NO_REVISION
from meterhouse.streams.schedule import Schedule

PATH = "/v1/schedules"
OF_STREAM = "/v1/streams/{id}/schedule"
OF_GROUP = "/v1/groups/{id}/schedule"
_RULE: dict[str, Schema] = {
    "interval": {
        **TEXT,
        "enum": ["minutes", "hours", "day", "week", "month", "cron"],
        "description": "What else is needed goes by it",
    },
    "every": {"type": "integer", "description": "5, 15, 20, 30 minutes; 1 to 12 hours"},
    "times": {**array(NAME), "description": "Such as 08:15; steps of 15 minutes"},
    "weekdays": array(NAME),
    "days": {**array(ANYTHING), "description": "Of the month: 1 to 31, or last"},
    "expression": {**NAME, "description": "Five fields of cron"},
    "timezone": {**TEXT, "examples": ["Europe/Berlin"]},
    "enabled": BOOLEAN,
}
_OPTIONAL = ("every", "times", "weekdays", "days", "expression")
SCHEMAS: dict[str, Schema] = {
    "Schedule": whole(
        {
            "id": TEXT,
            "stream": nullable(TEXT),
            "group": nullable(TEXT),
            **_RULE,
            "nextRunAt": nullable(TEXT),
            "lastRunAt": nullable(TEXT),
            "skipped": {**COUNT, "description": "Instants that came while a run was under way"},
            "lastSkippedAt": nullable(TEXT),
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "revision": {**TEXT, "description": "What the ETag names"},
        },
        optional=_OPTIONAL,
    ),
    "SchedulePage": page("schedules", ref("Schedule")),
    "NewSchedule": {
        "type": "object",
        "properties": {**_RULE, "timezone": nullable(TEXT), "enabled": nullable(BOOLEAN)},
        "required": ["interval"],
        "description": "What is read of a schedule may be sent back: what the system sets is let "
        "pass, and not taken over",
    },
}
_EXAMPLES = {
    "quarter": {"interval": "minutes", "every": 15},
    "nightly": {"interval": "day", "times": ["02:30"], "timezone": "Europe/Berlin"},
}
_ETAG = {"ETag": "The revision of the schedule"}
_PUT_IF_MATCH: Schema = {
    **IF_MATCH,
    "required": False,
    "description": "The ETag of the schedule as it was read, or *; left out where there is none",
}
_GET = {
    "guard": needs("read:schedules"),
    "headers": (IF_NONE_MATCH,),
    "answers": one_unless_known("The schedule, with its next run", "Schedule", headers=_ETAG),
    "refusals": (404,),
}
_PUT = {
    "guard": needs("update:schedules"),
    "body": Body(ref("NewSchedule"), examples=_EXAMPLES),
    "headers": (_PUT_IF_MATCH,),
    "answers": {
        200: Given("The schedule as it is now", ref("Schedule"), headers=_ETAG),
        201: Given("There was none before", ref("Schedule"), headers=_ETAG),
    },
    "refusals": (404, 409, 412, 428),
}
_DELETE = {
    "guard": needs("delete:schedules"),
    "headers": (IF_MATCH,),
    "answers": {204: Given("It is removed; a run that it has begun goes on")},
    "refusals": (404, 412, 428),
}
resource = Resource("Schedules", about="When streams and groups run", schemas=SCHEMAS)


@resource.get(
    PATH,
    guard=needs("read:schedules"),
    answers=one_page("Schedules", "SchedulePage"),
)
def list_schedules(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List schedules with their next runs, in the order in which they were made."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.schedules(limit=limit, after=cursors.after(cursor))
    body = {"schedules": [_shown(schedule) for schedule in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


def _shown(schedule: Schedule) -> dict[str, object]:
    return schedule.to_api() | {"revision": schedule.revision}


@resource.get(OF_STREAM, **_GET)
def get_schedule_of_stream(call: ThisCall, id: str) -> Response:
    """Read the schedule of a stream."""
    return _get(call, {"stream": id})


@resource.get(OF_GROUP, **_GET)
def get_schedule_of_group(call: ThisCall, id: str) -> Response:
    """Read the schedule of a group."""
    return _get(call, {"group": id})


def _get(call: Call, target: dict[str, str]) -> Response:
    with call.context.ledger() as ledger:
        schedule = schedules.find_schedule(ledger, **target)
    return tagged_unless_known(call, _shown(schedule), schedule.revision)


@resource.put(OF_STREAM, **_PUT)
def set_schedule_of_stream(call: ThisCall, id: str) -> Response:
    """Give a stream a schedule, or another one. The first needs `create:schedules` as well."""
    return _put(call, {"stream": id})


@resource.put(OF_GROUP, **_PUT)
def set_schedule_of_group(call: ThisCall, id: str) -> Response:
    """Give a group a schedule, or another one. The first needs `create:schedules` as well."""
    return _put(call, {"group": id})


def _put(call: Call, target: dict[str, str]) -> Response:
    body, given = call.json(), call.header("if-match")
    expected = NO_REVISION
    with call.context.ledger() as ledger:
        if given is not None or schedules.has_schedule(ledger, **target):
            # Without the header, this says that it is missing.
            expected = expected_revision(given)
            schedules.find_schedule(ledger, **target)
        else:
            call.demand("create:schedules")
        schedule = schedules.set_schedule(
            ledger,
            body,
            **target,
            new_id=call.context.new_id,
            at=call.context.clock(),
            services=call.context.means().services,
            expected_revision=expected,
        )
    status = 201 if expected == NO_REVISION else 200
    return tagged(_shown(schedule), schedule.revision, status=status)


@resource.delete(OF_STREAM, **_DELETE)
def remove_schedule_of_stream(call: ThisCall, id: str) -> Response:
    """Remove the schedule of a stream."""
    return _delete(call, {"stream": id})


@resource.delete(OF_GROUP, **_DELETE)
def remove_schedule_of_group(call: ThisCall, id: str) -> Response:
    """Remove the schedule of a group."""
    return _delete(call, {"group": id})


def _delete(call: Call, target: dict[str, str]) -> Response:
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        schedules.remove_schedule(ledger, **target, expected_revision=expected)
    return no_content()
