"""The Aura demo runs to its end, twice, and shows what it promises; so does the page on it."""

import io
import subprocess
import sys
from pathlib import Path

import openpyxl
import pytest

from tests.cli.command import EXAMPLES, ROOT, Meterhouse
from tests.docs.test_documents import blocks, section

Demo = subprocess.CompletedProcess[str]


def demo(folder: Path) -> Demo:
    return subprocess.run(
        [sys.executable, EXAMPLES / "demo_aura.py"], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demo]:
    """Where the demo ran a second time, and what it said then."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "examples").symlink_to(ROOT / "examples")
    first, second = demo(folder), demo(folder)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    return folder, second


def test_the_aura_demo_goes_from_logs_to_invoices(shown: tuple[Path, Demo]):
    said = shown[1].stdout
    chapters = [line for line in said.splitlines() if line[:1].isdigit() and line[1:3] == ". "]
    assert len(chapters) == 6
    for text in (
        "liceo: 12 datasets, 8 meter types, 2 streams and 27 meters made",
        "ES: 6 snapshots of dimensions",
        "AURA_APP_ID in D_Aura_App              13 ids, 1 unknown",
        "aura-billing-demo  14 ",
        "drafted",
        "LICEO-2026-000003",
        "Invoicing model  pay_per_use",
        "Every line explains itself",
        "archived",
    ):
        assert text in said


def test_the_workbooks_of_the_demo_are_there_one_for_each_business(shown: tuple[Path, Demo]):
    folder, ended = shown
    names = [line.strip() for line in ended.stdout.splitlines() if line.endswith(".xlsx")]
    paths = [folder / name for name in names if name.startswith("demo-aura-data/")]
    assert [path.name[:16] for path in paths] == [
        f"LICEO_{country}_202610"[:16] for country in ("BRA", "DEU", "ESP")
    ]
    for path in paths:
        book = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), data_only=True)
        assert "Exceptions" in book.sheetnames


def test_c28_to_c31_the_doctor_says_sensible_things_after_the_demo(shown: tuple[Path, Demo]):
    run = Meterhouse(shown[0] / "demo-aura-data")
    found = [one for one in run("doctor", "--json").objects if "aura" in one["check"]]
    told = {one["check"]: (one["status"], one["message"]) for one in found}
    grades = {check: status for check, (status, _) in told.items()}
    # Its uploads are of a month that was made up: the clock says how long ago that was.
    assert grades.pop("aura uploads") in ("ok", "warn")
    assert grades.pop("aura rejected rows", "warn") == "warn"
    fine = ("aura look-back", "aura common storage", "aura imports", "aura billing")
    assert grades == dict.fromkeys(fine, "ok")
    assert "aura-avro-kpis-report-2026-11-01" in told["aura imports"][1]
    uploads = [one["message"] for one in found if one["check"] == "aura uploads"]
    assert len(uploads) == 9
    assert all("of 2026-10-31T23:00:00.000Z" in message for message in uploads)


def test_what_the_page_shows_of_the_operation_is_what_the_demo_prints(shown: tuple[Path, Demo]):
    ended = shown[1]
    printed = {line.rstrip() for line in (ended.stdout + ended.stderr).splitlines()}
    part = section("docs/aura.md", "## The operation")
    lines = [line for block in blocks(part, "text") for line in block.splitlines() if line]
    assert len(lines) > 15
    assert [line for line in lines if line.rstrip() not in printed] == []
