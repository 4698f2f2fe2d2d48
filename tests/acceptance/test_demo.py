"""The demo runs to its end, twice, and shows what it promises."""

import subprocess
import sys
from pathlib import Path

from tests.cli.command import EXAMPLES, ROOT


def demo(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, EXAMPLES / "demo.py"], cwd=folder, capture_output=True, text=True
    )


def test_the_demo_shows_usage_become_golden_records_and_invoices(tmp_path: Path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    first, second = demo(tmp_path), demo(tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    shown = second.stdout
    chapters = [line for line in shown.splitlines() if line[:1].isdigit() and line[1:3] == ". "]
    assert len(chapters) == 7
    for text in (
        "$ meterhouse meter-type create --file examples/botbot/meter-types.json",
        "created 12 meters",
        "Law kept at every node: in = out + filtered + duplicates + suspended + metered",
        "L1_Claude3_Sonnet_Requests",
        '"recordId"',
        "schema_invalid",
        "issued BOT-2026-0006 to ",
        "made by run ",
        "What to try next",
    ):
        assert text in shown
    assert "There is no record 1 in Data Correction" in second.stderr


def test_the_demo_removes_nothing_that_it_did_not_make(tmp_path: Path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    kept = tmp_path / "demo-data" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    ended = demo(tmp_path)
    assert ended.returncode == 1
    assert "was not made by the demo" in ended.stderr
    assert kept.read_text() == "mine"
