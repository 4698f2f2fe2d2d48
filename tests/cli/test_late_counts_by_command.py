"""Late usage that is counted and not charged: told by the versions of the invoice of its period."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.billing import Business
from tests.cli.command import Meterhouse
from tests.cli.late_usage import BY_EVENT, PER_UNIT, bill, nets, run
from tests.cli.test_price_changes_by_command import REQUESTS, begin, change, changed_to, record


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def late_both(business: Business) -> dict[str, Any]:
    """Bill October, and draft November: 3 have come late of the 2nd, 7 of the 31st of October."""
    bill(business, "2026-10")
    rows = record("2026-10-02T00:00:00Z", 3), record("2026-10-31T00:00:00Z", 7)
    business.file("Usage later.ndjson", *rows)
    run(business, "2026-11-05")
    [draft] = business.draft(period="2026-11")
    return draft


def told(draft: dict[str, Any]) -> list[str]:
    return [one["text"] for one in draft["exceptions"]]


def test_late_usage_is_counted_by_the_version_of_its_days(business: Business):
    changed_to(business, {}, {"counts": [REQUESTS]})
    draft = late_both(business)
    # 3 are charged at 1, as the first version counts nothing.
    assert [(sku, net) for sku, net, _ in nets(draft)] == [("q", "3.00")]
    assert told(draft) == ["late requests of 2026-10, not counted above: 7"]


def test_late_usage_that_only_its_own_version_counts_is_told(business: Business):
    changed_to(business, {"counts": [REQUESTS]}, {})
    draft = late_both(business)
    # 7 are charged at 2; by the version of November nothing would be counted.
    assert [(sku, net) for sku, net, _ in nets(draft)] == [("q", "14.00")]
    assert told(draft) == ["late requests of 2026-10, not counted above: 3"]


def test_late_usage_that_versions_count_alike_is_told_once(business: Business):
    count = REQUESTS | {"match": {"app": "app"}}
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 1, "x"), counts=[count])
    change(business, PER_UNIT | {"price": "2"}, counts=[count])
    assert told(late_both(business)) == ["late requests of 2026-10, not counted above: 10"]


def test_late_exceptions_are_told_in_the_words_of_their_version(business: Business):
    tests = {"to": "exceptions", "code": "tests", "text": "tests", "match": {"app": "app"}}
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 1, "x"), counts=[tests])
    change(business, PER_UNIT, counts=[tests | {"text": "trials"}])
    draft = late_both(business)
    assert told(draft) == ["tests, late, of 2026-10: 3", "trials, late, of 2026-10: 7"]


def test_what_is_voided_of_counted_usage_is_told_by_the_version_of_its_days(business: Business):
    changed_to(business, {}, {"counts": [REQUESTS]})
    late_both(business)
    bill(business, "2026-11")
    [meter] = business.run.json("meter", "list")
    for one in business.run.json("usage", "list", meter["id"]):
        if one["value"] in (10, 40):
            business.run.done("usage", "void", meter["id"], one["identity"])
    [draft] = business.draft(period="2026-12")
    assert [net for _, net, _ in nets(draft)] == ["10.00"]  # of a credit note
    assert "late requests of 2026-10, not counted above: -40" in told(draft)


def test_late_usage_of_a_version_that_has_no_more_counts_by_then_is_told(business: Business):
    counts = [REQUESTS | {"match": {"app": "app"}}]
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 1, "x"), counts=counts)
    change(business, PER_UNIT, "2026-11-01")
    draft = late_both(business)
    assert (nets(draft), told(draft)) == ([], ["late requests of 2026-10, not counted above: 10"])


def test_late_usage_that_is_charged_is_not_told_as_counted_by_a_later_version(business: Business):
    begin(business, PER_UNIT)
    change(business, PER_UNIT, "2026-11-01", counts=[REQUESTS])
    draft = late_both(business)
    assert ([net for _, net, _ in nets(draft)], told(draft)) == (["10.00"], [])


def test_usage_that_moves_to_days_that_count_nothing_is_charged_and_no_more_counted(
    business: Business,
):
    changed_to(business, {}, {"counts": [REQUESTS]})
    bill(business, "2026-10")
    [meter] = business.run.json("meter", "list")
    [moved] = [one for one in business.run.json("usage", "list", meter["id"]) if one["value"] == 40]
    to = ("--set", 'timestamp="2026-10-03T00:00:00Z"')
    business.run.done("usage", "amend", meter["id"], moved["identity"], *to)
    [draft] = business.draft(period="2026-11")
    assert [net for _, net, _ in nets(draft)] == ["40.00"]
    assert told(draft) == ["late requests of 2026-10, not counted above: -40"]


def test_usage_of_which_nobody_knows_the_days_is_counted_whole_by_the_first_version(
    business: Business,
):
    """A maximum is of no day: it was 40, and is 47 with what came late."""
    business.file("Usage more.ndjson", record("2026-10-20T00:00:00Z", 40))
    rows = [("a", "s", "app", None, 10)]
    most = BY_EVENT | {"aggregation": "max"}
    business.meter(["ES"], rows=rows, at="2026-10-01T12:00:00Z", **most)
    business.sell(prices=[PER_UNIT], counts=[REQUESTS])
    business.customer()
    change(business, PER_UNIT | {"price": "2"})
    [draft] = business.draft()
    assert (draft["requests"], draft["lines"]) == ("40", [])
    dated = ("--issue-date", "2027-12-01")
    business.run.done("invoice", "issue", draft["id"], "--empty", *dated)
    business.file("Usage later.ndjson", record("2026-10-31T00:00:00Z", 47))
    run(business, "2026-11-05")
    [late] = business.draft(period="2026-11")
    assert nets(late) == []
    assert "late requests of 2026-10, not counted above: 7" in told(late)
