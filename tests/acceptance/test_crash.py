"""Runs that end before their time, and two at once: nothing is lost and nothing counted twice."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from meterhouse.app.ports import Lease
from meterhouse.core.instant import parse_instant
from meterhouse.core.problem import ConflictError
from meterhouse.store import open_ledger
from meterhouse.streams.record import Run, RunResult, RunStatus
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, reader, script
from tests.cli.command import Meterhouse

RECORDS = 150
WORDS = ("stream", "run", small.STREAM, "--at", small.JANUARY, "--seed", "1")
#: Some milliseconds of work for each record, so that there is a middle of the run.
SLOW = "let sum = 0; for (let i = 0; i < 4e6; i += 1) sum += i % 7; await push(payload)"
PATIENCE_SECONDS = 60.0


def usage(folder: Path) -> Path:
    """Records of two users, one that is sent twice, and a bad one."""
    file = folder / "usage.ndjson"
    lines = [
        json.dumps({"id": n % (RECORDS - 1), "userId": ("ann", "bob")[n % 2], "value": n})
        for n in range(RECORDS)
    ]
    file.write_text("\n".join([*lines, '{"id": -1, "value": 1}']) + "\n", "utf-8")
    return file


def set_up(meterhouse: Meterhouse, folder: Path) -> str:
    stream = document(
        reader(usage(folder)),
        node("Once", "transforms/deduplicate", key="${payload.id}"),
        script(SLOW),
        meter(small.RULE | {"otherOperations": [{"field": "id", "operation": "carry-last"}]}),
        more=(node("Out", "writers/file", path=str(folder / "out.ndjson")),),
        edges=("Script -> Out",),
    )
    stream["edges"] = [
        e | ({"output": "unique"} if e["from"] == "Once" else {}) for e in stream["edges"]
    ]
    return small.set_up(meterhouse, stream)


def outcome(meterhouse: Meterhouse, key: str, folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, without the ids that differ from ledger to ledger."""
    shown = ("userId", "value", "periodStart", "periodEnd", "carryLast", "updatedAt")
    [written] = folder.glob("out-*.ndjson")
    return {
        "meters": [{k: m[k] for k in shown} for m in meterhouse.json("inspect", key)],
        "suspended": small.suspended(meterhouse),
        "written": written.read_text("utf-8"),
        "counts": [
            {k: v for k, v in n.items() if k != "id"}
            for n in meterhouse.json("run", "list", "--limit", 1)[0]["nodes"]
        ],
        "in spool": in_spool(meterhouse),
    }


@contextmanager
def running(meterhouse: Meterhouse) -> Iterator["subprocess.Popen[str]"]:
    """Start the stream as a process of its own and wait until it is in the middle."""
    with meterhouse.start(*WORDS) as process:
        try:
            wait_for(lambda: started(meterhouse))
            yield process
        finally:
            process.kill()


def started(meterhouse: Meterhouse) -> bool:
    return any(run["status"] == "running" for run in meterhouse.json("run", "list"))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    meterhouse = Meterhouse(folder / "data")
    key = set_up(meterhouse, folder)
    meterhouse.done(*WORDS)
    return outcome(meterhouse, key, folder)


@pytest.mark.parametrize("after_seconds", [0.0, 0.3])
def test_a_killed_run_is_made_good_by_the_next(
    meterhouse: Meterhouse, tmp_path: Path, undisturbed: dict[str, Any], after_seconds: float
):
    key = set_up(meterhouse, tmp_path)
    with running(meterhouse) as process:
        time.sleep(after_seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert small.values(meterhouse, key) == {"ann": 0, "bob": 0}

    meterhouse.done(*WORDS)

    assert outcome(meterhouse, key, tmp_path) == undisturbed
    assert undisturbed["in spool"] == []
    [again, killed] = meterhouse.json("run", "list")
    assert (again["status"], killed["status"]) == ("complete", "failed")
    assert killed["error"].startswith("interrupted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_ends_as_failed(
    meterhouse: Meterhouse,
    tmp_path: Path,
    undisturbed: dict[str, Any],
    number: signal.Signals,
):
    key = set_up(meterhouse, tmp_path)
    with running(meterhouse) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "error: The run was interrupted; nothing of it was kept" in said
    assert "Traceback" not in said
    assert meterhouse.json("run", "list")[0]["status"] == "failed"
    meterhouse.done(*WORDS)
    assert outcome(meterhouse, key, tmp_path) == undisturbed


def test_while_a_stream_runs(meterhouse: Meterhouse, tmp_path: Path):
    """A second run is refused, meters in use are kept, and new ones may be created."""
    key = set_up(meterhouse, tmp_path)
    [ann, _] = meterhouse.json("inspect", key)
    with running(meterhouse) as process:
        said = meterhouse.refused(*WORDS)
        assert f"Stream '{small.STREAM}' is running" in said
        assert "hint: Wait for its end" in said
        assert small.STREAM in meterhouse.refused("meter", "delete", ann["id"])
        assert "is running" in meterhouse.refused("stream", "delete", small.STREAM)
        new = json.dumps({"userId": "eve", "meterKey": key, "meterTypeId": "Units"})
        meterhouse.done("meter", "create", "--file", "-", "--at", small.CREATED, given=new)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        assert "complete" in out
    assert list(small.values(meterhouse, key)) == ["ann", "bob", "eve"]
    assert len(meterhouse.json("run", "list")) == 1


def test_a_run_of_another_machine_is_taken_over_on_request_only(meterhouse: Meterhouse):
    """Its process cannot be seen from here; should it live, it can commit nothing any more."""
    small.set_up(meterhouse, document(node("C", "readers/counter", max=1), meter()))
    at = parse_instant(small.JANUARY)
    assert at is not None
    with closing(open_ledger(meterhouse.data)) as ledger:
        stream = ledger.stream(small.STREAM)
        assert stream is not None
        lost = Run("lost", stream.id, stream.name, RunStatus.RUNNING, at, 1, at)
        ledger.start_run(lost, Lease("elsewhere", "1"), alive=frozenset())

        said = meterhouse.refused(*WORDS)
        assert "is running" in said
        assert "if elsewhere is gone for good, use --take-over" in said

        meterhouse.done(*WORDS, "--take-over")
        with pytest.raises(ConflictError, match="lost its lease"):
            ledger.commit_run(lost, RunResult())
    [new, old] = meterhouse.json("run", "list")
    assert (new["status"], old["status"]) == ("complete", "failed")
    assert old["error"] == "taken over from process 1 on elsewhere"


def test_what_could_not_be_delivered_is_delivered_by_the_next_run(
    meterhouse: Meterhouse, tmp_path: Path
):
    source = tmp_path / "usage.ndjson"
    source.write_text('{"userId":"ann","value":1}\n')
    blocked = tmp_path / "out"
    blocked.write_text("a file where a folder should be")
    writer = node("Out", "writers/file", path=str(blocked / "records.ndjson"))
    stream = document(reader(source), meter(), more=(writer,), edges=("Meter:reset -> Out",))
    key = small.set_up(meterhouse, stream)
    small.run(meterhouse)

    ended = meterhouse("stream", "run", small.STREAM, "--at", small.FEBRUARY, "--json")
    assert ended.code == 1
    assert ended.objects[0]["status"] == "complete"
    assert "The run is complete, but not all of its output was delivered" in ended.err
    assert str(blocked) in ended.err

    later = meterhouse.done("stream", "run", small.STREAM, "--at", "2026-02-02T00:00:00Z")
    assert "warning:" in later.err
    assert "still not delivered, after 2 attempts" in later.err

    blocked.unlink()
    last = meterhouse.done("stream", "run", small.STREAM, "--at", "2026-02-03T00:00:00Z")
    [written] = blocked.iterdir()
    assert f"delivered {written}" in last.out
    records = [json.loads(line) for line in written.read_text("utf-8").splitlines()]
    assert {r["userId"]: r["value"] for r in records} == {"ann": 1, "bob": 0}
    assert small.values(meterhouse, key) == {"ann": 0, "bob": 0}


#: Runs a command and is killed when an output is at its destination: before the ledger notes
#: that, or just after.
DYING = """
import os
import signal
import sys

from meterhouse.cli import main
from meterhouse.store.outbox import OutboxTable

noted = OutboxTable.delivered

def die(self, *arguments, **more):
    if sys.argv[1] == "after":
        noted(self, *arguments, **more)
    os.kill(os.getpid(), signal.SIGKILL)

OutboxTable.delivered = die
main(sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_delivery_that_is_killed_around_its_note_in_the_ledger_is_made_good(
    meterhouse: Meterhouse, tmp_path: Path, moment: str
):
    writer = node("Out", "writers/file", path=str(tmp_path / "out" / "{run}.ndjson"))
    counter = node("C", "readers/counter", max=3)
    stream = document(counter, writer, more=(meter(),), edges=("C -> Meter",))
    small.set_up(meterhouse, stream)
    words = ("--data", str(meterhouse.data), *WORDS)
    died = subprocess.run([sys.executable, "-c", DYING, moment, *words], check=False)
    assert died.returncode == -signal.SIGKILL

    [written] = (tmp_path / "out").iterdir()
    content = written.read_text("utf-8")
    assert len(content.splitlines()) == 3
    with closing(open_ledger(meterhouse.data)) as ledger:
        assert len(ledger.pending()) == (1 if moment == "before" else 0)
    assert len(in_spool(meterhouse)) == 1

    later = meterhouse.done("stream", "run", small.STREAM, "--at", small.FEBRUARY)

    assert written.read_text("utf-8") == content
    assert (f"delivered {written}" in later.out) is (moment == "before")
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert in_spool(meterhouse) == []


def in_spool(meterhouse: Meterhouse) -> list[str]:
    return [path.name for path in (meterhouse.data / "spool").glob("*/*")]


def test_a_relative_destination_is_where_the_run_was_started(
    meterhouse: Meterhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also when a later run, started elsewhere, delivers it."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    (here / "out").write_text("in the way")
    writer = node("Out", "writers/file", path="out/{run}.csv")
    counter = node("C", "readers/counter", max=3)
    stream = document(counter, writer, more=(meter(),), edges=("C -> Meter",))
    small.set_up(meterhouse, stream)
    monkeypatch.chdir(here)
    assert meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY).code == 1
    (here / "out").unlink()
    monkeypatch.chdir(elsewhere)
    meterhouse.done("stream", "run", small.STREAM, "--at", small.FEBRUARY)
    assert len(list((here / "out").iterdir())) == 1
    assert len(list((elsewhere / "out").iterdir())) == 1


def test_a_clock_before_the_last_run_is_refused(meterhouse: Meterhouse):
    small.set_up(meterhouse, document(node("C", "readers/counter", max=1), meter()))
    small.run(meterhouse, at=small.FEBRUARY)
    said = meterhouse.refused("stream", "run", small.STREAM, "--at", small.JANUARY)
    assert "2026-01-20T12:00:00.000Z" in said
    assert "2026-02-01T00:00:00.000Z" in said
    assert "--at" in said
    assert len(meterhouse.json("run", "list")) == 1
