"""Outputs that wait for delivery, by command."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.acceptance.small import document, meter, node
from tests.cli.command import Meterhouse


@pytest.fixture
def blocked(meterhouse: Meterhouse, tmp_path: Path) -> dict[str, Any]:
    """A run whose output has a file in its way; what is listed of it."""
    (tmp_path / "out").write_text("a file where a folder should be")
    writer = node("Out", "writers/file", path=str(tmp_path / "out" / "{run}.csv"))
    counter = node("C", "readers/counter", max=3)
    small.set_up(meterhouse, document(counter, writer, more=(meter(),), edges=("C -> Meter",)))
    assert meterhouse("stream", "run", small.STREAM, "--at", small.JANUARY).code == 1
    [output] = meterhouse.json("delivery", "list")
    return output


def test_an_output_that_waits_is_listed_with_its_last_error(
    meterhouse: Meterhouse, tmp_path: Path, blocked: dict[str, Any]
):
    [run] = meterhouse.json("run", "list")
    assert list(blocked) == [
        *("id", "run", "node", "destination", "attempts", "attemptedAt", "nextAttemptAt", "error"),
        *("kind", "records", "done"),
    ]
    assert (blocked["run"], blocked["node"], blocked["attempts"]) == (run["id"], "Out", 1)
    assert blocked["destination"] == str(tmp_path / "out" / f"{run['id']}.csv")
    assert "cannot be written" in blocked["error"]
    table = meterhouse.done("delivery", "list").out.splitlines()
    assert table[0].split() == [
        *("Id", "Destination", "Attempts", "Last", "attempt"),
        "Error",
        "Run",
    ]
    assert table[1].split()[:3] == [str(blocked["id"]), blocked["destination"], "1"]


def test_an_output_that_was_dropped_is_not_tried_again(
    meterhouse: Meterhouse, tmp_path: Path, blocked: dict[str, Any]
):
    before = meterhouse.json("run", "list")
    said = meterhouse.done("delivery", "drop", blocked["id"]).out
    assert said == f"dropped output {blocked['id']} for {blocked['destination']}\n"
    assert meterhouse.json("delivery", "list") == []
    assert meterhouse.json("run", "list") == before
    (tmp_path / "out").unlink()
    later = meterhouse.done("stream", "run", small.STREAM, "--at", small.FEBRUARY)
    assert "still not delivered" not in later.err
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".csv"]
    assert list((meterhouse.data / "spool").glob("*/*")) == []


def test_a_drop_as_json_names_what_was_given_up(meterhouse: Meterhouse, blocked: dict[str, Any]):
    dropped = {"id": blocked["id"], "destination": blocked["destination"], "deadLetters": 0}
    assert meterhouse.json("delivery", "drop", blocked["id"]) == [dropped]


def test_the_warning_of_a_later_run_says_how_to_give_it_up(
    meterhouse: Meterhouse, blocked: dict[str, Any]
):
    later = meterhouse("stream", "run", small.STREAM, "--at", small.FEBRUARY)
    assert f"`meterhouse delivery drop {blocked['id']}` gives it up" in later.err


def test_only_what_waits_can_be_dropped(meterhouse: Meterhouse, blocked: dict[str, Any]):
    said = meterhouse.refused("delivery", "drop", blocked["id"] + 1)
    assert "There is no output 2 that waits for delivery" in said
    assert "`meterhouse delivery list` shows those that wait" in said


def test_where_nothing_waits_it_says_so(meterhouse: Meterhouse):
    assert meterhouse.done("delivery", "list").err == "no outputs that wait for delivery\n"
