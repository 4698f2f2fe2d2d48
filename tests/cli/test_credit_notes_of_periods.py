"""A period that comes to less than nothing gives money back, by a credit note of its own."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import Business
from tests.cli.command import Meterhouse
from tests.cli.late_usage import (
    GRADUATED,
    PER_UNIT,
    begin,
    bill,
    billed,
    correct,
    drafts,
    issue,
    late,
    nets,
    run,
)

TAXED = {"taxes": [{"category": "S", "rate": "21.00", "name": "VAT"}]}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def void_all(business: Business, day: str) -> None:
    """Void all usage of October, and take it downstream."""
    [meter] = business.run.json("meter", "list")
    for one in business.run.json("usage", "list", meter["id"]):
        if one["status"] == "metered":
            business.run.done("usage", "void", meter["id"], one["identity"])
    run(business, day)


def given_back(business: Business) -> tuple[dict[str, Any], dict[str, Any]]:
    """Bill October, void all of it, and draft November."""
    begin(business, PER_UNIT, **TAXED)
    october = bill(business, "2026-10")
    void_all(business, "2026-12-01")
    [november] = business.draft(period="2026-11")
    return october, november


def test_more_late_usage_taken_back_than_charged_is_a_credit_note(business: Business):
    october, draft = given_back(business)
    assert [one["code"] for one in draft["exceptions"]] == ["credit_note"]
    note = issue(business, draft)
    assert (note["kind"], note["number"], note["dueDate"]) == (
        "credit_note",
        "CN-2027-000001",
        None,
    )
    assert note["corrects"] == {"number": october["number"], "issueDate": "2027-12-01"}
    totals = {name: note["totals"][name] for name in ("net", "tax", "total", "payable")}
    assert totals == {"net": "80.00", "tax": "16.80", "total": "96.80", "payable": "96.80"}
    assert nets(note) == [("q", "80.00", october["number"])]
    assert billed(business) == 0
    assert [(one["kind"], one["status"]) for one in business.listed()] == [
        ("invoice", "issued"),
        ("credit_note", "issued"),
    ]


def test_it_is_archived_rendered_and_explained(business: Business):
    _, draft = given_back(business)
    note = issue(business, draft)
    business.run.done("invoice", "render", note["number"], "--format", "ubl", "--format", "xlsx")
    files = business.run.json("invoice", "files", note["id"])
    assert {one["format"] for one in files} >= {"ubl", "xlsx", "json", "focus"}
    [told] = business.run.json("invoice", "explain", note["number"], "--line", "2")
    assert (told["quantity"], told["net"], told["kind"]) == ("80", "80.00", "adjustment")
    assert [(one["user"], one["quantity"]) for one in told["records"]] == [("ES", "80")]


def test_usage_after_it_is_charged_by_what_it_has_given_back(business: Business):
    _, draft = given_back(business)
    issue(business, draft)
    late(business, "2026-12-05", 30)
    assert [net for _, net, _ in nets(bill(business, "2026-12"))] == ["30.00"]
    assert billed(business) == 30


def test_it_is_taken_back_by_an_invoice_and_its_period_drafted_anew(business: Business):
    october, draft = given_back(business)
    note = issue(business, draft)
    again = correct(business, note)
    assert (again["kind"], nets(again)) == ("credit_note", [("q", "80.00", october["number"])])
    assert billed(business) == 0
    kinds = [(one["kind"], one["status"]) for one in business.listed()]
    assert sorted(kinds) == [
        ("credit_note", "corrected"),
        ("credit_note", "issued"),
        ("invoice", "issued"),
        ("invoice", "issued"),
    ]
    [back] = [one for one in business.listed() if one["corrects"] is not None]
    assert (back["kind"], back["net"]) == ("invoice", "80.00")
    told = business.run.refused("invoice", "credit", back["number"], "--reason", "r")
    assert "takes a credit note back" in told


def test_the_invoice_that_it_refers_to_may_be_corrected_before_or_after(business: Business):
    october, draft = given_back(business)
    business.run.done("invoice", "credit", october["number"], "--reason", "r")
    told = business.run.refused("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert "Draft the invoice again" in told
    # October is on no invoice any more: there is nothing to give back.
    bill(business, "2026-10")
    business.draft(period="2026-11")
    for one in drafts(business):
        issue(business, one)
    assert billed(business) == 0


def test_what_was_given_back_counts_when_the_invoice_is_corrected_later(business: Business):
    october, draft = given_back(business)
    issue(business, draft)
    correct(business, october)
    assert billed(business) == 0


def test_a_draft_becomes_an_invoice_again_by_usage_or_a_line_by_hand(business: Business):
    _, draft = given_back(business)
    added = ("--amount", "200", "--reason", "Set-up")
    [more] = business.run.json("invoice", "add-line", draft["id"], *added)
    assert (more["kind"], more["totals"]["net"], more["corrects"]) == ("invoice", "120.00", None)
    [line] = business.run.json(
        "invoice", "add-line", draft["id"], "--amount", "-150", "--reason", "r"
    )
    assert (line["kind"], line["totals"]["net"]) == ("credit_note", "30.00")
    note = issue(business, draft)
    assert [net for _, net, _ in nets(note)] == ["80.00", "-200.00", "150.00"]
    assert billed(business) == -30 + 80


def test_tiers_are_given_back_as_they_were_charged(business: Business):
    begin(business, GRADUATED)
    bill(business, "2026-10")
    late(business, "2026-11-05", 60)
    november = bill(business, "2026-11")
    assert november["totals"]["net"] == "40.00"
    void_all(business, "2026-12-10")
    note = bill(business, "2026-12")
    assert (note["kind"], Decimal(note["totals"]["net"])) == ("credit_note", Decimal(120))
    assert billed(business) == 0
