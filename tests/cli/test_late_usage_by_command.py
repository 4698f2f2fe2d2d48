"""Late usage: whatever is restated, taken back or moved, all invoices come to what usage costs."""

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.core.instant import parse_instant
from meterhouse.store import open_ledger
from tests.cli.billing import OCTOBER, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import (
    GRADUATED,
    PER_UNIT,
    begin,
    bill,
    billed,
    change_customer,
    correct,
    drafts,
    issue,
    late,
    nets,
    run,
)

FIRST = "LICEO-2027-000001"


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def test_the_invoice_of_a_superseded_adjustment_is_corrected(business: Business):
    begin(business, PER_UNIT)
    bill(business, OCTOBER)
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    november = bill(business, "2026-11")
    late(business, "2026-12-05", 10)
    run(business, "2027-01-01")
    december = bill(business, "2026-12")
    assert [nets(one) for one in (november, december)] == [
        [("q", "20.00", FIRST)],
        [("q", "10.00", FIRST)],
    ]
    again = correct(business, november)
    assert again["totals"]["net"] == "20.00"
    assert billed(business) == 110
    correct(business, december)
    assert billed(business) == 110


def test_a_corrected_period_deducts_late_usage_that_stands_on_another_invoice(business: Business):
    begin(business, PER_UNIT)
    october = bill(business, OCTOBER)
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    november = bill(business, "2026-11")
    late(business, "2026-12-05", 10)
    correct(business, october)
    assert billed(business) == 110
    run(business, "2027-01-01")
    assert nets(bill(business, "2026-12")) == []
    # With that invoice taken back, what it billed comes onto the next one of its period.
    again = correct(business, november)
    assert again["totals"]["net"] == "20.00"
    assert billed(business) == 110


def test_a_draft_of_late_usage_is_stale_once_its_period_is_billed_otherwise(business: Business):
    begin(business, GRADUATED)
    bill(business, OCTOBER)
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    november = bill(business, "2026-11")
    late(business, "2026-12-05", 10)
    run(business, "2027-01-01")
    [december] = business.draft(period="2026-12")
    assert december["metadata"]["billedBefore"] == "LICEO-2027-000001 LICEO-2027-000002"
    business.run.done("invoice", "credit", november["id"], "--reason", "an outage")
    told = business.run.refused("invoice", "issue", december["id"], "--issue-date", "2027-12-01")
    assert "then LICEO-2027-000001, LICEO-2027-000002, now LICEO-2027-000001" in told
    assert "Draft the invoice again" in told
    bill(business, "2026-12")
    bill(business, "2026-11")
    assert billed(business) == 105  # 100 * 1 + 10 * 0.5


def test_usage_of_a_user_who_moved_stays_with_the_customer_that_was_billed(business: Business):
    begin(business, PER_UNIT)
    bill(business, OCTOBER)
    change_customer(business, users=[])
    business.customer(id="pt", users=["ES"])
    late(business, "2026-11-05", 20)
    [moved] = business.draft("--customer", "pt")
    assert moved["lines"] == [] or nets(moved) == []
    run(business, "2026-12-01")
    old, new = business.draft(period="2026-11")
    assert nets(old) == [("q", "20.00", FIRST)]
    assert nets(new) == []


def test_a_draft_with_usage_of_a_user_who_moved_is_stale(business: Business):
    begin(business, PER_UNIT)
    [draft] = business.draft()
    change_customer(business, users=[])
    business.customer(id="pt", users=["ES"])
    refused = business.run.refused("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert "usage of 'ES', who is of another customer by now" in refused
    [moved] = business.draft("--customer", "pt")
    assert issue(business, moved)["customer"] == "pt"


def test_tiers_of_late_usage_count_users_who_moved_away(business: Business):
    begin(business, GRADUATED, users=("ES", "FR"))
    assert bill(business, OCTOBER)["totals"]["net"] == "130.00"
    change_customer(business, users=["ES"])
    business.customer(id="pt", users=["FR"])
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    [november, _] = business.draft(period="2026-11")
    assert nets(november) == [("q", "10.00", FIRST)]  # 180 cost 140


def test_late_usage_in_another_currency_blocks_the_draft(business: Business):
    begin(business, PER_UNIT)
    october = bill(business, OCTOBER)
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    yen = book(id="yen", currency="JPY", prices=[PER_UNIT | {"price": "150"}])
    business.run.done("price-book", "create", "--file", business.file("yen.json", yen))
    change_customer(business, priceBook="yen")
    [november] = business.draft(period="2026-11")
    assert nets(november) == []
    told = business.run.refused("invoice", "issue", november["id"], "--issue-date", "2027-12-01")
    assert f"late usage of invoice {FIRST} is in EUR, this draft in JPY" in told
    assert "`invoice correct`" in told
    business.run.done("invoice", "correct", october["id"], "--reason", "it is billed in yen")
    [again, _] = sorted(drafts(business), key=lambda head: head["periodStart"])
    assert (again["net"], again["currency"]) == ("15000", "JPY")
    issue(business, again)
    assert bill(business, "2026-11")["currency"] == "JPY"


def test_usage_that_was_voided_is_not_billed_though_no_run_took_it_yet(business: Business):
    begin(business, PER_UNIT)
    late(business, "2026-11-05", 20)
    meter = business.run.json("meter", "list")[0]["id"]
    [first, _] = business.run.json("usage", "list", meter)
    business.run.done("usage", "void", meter, first["identity"])
    [draft] = business.draft()
    assert draft["totals"]["net"] == "20.00"
    issue(business, draft)
    [explained] = business.run.json("invoice", "explain", FIRST, "--line", "1")
    [record] = explained["records"]
    assert (record["quantity"], record["madeBy"]) == ("20", None)
    assert "Record" in business.run.done("invoice", "explain", FIRST, "--line", "1").out
    run(business, "2026-12-01")
    assert nets(bill(business, "2026-11")) == []


def test_a_category_that_is_edited_later_changes_nothing_of_the_past(business: Business):
    cheap = PER_UNIT | {"sku": "old", "match": {"category": "Usage"}}
    dear = PER_UNIT | {"sku": "new", "match": {"category": "New"}, "price": "5"}
    begin(business, cheap)
    both = book(version="2", prices=[cheap, dear])
    business.run.done("price-book", "create", "--file", business.file("both.json", both))
    edited = json.dumps({"category": "New"})
    # Nobody has billed yet: the record left with the category of then all the same.
    business.run.done("meter-type", "update", "Usage", "--file", "-", given=edited)
    october = bill(business, OCTOBER)
    assert nets(october) == [("old", "80.00", None)]
    # An adjustment that is made now restates what was used under the category of then.
    meter = business.run.json("meter", "list")[0]["id"]
    [used] = business.run.json("usage", "list", meter)
    business.run.done("usage", "amend", meter, used["identity"], "--set", "value=100")
    assert nets(correct(business, october)) == [("old", "100.00", None)]


def test_a_category_outlives_its_meter_type(business: Business):
    begin(business, PER_UNIT | {"match": {"category": "Usage"}})
    meter = business.run.json("meter", "list")[0]["id"]
    business.run.done("meter", "delete", meter)
    business.run.done("meter-type", "delete", "Usage")
    october = bill(business, OCTOBER)
    assert (nets(october), october["unpriced"]) == ([("q", "80.00", None)], [])
    assert correct(business, october)["totals"]["net"] == "80.00"


@pytest.mark.parametrize(
    ("commitment", "before", "lines"),
    [
        ({"minimum": "1000"}, "1000.00", [("q", "20.00"), ("minimum-commitment/1", "-20.00")]),
        ({"minimum": "90"}, "90.00", [("q", "20.00"), ("minimum-commitment/1", "-10.00")]),
        ({"maximum": "80"}, "80.00", []),
        ({"maximum": "95"}, "80.00", [("q", "15.00")]),
    ],
)
def test_late_usage_counts_towards_commitments(business: Business, commitment, before, lines):
    begin(business, PER_UNIT, commitments=[{"scope": "invoice"} | commitment])
    assert bill(business, OCTOBER)["totals"]["net"] == before
    late(business, "2026-11-05", 20)
    run(business, "2026-12-01")
    # The commitments of November itself are on it too.
    found = [one for one in nets(bill(business, "2026-11")) if one[2] is not None]
    assert found == [(sku, net, FIRST) for sku, net in lines]


def test_discounts_of_late_usage_lose_no_cent(business: Business):
    half = [{"kind": "percentage", "value": "50"}]
    begin(business, PER_UNIT | {"price": "0.01"}, discounts=half)
    bill(business, OCTOBER)
    for day, end, period in [
        ("2026-11-05", "2026-12-01", "2026-11"),
        ("2026-12-05", "2027-01-01", "2026-12"),
        ("2027-01-05", "2027-02-01", "2027-01"),
    ]:
        late(business, day, 1)
        run(business, end)
        bill(business, period)
    assert billed(business) == Decimal("0.41")  # 83 * 0.01, and half of it: rounded once


def test_of_periods_that_are_billed_a_draft_reads_what_is_late_alone(business: Business):
    begin(business, PER_UNIT)
    bill(business, "2026-10")
    until = parse_instant("2027-01-01T00:00:00Z")
    assert until is not None

    def records(*, unbilled: bool) -> int:
        with closing(open_ledger(business.run.data)) as ledger:
            ledger.index_billable()
            found = ledger.billable_records("es", after=None, until=until, unbilled=unbilled)
        return len(found)

    assert (records(unbilled=True), records(unbilled=False)) == (0, 1)
    late(business, "2026-11-05", 7)
    run(business, "2026-12-01")
    assert (records(unbilled=True), records(unbilled=False)) == (2, 3)
    bill(business, "2026-11")
    assert (records(unbilled=True), records(unbilled=False)) == (0, 3)
