"""What invoices make of the single records that event-time meters keep."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import FIELDS, Business
from tests.cli.command import Meterhouse

BY_EVENT = {"periodAssignment": "event", "gracePeriod": "P0D"}
ROWS = [("aura-groot", "message", "mi-movistar", None, 100)]
MADRID = {"timezone": "Europe/Madrid"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def record(id: str, timestamp: str, value: object, app: str = "app-x") -> dict[str, Any]:
    fields = dict(zip(FIELDS, ("aura-groot", "message", app, None), strict=True))
    return {"userId": "ES", "id": id, "timestamp": timestamp, "value": value, **fields}


def set_up(business: Business, *records: dict[str, Any], **more: Any) -> None:
    """Meter 100 of 15 October and the records, and have someone to bill."""
    business.file("Usage more.ndjson", *records)
    business.meter(["ES"], rows=ROWS, at="2026-10-15T12:00:00Z", **BY_EVENT | more)
    business.sell()
    business.customer()


def days(draft: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (window["start"], window["fields"]["app"], window["quantity"])
        for window in draft["windows"]
    ]


def test_an_invoice_shows_usage_by_day_and_it_adds_up_to_its_records(business: Business):
    set_up(
        business,
        record("a", "2026-10-02T08:00:00Z", 3),
        record("b", "2026-10-02T21:30:00Z", "0.5"),
        record("c", "2026-10-02T23:30:00Z", 4),
        record("d", "2026-10-03T00:10:00Z", 5, app="mi-movistar"),
    )
    [draft] = business.draft()
    assert days(draft) == [
        ("2026-10-02", '"app-x"', "7.5"),
        ("2026-10-03", '"mi-movistar"', "5"),
        ("2026-10-15", '"mi-movistar"', "100"),
    ]
    assert draft["windows"][0]["fields"]["component"] == '"aura-groot"'
    total = sum(Decimal(window["quantity"]) for window in draft["windows"])
    [golden] = business.run.json("record", "list")
    assert total == golden["value"] == Decimal("112.5")
    assert business.draft() == [draft]


def test_days_are_those_of_the_zone_of_the_book(business: Business):
    business.file("Usage more.ndjson", record("c", "2026-10-02T23:30:00Z", 4))
    madrid = BY_EVENT | MADRID
    business.meter(["ES"], rows=ROWS, at="2026-10-15T12:00:00Z", **madrid)
    business.sell(**MADRID)
    business.customer()
    [draft] = business.draft()
    assert [window["start"] for window in draft["windows"]] == ["2026-10-03", "2026-10-15"]


def test_counted_records_are_counted_by_day(business: Business):
    set_up(business, record("a", "2026-10-15T08:00:00Z", 3), aggregation="count")
    [draft] = business.draft()
    assert [(day, count) for day, _, count in days(draft)] == [
        ("2026-10-15", "1"),
        ("2026-10-15", "1"),
    ]


def test_other_meters_have_no_usage_by_day(business: Business):
    business.set_up(["ES"])
    [draft] = business.draft()
    assert draft["windows"] == []
    assert len(draft["lines"]) == 4


def test_usage_that_was_changed_since_is_shown_as_it_is_by_now(business: Business):
    set_up(business, record("a", "2026-10-02T08:00:00Z", 3))
    [meter] = business.run.json("meter", "list")
    business.run.done("usage", "void", meter["id"], "a")
    # No run has taken the adjustment downstream yet: it counts all the same.
    [draft] = business.draft()
    assert days(draft) == [("2026-10-15", '"mi-movistar"', "100")]
    assert draft["exceptions"] == []


def test_the_workbook_shows_the_days(business: Business, tmp_path: Path):
    from openpyxl import load_workbook

    set_up(business, record("a", "2026-10-02T08:00:00Z", 3))
    business.draft()
    business.issue()
    book = tmp_path / "invoice.xlsx"
    business.run.done(
        *("invoice", "download", "LICEO-2026-000001", "--format", "xlsx", "--out", book)
    )
    rows = list(load_workbook(book)["Daily"].iter_rows(values_only=True))
    shown = [(f"{row[0]:%Y-%m-%d}", row[1], row[2], row[3]) for row in rows[1:3]]
    assert shown == [
        ("2026-10-02", "aura-groot", "app-x", 3),
        ("2026-10-15", "aura-groot", "mi-movistar", 100),
    ]


def test_a_line_is_explained_down_to_its_input_records(business: Business):
    set_up(
        business,
        record("a", "2026-10-02T08:00:00Z", 3),
        record("b", "2026-10-03T08:00:00Z", "4.5"),
        record("c", "2026-10-04T08:00:00Z", 9, app="mi-movistar"),
    )
    business.draft()
    business.issue()
    words = ("invoice", "explain", "LICEO-2026-000001", "--line", "1")
    [explained] = business.run.json(*words)
    assert (explained["fields"]["app"], explained["quantity"]) == ("app-x", "7.5")
    [metered] = explained["records"]
    more = business.folder / "Usage more.ndjson"
    assert metered["inputRecords"] == {
        "count": 2,
        "complete": True,
        "value": "7.5",
        "records": [
            {
                "identity": "a",
                "timestamp": "2026-10-02T08:00:00.000Z",
                "value": "3",
                "origin": f"{more}:0",
            },
            {
                "identity": "b",
                "timestamp": "2026-10-03T08:00:00.000Z",
                "value": "4.5",
                "origin": f"{more}:1",
            },
        ],
    }
    [explained] = business.run.json(*words, "--records", 1)
    [metered] = explained["records"]
    told = metered["inputRecords"]
    assert (told["count"], [one["identity"] for one in told["records"]]) == (2, ["a"])
    text = business.run.done(*words, "--records", 1).out
    assert f"{more}:0" in text
    assert "... and 1 more (--records all)" in text
    assert f"{more}:1" in business.run.done(*words, "--records", "all").out
    refused = business.run(*words, "--records", "few")
    assert (refused.code, "--records: 'few' is no number" in refused.err) == (2, True)


def test_records_without_an_id_and_amended_ones_say_where_they_were_read(business: Business):
    set_up(business, record("", "2026-10-02T08:00:00Z", 3))
    [meter] = business.run.json("meter", "list")
    more = business.folder / "Usage more.ndjson"
    business.run.done("usage", "amend", meter["id"], f"{more}:0", "--set", "value=4")
    business.run.done("stream", "run", "Usage", "--at", "2026-11-02T00:00:00Z", "--quiet")
    [draft] = business.draft()
    words = ("invoice", "explain", draft["id"], "--line", "1")
    [explained] = business.run.json(*words)
    [metered] = explained["records"]
    [told] = metered["inputRecords"]["records"]
    assert (told["origin"], told["value"], explained["quantity"]) == (f"{more}:0", "4", "4")


def test_other_meters_are_explained_by_their_runs_and_files(business: Business):
    business.set_up(["ES"])
    [draft] = business.draft()
    [explained] = business.run.json("invoice", "explain", draft["id"], "--line", "1")
    [metered] = explained["records"]
    assert metered["inputRecords"] is None
    assert [one["name"] for run in metered["fedBy"] for one in run["inputs"]] == [
        str(business.folder / "Usage.ndjson")
    ]


def test_usage_whose_grace_is_not_over_is_told_of(business: Business):
    set_up(business, record("a", "2026-10-02T08:00:00Z", 3), gracePeriod="P3D")
    [draft] = business.draft()
    assert (draft["lines"], [one["code"] for one in draft["exceptions"]]) == (
        *([], ["grace_not_over"]),
    )
    words = ("invoice", "issue", draft["id"], "--issue-date", "2026-11-02", "--empty")
    told = business.run("invoice", "issue", "none-such", *words[2:])
    assert (told.code, told.out.startswith("issued LICEO-2026-000001 to es")) == (1, True)
    assert "not issued: none-such" in told.err
    assert "warning: usage of the period waits for late usage" in told.err


def test_a_period_that_is_not_over_is_issued_only_on_demand(business: Business):
    set_up(business)
    [draft] = business.draft()
    words = ("invoice", "issue", draft["id"], "--issue-date", "2026-10-31")
    told = business.run("invoice", "issue", draft["id"], "--issue-date", "2026-10-31")
    assert told.code == 1
    assert "is not over before 2026-11-01" in told.err
    assert "--before-end" in told.err
    [issued] = business.run.json(*words, "--before-end")
    assert issued["issueDate"] == "2026-10-31"
