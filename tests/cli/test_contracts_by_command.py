"""Contracts that begin or end within a billing period."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import Business, book, price
from tests.cli.command import Meterhouse

#: 206.185 at 2.00 are 412.37: what the example of the handbook has billed.
ROWS = [("aura-groot", "message", "a", None, "206.185")]
NOVEMBER = "2026-11"
FROM_NOVEMBER = {"from": "2026-11-01", "to": None}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def fee(**more: Any) -> dict[str, Any]:
    return {"sku": "fee", "match": {}, "model": "flat", "unit": "month", "amount": "300"} | more


def set_up(business: Business, *, rows: list[tuple] = ROWS, **of_book: Any) -> None:
    """Meter usage of November 2026, by the time that the runs have."""
    business.file("Usage.ndjson")
    business.meter(["ES"], rows=[])
    fields = dict(zip(("component", "service", "app", "preset"), rows[0], strict=False))
    usage = [{"userId": "ES", "value": row[-1], **fields} for row in rows]
    business.file("Usage november.ndjson", *usage)
    for at in ("2026-11-20", "2026-12-01"):
        business.run.done("stream", "run", "Usage", "--at", f"{at}T00:00:00Z", "--quiet")
    business.sell(**of_book)


def nets(draft: dict[str, Any]) -> list[tuple[str, str]]:
    return [(line["charge"]["kind"], line["net"]) for line in draft["lines"]]


COMMITTED = {
    "prices": [price("message", "2.00"), fee(prorate=True)],
    "commitments": [{"scope": ["message"], "minimum": 1000, "prorate": "days"}],
}


def test_who_has_nothing_to_bill_is_left_out_and_an_empty_draft_is_issued_on_demand(
    business: Business,
):
    business.set_up(["ES"])
    business.customer(id="idle", users=["nobody"])
    assert [draft["customer"] for draft in business.draft("--all")] == ["es"]
    [empty] = business.draft("--customer", "idle")
    assert (empty["lines"], empty["totals"]["total"]) == ([], "0.00")
    dated = ("--issue-date", "2026-11-03")
    assert "has no lines" in business.run.refused("invoice", "issue", empty["id"], *dated)
    [issued] = business.run.json("invoice", "issue", empty["id"], "--empty", *dated)
    assert issued["number"] == "LICEO-2026-000001"


def test_a_minimum_and_a_fee_are_for_the_days_of_the_contract(business: Business):
    """17 of 30 days: 1,000 are 566.67, of which 412.37 are billed, and 300 are 170."""
    set_up(business, **COMMITTED)
    business.customer(**{"from": "2026-11-14"})
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "412.37"), ("fee", "170.00"), ("true_up", "154.30")]
    assert draft["lines"][0]["charge"]["quantity"] == "206.185"
    metadata = draft["metadata"]
    assert (metadata["chargedDays"], metadata["periodDays"]) == ("17", "30")
    assert draft["lines"][1]["charge"]["parts"][0]["label"] == "flat, 17 of 30 days"
    # A line by hand makes the draft anew, with the same days.
    words = ("invoice", "add-line", draft["id"], "--amount", "-1", "--reason", "Goodwill")
    [again] = business.run.json(*words)
    assert nets(again)[:3] == nets(draft)
    # A whole period has no days to tell of.
    business.run.done("customer", "update", "es", "--file", "-", given='{"from": "2026-11-01"}')
    [whole] = business.draft(period=NOVEMBER)
    assert nets(whole)[:3] == [("usage", "412.37"), ("fee", "300.00"), ("true_up", "587.63")]
    assert "chargedDays" not in whole["metadata"]


def test_the_day_after_the_last_one_ends_a_contract(business: Business):
    set_up(business, **COMMITTED)
    business.customer(**{"from": "2026-11-05", "to": "2026-11-22"})
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "412.37"), ("fee", "170.00"), ("true_up", "154.30")]


def test_who_has_no_contract_pays_for_usage_alone_and_is_left_out_without(business: Business):
    commitments = [{"scope": "invoice", "minimum": 1000}]
    set_up(business, prices=[price("message", "2.00"), fee()], commitments=commitments)
    business.customer(to="2026-11-01")
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "412.37")]
    assert business.draft(period="2026-12") == []
    [named] = business.draft("--customer", "es", period="2026-12")
    assert named["lines"] == []
    what_if = ("invoice", "what-if", "--book", business.folder / "book.json")
    [rated] = business.run.json(*what_if, "--period", NOVEMBER)
    assert (rated["now"], rated["then"]) == ("412.37", "412.37")


LEAST = {"minimum": 1000, "prorate_minimum": True}


def test_a_minimum_of_a_price_is_for_the_days_of_the_contract(business: Business):
    """17 of 30 days: of 1,000 at least 566.67 are due, in full where the price does not say so."""
    set_up(business, prices=[price("message", "2.00") | LEAST])
    business.customer(**{"from": "2026-11-14"})
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "566.67")]
    parts = draft["lines"][0]["charge"]["parts"]
    assert [(one["label"], one["amount"]) for one in parts] == [
        ("all", "412.37"),
        ("minimum", "154.30"),
    ]
    whole = price("message", "2.00") | {"minimum": 1000}
    path = business.file("whole.json", book(version="2", valid=FROM_NOVEMBER, prices=[whole]))
    business.run.done("price-book", "create", "--file", path)
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "1000.00")]


def test_usage_after_a_contract_is_held_to_no_minimum(business: Business):
    set_up(business, prices=[price("message", "2.00") | {"minimum": 1000}])
    business.customer(to="2026-11-01")
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "412.37")]


def test_a_meter_at_0_after_a_contract_is_nothing_to_bill(business: Business):
    bands = [{"up_to": None, "price": 2, "flat": 5}]
    of_type = {"match": {"meter_type": "Usage"}}
    set_up(business, prices=[{"sku": "q", "model": "graduated", "tiers": bands} | of_type])
    business.run.done("stream", "run", "Usage", "--at", "2027-01-01T00:00:00Z", "--quiet")
    business.customer(to="2026-12-01")
    [draft] = business.draft(period=NOVEMBER)
    assert nets(draft) == [("usage", "417.37")]
    assert business.draft(period="2026-12") == []


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ({"from": "14/11/2026"}, 'from: is "14/11/2026", not a day'),
        ({"to": "2026-02-30"}, 'to: is "2026-02-30", not a day'),
        ({"from": "2026-11-14", "to": "2026-11-14"}, "to: is 2026-11-14, not after from"),
    ],
)
def test_days_that_are_none_are_refused(business: Business, days: dict[str, str], told: str):
    business.sell()
    from tests.cli.billing import CUSTOMER

    path = business.file("customer.json", CUSTOMER | days)
    assert told in business.run.refused("customer", "create", "--file", path)


def test_days_of_a_contract_are_shown_and_can_be_taken_off(business: Business):
    business.sell()
    business.customer(**{"from": "2026-11-14", "to": "2027-01-01"})
    [shown] = business.run.json("customer", "show", "es")
    assert (shown["from"], shown["to"]) == ("2026-11-14", "2027-01-01")
    business.run.done("customer", "update", "es", "--file", "-", given='{"to": null}')
    [shown] = business.run.json("customer", "show", "es")
    assert (shown["from"], shown["to"]) == ("2026-11-14", None)
