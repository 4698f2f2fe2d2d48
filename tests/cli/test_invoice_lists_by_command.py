"""What lists of invoices say of periods and amounts, and what is said where there is nothing."""

from pathlib import Path

import pytest

from tests.cli.billing import OCTOBER, Business
from tests.cli.command import Meterhouse
from tests.cli.late_usage import PER_UNIT

FEE = {"sku": "base", "match": {}, "model": "flat", "amount": "310"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def test_a_list_says_the_days_of_the_invoices_zone_and_what_is_to_be_paid(business: Business):
    business.sell(prices=[FEE], timezone="Europe/Madrid")
    business.customer()
    listed = ("invoice", "list")
    business.draft(period="2026-09")
    before = business.run.done(*listed).out
    assert "2026-09-01 to 2026-10-01  375.10  EUR" in before
    assert "To pay" not in before
    words = ("--customer", "es", "--amount", "100", "--currency", "EUR")
    business.run.done("credit", "grant", *words, "--effective", "2026-10-01")
    business.draft()
    after = business.run.done(*listed).out
    assert "2026-10-01 to 2026-11-01  375.10  275.10  EUR" in after


@pytest.mark.parametrize("command", ["preview", "draft"])
def test_where_there_is_nothing_to_bill_it_is_said_why(business: Business, command):
    words = ("invoice", command, "--all", "--period", OCTOBER)
    told = business.run.done(*words)
    assert told.out == ""
    assert "nothing to bill: there are no customers" in told.err
    business.sell(prices=[PER_UNIT])
    business.customer()
    business.customer(id="fr", users=["FR"], to="2026-10-01")
    told = business.run.done(*words)
    assert "2026-10-01 to before 2026-11-01: no golden records of the 2 customers" in told.err
    assert "(1 of them without a day of the contract)" in told.err
    assert business.run.done(*words, "--json").out == ""


def test_where_there_is_nothing_to_issue_it_is_said_why(business: Business):
    issue = ("invoice", "issue", "--all", "--period", OCTOBER, "--issue-date", "2026-11-03")
    assert "`invoice draft --all --period 2026-10` makes them" in business.run.done(*issue).err
    business.sell(prices=[FEE])
    business.customer()
    business.draft()
    assert "nothing" not in business.run.done(*issue).err
    assert "no drafts, and 1 document issued already" in business.run.done(*issue).err
