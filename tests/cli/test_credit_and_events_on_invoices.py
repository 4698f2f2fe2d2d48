"""Credit pays for the periods that it overlaps, and percentages see single events."""

from pathlib import Path

import pytest

from tests.cli.billing import Business
from tests.cli.command import Meterhouse

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}
PERCENTAGE = {"sku": "p", "match": {}, "model": "percentage", "percent": "2.9", "fixed": "0.30"}
PAYMENTS = [("a", "s", "app", None, value) for value in (120, 3.10, 900)]
EVENTS = {"periodAssignment": "event", "gracePeriod": "P0D"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


@pytest.mark.parametrize(
    ("effective", "expires", "paid"),
    [
        ("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", ["2026-10"]),
        ("2026-09-30T23:59:59Z", "2026-10-01T00:00:01Z", ["2026-09", "2026-10"]),
        ("2026-10-31T23:59:59Z", None, ["2026-10", "2026-11"]),
    ],
)
def test_a_grant_pays_the_periods_that_it_overlaps(business, effective, expires, paid):
    business.sell(prices=[FEE])
    business.customer()
    until = () if expires is None else ("--expires", expires)
    words = ("--customer", "es", "--currency", "EUR", "--amount", "100")
    business.run.done("credit", "grant", *words, "--effective", effective, *until)

    months = ("2026-09", "2026-10", "2026-11")
    drafts = {month: business.draft(period=month)[0] for month in months}
    assert [m for m in months if drafts[m]["totals"]["prepaid"] == "100.00"] == paid


@pytest.mark.parametrize("line_by", [[], ["app"]])
def test_each_payment_has_its_fixed_amount(business, line_by):
    business.meter(["ES"], rows=PAYMENTS, at="2026-10-15T00:00:00Z", **EVENTS)
    business.sell(prices=[PERCENTAGE | {"line_by": line_by}])
    business.customer()

    [draft] = business.draft()
    assert [line["net"] for line in draft["lines"]] == ["30.57"]
    assert draft["unpriced"] == []


def test_where_nobody_knows_the_events_a_price_for_each_is_refused(business):
    business.meter(["ES"], rows=PAYMENTS)
    business.sell(prices=[PERCENTAGE])
    business.customer()

    [draft] = business.draft()
    assert [(one["reason"], one["quantity"]) for one in draft["unpriced"]] == [
        ("no_events", "1023.1")
    ]
    refused = business.run("invoice", "issue", draft["id"])
    assert refused.code != 0
    assert "periodAssignment" in refused.err


def test_a_percentage_alone_needs_no_events(business):
    business.meter(["ES"], rows=PAYMENTS)
    business.sell(prices=[PERCENTAGE | {"fixed": "0"}])
    business.customer()

    [draft] = business.draft()
    assert [line["net"] for line in draft["lines"]] == ["29.67"]


def test_an_untouched_meter_has_no_event(business):
    business.meter(["ES"], rows=PAYMENTS, until=12)
    business.sell(prices=[PERCENTAGE | {"event_minimum": "5"}])
    business.customer()

    [draft] = business.draft(period="2026-11")
    assert (draft["totals"]["net"], draft["unpriced"]) == ("0.00", [])
