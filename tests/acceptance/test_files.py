"""Usage files in, a file of golden records out."""

import json
import shutil
from pathlib import Path

import pytest

from tests.acceptance import small
from tests.cli.command import ROOT, Meterhouse


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the example in it, where its relative paths lead."""
    work = tmp_path / "work"
    shutil.copytree(ROOT / "examples" / "files", work / "examples" / "files")
    monkeypatch.chdir(work)
    return work


def test_the_example_gives_what_its_readme_says(meterhouse: Meterhouse, work: Path):
    key = meterhouse.set_up("files")
    [january] = meterhouse.json("stream", "run", "Usage files", "--at", "2026-01-20T00:00:00Z")
    nodes = {node["name"]: node for node in january["nodes"]}
    assert (nodes["Usage files"]["in"], nodes["Usage files"]["suspended"]) == (13, 1)
    assert nodes["Meter"]["metered"] == 10
    assert nodes["Notices"]["in"] == 1
    values = {
        (m["userId"], m["meterTypeName"]): m["value"] for m in meterhouse.json("inspect", key)
    }
    assert values == {
        ("acme", "API units"): 42,
        ("acme", "Largest call"): 40,
        ("initech", "API units"): 19.75,
        ("initech", "Largest call"): 12.5,
        ("hooli", "API units"): 875,
        ("hooli", "Largest call"): 450,
    }

    ended = meterhouse.done("stream", "run", "Usage files", "--at", "2026-02-01T00:00:00Z")

    [written] = (work / "files-out").iterdir()
    assert f"delivered {written}" in ended.out
    records = [json.loads(line) for line in written.read_text("utf-8").splitlines()]
    assert len(records) == 6
    assert records == meterhouse.json("record", "list", "--kind", "golden")


def test_a_file_is_read_once(meterhouse: Meterhouse, work: Path):
    meterhouse.set_up("files")
    meterhouse.json("stream", "run", "Usage files", "--at", "2026-01-20T00:00:00Z")
    (work / "examples/files/usage/2026-01-third.ndjson").write_text(
        '{"account": "acme", "endpoint": "/search", "units": 1, "time": "2026-01-20T08:00:00Z"}\n'
    )
    [again] = meterhouse.json("stream", "run", "Usage files", "--at", "2026-01-21T00:00:00Z")
    assert again["nodes"][0]["in"] == 1


def test_types_survive_from_file_to_condition(meterhouse: Meterhouse, tmp_path: Path):
    """The number 5 and the text "5" in one field of one file go to different meters."""
    usage = tmp_path / "usage.ndjson"
    usage.write_text(
        '{"userId":"ann","value":1,"tier":5}\n'
        '{"userId":"ann","value":10,"tier":"5"}\n'
        '{"userId":"ann","value":100,"tier":5.0}\n'
        '{"userId":"ann","value":1000,"tier":true}\n'
    )
    rule = small.RULE | {
        "ignoreCondition": False,
        "conditions": [{"field": "tier", "value": 5}],
        "groupBy": [{"fields": ["tier"]}],
    }
    key = small.set_up(meterhouse, small.document(small.reader(usage), small.meter(rule)))
    small.run(meterhouse)
    [ann, _] = meterhouse.json("inspect", key)
    assert ann["value"] == 101
    assert [group["key"] for group in ann["groupBreakdowns"][0]["groups"]] == ["tier:5"]
    assert small.suspended(meterhouse) == [("no_meter_found", 1), ("no_meter_found", 3)]


def test_numbers_are_taken_as_written(meterhouse: Meterhouse, tmp_path: Path):
    usage = tmp_path / "usage.csv"
    usage.write_text("userId,value\n" + "ann,0.1\n" * 10 + "bob,1.000000000000000001\nbob,2\n")
    key = small.set_up(meterhouse, small.document(small.reader(usage), small.meter()))
    small.run(meterhouse)
    text = meterhouse.done("inspect", key, "--json").out
    assert '"userId":"ann","meterKey":"' + key + '","value":1,' in text
    assert '"value":3.000000000000000001,' in text
