"""The streaming service: usage files, look-up tables, plans with thresholds, billing records."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import EXAMPLES, Meterhouse

STREAM = "Streaming service"
FOLDER = EXAMPLES / "streaming"
GOLDEN = Path(__file__).parent / "streaming_billing.csv"
END, NEXT = "2026-03-31T20:00:00Z", "2026-03-31T22:00:00Z"
BREAKDOWN = ("Documentary", "Drama", "Other", "Sport")


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a month of views in it."""
    monkeypatch.chdir(tmp_path)
    made = [sys.executable, FOLDER / "make_usage.py", "streaming-data/usage/march.csv"]
    assert subprocess.check_output(made, text=True).startswith("240 views")
    return tmp_path / "streaming-data"


@pytest.fixture
def key(meterhouse: Meterhouse, work: Path) -> str:
    upload = ("table", "upload")
    credits = ("--key", "contentId", "--field", "credits=number")
    meterhouse.done(*upload, "credits", "--file", FOLDER / "credits.csv", *credits)
    meterhouse.done(*upload, "genres", "--file", FOLDER / "genres.csv", "--key", "contentId")
    return meterhouse.set_up("streaming", at="2026-02-28T23:00:00Z")


def run(meterhouse: Meterhouse, *, at: str) -> dict[str, Any]:
    [ended] = meterhouse.json("stream", "run", STREAM, "--at", at)
    return {node["name"]: node for node in ended["nodes"]}


def logged(meterhouse: Meterhouse, node: str) -> list[dict[str, Any]]:
    [last] = meterhouse.json("run", "list", "--limit", 1)
    lines = meterhouse.json("run", "show", last["id"], "--log")
    texts = [line["text"] for line in lines if line["node"] == node]
    return [json.loads(text) for text in texts if text.startswith("{")]


def counted(work: Path) -> list[tuple[str, str, Decimal]]:
    """Subscriber, genre and credits of each view that counts, worked out without the product."""
    credits = {row["contentId"]: Decimal(row["credits"]) for row in rows(FOLDER / "credits.csv")}
    genres = {row["contentId"]: row["genre"] for row in rows(FOLDER / "genres.csv")}
    return [
        (row["subscriberId"], genres.get(row["contentId"], "Other"), credits[row["contentId"]])
        for row in rows(work / "usage" / "march.csv")
        if int(row["watchedTime"]) >= 120 and row["contentId"] in credits
    ]


def test_the_billing_file_is_what_it_was(meterhouse: Meterhouse, key: str, work: Path):
    run(meterhouse, at=END)
    nodes = run(meterhouse, at=NEXT)
    assert nodes["Meter"]["out"] == {"reset": 5, "threshold": 0}
    [written] = work.glob("billing-*.csv")
    head, *records = written.read_text("utf-8").splitlines()
    assert [head, *sorted(records)] == GOLDEN.read_text("utf-8").splitlines()


def test_credits_genres_and_charges_are_those_of_the_tables(
    meterhouse: Meterhouse, key: str, work: Path
):
    nodes = run(meterhouse, at=END)
    views = counted(work)
    assert nodes["Meter"]["metered"] == len(views) == 183
    sums: dict[str, Decimal] = defaultdict(Decimal)
    parts: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for subscriber, genre, credits in views:
        sums[subscriber] += credits
        parts[subscriber, genre] += credits
    meters = meterhouse.json("inspect", key)
    assert {meter["userId"]: Decimal(str(meter["value"])) for meter in meters} == sums
    for meter in meters:
        [breakdown] = meter["groupBreakdowns"]
        shown = {g["fields"]["genre"]: Decimal(str(g["value"])) for g in breakdown["groups"]}
        assert shown == {g: parts[meter["userId"], g] for g in BREAKDOWN if g in shown}
        assert sum(shown.values()) == sums[meter["userId"]]
    run(meterhouse, at=NEXT)
    [written] = work.glob("billing-*.csv")
    prices = {meter["userId"]: meter["customFields"] for meter in meters}
    for record in rows(written):
        fields = prices[record["subscriber_id"]]
        extra = max(Decimal(0), sums[record["subscriber_id"]] - fields["freeUnits"])
        charge = (extra * Decimal(fields["costPerUnit"])).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert (Decimal(record["extra_qty"]), Decimal(record["charge"])) == (extra, charge)


def test_thresholds_go_to_customers_and_to_provisioning(meterhouse: Meterhouse, key: str):
    nodes = run(meterhouse, at=END)
    assert nodes["Which action"]["out"] == {"Notify": 9, "Provision": 2}
    assert nodes["Which action"]["filtered"] == 0
    suspended = [(r["subscriber"], r["action"]) for r in logged(meterhouse, "Provisioning")]
    assert suspended == [("s-1001", "suspendService"), ("s-1003", "suspendService")]
    messages = logged(meterhouse, "Customers")
    told = Counter((message["to"], message["template"]) for message in messages)
    assert told == {
        ("runa.falk@mail.example", "notifyPctUnitsUsed"): 2,
        ("runa.falk@mail.example", "oneclickUpgrade"): 1,
        ("ines.moreau@mail.example", "notifyPctUnitsUsed"): 2,
        ("ines.moreau@mail.example", "oneclickUpgrade"): 1,
        ("otis.brandt@mail.example", "notifyPctUnitsUsed"): 2,
        ("otis.brandt@mail.example", "oneclickUpgrade"): 1,
    }
    # 105 % of 150 credits are 157.5: not the 150 that are all of them.
    [over] = [m for m in messages if m["template"] == "oneclickUpgrade" and "Otis" in m["text"]]
    assert "157.5 of 150 credits of your Silver Plan" in over["text"]


def test_a_title_that_gets_its_credits_later_counts_then(meterhouse: Meterhouse, key: str):
    nodes = run(meterhouse, at=END)
    waiting = nodes["Credits"]["suspended"]
    assert waiting == 26
    assert {e["reason"] for e in meterhouse.json("correction", "list")} == {"reference_missing"}
    before = sum(Decimal(str(meter["value"])) for meter in meterhouse.json("inspect", key))
    more = FOLDER.joinpath("credits.csv").read_text("utf-8") + "c-99,0.25\n"
    Path("credits.csv").write_text(more, encoding="utf-8")
    meterhouse.done("table", "upload", "credits", "--file", "credits.csv")
    meterhouse.done("correction", "requeue", "--all")
    nodes = run(meterhouse, at="2026-03-31T21:00:00Z")
    assert (nodes["Credits"]["suspended"], nodes["Meter"]["metered"]) == (0, waiting)
    after = sum(Decimal(str(meter["value"])) for meter in meterhouse.json("inspect", key))
    assert after - before == waiting * Decimal("0.25")


def test_the_same_seed_makes_the_same_month(work: Path):
    made = [sys.executable, FOLDER / "make_usage.py"]
    for name, seed in (("again", "2026"), ("other", "1")):
        subprocess.check_output([*made, f"{name}.csv", "--seed", seed])
    march = (work / "usage" / "march.csv").read_text("utf-8")
    assert Path("again.csv").read_text("utf-8") == march
    assert Path("other.csv").read_text("utf-8") != march


def test_the_readme_shows_the_figures(meterhouse: Meterhouse, key: str):
    run(meterhouse, at=END)
    readme = (FOLDER / "README.md").read_text("utf-8")
    table = re.findall(r"^\| (s-\d+) \| \w+ \| ([\d.]+) \|", readme, re.MULTILINE)
    assert {user: Decimal(value) for user, value in table} == {
        meter["userId"]: Decimal(str(meter["value"])) for meter in meterhouse.json("inspect", key)
    }
