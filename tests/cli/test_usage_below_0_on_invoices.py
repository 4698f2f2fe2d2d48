"""Usage that takes back more than there was: it keeps nothing else from being billed."""

from pathlib import Path

import pytest

from tests.cli.billing import FIELDS, OCTOBER, Business
from tests.cli.command import Meterhouse
from tests.cli.late_usage import BY_EVENT, PER_UNIT, begin, bill, billed, late, nets, run

FIRST = "LICEO-2027-000001"
CHARGE = {
    "sku": "pay",
    "match": {"app": "pay"},
    "model": "percentage",
    "percent": "2",
    "fixed": "0.30",
    "event_minimum": "0.50",
    "event_maximum": "20",
    "unit": "EUR",
}
OTHER = PER_UNIT | {"sku": "other", "match": {"app": "app"}}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def payments(business: Business, *values: int) -> None:
    """Meter payments and refunds of October, beside 80 of something else."""
    business.file(
        "Usage payments.ndjson",
        *(
            {"userId": "ES", "value": value, "timestamp": "2026-10-20T00:00:00Z"}
            | dict(zip(FIELDS, ("a", "s", "pay", None), strict=True))
            for value in values
        ),
    )
    rows = [("a", "s", "app", None, 80)]
    business.meter(["ES"], rows=rows, at="2026-10-15T00:00:00Z", **BY_EVENT)
    business.sell(prices=[CHARGE, OTHER])
    business.customer()


def test_a_refund_is_priced_by_event(business: Business):
    payments(business, 500, 100, -50)
    [draft] = business.draft()
    assert nets(draft) == [("pay", "11.60", None), ("other", "80.00", None)]
    assert draft["unpriced"] == []


def test_more_refunds_than_payments_block_the_draft_and_the_rest_of_it_is_made(business: Business):
    payments(business, 10, -50)
    [draft] = business.draft()
    assert nets(draft) == [("other", "80.00", None)]
    [unpriced] = draft["unpriced"]
    assert (unpriced["reason"], unpriced["quantity"]) == ("below_zero", "-40")
    refused = business.run.refused("invoice", "issue", draft["id"], "--issue-date", "2026-11-03")
    [record] = business.run.json("record", "list")
    for told in ("-40 of ", 'app "pay"', "below_zero (pay)", record["recordId"], "void or amend"):
        assert told in refused


def test_late_usage_below_0_gives_back_what_was_billed_and_no_more(business: Business):
    begin(business, PER_UNIT)
    bill(business, OCTOBER)
    late(business, "2026-11-05", -100)
    late(business, "2026-11-20", 5)
    run(business, "2026-12-01")
    [draft] = business.draft(period="2026-11")
    assert (draft["kind"], nets(draft)) == ("credit_note", [("q", "80.00", FIRST)])
    told = {one["code"]: one["text"] for one in draft["exceptions"]}
    assert f"invoice {FIRST}: price q: -15 of " in told["late_below_zero"]
    assert billed(business) == 80
