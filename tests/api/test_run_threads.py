"""Runs in threads: what will not end by itself is made to, and never holds the process."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from meterhouse.api import run_threads
from meterhouse.api.run_threads import RunRequest, RunThreads
from meterhouse.core.problem import ConflictError, MeterhouseError, NotFoundError
from tests.api.world import House


class Hanging:
    """A delivery that does not come back."""

    def spooled(self) -> tuple[str, ...]:
        while True:
            time.sleep(0.01)

    def sweep(self, *_: Any, **__: Any) -> None:
        return None


def _hanging(house: House) -> RunThreads:
    def means(**watched: Any):
        return replace(house.context.means(**watched), delivery=Hanging())

    return RunThreads(house.context.ledger, means, runs_max=1)


def test_a_run_that_hangs_is_made_to_end(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_threads, "_LAST_SECONDS", 2.0)
    stream = house.import_stream().json()["id"]
    runs = _hanging(house)
    run = runs.start(RunRequest(stream, "run-1", seed=1))
    assert (run.id, len(runs)) == ("run-1", 1)
    with pytest.raises(MeterhouseError, match="no more may"):
        runs.start(RunRequest(stream, "run-2", seed=1))
    runs.stop(grace_seconds=0)
    assert len(runs) == 0
    ended = house.http.get("/v1/runs/run-1").json()
    assert (ended["status"], "interrupted" in ended["error"]) == ("failed", True)
    with pytest.raises(MeterhouseError, match="stopping"):
        runs.start(RunRequest(stream, "run-3", seed=1))


def test_what_goes_wrong_in_a_thread_is_told_in_a_line_of_json(house: House):
    log: list[str] = []
    runs = RunThreads(house.context.ledger, house.context.means, log=log.append)

    def act(*_: Any) -> Any:
        raise ValueError("of ours")

    runs.carry("run-1", act)
    assert runs.wait("run-1", seconds=60)
    [line] = map(json.loads, log)
    assert (line["run"], line["error"]) == ("run-1", "ValueError: of ours")


def test_what_refuses_a_run_is_raised_where_it_was_asked_for(house: House):
    runs = house.context.runs
    with pytest.raises(NotFoundError):
        runs.start(RunRequest("none", "run-1", seed=1))
    stream = house.import_stream().json()["id"]
    house.ended(house.http.post(f"/v1/streams/{stream}/runs").headers["location"])
    with pytest.raises(ConflictError):
        runs.start(RunRequest(stream, "run-2", seed=1, at=0))
    assert len(runs) == 0
