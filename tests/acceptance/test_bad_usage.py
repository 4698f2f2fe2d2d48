"""Bad usage: suspended with reason and place, or the run fails whole; nothing is ever lost."""

import gzip
import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.running import EndedRun, run_stream
from meterhouse.cli.exits import FAILED, exit_code
from meterhouse.core.instant import parse_instant
from meterhouse.sandbox import Sandbox, SandboxLimits
from tests.acceptance import small
from tests.acceptance.small import document, meter, node, reader, script
from tests.cli.command import Meterhouse

GOOD = '{"userId":"ann","value":1}\n'


def test_each_bad_record_is_suspended_with_its_reason(meterhouse: Meterhouse, tmp_path: Path):
    usage = tmp_path / "usage.ndjson"
    usage.write_text(
        GOOD
        + '{"userId":"ann",\n'
        + '{"value":1}\n'
        + '{"userId":"ann"}\n'
        + '{"userId":"ann","value":NaN}\n'
        + '{"userId":"ann","value":1e400}\n'
        + '{"userId":"ann","value":"much"}\n'
        + '{"userId":"ann","value":0.1234567890123456789}\n'
        + '{"userId":"ann","value":1,"timestamp":"2026-01-20T12:00:00.001Z"}\n'
        + '{"userId":"ann","value":1,"timestamp":"yesterday"}\n'
        + '{"userId":"eve","value":1}\n'
        + "[1]\n"
    )
    key = small.set_up(meterhouse, document(reader(usage), meter()))
    nodes = small.run(meterhouse)
    assert (nodes["Reader"]["in"], nodes["Meter"]["metered"]) == (12, 1)
    assert small.values(meterhouse, key) == {"ann": 1, "bob": 0}
    assert small.suspended(meterhouse) == [
        ("not_readable", 1),
        ("user_id_missing", 2),
        ("value_missing", 3),
        ("not_readable", 4),
        ("value_out_of_range", 5),
        ("value_not_numeric", 6),
        ("value_too_precise", 7),
        ("timestamp_in_future", 8),
        ("timestamp_invalid", 9),
        ("no_meter_found", 10),
        ("not_readable", 11),
    ]
    table = meterhouse.done("correction", "list").out
    assert f"{usage}:2" in table.splitlines()[1]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "undefined", "[1]"])
def test_what_a_script_makes_that_is_no_number_is_suspended(meterhouse: Meterhouse, value: str):
    push = f"await push({{userId: 'ann', value: {value}}})"
    small.set_up(meterhouse, document(node("C", "readers/counter", max=1), script(push), meter()))
    small.run(meterhouse)
    reason = "value_missing" if value == "undefined" else "value_not_numeric"
    assert [entry["reason"] for entry in meterhouse.json("correction", "list")] == [reason]


@pytest.mark.parametrize("kind", ["truncated", "no parquet", "a folder"])
def test_an_unreadable_file_fails_the_run_and_the_mended_one_is_taken(
    meterhouse: Meterhouse, tmp_path: Path, kind: str
):
    folder = tmp_path / "usage"
    folder.mkdir()
    (folder / "a.ndjson").write_text(GOOD)
    bad = {"truncated": "b.ndjson.gz", "no parquet": "b.parquet", "a folder": "b.ndjson.gz"}[kind]
    packed = gzip.compress((GOOD * 1000).encode())
    (folder / bad).write_bytes(packed[:-20] if kind == "truncated" else b"PAR1 not at all")
    key = small.set_up(meterhouse, document(reader(folder / "*"), meter()))

    ended = meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY, "--json")

    assert ended.code == 1
    assert f'node "Reader": {folder / bad}' in ended.err
    assert ended.objects[0]["status"] == "failed"
    assert str(folder / bad) in ended.objects[0]["error"]
    assert small.values(meterhouse, key) == {"ann": 0, "bob": 0}
    assert meterhouse.json("correction", "list") == []

    (folder / bad).unlink()
    (folder / "b.ndjson.gz").write_bytes(packed)
    small.run(meterhouse)
    assert small.values(meterhouse, key) == {"ann": 1001, "bob": 0}


def test_a_file_that_changed_after_it_was_read_is_reported_and_not_read_again(
    meterhouse: Meterhouse, tmp_path: Path
):
    usage = tmp_path / "usage.ndjson"
    usage.write_text(GOOD)
    key = small.set_up(meterhouse, document(reader(usage), meter()))
    small.run(meterhouse)
    usage.write_text(GOOD * 2)
    ended = meterhouse.done("stream", "run", small.STREAM, "--at", small.JANUARY)
    assert f"warning Reader: {usage} has changed since it was read" in ended.err
    assert small.values(meterhouse, key)["ann"] == 1


def test_the_error_limit_ends_the_run_and_keeps_what_was_suspended(
    meterhouse: Meterhouse, tmp_path: Path
):
    usage = tmp_path / "usage.ndjson"
    usage.write_text(GOOD + '{"userId":"eve","value":1}\n' * 5)
    limit = {"enabled": True, "eventThreshold": 3, "onThresholdExceeded": "ABORT"}
    key = small.set_up(meterhouse, document(reader(usage), meter(suspenseManagement=limit)))

    said = meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY)

    assert said.code == 1
    assert 'node "Meter": the limit of 3 consecutive bad records is reached' in said.err
    assert small.values(meterhouse, key)["ann"] == 0
    assert small.suspended(meterhouse) == [("no_meter_found", n) for n in (1, 2, 3)]
    refusal = meterhouse.refused("correction", "requeue", 1)
    assert "will be read again" in refusal

    usage.write_text(GOOD + '{"userId":"bob","value":1}\n' * 5)
    small.run(meterhouse)
    assert small.values(meterhouse, key) == {"ann": 1, "bob": 5}
    assert small.suspended(meterhouse) == []


def run_with_limits(meterhouse: Meterhouse, limits: SandboxLimits) -> EndedRun:
    with bootstrap.open_installation(meterhouse.data) as house:
        means = house.means()
        services = replace(means.services, scripts=Sandbox(limits))
        at = parse_instant(small.JANUARY)
        means = replace(means, services=services)
        return run_stream(house.ledger, small.STREAM, means=means, run_id="r", seed=1, at=at)


@pytest.mark.parametrize(
    ("transform", "limits", "said"),
    [
        ("for (;;) {}", SandboxLimits(batch_seconds=0.5), "second"),
        (
            "const kept = []; for (;;) kept.push('x'.repeat(1e6) + kept.length);",
            SandboxLimits(memory_bytes=64 << 20),
            "memory",
        ),
        ("for (;;) await push({n: 'x'.repeat(1e6)})", SandboxLimits(output_bytes=8 << 20), ""),
    ],
    ids=["endless", "allocating", "pushing"],
)
def test_a_script_beyond_its_limits_fails_its_run_only(
    meterhouse: Meterhouse, tmp_path: Path, transform: str, limits: SandboxLimits, said: str
):
    usage = tmp_path / "usage.ndjson"
    usage.write_text(GOOD)
    bad = "if (payload.value === 1) { " + transform + " } await push(payload)"
    key = small.set_up(meterhouse, document(reader(usage), script(bad), meter()))

    ended = run_with_limits(meterhouse, limits)

    if ended.error is None:
        # What one record may push is its own fault: it is suspended, and the run goes on.
        assert [entry["reason"] for entry in meterhouse.json("correction", "list")] == [
            "script_error"
        ]
    else:
        assert exit_code(ended.error) == FAILED
        assert said in str(ended.error)
        assert "Script" in str(ended.error)
        [listed] = meterhouse.json("run", "list")
        assert listed["status"] == "failed"
    assert small.values(meterhouse, key)["ann"] == 0


def test_a_script_that_is_no_javascript_names_node_and_line(meterhouse: Meterhouse):
    small.set_up(
        meterhouse, document(node("C", "readers/counter", max=1), script("const a = ;"), meter())
    )
    ended = meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY)
    assert ended.code == 1
    assert "Script" in ended.err
    assert "line 1" in ended.err


def test_the_mended_file_is_read_after_one_that_was_cut_off(meterhouse: Meterhouse, tmp_path: Path):
    usage = tmp_path / "usage.ndjson"
    usage.write_text(GOOD + '\n{"userId": "ann", "val')
    key = small.set_up(meterhouse, document(reader(usage), meter()))
    words = ("stream", "run", small.STREAM, "--at", small.JANUARY)
    ended = meterhouse.process(*words)
    assert ended.code == 1
    assert "fetch it again" in ended.err
    assert small.values(meterhouse, key)["ann"] == 0

    usage.write_text(GOOD + "\n" + GOOD + "\n")
    nodes = small.run(meterhouse)
    assert (nodes["Reader"]["in"], nodes["Meter"]["metered"]) == (2, 2)


def test_a_full_disk_fails_the_run_and_the_next_one_makes_good(
    meterhouse: Meterhouse, tmp_path: Path
):
    usage, out = tmp_path / "usage.ndjson", tmp_path / "out.ndjson"
    lines = (json.dumps({"userId": f"user {n}", "value": 1}) for n in range(20_000))
    usage.write_text("\n".join([*lines, GOOD]))
    writer = node("Out", "writers/file", path=str(out), format="ndjson")
    limit = {"eventThreshold": 30_000}
    checked = meter(suspenseManagement=limit)
    stream = document(reader(usage), checked, more=(writer,), edges=("Reader -> Out",))
    key = small.set_up(meterhouse, stream)

    def no_room() -> None:
        # No file of this process may grow beyond 300 kB: what a full disk does, without one.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    words = ("stream", "run", small.STREAM, "--at", small.JANUARY)
    ended = meterhouse.process(*words, preexec_fn=no_room)

    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert "Traceback" not in ended.err
    assert small.values(meterhouse, key)["ann"] == 0
    nodes = small.run(meterhouse)
    assert (nodes["Reader"]["in"], nodes["Meter"]["metered"]) == (20_001, 1)
    [written] = tmp_path.glob("out-*.ndjson")
    assert len(written.read_text("utf-8").splitlines()) == 20_001
    assert not list((meterhouse.data / "spool").glob("*/*"))
