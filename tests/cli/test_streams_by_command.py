"""Changing streams, their versions, schedules and groups by command."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse

COUNT = node("Count", "readers/counter", max=3)
END = node("End", "writers/noop")


def plain(name: str = "Small", *, count: int = 3) -> str:
    body = document(node("Count", "readers/counter", max=count), END)
    return json.dumps({**body, "name": name})


@pytest.fixture
def house(meterhouse: Meterhouse) -> Meterhouse:
    meterhouse.done("stream", "import", "-", given=plain())
    return meterhouse


def metered() -> str:
    return json.dumps(document(COUNT, meter()))


def ids(house: Meterhouse) -> dict[str, str]:
    return {stream["name"]: stream["id"] for stream in house.json("stream", "list")}


# ------------------------------------------------------------ import, validate, update


@pytest.mark.parametrize(
    ("params", "said", "mark"),
    [
        (
            {"transform": "await push(payload)\nlet a = = 1;"},
            'params.transform: is no valid JavaScript in node "S": ',
            "    let a = = 1;\n            ^",
        ),
        (
            {"transform": "push(payload)", "onFlush": "x = = 1", "language": "python"},
            'params.onFlush: is no valid Python in node "S": ',
            "    x = = 1\n        ^",
        ),
    ],
    ids=["javascript", "python"],
)
def test_a_script_that_is_none_is_shown_by_validate(
    meterhouse: Meterhouse, params: dict[str, Any], said: str, mark: str
):
    text = json.dumps(document(COUNT, node("S", "transforms/script", **params), END))
    refused = meterhouse.refused("stream", "validate", "-", given=text)
    assert said in refused
    assert mark in refused


def test_scripts_that_are_none_are_warned_of_and_kept(meterhouse: Meterhouse):
    transform = "push(payload)\nlet a = = 1;"
    text = json.dumps(document(COUNT, node("S", "transforms/script", transform=transform), END))
    imported = meterhouse.done("stream", "import", "-", given=text)
    updated = meterhouse.done("stream", "update", "Small", "--file", "-", given=text)
    for said in (imported.err, updated.err):
        assert 'params.transform: is no valid JavaScript in node "S": ' in said
        assert "line 2, column 9\n    let a = = 1;\n            ^" in said
        assert said.startswith("warning: ")
    assert list(ids(meterhouse)) == ["Small"]


def test_an_aggregator_without_scripts_is_warned_of(meterhouse: Meterhouse):
    rules = [{"fields": ["value"]}]
    empty = node("Sum", "transforms/script_aggregate", groupByRules=rules, onTransform=" ")
    text = json.dumps(document(COUNT, empty | {"schemaVersion": 2}, END))
    imported = meterhouse.done("stream", "import", "-", given=text)
    assert "warning: the script of 'Sum' is empty: no record leaves it" in imported.err


def test_an_import_may_replace_a_stream_or_be_another_one(house: Meterhouse):
    assert "--name" in house.refused("stream", "import", "-", given=plain())
    before = ids(house)
    [replaced] = house.json("stream", "import", "-", "--on-conflict", "replace", given=metered())
    assert replaced["id"] == before["Small"]
    assert list(replaced["meterKeys"]) == ["Meter"]
    [new] = house.json("stream", "import", "-", "--on-conflict", "new", given=plain())
    assert new["name"] == "Small (2)"
    ended = house("stream", "import", "-", "--on-conflict", "merge", given=plain())
    assert (ended.code, "use one of cancel, replace, new" in ended.err) == (2, True)


def test_a_replacement_that_drops_a_function_says_so(house: Meterhouse):
    ended = house.done("stream", "import", "-", "--on-conflict", "replace", given=metered())
    assert ended.out.startswith("replaced stream Small\n")
    assert 'no longer in the stream: "End" (writers/noop)' in ended.err


def test_a_node_with_meters_goes_only_if_that_is_allowed(meterhouse: Meterhouse):
    small.set_up(meterhouse, document(COUNT, meter()))
    words = ("stream", "update", "Small", "--file", "-")
    assert "has 2 meters" in meterhouse.refused(*words, given=plain())
    meterhouse.done(*words, "--allow-node-removal", given=plain())
    assert meterhouse.json("stream", "list")[0]["meterKeys"] == {}


def test_a_document_is_checked_and_every_problem_listed(meterhouse: Meterhouse, tmp_path: Path):
    assert meterhouse.json("stream", "validate", "-", given=plain()) == [
        {"name": "Small", "valid": True, "nodes": 2}
    ]
    assert meterhouse.done("stream", "validate", "-", given=plain()).out == (
        "Small is valid: 2 nodes, 1 edges\n"
    )
    wrong = json.dumps({"name": 5, "nodes": [{"id": "a"}], "edges": 3})
    said = meterhouse.refused("stream", "validate", "-", given=wrong)
    assert said.count("\n  - ") >= 3
    assert meterhouse.json("stream", "list") == []


def test_a_setup_stream_is_turned_to_this_api(meterhouse: Meterhouse):
    client = json.dumps({"clientId": "me", "clientSecret": "s3cret"})
    words = ("secret", "create", "--name", "My access", "--type", "oauth2", "--file", "-")
    [secret] = meterhouse.json(*words, given=client)
    url = "https://api.digitalroute.io/usage-metering/v1/meters"
    oauth2 = {
        "accessTokenURL": "https://api.digitalroute.io/authentication/v1/oauth/token",
        "audience": "https://api.digitalroute.io/",
    }
    document = json.loads(plain())
    asking = {"method": "POST", "uri": url, "authType": "oAuth2", "oAuth2Authentication": oauth2}
    node = {"id": "h", "type": "transforms/http", "name": "Ask", "params": asking}
    document["nodes"].append(node)
    document["edges"].append({"id": "e9", "from": document["nodes"][0]["id"], "to": "h"})
    ended = meterhouse.done(
        *("stream", "import", "-", "--api-base", "http://127.0.0.1:8080", "--secret", "My access"),
        given=json.dumps(document),
    )
    assert "1 node got another address of the API" in ended.err
    assert "1 node got the secret" in ended.err
    exported = json.loads(meterhouse.done("stream", "export", document["name"]).out)
    params = exported["nodes"][-1]["params"]
    assert params["uri"] == "http://127.0.0.1:8080/usage-metering/v1/meters"
    assert params["oAuth2Authentication"]["audience"] == "http://127.0.0.1:8080/"
    entry = {"secretId": secret["id"], "secretType": "oauth2"}
    assert params["secretsWalletEntry"] == entry
    said = meterhouse.refused("stream", "import", "-", "--secret", "nobody's", given=plain("B"))
    assert "There is no secret" in said
    said = meterhouse.refused("stream", "import", "-", "--api-base", "here", given=plain("B"))
    assert 'apiBase: is "here"' in said


def test_a_stream_is_renamed(house: Meterhouse):
    before = ids(house)["Small"]
    [renamed] = house.json("stream", "rename", "Small", "New")
    assert renamed == {"id": before, "name": "New", "meterKeys": {}}
    assert json.loads(house.done("stream", "export", "New").out)["name"] == "New"


# ------------------------------------------------------------ versions


def test_versions_are_tagged_listed_exported_and_restored(house: Meterhouse):
    [version] = house.json("stream", "version", "tag", "Small", "v1", "--description", "first")
    assert list(version) == ["id", "tag", "description", "createdAt", "createdBy"]
    assert (version["tag"], version["description"]) == ("v1", "first")
    assert version["createdBy"]
    exported = house.done("stream", "version", "export", "Small", "v1").out
    assert exported == house.done("stream", "export", "Small").out
    house.done("stream", "update", "Small", "--file", "-", given=plain(count=9))
    assert json.loads(house.done("stream", "version", "export", "Small", "v1").out)
    house.done("stream", "version", "restore", "Small", "v1")
    assert house.done("stream", "export", "Small").out == exported
    listed = house.json("stream", "version", "list", "Small")
    assert [v["tag"] for v in listed] == [None, "v1"]
    table = house.done("stream", "version", "list", "Small").out.splitlines()
    assert table[0].split() == ["Kept", "Tag", "Description", "By", "Id"]


def test_a_version_shows_what_restoring_it_would_remove(house: Meterhouse):
    house.done("stream", "version", "tag", "Small", "v1")
    house.done("stream", "update", "Small", "--file", "-", given=metered())
    [shown] = house.json("stream", "version", "show", "Small", "v1")
    assert [node["name"] for node in shown["restoringRemoves"]] == ["Meter"]
    text = house.done("stream", "version", "show", "Small", "v1").out
    assert 'restoring it would remove "Meter" (transforms/meter)' in text
    ended = house.done("stream", "version", "restore", "Small", "v1")
    assert 'warning: no longer in the stream: "Meter"' in ended.err


def test_restoring_is_refused_where_a_node_is_in_use(meterhouse: Meterhouse):
    bare = document(node("Count", "readers/counter", max=3), END)
    small.set_up(meterhouse, document(COUNT, meter()))
    meterhouse.done(
        *("stream", "update", "Small", "--file", "-", "--allow-node-removal"),
        given=json.dumps(bare),
    )
    meterhouse.done("stream", "version", "tag", "Small", "bare")
    [_, before] = meterhouse.json("stream", "version", "list", "Small")
    restore = ("stream", "version", "restore", "Small")
    meterhouse.done(*restore, before["id"])
    assert '"Meter" (transforms/meter) has 2 meters' in meterhouse.refused(*restore, "bare")
    meterhouse.done(*restore, "bare", "--allow-node-removal")


def test_an_import_is_kept_under_a_tag(house: Meterhouse):
    words = ("stream", "import", "-", "--on-conflict", "replace")
    house.done(*words, "--tag", "v1", "--description", "again", given=plain(count=7))
    [version, _] = house.json("stream", "version", "list", "Small")
    assert (version["tag"], version["description"]) == ("v1", "again")
    assert "A tag is used once" in house.refused(*words, "--tag", "v1", given=plain(count=8))


def test_a_preview_shows_one_node(house: Meterhouse):
    [shown] = house.json("stream", "preview", "Small", "--node", "End")
    assert shown["name"] == "End"
    assert "no node 'None'" in house.refused("stream", "preview", "Small", "--node", "None")


def test_a_tag_that_will_not_do_is_told(house: Meterhouse):
    assert "a name of our own" in house.refused("stream", "version", "tag", "Small", "latest")
    house.done("stream", "version", "tag", "Small", "v1")
    assert "A tag is used once" in house.refused("stream", "version", "tag", "Small", "v1")
    assert "no version 'v9'" in house.refused("stream", "version", "show", "Small", "v9")


# ------------------------------------------------------------ schedules


def test_a_schedule_is_set_in_three_ways(house: Meterhouse):
    [first] = house.json("schedule", "set", "Small", "--every", "15m")
    assert (first["interval"], first["every"], first["enabled"]) == ("minutes", 15, True)
    assert first["nextRunAt"][14:16] in ("00", "15", "30", "45")
    words = ("schedule", "set", "Small", "--cron", "0 6 * * 1-5", "--timezone", "Asia/Tokyo")
    [second] = house.json(*words)
    assert (second["expression"], second["timezone"]) == ("0 6 * * 1-5", "Asia/Tokyo")
    body = {"interval": "month", "days": ["last"], "times": ["06:00"], "enabled": False}
    [third] = house.json("schedule", "set", "Small", "--file", "-", given=json.dumps(body))
    assert (third["days"], third["enabled"], third["nextRunAt"]) == (["last"], False, None)
    assert first["id"] == second["id"] == third["id"]
    assert house.json("schedule", "list") == [third]


def test_a_schedule_is_shown_disabled_enabled_and_removed(house: Meterhouse):
    house.done("schedule", "set", "Small", "--every", "6h")
    text = house.done("schedule", "show", "Small").out
    assert "every 6 hours" in text
    assert house.json("schedule", "disable", "Small")[0]["nextRunAt"] is None
    assert "disabled" in house.done("schedule", "list").out
    assert house.json("schedule", "enable", "Small")[0]["nextRunAt"]
    assert "removed the schedule of Small" in house.done("schedule", "remove", "Small").out
    assert house.json("schedule", "list") == []


@pytest.mark.parametrize(
    "words",
    [
        ("Small",),
        ("--every", "5m"),
        ("Small", "--group", "G", "--every", "5m"),
        ("Small", "--every", "5m", "--cron", "* * * * *"),
        ("Small", "--every", "soon"),
    ],
    ids=" ".join,
)
def test_wrong_usage_of_a_schedule_ends_with_2(house: Meterhouse, words: tuple[str, ...]):
    ended = house("schedule", "set", *words)
    assert (ended.code, ended.out) == (2, "")
    assert "hint" in ended.err


def test_a_wrong_schedule_lists_its_problems(house: Meterhouse):
    assert "use 5, 15, 20, 30 minutes" in house.refused("schedule", "set", "Small", "--every", "7m")
    words = ("schedule", "set", "Small", "--cron", "61 25 * * *", "--timezone", "X")
    assert house.refused(*words).count("\n  - ") == 3


# ------------------------------------------------------------ groups, runs


@pytest.fixture
def grouped(house: Meterhouse) -> dict[str, Any]:
    house.done("stream", "import", "-", given=plain("Other"))
    return house.json("group", "create", "G", "Other", "Small")[0]


def test_a_group_gets_other_streams_and_another_name(house: Meterhouse, grouped: dict[str, Any]):
    [updated] = house.json("group", "update", "G", "Small", "--name", "Half")
    assert (updated["id"], updated["name"]) == (grouped["id"], "Half")
    assert updated["streams"] == ["Small"]
    assert "no group 'G'" in house.refused("group", "update", "G", "Small")


def test_runs_are_listed_by_what_began_them(house: Meterhouse, grouped: dict[str, Any]):
    house.done("group", "run", grouped["name"])
    house.done("stream", "run", "Small")
    assert len(house.json("run", "list", "--origin", "group")) == 2
    assert len(house.json("run", "list", "--origin", "manual")) == 1
    ended = house("run", "list", "--origin", "me")
    assert (ended.code, "no origin" in ended.err) == (2, True)


def test_a_group_is_made_listed_shown_and_undone(house: Meterhouse, grouped: dict[str, Any]):
    assert list(grouped) == ["id", "name", "streams", "createdAt", "updatedAt"]
    assert grouped["streams"] == ["Other", "Small"]
    assert house.json("group", "list") == house.json("group", "show", "G") == [grouped]
    assert "stream 2  Small" in house.done("group", "show", "G").out
    assert "Other, Small" in house.done("group", "list").out
    assert "in the group 'G'" in house.refused("stream", "delete", "Small")
    assert house.json("group", "delete", "G") == [{"id": grouped["id"], "name": "G"}]
    house.done("stream", "delete", "Small")


def test_a_group_runs_its_streams(house: Meterhouse, grouped: dict[str, Any]):
    [run] = house.json("group", "run", "G")
    assert (run["group"], run["status"], run["origin"]) == ("G", "complete", "manual")
    assert [member["stream"] for member in run["runs"]] == ["Other", "Small"]
    text = house.done("group", "run", "G").out
    assert text.endswith("of G: complete\n")
    assert "group run" in text
    origins = [entry["origin"] for entry in house.json("run", "audit")]
    assert origins == ["group"] * 4


def test_runs_are_listed_by_state_and_time(house: Meterhouse):
    house.done("stream", "run", "Small")
    assert len(house.json("run", "list", "--status", "complete", "--from", "2026-01-01")) == 1
    assert house.json("run", "list", "--status", "failed") == []
    assert house.json("run", "list", "--to", "2026-01-01") == []
    assert house("run", "list", "--status", "done").code == 2
    ended = house("run", "list", "--from", "yesterday")
    assert (ended.code, "--from: 'yesterday' is not an instant" in ended.err) == (2, True)


def test_the_usage_audit_is_listed(house: Meterhouse):
    house.done("stream", "version", "tag", "Small", "v1")
    house.done("stream", "run", "Small")
    [entry] = house.json("run", "audit", "--stream", "Small")
    assert list(entry) == [
        *("transactionStart", "transactionEnd", "execution", "stream", "origin", "startedBy"),
        *("totalInput", "totalOutput", "duplicated", "toCorrection", "streamVersion", "custom"),
    ]
    assert (entry["totalInput"], entry["totalOutput"]) == (3, 3)
    assert (entry["streamVersion"], entry["origin"]) == ("v1", "manual")
    assert "v1" in house.done("run", "audit").out
    told = house.done("run", "show", entry["execution"]).out.splitlines()[1]
    assert ", manual by " in told
    assert told.endswith(", version v1")


def test_a_run_that_has_ended_cannot_be_stopped(house: Meterhouse):
    house.done("stream", "run", "Small")
    [run] = house.json("run", "list")
    assert "has ended" in house.refused("run", "stop", run["id"][:8])
    assert "no run 'none'" in house.refused("run", "stop", "none")


def test_a_run_in_another_process_is_stopped(house: Meterhouse):
    endless = document(node("Count", "readers/counter", max=10**12), node("End", "writers/noop"))
    house.done("stream", "import", "-", "--name", "Long", given=json.dumps(endless))
    with house.start("stream", "run", "Long", "--json") as process:
        while not (running := house.json("run", "list", "--status", "running")):
            assert process.poll() is None
        [asked] = house.json("run", "stop", running[0]["id"])
        out, err = process.communicate(timeout=120)
    assert asked == {"id": running[0]["id"], "stopRequested": True}
    assert process.returncode == 1
    assert json.loads(out)["error"] == "stopped by request"
    assert "stopped by request" in err
