"""Drafts that are not what drafting again would make are refused; later usage is only told of."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import PER_UNIT, begin, bill, late

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def change(business: Business, first: str, version: str, price: dict[str, Any], **more: Any):
    """Have another version of the book, from a day on."""
    newer = book(version=version, valid={"from": first, "to": None}, prices=[price], **more)
    path = business.file("newer.json", newer)
    business.run.done("price-book", "create", "--file", path)


def grant(business: Business, *words: str) -> dict[str, Any]:
    to = ("--customer", "es", "--currency", "EUR", "--amount", "100")
    [made] = business.run.json("credit", "grant", *to, *words)
    return made


def refused(business: Business, draft: dict[str, Any], *words: str) -> str:
    """Return why a draft is not issued; no number is taken."""
    answer = business.run("invoice", "issue", draft["id"], *words)
    assert answer.code == 1
    assert business.listed("--status", "issued") == []
    return answer.err


@pytest.mark.parametrize("timezone", ["Etc/UTC", "Europe/Madrid", "America/Los_Angeles"])
def test_a_version_from_the_first_day_of_the_period_makes_drafts_stale(business, timezone):
    business.sell(prices=[FEE], timezone=timezone)
    business.customer()
    [draft] = business.draft()
    change(business, "2026-10-01", "2026-10-01.2", FEE | {"amount": "620"}, timezone=timezone)
    told = refused(business, draft)
    assert "versions of its price book" in told
    assert "Draft the invoice again" in told
    [anew] = business.draft()
    [issued] = business.issue(anew["id"])
    assert issued["totals"]["net"] == "620.00"


@pytest.mark.parametrize("first", ["2026-11-01", "2026-08-01"])
def test_versions_of_other_periods_make_no_draft_stale(business, first):
    business.sell(prices=[FEE], valid={"from": "2026-09-01", "to": None})
    business.customer()
    [draft] = business.draft()
    change(business, first, "other", FEE | {"amount": "620"})
    assert business.draft() == [draft]
    assert business.issue(draft["id"])[0]["totals"]["net"] == "310.00"


def test_what_replaces_a_corrected_invoice_is_rated_by_the_versions_of_now(business):
    business.sell(prices=[FEE])
    business.customer()
    invoice = bill(business, "2026-10")
    change(business, "2026-10-01", "2026-10-01.2", FEE | {"amount": "620"})
    business.run.done("invoice", "correct", invoice["id"], "--reason", "prices")
    [draft] = business.listed("--status", "draft")
    assert draft["net"] == "620.00"
    change(business, "2026-10-01", "2026-10-01.3", FEE | {"amount": "930"})
    assert business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01").code == 1
    [anew] = business.draft()
    [issued] = business.run.json("invoice", "issue", anew["id"], "--issue-date", "2027-12-01")
    assert issued["totals"]["net"] == "930.00"


def test_late_usage_stays_with_the_versions_of_its_invoice(business):
    begin(business, PER_UNIT)
    bill(business, "2026-10")
    late(business, "2026-11-05", 7)
    business.run.done("stream", "run", "Usage", "--at", "2026-12-01T00:00:00Z", "--quiet")
    [draft] = business.draft(period="2026-11")
    change(business, "2026-10-01", "2026-10-01.2", PER_UNIT | {"price": "9"})
    # November begins under the new version too: the draft says so, and late usage keeps its price.
    assert business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01").code == 1
    [anew] = business.draft(period="2026-11")
    assert [line["net"] for line in anew["lines"]] == ["0.00", "7.00"]


def test_credit_that_was_granted_after_the_draft_is_drawn_by_the_next_one(business):
    business.sell(prices=[FEE])
    business.customer()
    [draft] = business.draft()
    grant(business, "--effective", "2026-10-01", "--expires", "2026-11-01")
    assert "Credit of 'es' was granted" in refused(business, draft)
    [anew] = business.draft()
    [issued] = business.issue(anew["id"])
    assert (issued["totals"]["prepaid"], issued["totals"]["payable"]) == ("100.00", "275.10")


@pytest.mark.parametrize("promotional", [(), ("--promotional",)])
def test_credit_of_other_periods_or_currencies_makes_no_draft_stale(business, promotional):
    business.sell(prices=[FEE])
    business.customer()
    grant(business, "--effective", "2026-10-01", *promotional)
    [draft] = business.draft()
    grant(business, "--effective", "2026-11-01", *promotional)
    dollars = ("--customer", "es", "--currency", "USD", "--amount", "100")
    business.run.done("credit", "grant", *dollars, "--effective", "2026-10-01")
    [issued] = business.issue(draft["id"])
    assert len(issued["credits"]) == 1


def test_credit_that_a_corrected_invoice_gives_back_makes_other_drafts_stale(business):
    business.sell(prices=[FEE])
    business.customer()
    grant(business, "--effective", "2026-10-01")
    october = bill(business, "2026-10")
    [november] = business.draft(period="2026-11")
    assert november["totals"]["prepaid"] == "0.00"
    business.run.done("invoice", "credit", october["id"], "--reason", "wrong")
    answer = business.run("invoice", "issue", november["id"], "--issue-date", "2027-12-01")
    assert (answer.code, "granted or changed since" in answer.err) == (1, True)


def test_usage_that_came_after_the_draft_is_told_when_it_is_issued(business):
    begin(business, PER_UNIT)
    [draft] = business.draft()
    late(business, "2026-11-05", 7)
    answer = business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-06")
    assert answer.code == 0
    [warning] = [line for line in answer.err.splitlines() if line.startswith("warning")]
    assert "added, voided or amended after the draft (1 record)" in warning
    assert [one["net"] for one in business.listed("--status", "issued")] == ["80.00"]


def test_usage_that_was_all_there_is_not_told(business):
    begin(business, PER_UNIT)
    late(business, "2026-11-05", 7)
    [draft] = business.draft()
    answer = business.run("invoice", "issue", draft["id"], "--issue-date", "2026-11-06")
    assert (answer.code, "warning" in answer.err) == (0, False)


def test_an_issue_date_years_ahead_is_a_misprint(business):
    business.sell(prices=[FEE])
    business.customer()
    [draft] = business.draft()
    today = date.fromisoformat(business.run.json("invoice", "list")[0]["createdAt"][:10])
    far = today + timedelta(days=3 * 366)
    told = refused(business, draft, "--issue-date", str(far))
    assert f"is {far}, more than two years ahead" in told
    assert "give a date within two years" in told
    issued = business.issue(draft["id"])
    wrong = ("--reason", "wrong", "--issue-date", str(far))
    assert "two years ahead" in business.run("invoice", "credit", issued[0]["id"], *wrong).err
    assert json.dumps(business.listed("--status", "corrected")) == "[]"
