"""Files of invoices, links and the history, by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.billing.archiving import archive
from tests.archive.filing import JSON, STEM, WHERE, XLSX
from tests.cli.command import Meterhouse


@pytest.fixture
def filled(meterhouse: Meterhouse) -> Meterhouse:
    with bootstrap.open_installation(meterhouse.data) as house:
        archive(*(house.ledger, house.archive(), WHERE, (XLSX, JSON)), at=house.clock(), actor="a")
    return meterhouse


def test_files_are_listed_checked_and_written(filled: Meterhouse, tmp_path: Path) -> None:
    files = filled.json("invoice", "files", WHERE.number)
    assert [one["format"] for one in files] == ["xlsx", "json"]
    assert "all is well: 2 files" in filled.done("invoice", "files", WHERE.id, "--verify").out
    out = tmp_path / "mine.json"
    words = ("invoice", "download", WHERE.number, "--format", "json", "--out", out)
    assert filled.done(*words).out == f"{out}: {len(JSON.content)} bytes\n"
    assert out.read_bytes() == JSON.content
    assert "is there already" in filled.refused(*words)


def test_a_file_goes_by_its_own_name(
    filled: Meterhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    filled.done("invoice", "download", WHERE.number)
    assert (tmp_path / f"{STEM.rpartition('/')[2]}.xlsx").read_bytes() == XLSX.content


def test_a_link_is_an_address(filled: Meterhouse) -> None:
    words = ("invoice", "link", WHERE.number, "--url", "https://meter.example/")
    assert filled.done(*words).out.startswith("https://meter.example/v1/downloads/")
    assert "use 1 to 90" in filled.refused(*words, "--days", "91")


def test_the_history_is_listed_checked_and_copied(filled: Meterhouse) -> None:
    filled.done("invoice", "link", WHERE.number)
    found = filled.json("invoice", "history", WHERE.number)
    assert [one["action"] for one in found] == ["archived", "linked"]
    listed = filled.done("invoice", "history").out
    assert "linked" in listed
    assert "{" not in listed
    assert f"SHA-256 {found[0]['detail']['sha256'][:12]}…" in listed
    copied = filled.done("invoice", "history", "--archive").out
    assert copied == "archived: history/0000000002-0000000002.jsonl\n"
    assert filled.done("invoice", "history", "--archive").out == "archived: nothing new\n"
    text = filled.done("invoice", "history", "--verify").out
    assert text == "all is well: 2 entries, 2 files of the archive\n"


def test_what_is_wrong_is_named_and_fails(filled: Meterhouse) -> None:
    folder = filled.data / "archive"
    (folder / f"{STEM}.json").write_bytes(b"forged")
    ended = filled("invoice", "files", WHERE.number, "--verify")
    assert ended.code == 1
    assert f"{STEM}.json is not what was put there" in ended.out
    (folder / "history" / "0000000001-0000000001.jsonl").write_bytes(b"forged")
    ended = filled("invoice", "history", "--verify")
    assert ended.code == 1
    assert "in the archive is not what the ledger has" in ended.out


def test_the_archive_may_be_elsewhere(
    meterhouse: Meterhouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERHOUSE_ARCHIVE", str(tmp_path / "elsewhere"))
    with bootstrap.open_installation(meterhouse.data) as house:
        archive(*(house.ledger, house.archive(), WHERE, (XLSX,)), at=house.clock(), actor="a")
    assert (tmp_path / "elsewhere" / f"{STEM}.xlsx").read_bytes() == XLSX.content
    monkeypatch.setenv("METERHOUSE_ARCHIVE", "ftp://host/a")
    assert "METERHOUSE_ARCHIVE" in meterhouse.refused("invoice", "files", WHERE.number, "--verify")
    monkeypatch.setenv("METERHOUSE_ARCHIVE", "s3://invoices")
    monkeypatch.setenv("METERHOUSE_ARCHIVE_ACCOUNT", "abc")
    said = meterhouse.refused("invoice", "files", WHERE.number, "--verify")
    assert "account: is only for az://" in said
