"""Groups: streams that run one after another."""

from __future__ import annotations

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
from meterhouse.api.resources.runs import ORIGIN, STATUS, run_shown
from meterhouse.api.schemas import (
    ANYTHING,
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
from meterhouse.app import stopping, stream_groups
from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means
from meterhouse.app.stream_groups import EndedGroupRun
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError
from meterhouse.core.reading import Reading, shown
from meterhouse.streams.group import MEMBERS_MAX, NAME_CHARS_MAX, GroupRun, StreamGroup

PATH = "/v1/groups"
RUNS = "/v1/group-runs"
_SET_BY_US = ("id", "createdAt", "updatedAt", "revision")
SCHEMAS: dict[str, Schema] = {
    "Group": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "streams": array(TEXT),
            "createdAt": TEXT,
            "updatedAt": TEXT,
            "revision": {**TEXT, "description": "What the ETag names"},
        }
    ),
    "GroupPage": page("groups", ref("Group")),
    "NewGroup": closed(
        {
            "name": {**NAME, "maxLength": NAME_CHARS_MAX},
            "streams": {
                **array(NAME, items_max=MEMBERS_MAX),
                "minItems": 1,
                "description": "Names or ids, in the order in which they are to run",
            },
            **dict.fromkeys(_SET_BY_US, ANYTHING),
        },
        required=("name", "streams"),
        about="What the system sets is let pass, and not taken over",
    ),
    "GroupRun": whole(
        {
            "id": TEXT,
            "group": TEXT,
            "status": STATUS,
            "origin": ORIGIN,
            "startedBy": nullable(TEXT),
            "startedAt": TEXT,
            "endedAt": nullable(TEXT),
            "error": nullable(TEXT),
            "runs": {**array(ref("Run")), "description": "Of its streams, as far as they began"},
        }
    ),
}
_ETAG = {"ETag": "The revision of the group"}
_NEW = Body(ref("NewGroup"), examples={"nightly": {"name": "Nightly", "streams": ["A", "B"]}})
resource = Resource("Groups", about="Streams that run one after another", schemas=SCHEMAS)


def _shown(group: StreamGroup) -> dict[str, object]:
    return group.to_api() | {"revision": group.revision}


@resource.get(
    PATH,
    guard=needs("read:streams"),
    answers=one_page("Groups", "GroupPage"),
)
def list_groups(call: ThisCall, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List groups, in the order in which they were made."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.groups(limit=limit, after=cursors.after(cursor))
    body = {"groups": [_shown(group) for group in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH,
    guard=needs("create:streams"),
    body=_NEW,
    headers=(IDEMPOTENCY_KEY,),
    answers={201: Given("It is made", ref("Group"), headers=_ETAG | {"Location": "Its path"})},
    refusals=(404, 409),
    links={"read": {"operationId": "get_group", "parameters": {"id": "$response.body#/id"}}},
)
def create_group(call: ThisCall) -> Response:
    """Make a group. Its streams may not have schedules of their own."""
    name, streams = _read(call.json())

    def effect(ids: Ids) -> Response:
        id = ids()
        with call.context.ledger() as ledger:
            known = ledger.group(id) if ids.repeatable else None
            group = known or stream_groups.create_group(
                ledger, name, streams=streams, new_id=lambda: id, at=call.context.clock()
            )
        path = f"{PATH}/{group.id}"
        return tagged(_shown(group), group.revision, status=201, Location=path)

    return once(call, effect)


def _read(body: JsonValue) -> tuple[str, list[str]]:
    """Read the name of a group and its streams."""
    reading = Reading(body, known=("name", "streams"), read_only=_SET_BY_US, what="group")
    name = reading.text("name", required=True, chars_max=NAME_CHARS_MAX)
    streams = reading.json_list("streams", items_max=MEMBERS_MAX)
    if not streams:
        reading.fail("streams", "is empty", "name the streams, in the order in which they run")
    for place, stream in enumerate(streams):
        if not isinstance(stream, str) or not stream:
            reading.fail(f"streams[{place}]", f"is {shown(stream)}", "use a stream's name or id")
    if reading.problems:
        raise DefinitionError(reading.problems, what="The group")
    return name or "", streams


@resource.get(
    PATH + "/{id}",
    guard=needs("read:streams"),
    headers=(IF_NONE_MATCH,),
    answers=one_unless_known("The group", "Group", headers=_ETAG),
    refusals=(404,),
)
def get_group(call: ThisCall, id: str) -> Response:
    """Read a group by its id or name."""
    with call.context.ledger() as ledger:
        group = stream_groups.find_group(ledger, id)
    return tagged_unless_known(call, _shown(group), group.revision)


@resource.put(
    PATH + "/{id}",
    guard=needs("update:streams"),
    body=_NEW,
    headers=(IF_MATCH,),
    answers=one("The group as it is now", "Group", headers=_ETAG),
    refusals=(404, 409, 412, 428),
)
def replace_group(call: ThisCall, id: str) -> Response:
    """Give a group another name or other streams. A run under way keeps what it began with."""
    expected = expected_revision(call.header("if-match"))
    name, streams = _read(call.json())
    with call.context.ledger() as ledger:
        group = stream_groups.update_group(
            ledger,
            id,
            streams=streams,
            name=name,
            at=call.context.clock(),
            expected_revision=expected,
        )
    return tagged(_shown(group), group.revision)


@resource.delete(
    PATH + "/{id}",
    guard=needs("delete:streams"),
    headers=(IF_MATCH,),
    answers={204: Given("Its streams are on their own again; its schedule is gone")},
    refusals=(404, 409, 412, 428),
)
def ungroup(call: ThisCall, id: str) -> Response:
    """Ungroup streams. They stay; the schedule of the group goes."""
    expected = expected_revision(call.header("if-match"))
    with call.context.ledger() as ledger:
        at = call.context.clock()
        stream_groups.delete_group(ledger, id, at=at, expected_revision=expected)
    return no_content()


@resource.post(
    PATH + "/{id}/runs",
    guard=needs("run:streams"),
    headers=(IDEMPOTENCY_KEY,),
    answers={202: Given("It runs", ref("GroupRun"), headers={"Location": "The path of the run"})},
    refusals=(404, 409),
    links={"watch": {"operationId": "get_group_run", "parameters": {"id": "$response.body#/id"}}},
)
def run_group(call: ThisCall, id: str) -> Response:
    """Run the streams of a group, one after another; one that fails stops the rest."""

    def effect(ids: Ids) -> Response:
        run_id = ids()
        with call.context.ledger() as ledger:
            group = stream_groups.find_group(ledger, id)
            known = ledger.group_run(run_id) if ids.repeatable else None
        run = known or _start(call, group, run_id)
        body = run.to_api() | {"runs": []}
        return answer(body, status=202, headers={"Location": f"{RUNS}/{run_id}"})

    return once(call, effect)


def _start(call: Call, group: StreamGroup, run_id: str) -> GroupRun:
    context, by = call.context, call.client_id
    first = iter([run_id])

    def act(ledger: Ledger, means: Means, started) -> EndedGroupRun:
        return stream_groups.run_group(
            ledger,
            group.id,
            means=means,
            new_id=lambda: next(first, None) or context.new_id(),
            new_seed=context.new_seed,
            started_by=by,
            started=started,
        )

    return context.runs.begin(run_id, act)


@resource.post(
    PATH + "/{id}/stop",
    guard=needs("run:streams"),
    answers={202: Given("Its run was asked to stop", ref("GroupRun"))},
    refusals=(404, 409),
)
def stop_group(call: ThisCall, id: str) -> Response:
    """Ask the run of a group that is under way to stop, and the stream of it that runs."""
    with call.context.ledger() as ledger:
        run = stream_groups.stop_group(ledger, id, at=call.context.clock())
        body = _run_shown(ledger, run)
    call.context.runs.end(run.id, by_request=True)
    return answer(body, status=202)


@resource.get(
    RUNS + "/{id}",
    guard=needs("read:runs"),
    answers=one("The run of a group, with those of its streams", "GroupRun"),
    refusals=(404,),
)
def get_group_run(call: ThisCall, id: str) -> Response:
    """Read a run of a group."""
    with call.context.ledger() as ledger:
        return answer(_run_shown(ledger, stream_groups.find_group_run(ledger, id)))


def _run_shown(ledger: Ledger, run: GroupRun) -> dict[str, object]:
    members = [run_shown(member) for member in ledger.runs_of_group_run(run.id)]
    return run.to_api() | {"runs": members}


@resource.post(
    RUNS + "/{id}/stop",
    guard=needs("run:streams"),
    answers={202: Given("It was asked to stop", ref("GroupRun"))},
    refusals=(404, 409),
)
def stop_group_run(call: ThisCall, id: str) -> Response:
    """Ask a run of a group to stop, wherever it runs."""
    with call.context.ledger() as ledger:
        run = stream_groups.find_group_run(ledger, id)
        stopping.stop_run(ledger, run.id, at=call.context.clock())
        body = _run_shown(ledger, run)
    call.context.runs.end(run.id, by_request=True)
    return answer(body, status=202)
