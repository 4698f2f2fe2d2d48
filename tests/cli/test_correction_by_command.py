"""Many records at once, reprocessing, retention, and the pages of the inspector, by command."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, reader
from tests.cli.command import Meterhouse

USAGE = """\
{"userId":"ann","value":"1.23456"}
{"user":"bob","value":2}
{"user":"ann","value":3}
{"userId":"bob","value":"many"}
"""


@pytest.fixture
def key(meterhouse: Meterhouse, tmp_path: Path) -> str:
    usage = tmp_path / "usage.ndjson"
    usage.write_text(USAGE)
    key = small.set_up(meterhouse, document(reader(usage), meter()))
    small.run(meterhouse)
    return key


def states(meterhouse: Meterhouse) -> list[tuple[int, str, Any]]:
    entries = meterhouse.json("correction", "list")
    return [(entry["offset"], entry["state"], entry["record"]) for entry in entries]


def test_an_expression_corrects_all_of_a_reason_and_they_run_at_once(
    meterhouse: Meterhouse, key: str
):
    narrowed = ("--all", "--reason", "user_id_missing")
    ended = meterhouse.done("correction", "fix", *narrowed, "--expression", "userId = user")
    assert ended.out == "corrected 2 records\n"
    assert "requeue --all" in ended.err
    assert meterhouse.done("correction", "requeue", *narrowed).out == "queued 2 records\n"
    words = ("correction", "reprocess", "Small", "--at", "2026-01-21T00:00:00Z")
    [run] = meterhouse.json(*words)
    assert {n["name"]: (n["in"], n["metered"]) for n in run["nodes"]} == {
        "Reader": (0, 0),
        "Meter": (2, 2),
    }
    assert [float(v) for v in small.values(meterhouse, key).values()] == [4.23456, 2]
    assert "is queued in Data Correction" in meterhouse.refused(*words)
    assert [place for place, *_ in states(meterhouse)] == [3]


def test_all_that_is_queued_is_counted_once(meterhouse: Meterhouse, key: str):
    narrowed = ("requeue", "--all", "--reason", "user_id_missing")
    assert meterhouse.done("correction", *narrowed).out == "queued 2 records\n"
    assert meterhouse.done("correction", *narrowed).out == "queued 0 records\n"


def test_a_field_that_is_new_is_told_and_can_be_taken_away(meterhouse: Meterhouse, key: str):
    id = meterhouse.json("correction", "list")[0]["id"]
    before = states(meterhouse)
    ended = meterhouse.done("correction", "fix", id, "--set", "valeu=7", "--set", "value=7")
    assert "valeu is a new field; if it is not meant, --unset valeu takes it away" in ended.err
    assert "value is a new field" not in ended.err
    [fixed] = meterhouse.json("correction", "fix", id, "--unset", "valeu", "--unset", "none")
    assert fixed["record"] == {**before[0][2], "value": 7}


def test_the_summary_of_a_reprocessing_is_that_of_a_run(meterhouse: Meterhouse, key: str):
    meterhouse.done("correction", "requeue", "--all")
    ended = meterhouse.done("correction", "reprocess", "Small", "--at", "2026-01-21", "--seed", 3)
    assert "of Small: complete" in ended.out
    assert "Law kept at every node" in ended.out


def test_what_cannot_be_computed_changes_nothing_and_shows_the_place(
    meterhouse: Meterhouse, key: str
):
    before = states(meterhouse)
    said = meterhouse.refused("correction", "fix", "--all", "--expression", "value=value + 1 - 1")
    assert "Nothing was changed: record 3:" in said
    assert "    value + 1 - 1\n" in said
    assert states(meterhouse) == before


def test_a_wrong_expression_is_shown_with_what_was_meant(meterhouse: Meterhouse, key: str):
    ended = meterhouse("correction", "fix", "1", "--expression", "value=ruond(value)")
    assert ended.code == 2
    assert ended.err == (
        "error: --expression value: There is no function ruond, at character 1:\n"
        "    ruond(value)\n"
        "    ^\n"
        "  hint: did you mean round(number, [places])?\n"
    )


def test_one_record_is_shown_after_its_correction(meterhouse: Meterhouse, key: str):
    [entry] = meterhouse.json(
        *("correction", "fix", 1, "--set", "userId=null", "--expression", "userId=upper(user)")
    )
    assert entry["record"] == {"user": "bob", "value": 2, "userId": "BOB"}


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (("--reason", "user_id_missing"), [1, 2]),
        (("--node", "Meter", "--search", "MANY"), [3]),
        (("--node", "Reader"), []),
        (("--state", "queued"), []),
        (("--state", "open", "--stream", "Small"), [1, 2, 3]),
        (("--since", "2026-01-01"), [1, 2, 3]),
        (("--until", "2026-01-01"), []),
    ],
    ids=str,
)
def test_the_list_is_filtered(meterhouse: Meterhouse, key: str, options, places):
    entries = meterhouse.json("correction", "list", *options)
    assert [entry["offset"] for entry in entries] == places


def test_the_list_is_filtered_by_run(meterhouse: Meterhouse, key: str):
    [run] = meterhouse.json("run", "list")
    assert len(meterhouse.json("correction", "list", "--run", run["id"][:8])) == 3
    assert meterhouse.json("correction", "list", "--run", "none") == []


def test_the_summary_of_a_stream(meterhouse: Meterhouse, key: str):
    [first, second] = meterhouse.json("correction", "list", "--summary", "--stream", "Small")
    assert (first["count"], second["count"]) == (2, 1)


def test_what_is_young_is_not_purged(meterhouse: Meterhouse, key: str):
    assert meterhouse.json("correction", "purge") == [{"purged": 0}]
    assert meterhouse.done("correction", "purge").out == "purged 0 records\n"
    assert len(states(meterhouse)) == 3


# ------------------------------------------------------------ the inspector


@pytest.fixture
def crowd(meterhouse: Meterhouse, key: str) -> str:
    users = [f"user {n}" for n in range(5)]
    meters = [{"userId": u, "meterKey": key, "meterTypeId": "Units"} for u in users]
    meterhouse.done("meter", "create", "--file", "-", given=json.dumps(meters))
    return key


def users(ended) -> list[str]:
    return [meter["userId"] for meter in ended.objects]


def test_the_inspector_goes_on_where_a_page_ended(meterhouse: Meterhouse, crowd: str):
    seen: list[str] = []
    words: tuple = ()
    while True:
        ended = meterhouse.done("inspect", crowd, "--limit", 3, "--json", *words)
        seen += users(ended)
        if "--after" not in ended.err:
            break
        words = ("--after", ended.err.partition("--after ")[2].split()[0])
    assert seen == ["ann", "bob", *(f"user {n}" for n in range(5))]


def test_users_are_found_by_their_beginning(meterhouse: Meterhouse, crowd: str):
    ended = meterhouse.done("inspect", crowd, "--user-prefix", "user", "--limit", 4, "--json")
    assert users(ended) == [f"user {n}" for n in range(4)]
    after = ended.err.partition("--after ")[2].split()[0]
    words = ("--user-prefix", "user", "--after", after, "--json")
    assert users(meterhouse.done("inspect", crowd, *words)) == ["user 4"]


def test_the_table_says_what_the_meter_key_has(meterhouse: Meterhouse, crowd: str):
    whole = meterhouse.done("inspect", crowd, "--all").err
    assert whole == ("the meter key has 7 meters of 1 meter type in 1 category; times in Etc/UTC\n")
    page = meterhouse.done("inspect", crowd, "--limit", 2).err
    assert page.startswith("2 shown; the meter key has 7 meters of 1 meter type in 1 category;")
    assert "there are more: --after " in page


def test_all_and_a_place_go_not_together(meterhouse: Meterhouse, crowd: str):
    ended = meterhouse("inspect", crowd, "--all", "--after", "c1")
    assert ended.code == 2
    assert "--all and --after go not together" in ended.err
    assert "cursor of the page before" in meterhouse.refused("inspect", crowd, "--after", "x")
