"""The scheduler of a server: what is due runs, what was interrupted runs again, old things go."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from meterhouse.api import Scheduler
from meterhouse.api.run_threads import RunThreads
from meterhouse.app.idempotency import KeyedRequest
from meterhouse.app.ports import Ledger
from meterhouse.app.schedules import set_schedule
from meterhouse.app.stream_groups import create_group
from meterhouse.app.streams import import_stream
from meterhouse.bootstrap import diagnose
from meterhouse.core.instant import DAY
from meterhouse.core.json_text import parse_json
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from tests.api.world import STREAM, House, running

SLOW: dict[str, Any] = {
    "name": "Slow",
    "nodes": [
        {"id": "r", "type": "readers/counter", "params": {"max": 100_000}},
        {
            "id": "s",
            "type": "transforms/script",
            "params": {"transform": "let n = 0; while (n < 3e6) n++; await push({n})"},
        },
        {"id": "l", "type": "writers/noop", "params": {}},
    ],
    "edges": [{"from": "r", "to": "s"}, {"from": "s", "to": "l"}],
}
HOURLY = {"interval": "hours", "every": 1}


def due(house: House, document: dict[str, Any], *, name: str | None = None) -> str:
    """Import a stream and give it a schedule of which an instant has come."""
    context = house.context
    before = context.clock() - DAY
    with context.ledger() as ledger:
        id = import_stream(ledger, document, name=name, new_id=context.new_id, at=before).id
        set_schedule(
            ledger,
            HOURLY,
            stream=id,
            new_id=context.new_id,
            at=before,
            services=context.means().services,
        )
    return id


def until(found: Callable[[], Any]) -> Any:
    """Return what is found at last."""
    end = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return value


def runs_of(house: House, status: RunStatus) -> list[Run]:
    with house.context.ledger() as ledger:
        return list(ledger.runs(status=status).items)


def test_what_is_due_runs_once(tmp_path: Path):
    with running(tmp_path / "data", scheduled=True) as house:
        due(house, STREAM)
        [run] = until(lambda: runs_of(house, RunStatus.COMPLETE))
        assert run.cause.origin is RunOrigin.SCHEDULE
        until(lambda: len(house.context.runs) == 0)
        assert house.http.get("/v1/runs").json()["runs"][0]["id"] == run.id
        assert len(runs_of(house, RunStatus.COMPLETE)) == 1


def test_a_run_that_the_server_did_not_live_to_end_runs_again_with_the_same_clock(tmp_path: Path):
    with running(tmp_path / "data", scheduled=True) as house:
        due(house, SLOW)
        [begun] = until(lambda: runs_of(house, RunStatus.RUNNING))
        until(lambda: len(house.context.runs) == 1)
    with running(tmp_path / "data") as house:
        [failed] = runs_of(house, RunStatus.FAILED)
        assert (failed.id, "interrupted" in (failed.error or "")) == (begun.id, True)
    with running(tmp_path / "data", scheduled=True) as house:
        [again] = until(lambda: runs_of(house, RunStatus.RUNNING))
        assert (again.at, again.seed) == (begun.at, begun.seed)
        assert again.id != begun.id
        assert house.http.post(f"/v1/runs/{again.id}/stop").status_code == 202
        until(lambda: not runs_of(house, RunStatus.RUNNING))
        [last, _] = runs_of(house, RunStatus.FAILED)
        assert (last.id, last.error) == (again.id, "stopped by request")


def test_a_group_that_is_due_runs(tmp_path: Path):
    with running(tmp_path / "data", scheduled=True) as house:
        context = house.context
        before = context.clock() - DAY
        with context.ledger() as ledger:
            for name in ("One", "Two"):
                import_stream(ledger, STREAM, name=name, new_id=context.new_id, at=before)
            create_group(ledger, "Both", streams=["One", "Two"], new_id=context.new_id, at=before)
            set_schedule(
                ledger,
                HOURLY,
                group="Both",
                new_id=context.new_id,
                at=before,
                services=context.means().services,
            )
        ran = until(lambda: (r := runs_of(house, RunStatus.COMPLETE)) and len(r) == 2 and r)
        assert [run.stream_name for run in reversed(ran)] == ["One", "Two"]


def test_what_is_due_while_no_thread_is_free_runs_later(house: House):
    due(house, SLOW)
    for name in ("One", "Two"):
        due(house, STREAM, name=name)
    context = house.context
    runs = RunThreads(context.ledger, context.means, runs_max=1)
    scheduler = Scheduler(replace(context, runs=runs))
    scheduler.turn()
    [slow] = [run for run in runs_of(house, RunStatus.RUNNING) if run.stream_name == "Slow"]
    assert len(runs) == 1
    assert len(runs_of(house, RunStatus.RUNNING)) == 3, "they are claimed, and wait"
    runs.end(slow.id, by_request=True)

    def ended() -> bool:
        scheduler.turn()
        return not runs_of(house, RunStatus.RUNNING)

    until(ended)
    assert {run.stream_name for run in runs_of(house, RunStatus.COMPLETE)} == {"One", "Two"}


def test_what_is_kept_for_a_while_only_goes(house: House):
    context = house.context
    house.import_stream()
    body = {"at": "2026-01-01T00:00:00Z"}
    house.ended(house.http.post("/v1/streams/Small/runs", json=body).headers["location"])

    def audited(ledger: Ledger) -> int:
        return len(ledger.usage_audit().items)

    later = replace(context, clock=lambda: context.clock() + 200 * DAY)
    with context.ledger() as ledger:
        request = KeyedRequest("c", "k", b"")
        arguments = {"alive": context.living(), "at": context.clock()}
        ledger.begin_request(request, context.lease, **arguments)
        assert audited(ledger) == 1
        Scheduler(context).turn()
        assert audited(ledger) == 1
        Scheduler(later).turn()
        assert audited(ledger) == 0
        assert ledger.begin_request(request, context.lease, **arguments) is None, "it is forgotten"
    [said] = [line for line in map(parse_json, house.log) if "purged" in line["message"]]
    assert (said["auditEntries"], said["keyedRequests"], said["suspendedRecords"]) == (1, 1, 0)


def test_a_stream_that_has_run_in_the_future_fails_and_says_so(house: House):
    id = due(house, STREAM)
    body = {"at": "2099-01-01T00:00:00Z", "allowFutureClock": True}
    house.ended(house.http.post(f"/v1/streams/{id}/runs", json=body).headers["location"])

    Scheduler(house.context).turn()

    [failed] = runs_of(house, RunStatus.FAILED)
    assert failed.cause.origin is RunOrigin.SCHEDULE
    assert "2099-01-01" in (failed.error or "")
    told = [parse_json(line) for line in house.log]
    [said] = [line for line in told if "later clock" in line["message"]]
    assert (said["level"], said["target"]) == ("error", "Small")
    [finding] = [f for f in diagnose(house.directory) if f.name == "run clocks"]
    assert (finding.grade.value, "'Small' has run at 2099-01-01" in finding.message) == (
        "warn",
        True,
    )


def test_the_doctor_sees_meters_of_no_stream(house: House):
    house.create_type()
    house.import_stream()
    house.create_meter("ann", meterKey="nobody")
    house.create_meter("bob", meterKey="nobody")

    [finding] = [f for f in diagnose(house.directory) if f.name == "meter keys"]
    assert (finding.grade.value, "nobody (2)" in finding.message) == ("warn", True)


def test_a_run_of_a_dead_server_ends_when_the_next_one_starts(tmp_path: Path):
    with running(tmp_path / "data") as house:
        stream = house.import_stream().json()["id"]
        at = house.context.clock()
        killed = Run("killed", stream, "Small", RunStatus.RUNNING, at, 1, at)
        dead = replace(house.context.lease, process="0-0")
        with house.context.ledger() as ledger:
            ledger.start_run(killed, dead, alive=frozenset())
        assert house.http.get("/v1/runs/killed").json()["status"] == "running"
    with running(tmp_path / "data", scheduled=True) as house:
        ended = house.http.get("/v1/runs/killed").json()
    assert (ended["status"], ended["endedAt"] is None) == ("failed", False)
    assert "interrupted" in ended["error"]
