"""Runs: the executions of streams, with what each node did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.instants import Since, Until, instant_of, read_clock
from meterhouse.api.operation import IDEMPOTENCY_KEY, Body, Given, Resource, needs, one, one_page
from meterhouse.api.resources.meters import Cursor, Limit
from meterhouse.api.run_threads import RunRequest
from meterhouse.api.schemas import (
    COUNT,
    TEXT,
    Schema,
    array,
    nullable,
    page,
    ref,
    whole,
)
from meterhouse.app import stopping
from meterhouse.app.ports import Ledger
from meterhouse.app.reprocessing import reprocess
from meterhouse.app.running import EndedRun, Means, find_run
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import instant_text
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from meterhouse.streams.version import AUTOSAVED

PATH = "/v1/runs"
STATUS: Schema = {**TEXT, "enum": [status.value for status in RunStatus]}
ORIGIN: Schema = {**TEXT, "enum": [origin.value for origin in RunOrigin]}
OfStream = Annotated[str | None, Query(description="Of this stream: its name or id")]
OfStatus = Annotated[RunStatus | None, Query(description="In this state")]
OfOrigin = Annotated[RunOrigin | None, Query(description="Begun by this")]
SCHEMAS: dict[str, Schema] = {
    "NodeCount": whole(
        {
            "id": TEXT,
            "name": TEXT,
            "type": TEXT,
            "in": COUNT,
            "out": {"type": "object", "additionalProperties": COUNT},
            "filtered": COUNT,
            "duplicates": COUNT,
            "suspended": COUNT,
            "metered": COUNT,
            "errors": {**COUNT, "description": "Requests that failed, where there are some"},
        },
        optional=("errors",),
    ),
    "Run": whole(
        {
            "id": TEXT,
            "stream": TEXT,
            "streamId": TEXT,
            "streamVersion": {**TEXT, "description": "The tag of what it ran, else Autosaved"},
            "origin": ORIGIN,
            "startedBy": nullable(TEXT),
            "scheduledFor": {**nullable(TEXT), "description": "The instant of the schedule"},
            "groupRun": {**nullable(TEXT), "description": "The run of the group that it is of"},
            "status": STATUS,
            "at": {**TEXT, "description": "Its clock"},
            "seed": COUNT,
            "startedAt": TEXT,
            "endedAt": nullable(TEXT),
            "error": nullable(TEXT),
            "nodes": array(ref("NodeCount")),
        }
    ),
    "RunPage": page("runs", ref("Run")),
    "RunLog": page("lines", whole({"node": TEXT, "level": TEXT, "text": TEXT})),
}
resource = Resource("Runs", about="The executions of streams", schemas=SCHEMAS)


_BEGINS = {
    "guard": needs("run:streams"),
    "body": Body(ref("RunClock"), required=False),
    "headers": (IDEMPOTENCY_KEY,),
    "answers": {202: Given("It runs", ref("Run"), headers={"Location": "The path of the run"})},
    "refusals": (404, 409),
    "links": {"watch": {"operationId": "get_run", "parameters": {"id": "$response.body#/id"}}},
}


@resource.post("/v1/streams/{id}/runs", **_BEGINS)
def run_stream(call: ThisCall, id: str) -> Response:
    """Run a stream once. The answer comes when it runs; how it goes, its path shows."""
    return _begun_once(call, id, call.context.runs.start)


@resource.post("/v1/streams/{id}/reprocess", **_BEGINS)
def reprocess_stream(call: ThisCall, id: str) -> Response:
    """Run what is queued of a stream in Data Correction, and read no input."""

    def begin(asked: RunRequest) -> Run:
        def act(ledger: Ledger, means: Means, started: Callable[[Run], None]) -> EndedRun:
            how = {"run_id": asked.run_id, "seed": asked.seed, "at": asked.at}
            by = call.client_id
            return reprocess(ledger, asked.stream, means=means, by=by, started=started, **how)

        return call.context.runs.begin(asked.run_id, act)

    return _begun_once(call, id, begin)


def _begun_once(call: Call, id: str, begin: Callable[[RunRequest], Run]) -> Response:
    """Begin a run of a stream; a repeat of the request finds the one that it has begun."""
    context = call.context
    at, seed = read_clock(call.optional_json(), otherwise=context.new_seed, now=context.clock())

    def effect(ids: Ids) -> Response:
        run_id = ids()
        with call.context.ledger() as ledger:
            stream = find_stream(ledger, id)
            known = ledger.run(run_id) if ids.repeatable else None
        run = known or begin(RunRequest(stream.id, run_id, seed, at, call.client_id))
        return answer(run_shown(run), status=202, headers={"Location": f"{PATH}/{run.id}"})

    return once(call, effect)


def run_shown(run: Run) -> dict[str, object]:
    """Return the API's object of a run: who or what began it, too."""
    cause = run.cause
    planned = cause.scheduled_for
    why = {
        "streamId": run.stream_id,
        "streamVersion": run.version or AUTOSAVED,
        "origin": cause.origin.value,
        "startedBy": cause.started_by,
        "scheduledFor": None if planned is None else instant_text(planned),
        "groupRun": cause.group_run_id,
    }
    return run.to_api() | why


@resource.get(
    "/v1/streams/{id}/runs",
    guard=needs("read:runs"),
    answers=one_page("Runs of the stream, newest first", "RunPage"),
    refusals=(404,),
)
def list_runs_of_stream(
    call: ThisCall,
    id: str,
    status: OfStatus = None,
    origin: OfOrigin = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List the runs of a stream."""
    wanted = _Wanted(None, status, origin, since, until)
    return _page(call, wanted, of=id, limit=limit, cursor=cursor)


@resource.get(
    PATH,
    guard=needs("read:runs"),
    answers=one_page("Runs, newest first", "RunPage"),
    refusals=(404,),
)
def list_runs(
    call: ThisCall,
    stream: OfStream = None,
    status: OfStatus = None,
    origin: OfOrigin = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List runs of all streams, or those that all filters leave."""
    wanted = _Wanted(stream, status, origin, since, until)
    return _page(call, wanted, of=stream, limit=limit, cursor=cursor)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The filters, as they were given."""

    stream: str | None
    status: RunStatus | None
    origin: RunOrigin | None
    since: str | None
    until: str | None

    def texts(self) -> dict[str, str | None]:
        return {
            "stream": self.stream,
            "status": None if self.status is None else self.status.value,
            "origin": None if self.origin is None else self.origin.value,
            "since": self.since,
            "until": self.until,
        }


def _page(
    call: Call, wanted: _Wanted, *, of: str | None, limit: int, cursor: str | None
) -> Response:
    cursors = call.cursors(**wanted.texts())
    with call.context.ledger() as ledger:
        found = ledger.runs(
            stream_id=None if of is None else find_stream(ledger, of).id,
            status=wanted.status,
            origin=wanted.origin,
            since=instant_of(wanted.since),
            until=instant_of(wanted.until),
            limit=limit,
            after=cursors.after(cursor),
        )
    body = {"runs": [run_shown(run) for run in found.items]}
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.get(
    PATH + "/{id}",
    guard=needs("read:runs"),
    answers=one("The run, with the counts of its nodes", "Run"),
    refusals=(404,),
)
def get_run(call: ThisCall, id: str) -> Response:
    """Read a run."""
    with call.context.ledger() as ledger:
        return answer(run_shown(find_run(ledger, id)))


@resource.get(
    PATH + "/{id}/log",
    guard=needs("read:runs"),
    answers=one_page("The lines of its log, in order", "RunLog"),
    refusals=(404,),
)
def get_run_log(call: ThisCall, id: str, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Read the log of a run; it is there once the run has ended."""
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        run = find_run(ledger, id)
        found = ledger.run_log_page(run.id, limit=limit, after=cursors.after(cursor))
    names = {node.id: node.name for node in run.nodes}
    body = {
        "lines": [
            {"node": names.get(node, node), "level": level, "text": text}
            for node, level, text in found.items
        ],
    }
    return cursors.page(body, found.next_cursor, limit=limit)


@resource.post(
    PATH + "/{id}/stop",
    guard=needs("run:streams"),
    answers={202: Given("It was asked to stop", ref("Run"))},
    refusals=(404, 409),
)
def stop_run(call: ThisCall, id: str) -> Response:
    """Ask a run to stop, wherever it runs. It ends as failed, and nothing of it is kept."""
    with call.context.ledger() as ledger:
        run = find_run(ledger, id)
        stopping.stop_run(ledger, run.id, at=call.context.clock())
    # A run of this server looks more often than the ledger can be asked.
    call.context.runs.end(run.id, by_request=True)
    return answer(run_shown(run), status=202)
