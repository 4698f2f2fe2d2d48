"""How the server is: for machines that restart it, send it requests, or draw its curves."""

from __future__ import annotations

from fastapi import Response

from meterhouse.api.answer import answer
from meterhouse.api.authority import OPEN
from meterhouse.api.call import Call, ThisCall
from meterhouse.api.operation import Given, Resource, needs, one
from meterhouse.api.problems import ApiError
from meterhouse.api.schemas import TEXT, Schema, whole
from meterhouse.core.problem import MeterhouseError

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
SCHEMAS: dict[str, Schema] = {"Health": whole({"status": {**TEXT, "enum": ["ok"]}})}
resource = Resource("Operations", about="Whether it lives, and what it does", schemas=SCHEMAS)


@resource.get("/healthz", guard=OPEN, answers=one("It lives", "Health"))
async def get_health() -> Response:
    """Say that the process lives."""
    return answer({"status": "ok"})


@resource.get("/readyz", guard=OPEN, answers=one("It can take requests", "Health"))
def get_readiness(call: ThisCall) -> Response:
    """Say whether the ledger can be written; 503 where it cannot."""
    if call.context.runs.stopping:
        raise ApiError("draining", "The server is stopping", hint="Ask another one")
    _check_disk(call)
    with call.context.ledger() as ledger:
        try:
            ledger.check_writable()
        except MeterhouseError as error:
            # A long commit is no reason to send requests elsewhere: reads do not wait for it.
            if error.code != "ledger_busy":
                raise
    return answer({"status": "ok"})


def _check_disk(call: Call) -> None:
    free, least = call.context.free_bytes(), call.context.limits.free_bytes_min
    if free < least:
        message = f"The disk of the ledger has {free:,} bytes left"
        raise ApiError("disk_full", message, hint=f"Make room: {least:,} bytes at least")


@resource.get(
    "/metrics",
    guard=needs("read:metrics"),
    answers={200: Given("Metrics", TEXT, media_type="text/plain")},
)
def get_metrics(call: ThisCall) -> Response:
    """Give metrics in the format of Prometheus."""
    with call.context.ledger() as ledger:
        tallies = ledger.tallies()
    context, meters = call.context, call.request.app.state.meters
    text = meters.text(tallies, running=len(context.runs), at=context.clock())
    return Response(text, headers={"Content-Type": _PROMETHEUS})
