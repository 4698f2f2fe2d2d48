"""Files that cannot be made, a kill in the archive, dates, time zones and money given back."""

import json
from pathlib import Path

import pytest

from meterhouse.store import SqliteLedger
from tests.cli.billing import Business, book
from tests.cli.command import Meterhouse

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}
PER = {"sku": "q", "match": {}, "model": "per_unit", "price": "1", "unit": "query"}
EVENTS = {"periodAssignment": "event", "gracePeriod": "P0D"}
USED = [("a", "s", "app", None, 80)]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def names(business: Business, id: str) -> set[str]:
    return {one["format"] for one in business.run.json("invoice", "files", id)}


def test_a_kill_before_files_are_noted_leaves_an_archive_that_goes_on(business, monkeypatch):
    business.set_up(["ES"])
    [draft] = business.draft()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteLedger, "files_made", killed)
        business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    before = names(business, draft["id"])

    business.run.done("invoice", "render", draft["id"], "--format", "csv")
    assert names(business, draft["id"]) == before | {"csv"}
    business.run.done("invoice", "render", draft["id"])
    assert "all is well" in business.run.done("invoice", "files", draft["id"], "--verify").out


def test_a_format_that_an_invoice_cannot_have_keeps_no_other_from_being_made(business):
    business.meter(["ES"], rows=USED)
    business.sell(prices=[PER | {"price": "0.001"}], currency="KWD")
    business.customer()
    [draft] = business.draft()
    formats = ("--format", "ubl", "--format", "json")
    issued = business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-03", *formats)
    assert "three digits" in issued.err
    assert "given up" in issued.err
    assert names(business, draft["id"]) == {"json"}

    refused = business.run("invoice", "render", draft["id"], "--format", "ubl")
    assert refused.code != 0
    assert "three digits" in refused.err
    business.run.done("invoice", "render", draft["id"], "--format", "csv")
    assert names(business, draft["id"]) == {"json", "csv"}


def test_dates_of_a_series_go_up_with_its_numbers(business):
    business.sell(prices=[FEE])
    business.customer()
    [first] = business.draft()
    business.issue(first["id"])
    [second] = business.draft(period="2026-09")

    early = business.run("invoice", "issue", second["id"], "--issue-date", "2026-11-02")
    assert "2026-11-03 or later" in early.err
    credit = ("invoice", "credit", first["id"], "--reason", "x")
    assert "2026-11-03 or later" in business.run(*credit, "--issue-date", "2026-11-02").err
    assert [one["status"] for one in business.listed()] == ["issued", "draft"]
    business.issue(second["id"])
    business.run.done(*credit, "--issue-date", "2026-11-03")


def test_a_book_of_another_zone_goes_on_where_the_last_invoice_ends(business):
    business.sell(prices=[FEE])
    business.customer()
    [october] = business.draft()
    business.issue(october["id"])
    other = book(id="madrid", timezone="Europe/Madrid", prices=[FEE])
    business.run.done("price-book", "create", "--file", business.file("madrid.json", other))
    change = json.dumps({"priceBook": "madrid"})
    business.run.done("customer", "update", "es", "--file", "-", given=change)

    [november] = business.draft(period="2026-11")
    assert november["period"]["start"] == october["period"]["end"]
    assert [one["code"] for one in november["exceptions"]] == ["time_zone_changed"]
    assert november["totals"]["net"] == "310.00"
    again = business.run("invoice", "draft", "--all", "--period", "2026-10")
    assert "already" in again.err
