"""Lines explained to the last cent: rounding together, late usage by steps, shares of minima."""

from pathlib import Path

import pytest

from tests.cli.billing import Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import BY_EVENT, FIELDS, GRADUATED, PER_UNIT, bill, late, run

MINIMUM = [{"minimum": "1000", "prorate": "days", "scope": "invoice"}]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def begin(business: Business, price: dict, *values: tuple[str, int], **more) -> None:
    """Meter values of days by event time, and have a customer."""
    fields = dict.fromkeys(FIELDS, "b")
    rows = [{"userId": "ES", "value": value, "timestamp": day, **fields} for day, value in values]
    business.file("Usage more.ndjson", *rows)
    business.meter(["ES"], rows=[], **BY_EVENT)
    business.sell(prices=[price], **more)
    business.customer()


def change(business: Business, price: dict, **more) -> None:
    newer = book(version="2", valid={"from": "2026-10-16", "to": None}, prices=[price], **more)
    business.run.done("price-book", "create", "--file", business.file("newer.json", newer))


def explained(business: Business, invoice: dict, line: int) -> tuple[str, dict]:
    words = ("invoice", "explain", invoice["id"], "--line", line)
    [body] = business.run.json(*words)
    return business.run.done(*words).out, body


def test_what_is_rounded_as_it_grows_says_so(business: Business):
    price = PER_UNIT | {"price": "0.0335"}
    begin(business, price, ("2026-10-02T00:00:00Z", 30), ("2026-10-20T00:00:00Z", 30))
    change(business, price)
    [draft] = business.draft()
    assert [line["net"] for line in draft["lines"]] == ["1.01", "1.00"]
    text, body = explained(business, draft, 2)
    assert "1.00 (2.01 of all up to then, exact 2.01, less 1.01 before)" in text
    assert body["roundedTogether"] == {"exact": "2.01", "rounded": "2.01", "before": "1.01"}
    assert explained(business, draft, 1)[1]["roundedTogether"] is None


def test_quantities_that_start_anew_are_rounded_by_themselves(business: Business):
    price = PER_UNIT | {"price": "0.0335"}
    begin(business, price, ("2026-10-02T00:00:00Z", 30), ("2026-10-20T00:00:00Z", 30))
    change(business, price, tiers_at_change="restart")
    [draft] = business.draft()
    assert [line["net"] for line in draft["lines"]] == ["1.01", "1.01"]
    assert explained(business, draft, 2)[1]["roundedTogether"] is None


def test_late_usage_shows_the_steps_of_all_usage(business: Business):
    begin(business, GRADUATED, ("2026-10-15T00:00:00Z", 80))
    bill(business, "2026-10")
    late(business, "2026-11-05", 40)
    run(business, "2026-12-01")
    [draft] = business.draft(period="2026-11")
    [number] = [line["id"] for line in draft["lines"] if line["corrects"]]
    text, body = explained(business, draft, int(number))
    assert [(one["label"], one["amount"]) for one in body["parts"]] == [
        ("rated anew: 0 to 100", "100.00"),
        ("rated anew: over 100", "10.00"),
        ("billed before", "-80.00"),
    ]
    assert "rated anew: over 100" in text


def test_a_true_up_of_some_days_shows_them(business: Business):
    begin(business, PER_UNIT, ("2026-10-20T00:00:00Z", 10), commitments=MINIMUM)
    business.run.done("customer", "update", "es", "--file", "-", given='{"from": "2026-10-22"}')
    [draft] = business.draft()
    _, body = explained(business, draft, 2)
    assert [(one["label"], one["amount"]) for one in body["parts"]] == [
        ("minimum, 10 of 31 days of 1000", "322.58"),
        ("charged already", "-10.00"),
    ]


def test_a_true_up_of_several_versions_shows_the_share_of_each(business: Business):
    begin(business, PER_UNIT, ("2026-10-20T00:00:00Z", 10), commitments=MINIMUM)
    change(
        business, PER_UNIT, commitments=[{"minimum": "2000", "prorate": "days", "scope": "invoice"}]
    )
    [draft] = business.draft()
    true_up = next(line for line in draft["lines"] if line["charge"]["kind"] == "true_up")
    _, body = explained(business, draft, int(true_up["id"]))
    assert [(one["label"], one["amount"]) for one in body["parts"]] == [
        ("minimum of prices 2026-10-01.1, 15 of 31 days of 1000", "483.87"),
        ("minimum of prices 2, 16 of 31 days of 2000", "1032.26"),
        ("charged already", "-10.00"),
    ]
    assert true_up["net"] == "1506.13"
