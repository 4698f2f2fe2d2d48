"""Time, memory and output: what is stopped, what is said, and what must not be stopped."""

import contextlib
import threading
import time
from pathlib import Path

import pytest

from meterhouse.sandbox import (
    JavaScriptSandbox,
    SandboxLimits,
    ScriptLimitExceeded,
    ScriptSessionClosed,
)

SMALL = SandboxLimits(batch_seconds=0.4, memory_bytes=48 << 20, output_bytes=1 << 20)
PATIENT = SandboxLimits(batch_seconds=10.0, memory_bytes=32 << 20)


def exceeded(script: str, *, records=None, flush=None, limits=SMALL) -> ScriptLimitExceeded:
    with JavaScriptSandbox(limits).open(at_us=0, seed=0) as session:
        session.define("n1", name="Greedy", transform=script, flush=flush)
        with pytest.raises(ScriptLimitExceeded) as caught:
            session.flush("n1", {}) if flush else session.transform("n1", records or [{}])
        with pytest.raises(ScriptSessionClosed):
            session.transform("n1", [{}])
        with pytest.raises(ScriptSessionClosed):
            session.effects()
    return caught.value


def test_endless_loop_is_stopped_where_it_is():
    records = [{"i": i} for i in range(2000)]
    begun = time.monotonic()
    error = exceeded("if (payload.i === 1234) while (true);", records=records)
    assert time.monotonic() - begun < 20.0
    assert (error.node_id, error.limit, error.record) == ("n1", "time", 1234)
    assert str(error) == (
        "the transform script of node 'Greedy', at record 1235 of 2000 in its batch, made no "
        "progress for 0.4 s and was stopped: look for a loop that does not end, or allow more "
        "time (batch_seconds)"
    )


def test_endless_promises_are_stopped_where_they_are():
    records = [{"i": i} for i in range(10)]
    error = exceeded("if (payload.i === 5) for (;;) await null;", records=records)
    assert (error.limit, error.record) == ("time", 5)


def test_endless_promises_left_behind_are_stopped():
    error = exceeded("(async () => { for (;;) await null })();")
    assert error.limit == "time"


def test_endless_flush_is_stopped():
    error = exceeded("", flush="while (true);")
    assert (error.limit, error.record) == ("time", None)
    assert str(error).startswith("the flush script of node 'Greedy' made no progress for 0.4 s")


def test_memory_is_stopped_where_it_is():
    records = [{"i": i} for i in range(700)]
    script = "const a = []; while (payload.i === 600) a.push({n: a.length});"
    error = exceeded(script, records=records, limits=PATIENT)
    assert (error.limit, error.record) == ("memory", 600)
    assert "needed more than 32 MiB of memory" in str(error)
    assert "record 601 of 700" in str(error)


@pytest.mark.parametrize(
    "script",
    [
        "const a = []; for (;;) a.push({n: a.length});",
        "const m = new Map(); for (let i = 0; ; i++) m.set(i, i);",
        "const a = []; for (;;) try { a.push(new Uint8Array(1e6).fill(1)) } catch { a.push([1]) }",
        "for (let i = 0; ; i++) store.set('k' + i, 'x'.repeat(10000));",
        "let a = []; for (;;) a.push('x'.repeat(1e6) + a.length, [...'y'.repeat(1e5)]);",
    ],
)
def test_memory_in_use_stays_near_its_limit(script):
    peaks = []
    with JavaScriptSandbox(PATIENT).open(at_us=0, seed=0) as session:
        session.define("n", name="N", transform=script)
        watch = threading.Thread(target=watch_memory, args=(session.process_id, peaks))
        watch.start()
        with pytest.raises(ScriptLimitExceeded) as caught:
            session.transform("n", [{}])
        watch.join()
    assert caught.value.limit == "memory"
    # V8 and Python take about 60 MiB before the first script.
    assert max(peaks) < (60 << 20) + PATIENT.memory_bytes * 5 // 4 + (48 << 20)


def watch_memory(process_id, peaks):
    status = Path(f"/proc/{process_id}/status")
    with contextlib.suppress(OSError):
        while "VmHWM" in (text := status.read_text("ascii")):
            peaks.append(int(text.split("VmHWM:")[1].split()[0]) * 1024)
            time.sleep(0.002)


def test_memory_that_crashes_v8_is_a_limit_too():
    # One request that is too big leaves no time to stop the script: V8 gives up.
    error = exceeded("push({n: JSON.stringify('x'.repeat(5e8)).length})")
    assert (error.limit, error.record) == ("memory", 0)


def test_slow_batch_that_goes_on_is_not_stopped():
    script = "let x = 0; for (let i = 0; i < payload.turns; i++) x += i % 7; push({x})"
    with JavaScriptSandbox(SMALL).open(at_us=0, seed=0) as session:
        session.define("n", name="Slow", transform=script)
        turns, one = 100_000, 0.0
        while one < SMALL.batch_seconds / 10:
            turns *= 2
            begun = time.monotonic()
            session.transform("n", [{"turns": turns}])
            one = time.monotonic() - begun
        begun = time.monotonic()
        while time.monotonic() - begun < SMALL.batch_seconds * 2:
            outcomes = session.transform("n", [{"turns": turns}] * 30)
            assert all(outcome.error is None for outcome in outcomes)


def test_flood_of_pushes_spoils_its_record_only():
    with JavaScriptSandbox(SMALL).open(at_us=0, seed=0) as session:
        session.define(
            "n", name="N", transform="do push({x: 'y'.repeat(1000)}); while (payload.on)"
        )
        flood, normal = session.transform("n", [{"on": True}, {}])
    assert flood.error == "RangeError: too much was pushed for one record (line 1)"
    assert len(normal.pushed) == 1


def test_memory_is_freed_between_records():
    script = "const a = []; for (let i = 0; i < 20000; i++) a.push({i}); push({n: a.length})"
    with JavaScriptSandbox(SMALL).open(at_us=0, seed=0) as session:
        session.define("n", name="N", transform=script)
        outcomes = session.transform("n", [{}] * 300)
    assert all(outcome.pushed == ({"n": 20_000},) for outcome in outcomes)


def test_session_is_closed_for_good():
    session = JavaScriptSandbox().open(at_us=0, seed=0)
    session.define("n", name="N", transform="")
    session.close()
    session.close()
    with pytest.raises(ScriptSessionClosed, match="is closed"):
        session.transform("n", [{}])


def test_session_that_was_never_used_starts_no_worker():
    session = JavaScriptSandbox().open(at_us=0, seed=0)
    session.close()
