"""Reading the command line: files, instants, assignments, reasons."""

from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.cli.arguments import read_assignments, read_instant, read_reason
from meterhouse.cli.exits import WrongUsage
from tests.cli.command import Meterhouse


def test_assignments_are_json():
    texts = ["a=0.10", 'b="x=y"', "c=null", 'd={"e": [1]}']
    assert read_assignments(texts) == {
        "a": Decimal("0.10"),
        "b": "x=y",
        "c": None,
        "d": {"e": [1]},
    }


def test_a_text_without_quotes_gets_a_hint():
    with pytest.raises(WrongUsage) as caught:
        read_assignments(["region=EMEA"])
    assert caught.value.hint == """a text needs its quotes, such as --set 'region="EMEA"'"""


@pytest.mark.parametrize("text", ["region", "=5"])
def test_an_assignment_names_a_field(text: str):
    with pytest.raises(WrongUsage, match="is not field=JSON"):
        read_assignments([text])


def test_an_instant_without_a_zone_is_utc():
    assert read_instant("2026-01-31T10:00:00") == read_instant("2026-01-31T11:00:00+01:00")
    assert read_instant(None) is None


def test_unknown_reasons_are_answered_with_those_that_exist():
    with pytest.raises(WrongUsage, match="no_meter_found"):
        read_reason("lost")


@pytest.mark.parametrize(
    "words",
    [
        ["stream", "run", "x", "--at", "tomorrow"],
        ["stream", "preview", "x", "--at", "31.1.2026"],
        ["meter", "create", "--file", "-", "--at", "1769817600"],
        ["correction", "fix", "1", "--set", "region=EMEA"],
        ["correction", "list", "--reason", "lost"],
        ["correction", "list", "--summary", "--node", "x"],
        ["correction", "list", "--state", "gone"],
        ["correction", "list", "--since", "yesterday"],
        ["correction", "fix", "1"],
        ["correction", "fix", "--set", "a=1"],
        ["correction", "fix", "1", "--expression", "a"],
        ["correction", "fix", "1", "--expression", "a=round("],
        ["correction", "requeue"],
        ["correction", "delete", "1", "--all"],
        ["correction", "delete", "1", "--reason", "no_meter_found"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_read_is_wrong_usage(meterhouse: Meterhouse, words: list[str]):
    ended = meterhouse(*words)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert "\n  hint: " in ended.err


def test_files_that_cannot_be_read_are_named(meterhouse: Meterhouse, tmp_path: Path):
    missing, binary = tmp_path / "missing.json", tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe{")
    for file in (missing, binary, tmp_path):
        said = meterhouse.refused("meter-type", "create", "--file", file)
        assert said.startswith(f"error: {file}: ")
        assert "hint:" in said
