"""Audited rows against what the components counted: warnings, refusals, overrides."""

import json
import re
from pathlib import Path

import pytest

from meterhouse.app.aura.request_counts import csv_counts, snapshot_counts
from meterhouse.core.problem import DefinitionError
from tests.liceo.world import GATEWAY, Liceo, queries, spain

PERIOD = ("--customer", "ES", "--period", "2026-10")
DAY = "2026-10-15"


GUIDE = Path(__file__).parents[2] / "docs" / "aura.md"


def test_the_csv_of_the_guide_is_one():
    [text] = re.findall(r"```csv\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    found = csv_counts(text.splitlines(), name="counts.csv", skipped=["5xx"])
    app = "4f33908c-74e1-4b58-8f17-12a702e304f4"
    assert {(str(day), app): int(count) for (day, app, _), count in found.cells.items()} == {
        ("2026-10-15", app): 9,
        ("2026-10-15", "(unattributed)"): 4,
        ("2026-10-16", "(unattributed)"): 0,
    }
    assert len(found.days) == 2


def counts(folder: Path, *rows: tuple[str, str, int]) -> Path:
    path = folder / "counts.csv"
    lines = [f"{DAY},{app},,{status},{count}" for app, status, count in rows]
    path.write_text("\n".join(["day,app,preset,status,count", *lines]), "utf-8")
    return path


@pytest.fixture
def house(meterhouse, tmp_path: Path) -> Liceo:
    """Spain, with October drafted."""
    made = spain(meterhouse, tmp_path)
    made.draft()
    return made


def test_equal_counts_pass_and_the_invoice_says_so(house: Liceo, tmp_path: Path):
    path = counts(
        tmp_path, ("nlp-1", "200", 52_300), ("nlp-1", "503", 11), ("rag-1", "200", 9_874),
        ("gen-1", "200", 30_125),
    )  # fmt: skip
    ended = house.run.done("aura", "reconcile", path, *PERIOD, "--json")
    assert [(one["app"], one["audited"], one["counted"]) for one in ended.objects] == [
        ("gen-1", 30_125, 30_125),
        ("nlp-1", 52_311, 52_311),
        ("rag-1", 9_874, 9_874),
    ]
    refused = house.run.refused("invoice", "issue", "--all", "--period", "2026-10")
    assert "was made before its usage was reconciled anew" in refused
    house.draft()
    [issued] = house.issue()
    [check] = [one for one in issued["checks"] if one["code"] == "reconciliation"]
    assert check["outcome"] == "passed"


def test_presets_are_compared_where_both_sides_know_them(house: Liceo, tmp_path: Path):
    path = tmp_path / "counts.csv"
    rows = [("nlp-1", "", 52_311), ("rag-1", "rag", 9_874), ("gen-1", "other", 30_125)]
    lines = [f"{DAY},{app},{preset},200,{count}" for app, preset, count in rows]
    path.write_text("\n".join(["day,app,preset,status,count", *lines]), "utf-8")
    ended = house.run("aura", "reconcile", path, *PERIOD)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "2026-10-15 gen-1, preset generative: 30125 audited, 0 counted (100 % apart)",
        "2026-10-15 gen-1, preset other: 0 audited, 30125 counted (100 % apart)",
    ]


def test_more_than_half_a_percent_or_fifty_requests_is_a_warning(house: Liceo, tmp_path: Path):
    path = counts(
        tmp_path, ("nlp-1", "200", 52_311 + 51), ("rag-1", "200", 9_874 + 50),
        ("gen-1", "200", 30_125 - 50),
    )  # fmt: skip
    told = house.run.done("aura", "reconcile", path, *PERIOD)
    assert told.out.splitlines() == [
        "2026-10-15 rag-1: 9874 audited, 9924 counted (0.50 % apart)".replace("0.50", "0.5"),
        "2026-10-15 nlp-1: 52311 audited, 52362 counted (0.1 % apart)",
    ]
    house.draft()
    [issued] = house.issue()
    codes = [one["code"] for one in issued["exceptions"]]
    assert codes.count("reconciliation") == 2


def test_more_than_five_percent_blocks_until_somebody_answers(house: Liceo, tmp_path: Path):
    path = counts(
        tmp_path, ("nlp-1", "200", 49_000), ("rag-1", "200", 9_874), ("gen-1", "200", 30_125)
    )
    ended = house.run("aura", "reconcile", path, *PERIOD)
    assert ended.code == 1
    assert "blocked: audited rows against counted requests" in ended.err
    [draft] = house.draft()
    told = house.run.refused("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    assert "--override reconciliation --reason" in told
    [issued] = house.issue(draft["id"], "--override", "reconciliation", "--reason", "Pod was lost")
    [check] = [one for one in issued["checks"] if one["code"] == "reconciliation"]
    assert (check["outcome"], check["reason"]) == ("overridden", "Pod was lost")


def snapshot(*series: tuple[str, str, int]) -> str:
    """What a component shows of its counters."""
    lines = [
        f'http_request_duration_seconds_count{{method="POST",host="h",path="/v1",'
        f'status_code="{status}",application="{app}",preset=""}} {count}'
        for app, status, count in series
    ]
    head = "# TYPE http_request_duration_seconds summary\n"
    return head + "\n".join(lines) + "\nother_count 5\n"


def test_snapshots_count_what_lies_between_them_and_survive_a_restart():
    found = snapshot_counts(
        [
            ("gw-20261015T000000Z.prom", snapshot(("a", "200", 1_000), ("a", "500", 10))),
            ("gw-20261015T120000Z.prom", snapshot(("a", "200", 1_600), ("a", "500", 10))),
            # The process began anew, and has a new series.
            ("gw-20261016T000000Z.prom", snapshot(("a", "200", 300), ("b", "200", 7))),
            ("gw-20261017T000000Z.prom", snapshot(("a", "200", 350), ("b", "200", 7))),
        ],
        skipped=("5xx",),
    )
    assert {(str(day), app): int(count) for (day, app, _), count in found.cells.items()} == {
        ("2026-10-15", "a"): 600 + 300,
        ("2026-10-15", "b"): 7,
        ("2026-10-16", "a"): 50,
        ("2026-10-16", "b"): 0,
    }


def test_snapshots_by_command(house: Liceo, tmp_path: Path):
    names = ("gw-20261015T000000Z.prom", "gw-20261016T000000Z.prom")
    ours = {"nlp-1": 52_311, "rag-1": 9_874, "gen-1": 30_125}
    for name, factor in zip(names, (0, 1), strict=True):
        series = [(app, "200", 500 + count * factor) for app, count in ours.items()]
        (tmp_path / name).write_text(snapshot(*series), "utf-8")
    told = house.run.done("aura", "reconcile", *(tmp_path / name for name in names), *PERIOD)
    assert "passed: audited rows against counted requests: 3 compared, 0 more" in told.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("day,app,count\n", "has no column preset"),
        ("day,app,preset,status,count\nx,a,,200,1\n", 'line 2: day is "x"'),
        ("day,app,preset,status,count\n2026-10-01,a,,200,-1\n", 'line 2: count is "-1"'),
    ],
)
def test_a_wrong_csv_is_refused_with_its_place(text: str, said: str):
    with pytest.raises(DefinitionError, match=r"c\.csv") as refused:
        csv_counts(text.splitlines(), name="c.csv")
    assert said in str(refused.value)


def test_a_snapshot_without_a_time_is_refused():
    with pytest.raises(DefinitionError, match="does not say when it was taken"):
        snapshot_counts([("metrics.prom", snapshot(("a", "200", 1)))])


def test_audited_rows_of_days_without_metrics_are_told(house: Liceo, tmp_path: Path):
    path = tmp_path / "counts.csv"
    path.write_text("day,app,preset,status,count\n2026-10-16,nlp-1,,200,0\n", "utf-8")
    told = house.run.done("aura", "reconcile", path, *PERIOD)
    assert told.out == "days with audited rows and no metrics: 1 (2026-10-15)\n"


def test_what_is_unattributed_is_compared_with_requests_without_application(
    meterhouse, tmp_path: Path
):
    nobody = (GATEWAY, "nlpaas", "(unattributed)", "(unattributed)", None, None, None, None, 40)
    house = spain(meterhouse, tmp_path, queries(nobody))
    path = counts(
        tmp_path, ("nlp-1", "200", 52_311), ("rag-1", "200", 9_874), ("gen-1", "200", 30_125),
        ("", "200", 40),
    )  # fmt: skip
    ended = house.run.done("aura", "reconcile", path, *PERIOD, "--json")
    assert json.loads(ended.out.splitlines()[0])["app"] == "(unattributed)"
