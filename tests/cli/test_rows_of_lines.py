"""Lines whose meters keep no single usage are traced to the rows of the files that were read."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.cli.billing import FIELDS, Business
from tests.cli.command import Meterhouse

UNKEPT = {"periodAssignment": "event", "gracePeriod": "P0D", "keepUsage": False}
ROWS = [("aura-groot", "message", "mi-movistar", None, 100)]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def usage(id: str, value: object = 1, app: str = "app-x", **more: Any) -> dict[str, Any]:
    fields = dict(zip(FIELDS, ("aura-groot", "message", app, None), strict=True))
    return {"id": id, "userId": "ES", "timestamp": "2026-10-03T08:00:00Z", "value": value} | (
        fields | more
    )


def bill(business: Business, *records: dict[str, Any], **of_type: Any) -> str:
    """Meter 100 and the records, and issue the invoice; its number."""
    business.file("Usage more.ndjson", *records)
    business.meter(["ES"], rows=ROWS, at="2026-10-15T12:00:00Z", **UNKEPT | of_type)
    return issue(business)


def issue(business: Business) -> str:
    business.sell()
    business.customer()
    business.draft()
    [issued] = business.issue()
    return issued["number"]


def line_of(business: Business, number: str, app: str) -> str:
    lines = business.run.json("invoice", "show", number)[0]["lines"]
    [line] = [one["id"] for one in lines if one["charge"]["fields"]["app"] == json.dumps(app)]
    return line


def rows(business: Business, number: str, app: str = "app-x") -> tuple[list[Any], str]:
    """Return the rows of the line of an app, and what is said of them."""
    line = line_of(business, number, app)
    ended = business.run("invoice", "rows", number, "--line", line, "--all", "--json")
    assert ended.code == 0, ended.err
    return [json.loads(text) for text in ended.out.splitlines()], ended.err


def test_rows_are_those_that_the_meter_took_and_come_to_its_quantity(business: Business):
    number = bill(
        business,
        usage("a", 3),
        usage("other group", 9, app="mi-movistar"),
        usage("b", "0.5"),
        usage("other period", 5, timestamp="2026-09-30T23:59:59Z"),
        usage("nobody", 7, userId="FR"),
        usage("no value", None),
        usage("c", 4, timestamp="2026-10-19T23:59:59Z"),
        usage("in the future then", 4, timestamp="2026-10-31T23:59:59Z"),
    )
    found, said = rows(business, number)
    assert [(row["row"], row["quantity"], row["record"]["id"]) for row in found] == [
        (1, "3", "a"),
        (3, "0.5", "b"),
        (7, "4", "c"),
    ]
    assert {row["file"] for row in found} == {str(business.folder / "Usage more.ndjson")}
    assert found[2]["timestamp"] == "2026-10-19T23:59:59.000Z"
    assert "3 rows come to a quantity of 7.5 (query), exactly what was metered" in said
    whole, _ = rows(business, number, "mi-movistar")
    assert sum(Decimal(row["quantity"]) for row in whole) == 109


def test_many_rows_are_found_in_columns_as_well(business: Business):
    records = [usage(str(n), app=f"app-{'xy'[n % 2]}") for n in range(5_000)]
    found, said = rows(business, bill(business, *records))
    assert [row["record"]["id"] for row in found] == [str(n) for n in range(0, 5_000, 2)]
    assert "2,500 rows come to a quantity of 2500 (query), exactly" in said


def deduplicated(business: Business) -> None:
    """Two runs; the second one reads a record that the first one has read, and a new one."""
    rule = small.RULE | {"groupBy": [{"fields": FIELDS}], "matchCategory": "Usage"}
    unique = small.node("Unique", "transforms/deduplicate", key="${payload.id}", lifeTimeDays=60)
    document = small.document(
        small.reader(business.folder / "Usage*.ndjson"), unique, small.meter(rule)
    )
    kind = small.TYPE | {"name": "Usage", "category": "Usage"} | UNKEPT
    run = business.run
    run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
    key = run.import_stream("-", given=json.dumps(document))["Meter"]
    meter = {"userId": "ES", "meterKey": key, "meterTypeId": "Usage"}
    created = ("--at", "2026-10-01T00:00:00Z")
    run.done("meter", "create", "--file", "-", *created, given=json.dumps(meter))
    business.file("Usage 1.ndjson", usage("a", 3), usage("a", 3), usage("b", 4))
    run.done("stream", "run", small.STREAM, "--at", "2026-10-20T00:00:00Z", "--quiet")
    business.file("Usage 2.ndjson", usage("b", 4), usage("c", 5))
    for day in ("2026-10-21", "2026-11-01"):
        run.done("stream", "run", small.STREAM, "--at", f"{day}T00:00:00Z", "--quiet")


def test_duplicates_are_counted_once_also_from_run_to_run(business: Business):
    deduplicated(business)
    found, said = rows(business, issue(business))
    assert [(row["file"][-8:], row["row"], row["record"]["id"]) for row in found] == [
        ("1.ndjson", 1, "a"),
        ("1.ndjson", 3, "b"),
        ("2.ndjson", 2, "c"),
    ]
    assert "3 rows come to a quantity of 12 (query), exactly what was metered" in said


def test_what_has_changed_is_said_and_by_how_much_the_rows_differ(business: Business):
    deduplicated(business)
    number = issue(business)
    business.file("Usage 2.ndjson", usage("b", 4), usage("c", 50))
    Path(business.folder / "Usage 1.ndjson").unlink()
    found, said = rows(business, number)
    assert [row["record"]["id"] for row in found] == ["b", "c"]
    assert "54 (query), but 12 were metered: they differ by 42" in said
    assert "Usage 1.ndjson is not there any more" in said
    assert "Usage 2.ndjson was changed after it was metered" in said


def test_late_usage_is_on_the_line_that_corrects(business: Business):
    number = bill(business, usage("a", 3))
    business.file("Usage late.ndjson", usage("late", 2))
    business.run.done("stream", "run", "Usage", "--at", "2026-11-05T00:00:00Z", "--quiet")
    [draft] = business.draft(period="2026-11")
    business.run.done("invoice", "issue", draft["id"], "--issue-date", "2026-12-03")
    assert [row["record"]["id"] for row in rows(business, number)[0]] == ["a"]
    found, said = rows(business, draft["id"])
    assert [row["record"]["id"] for row in found] == ["late"]
    assert "1 row comes to a quantity of 2 (query), exactly what was metered" in said


def test_rows_are_written_as_csv_and_never_over_a_file(business: Business, tmp_path: Path):
    number = bill(business, usage("=a", 3), usage("b", 4))
    out = tmp_path / "rows.csv"
    words = ("invoice", "rows", number, "--line", line_of(business, number, "app-x"))
    business.run.done(*words, "--out", out)
    with out.open(newline="") as lines:
        written = list(csv.DictReader(lines))
    assert [(row["row"], row["quantity"], row["id"]) for row in written] == [
        ("1", "3", "'=a"),
        ("2", "4", "b"),
    ]
    assert written[0]["record.timestamp"] == "2026-10-03T08:00:00Z"
    assert "is there already" in business.run.refused(*words, "--out", out)


def test_a_terminal_gets_some_rows_below_the_name_of_their_file(business: Business):
    number = bill(business, *(usage(str(n)) for n in range(5)))
    line = line_of(business, number, "app-x")
    ended = business.run("invoice", "rows", number, "--line", line, "--limit", "2")
    assert len(ended.out.splitlines()) == 3
    assert "the first 2 of 5 rows" in ended.err


def test_records_that_are_kept_are_shown_by_explain(business: Business):
    number = bill(business, usage("a", 3), keepUsage=True)
    said = business.run.refused("invoice", "rows", number, "--line", "1")
    assert "keeps single usage" in said
    assert f"invoice explain {number} --line 1 --records all" in said
    assert "has no line '9'" in business.run.refused("invoice", "rows", number, "--line", "9")
