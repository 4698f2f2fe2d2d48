"""Runs: the executions of streams, with what each node did."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from meterhouse.api.answer import answer
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.idempotency import Ids, once
from meterhouse.api.instants import read_clock
from meterhouse.api.operation import IDEMPOTENCY_KEY, Body, Given, Resource, needs, one
from meterhouse.api.resources.meters import Limit
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
from meterhouse.app.running import find_run
from meterhouse.app.streams import find_stream

PATH = "/v1/runs"
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
        }
    ),
    "Run": whole(
        {
            "id": TEXT,
            "stream": TEXT,
            "status": {"type": "string", "enum": ["running", "complete", "failed"]},
            "at": {**TEXT, "description": "Its clock"},
            "seed": COUNT,
            "startedAt": TEXT,
            "endedAt": nullable(TEXT),
            "error": nullable(TEXT),
            "nodes": array(ref("NodeCount")),
        }
    ),
    "RunPage": page("runs", ref("Run")),
    "RunLog": whole({"lines": array(whole({"node": TEXT, "level": TEXT, "text": TEXT}))}),
}
resource = Resource("Runs", about="The executions of streams", schemas=SCHEMAS)


@resource.post(
    "/v1/streams/{id}/runs",
    guard=needs("run:streams"),
    body=Body(ref("RunClock"), required=False),
    headers=(IDEMPOTENCY_KEY,),
    answers={202: Given("It runs", ref("Run"), headers={"Location": "The path of the run"})},
    refusals=(404, 409),
    links={"watch": {"operationId": "get_run", "parameters": {"id": "$response.body#/id"}}},
)
def run_stream(call: ThisCall, id: str) -> Response:
    """Run a stream once. The answer comes when it runs; how it goes, its path shows."""
    at, seed = read_clock(call.optional_json(), otherwise=call.context.new_seed)

    def effect(ids: Ids) -> Response:
        run_id = ids()
        with call.context.ledger() as ledger:
            stream = find_stream(ledger, id)
            known = ledger.run(run_id) if ids.repeatable else None
        request = RunRequest(stream.id, run_id, seed, at, call.client_id)
        run = known or call.context.runs.start(request)
        return answer(run.to_api(), status=202, headers={"Location": f"{PATH}/{run_id}"})

    return once(call, effect)


@resource.get(
    "/v1/streams/{id}/runs",
    guard=needs("read:runs"),
    answers=one("Runs of the stream, newest first", "RunPage", headers={"Link": "The next page"}),
    refusals=(404,),
)
def list_runs_of_stream(
    call: ThisCall, id: str, limit: Limit = 100, cursor: Annotated[str | None, Query()] = None
) -> Response:
    """List the runs of a stream."""
    with call.context.ledger() as ledger:
        stream_id = find_stream(ledger, id).id
    return _page(call, stream_id, limit=limit, cursor=cursor)


@resource.get(
    PATH,
    guard=needs("read:runs"),
    answers=one("Runs, newest first", "RunPage", headers={"Link": "The next page"}),
)
def list_runs(
    call: ThisCall, limit: Limit = 100, cursor: Annotated[str | None, Query()] = None
) -> Response:
    """List runs of all streams."""
    return _page(call, None, limit=limit, cursor=cursor)


def _page(call: Call, stream_id: str | None, *, limit: int, cursor: str | None) -> Response:
    cursors = call.cursors()
    with call.context.ledger() as ledger:
        found = ledger.runs(stream_id=stream_id, limit=limit, after=cursors.after(cursor))
    body = {
        "runs": [run.to_api() for run in found.items],
        "next_cursor": cursors.cursor(found.next_cursor),
    }
    return answer(body, headers=cursors.link(found.next_cursor, limit=limit))


@resource.get(
    PATH + "/{id}",
    guard=needs("read:runs"),
    answers=one("The run, with the counts of its nodes", "Run"),
    refusals=(404,),
)
def get_run(call: ThisCall, id: str) -> Response:
    """Read a run."""
    with call.context.ledger() as ledger:
        return answer(find_run(ledger, id).to_api())


@resource.get(
    PATH + "/{id}/log",
    guard=needs("read:runs"),
    answers=one("The lines of its log, in order", "RunLog"),
    refusals=(404,),
)
def get_run_log(call: ThisCall, id: str) -> Response:
    """Read the log of a run."""
    with call.context.ledger() as ledger:
        run = find_run(ledger, id)
        lines = ledger.run_log(run.id)
    names = {node.id: node.name for node in run.nodes}
    shown = [
        {"node": names.get(node, node), "level": level, "text": text} for node, level, text in lines
    ]
    return answer({"lines": shown})


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
    return answer(run.to_api(), status=202)
