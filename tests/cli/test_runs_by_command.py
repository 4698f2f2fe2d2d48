"""Runs, records and corrections by command."""

import json
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node, script
from tests.cli.command import Meterhouse

COUNTER = node("Count", "readers/counter", max=6)
#: Three good records, two without a meter and one without a value.
PUSH = """
await push({userId: ["ann", "bob", "eve"][payload.value % 3], n: payload.value,
            value: payload.value === 6 ? undefined : payload.value});
log.info("number %s", payload.value);
"""


@pytest.fixture
def ran(meterhouse: Meterhouse) -> dict[str, Any]:
    stream = document(
        COUNTER,
        script(PUSH),
        meter(),
        more=(node("Log", "writers/log"),),
        edges=("Meter:reset -> Log",),
    )
    small.set_up(meterhouse, stream)
    small.run(meterhouse)
    small.run(meterhouse, at=small.FEBRUARY)
    return meterhouse.json("run", "list")[0]


def test_a_run_shows_its_nodes(meterhouse: Meterhouse, ran: dict[str, Any]):
    assert meterhouse.json("run", "show", ran["id"]) == [ran]
    assert list(ran) == [
        *("id", "stream", "status", "at", "seed", "startedAt", "endedAt", "error", "nodes"),
    ]
    assert (ran["status"], ran["at"], ran["seed"]) == ("complete", "2026-02-01T00:00:00.000Z", 1)
    shown = meterhouse.done("run", "show", ran["id"]).out.splitlines()
    assert shown[0] == f"run {ran['id']} of Small: complete"
    assert shown[1].startswith("clock 2026-02-01T00:00:00.000Z, seed 1, took ")
    assert [line.split() for line in shown[3:8]] == [
        ["Node", "In", "Out", "Filtered", "Duplicates", "Suspended", "Metered"],
        ["Count", "6", "6"],
        ["Script", "*", "6", "6"],
        ["Meter", "6", "reset", "2", "3", "3"],
        ["Log", "2", "2"],
    ]
    assert shown[8:10] == [
        "Law kept at every node: in = out + filtered + duplicates + suspended + metered",
        "  (* creates records; what leaves a meter is its own)",
    ]


def test_a_run_says_why_records_were_suspended(meterhouse: Meterhouse, ran: dict[str, Any]):
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for record in meterhouse.json("correction", "list", "--run", ran["id"]):
        reason = record["reason"]
        counts[reason] = counts.get(reason, 0) + 1
        first.setdefault(reason, record["detail"])
    assert sum(counts.values()) == 3
    shown = meterhouse.done("run", "show", ran["id"]).out
    assert "\nSuspended, and why:\n" in shown
    for reason, count in counts.items():
        assert f"  {count}  {reason} at Meter: {first[reason]}\n" in shown
    assert shown.endswith(f"  `meterhouse correction list --run {ran['id']}` shows them\n")


def test_the_error_of_a_run_is_said_once_and_a_long_one_is_cut_in_the_list(
    meterhouse: Meterhouse,
):
    text = "boom " * 60
    throw = node("Script", "transforms/script", transform=f'throw new Error("{text}");')
    throw["params"]["suspenseManagement"] = {"enabled": False, "abortOnDisabled": True}
    small.set_up(meterhouse, small.document(node("C", "readers/counter", max=1), throw, meter()))
    ended = meterhouse("stream", "run", small.STREAM)
    assert ended.code == 1
    assert (ended.out + ended.err).count("boom boom") >= 1
    [run] = meterhouse.json("run", "list")
    assert len(run["error"]) > 200
    assert (ended.out + ended.err).count(run["error"][:100]) == 1
    row = meterhouse.done("run", "list").out.splitlines()[1]
    assert run["error"][:100] in row and run["error"] not in row
    assert run["error"] in meterhouse.done("run", "show", run["id"]).out


def test_runs_are_listed_newest_first(meterhouse: Meterhouse, ran: dict[str, Any]):
    listed = meterhouse.json("run", "list", "--stream", "Small")
    assert [run["at"][:10] for run in listed] == ["2026-02-01", "2026-01-20"]
    first = meterhouse.done("run", "list").out.splitlines()[1].split()
    assert first[1:] == ["Small", "complete", ran["at"], "3", "3", ran["id"]]


def test_the_log_of_a_run_has_records_and_lines_of_scripts(
    meterhouse: Meterhouse, ran: dict[str, Any]
):
    lines = meterhouse.json("run", "show", ran["id"], "--log")
    assert [json.loads(x["text"])["userId"] for x in lines if x["node"] == "Log"]
    assert {"node": "Script", "level": "info", "text": "number 1"} in lines
    assert "info Script: number 1\n" in meterhouse.done("run", "show", ran["id"], "--log").out


def test_the_log_goes_to_standard_error_unless_it_is_not_wanted(
    meterhouse: Meterhouse, ran: dict[str, Any]
):
    words = ("stream", "run", "Small", "--at", small.FEBRUARY, "--json")
    loud = meterhouse.done(*words)
    assert "info Script: number 1\n" in loud.err
    assert len(loud.objects) == 1
    assert meterhouse.done(*words, "--quiet").err == ""


def test_records_are_bare_and_their_id_comes_last(meterhouse: Meterhouse, ran: dict[str, Any]):
    records = meterhouse.json("record", "list", "--kind", "golden", "--run", ran["id"])
    assert sorted(record["userId"] for record in records) == ["ann", "bob"]
    assert all(list(record)[-1] == "recordId" for record in records)
    assert meterhouse.json("record", "list", "--kind", "threshold") == []
    table = meterhouse.done("record", "list").out.splitlines()
    assert table[0].split("  ")[0] == "Kind"
    assert table[1].split()[:2] == ["golden", records[0]["userId"]]


def test_suspended_records_are_counted_by_stream_node_and_reason(
    meterhouse: Meterhouse, ran: dict[str, Any]
):
    assert meterhouse.json("correction", "list", "--summary") == [
        {"stream": "Small", "node": "Meter", "reason": "no_meter_found", "count": 4},
        {"stream": "Small", "node": "Meter", "reason": "value_missing", "count": 2},
    ]
    assert (
        "set it, or map a field to value" in meterhouse.done("correction", "list", "--summary").out
    )


def test_suspended_records_are_listed_by_reason_and_stream(
    meterhouse: Meterhouse, ran: dict[str, Any]
):
    words = ("correction", "list", "--reason", "value_missing", "--stream", "Small")
    [first, _] = meterhouse.json(*words)
    assert list(first) == [
        *("id", "stream", "node", "run", "state", "reason", "detail", "source", "offset"),
        *("record", "raw", "createdAt", "updatedAt"),
    ]
    assert (first["state"], first["record"]) == ("open", {"userId": "ann", "n": 6})
    assert (
        "remedy: the record has no value" in meterhouse.done("correction", "show", first["id"]).out
    )


def test_a_fix_says_what_comes_next(meterhouse: Meterhouse, ran: dict[str, Any]):
    id = meterhouse.json("correction", "list", "--reason", "value_missing")[0]["id"]
    ended = meterhouse.done("correction", "fix", id, "--set", "value=0.10", "--set", "n=null")
    assert '"record": {"userId": "ann", "n": null, "value": 0.1}' in ended.out
    assert f"`meterhouse correction requeue {id}`" in ended.err


def test_all_of_a_reason_are_queued_or_deleted_at_once(meterhouse: Meterhouse, ran: dict[str, Any]):
    ended = meterhouse.done("correction", "requeue", "--all", "--reason", "no_meter_found")
    assert ended.out == "queued 4 records\n"
    states = [entry["state"] for entry in meterhouse.json("correction", "list")]
    assert sorted(states) == ["open"] * 2 + ["queued"] * 4
    ended = meterhouse.done("correction", "delete", "--all", "--stream", "Small")
    assert ended.out == "deleted 6 records\n"
    assert meterhouse.json("correction", "list") == []


def test_an_action_takes_all_or_none(meterhouse: Meterhouse, ran: dict[str, Any]):
    id = meterhouse.json("correction", "list")[0]["id"]
    assert "999" in meterhouse.refused("correction", "delete", id, 999)
    assert len(meterhouse.json("correction", "list")) == 6
    assert meterhouse.json("correction", "delete", id, id) == [{"id": id, "state": "deleted"}]


def test_a_run_is_found_by_the_beginning_of_its_id(meterhouse: Meterhouse, ran: dict[str, Any]):
    assert meterhouse.json("run", "show", ran["id"][:8]) == [ran]
    short = meterhouse.json("record", "list", "--run", ran["id"][:8])
    assert short == meterhouse.json("record", "list", "--run", ran["id"])


def test_an_empty_log_says_so(meterhouse: Meterhouse):
    small.set_up(meterhouse, document(COUNTER, meter()))
    small.run(meterhouse)
    [run] = meterhouse.json("run", "list")
    ended = meterhouse.done("run", "show", run["id"], "--log")
    assert (ended.out, ended.err) == ("", "no log lines\n")


def test_a_record_without_a_meter_says_how_far_the_rules_came(meterhouse: Meterhouse):
    rule = {"matchCategory": "U", "conditions": [{"field": "value", "value": 1}]}
    to_bob = script('await push({userId: "bob", value: payload.value});')
    counter = node("Count", "readers/counter", max=2)
    small.set_up(meterhouse, document(counter, to_bob, meter(rule)), users=("ann",))
    small.run(meterhouse)
    assert [entry["detail"] for entry in meterhouse.json("correction", "list")] == [
        'userId is "bob"; the user has no meter of category "U"',
        'userId is "bob"; the conditions of no guiding rule hold',
    ]


def test_records_that_a_script_lets_go_nowhere_are_told_of(meterhouse: Meterhouse):
    empty = node("Empty", "transforms/script", transform="")
    odd = script("if (payload.value % 2) { push(payload); }")
    end = node("End", "writers/noop")
    counter = node("C", "readers/counter", max=4)
    stream = document(counter, odd, end, more=(empty,), edges=("C -> Empty",))
    imported = meterhouse.done("stream", "import", "-", given=json.dumps(stream))
    assert "warning: the script of 'Empty' is empty: no record leaves it" in imported.err
    ended = meterhouse.done("stream", "run", small.STREAM)
    assert ended.err.count("took 4 records and pushed none") == 1
    assert "Empty: no output for 4 records" in ended.out
    [run] = meterhouse.json("run", "list")
    log = meterhouse.done("run", "show", run["id"], "--log").out
    assert "info Script: no output: 2 of 4 records\n" in log
    assert "info Empty: no output: 4 of 4 records\n" in log
