"""Credit for [1 October, 1 November) pays October's invoice and no other, in every time zone."""

from pathlib import Path

import pytest

from tests.cli.billing import Business
from tests.cli.command import Meterhouse

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}
WORDS = ("--customer", "es", "--currency", "EUR", "--amount", "1000")
MONTHS = ("2026-09", "2026-10", "2026-11")


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


@pytest.mark.parametrize(
    ("timezone", "begins"),
    [
        ("Europe/Madrid", "2026-09-30T22:00:00.000Z"),
        ("America/Los_Angeles", "2026-10-01T07:00:00.000Z"),
    ],
)
def test_days_of_credit_are_those_of_the_price_book(business: Business, timezone, begins):
    business.sell(prices=[FEE], timezone=timezone)
    business.customer()
    days = ("--effective", "2026-10-01", "--expires", "2026-11-01")
    [grant] = business.run.json("credit", "grant", *WORDS, *days)
    assert grant["effective"] == begins
    drafts = {month: business.draft(period=month)[0] for month in MONTHS}
    assert [m for m in MONTHS if drafts[m]["totals"]["prepaid"] != "0.00"] == ["2026-10"]


def test_instants_stay_what_they_are(business: Business):
    business.sell(prices=[FEE], timezone="Europe/Madrid")
    business.customer()
    instants = ("--effective", "2026-10-01T00:00:00+01:00", "--expires", "2026-10-31T00:00:00")
    [grant] = business.run.json("credit", "grant", *WORDS, *instants)
    assert (grant["effective"], grant["expires"]) == (
        "2026-09-30T23:00:00.000Z",
        "2026-10-31T00:00:00.000Z",
    )


def test_days_before_and_after_all_versions_are_those_of_the_newest_one(business: Business):
    business.sell(
        prices=[FEE], timezone="Europe/Madrid", valid={"from": "2026-10-01", "to": "2026-11-01"}
    )
    business.customer()
    days = ("--effective", "2020-01-01", "--expires", "2027-07-01")
    [grant] = business.run.json("credit", "grant", *WORDS, *days)
    assert (grant["effective"], grant["expires"]) == (
        "2019-12-31T23:00:00.000Z",
        "2027-06-30T22:00:00.000Z",
    )


def test_days_without_a_price_book_are_refused_with_what_to_say(business: Business):
    business.sell(prices=[FEE])
    business.customer()
    business.run.done("price-book", "delete", "liceo-es", "--version", "2026-10-01.1")
    refused = business.run("credit", "grant", *WORDS, "--effective", "2026-10-01")
    assert refused.code == 1
    assert "effective: is 2026-10-01, a day of price book 'liceo-es', which does not" in refused.err
    assert "2026-10-01T00:00:00+01:00" in refused.err
