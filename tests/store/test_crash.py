"""A process that is killed in the middle of a commit leaves all of it or nothing."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meterhouse.app.ports import Lease
from meterhouse.core.problem import ConflictError
from meterhouse.store import SqliteLedger, open_ledger
from meterhouse.streams.record import RunStatus
from tests.store.factories import (
    AT,
    KEY,
    a_meter_type,
    a_run,
    a_stream,
    add_meters,
    snapshot,
    start,
)

METERS = 3000

#: Commits one run after the other; the n-th sets every meter to n, and leaves n in every part.
WORKER = """
import os
import sys
from pathlib import Path

import polars as pl

from meterhouse.engine.changes import Contents, StateChanges
from meterhouse.store import open_ledger
from meterhouse.core.instant import DAY
from meterhouse.streams.record import (
    ConsumedFile, DuplicateKeys, KeysOfDay, OutboxEntry, RunResult
)
from tests.store.factories import AT, KEY, a_run, a_suspended, an_emitted, snapshot, start

ledger = open_ledger(Path(sys.argv[1]))
first, meters = int(sys.argv[2]), int(sys.argv[3])
for n in range(first, first + 1000):
    run = start(ledger, a_run(f"run {n} of process {os.getpid()}"))
    with snapshot(ledger) as opened:
        frame = opened.meters(KEY).columns().frame.drop("user_id", "profile")
    frame = frame.with_columns(
        value=pl.lit(str(n)), count=pl.lit(n, pl.Int64), groups=pl.lit("[]" + "x" * (n * 37 % 900))
    )
    digests = pl.Series([f"{n:08}{k:08}".encode() for k in range(500)])
    ids = [f"{n:08x}-0000-0000-0000-{k:012x}" for k in range(20)]
    result = RunResult(
        states=[("n", StateChanges(contents=Contents.of(frame), updated_at=AT + n))],
        records=[an_emitted(record_id=id) for id in ids],
        suspended=[a_suspended(k) for k in range(20)],
        consumed=[ConsumedFile("r", f"{n}.csv", n, n)],
        duplicate_keys=[DuplicateKeys("d", digests, AT + 10**12)],
        keys_of_days=[KeysOfDay("d", AT - n * DAY, [b"a", b"b"], AT + 10**12)],
        outbox=[OutboxEntry("w", f"spool {n}", "out")],
        log=[("n", "info", str(n))],
    )
    ledger.commit_run(run, result)
    print(n, flush=True)
"""


def run_and_kill(directory: Path, first: int, *, seconds: float) -> int:
    """Let the worker commit for a while, kill it, and return its last acknowledged commit."""
    command = [sys.executable, "-c", WORKER, str(directory), str(first), str(METERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        acknowledged = [int(child.stdout.readline())]
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split()]
    assert child.returncode == -signal.SIGKILL
    return acknowledged[-1]


def committed(ledger: SqliteLedger) -> set[int]:
    """Return what each part says how many runs were committed."""
    database = ledger._database
    with snapshot(ledger) as opened:
        frame = opened.meters(KEY).columns().frame
        consumed = len(opened.consumed("r"))
    counted = {
        database.value("SELECT count(*) FROM run WHERE status = 'complete'"),
        database.value("SELECT count(*) FROM metered_record") // 20,
        database.value("SELECT count(*) FROM suspense") // 20,
        database.value("SELECT count(*) FROM dedup_key") // 500,
        database.value("SELECT count(*) FROM dedup_day") // 2,
        database.value("SELECT count(*) FROM run_log"),
        len(ledger.pending()),
        consumed,
    }
    return counted | set(frame["count"].unique().to_list())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ledger = open_ledger(tmp_path / "data")
    ledger.add_stream(a_stream())
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    add_meters(ledger, [f"user {n}" for n in range(METERS)], meter_type=meter_type)
    ledger.close()
    return tmp_path / "data"


def test_a_killed_commit_is_whole_or_nothing(directory: Path):
    chance = random.Random(4)
    done = 0
    for round in range(6):
        acknowledged = run_and_kill(directory, done + 1, seconds=chance.uniform(0, 0.15))
        ledger = open_ledger(directory)
        (now,) = committed(ledger)
        # A commit may have reached the disk before it could be acknowledged.
        assert acknowledged <= now <= acknowledged + 1
        assert ledger._database.value("PRAGMA integrity_check") == "ok"
        assert ledger._database.rows("PRAGMA foreign_key_check") == []
        if ledger.lease_of("stream-1") is not None:
            run = start(ledger, a_run(f"after {round}"))
            ledger.fail_run(run, None)
        done = now
        ledger.close()
    interrupted = [r for r in all_runs(directory) if (r.error or "").startswith("interrupted")]
    assert all(run.status is RunStatus.FAILED for run in interrupted)


def all_runs(directory: Path):
    ledger = open_ledger(directory)
    runs = ledger.runs(limit=10_000).items
    ledger.close()
    return runs


READER = """
import sys
from pathlib import Path

from meterhouse.store import open_ledger
from tests.store.factories import KEY, snapshot

ledger = open_ledger(Path(sys.argv[1]))
print("ready", flush=True)
seen = set()
while len(seen) < 4:
    with snapshot(ledger) as opened:
        counts = opened.meters(KEY).columns().frame["count"].unique().to_list()
    assert len(counts) == 1, counts
    seen.add(counts[0])
"""


def test_a_reader_in_another_process_sees_whole_commits_only(directory: Path):
    pipe = {"stdout": subprocess.PIPE, "text": True}
    write = [sys.executable, "-c", WORKER, str(directory), "1", str(METERS)]
    read = [sys.executable, "-c", READER, str(directory)]
    with subprocess.Popen(read, **pipe) as reader, subprocess.Popen(write, **pipe) as writer:
        try:
            assert reader.wait(30) == 0
        finally:
            writer.kill()
            reader.kill()


def test_a_lease_is_respected_between_processes(directory: Path):
    ours, theirs = open_ledger(directory), open_ledger(directory)
    ours.start_run(a_run("ours"), Lease("here", "1"), alive=frozenset())
    with pytest.raises(ConflictError, match="is running"):
        theirs.start_run(a_run("theirs"), Lease("here", "2"), alive=frozenset({"1", "2"}))
    assert theirs.run("ours").at == AT
    ours.close()
    theirs.close()
