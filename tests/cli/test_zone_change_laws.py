"""Price books whose time zone changes: every golden record is on exactly one invoice.

Months of a zone to the east begin and end earlier, and those of one to the west later: between an
invoice and the next one there are hours of both, or of neither.
"""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meterhouse.app.billing.periods import read_days
from meterhouse.app.billing.ports import Finding
from meterhouse.core.invoice import Check, CheckOutcome
from meterhouse.store import open_ledger
from tests.cli.billing import FIELDS, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import BY_EVENT, PER_UNIT, bill, billed, correct, issue

#: From the first to wake to the last.
ZONES = ("Pacific/Auckland", "Europe/Madrid", "Etc/UTC", "America/Los_Angeles")
MONTHS = ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02")
FEE = {"sku": "base", "model": "flat", "amount": "1000"}
_SEEDS = [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 30))]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def sell(business: Business, zones: dict[str, str], *, price: str = "1") -> None:
    """Have a book of one zone first, and of another from a month on."""
    (_, zone), *others = zones.items()
    prices = [PER_UNIT | {"price": price}, FEE]
    business.sell(prices=prices, timezone=zone)
    for month, other in others:
        more = {"version": month, "valid": {"from": f"{month}-01", "to": None}}
        body = book(prices=prices, timezone=other, **more)
        path = business.file("newer.json", body)
        business.run.done("price-book", "create", "--file", path)
    business.customer()


def usage(random: Random, stream: str) -> list[dict[str, Any]]:
    """Usage of all months, most of it on days when one ends."""
    first = datetime(2026, 10, 2, tzinfo=UTC)
    bounds = [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)]
    bounds.append(datetime(2027, 1, 1, tzinfo=UTC))
    instants = [first + timedelta(hours=random.randrange(24 * 100)) for _ in range(5)]
    instants += [at + timedelta(hours=random.randrange(-20, 20)) for at in bounds * 4]
    return [
        {"userId": "ES", "timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}", "value": random.randrange(1, 50)}
        | dict.fromkeys(FIELDS, stream)
        for at in instants
    ]


def meter(business: Business, random: Random) -> None:
    """Meter by the months of each zone, by event time; all periods are over."""
    for number, zone in enumerate(ZONES):
        stream, rows = f"Usage{number}", [("a", "s", "app", None, 1)]
        kind = BY_EVENT | {"timezone": zone, "gracePeriod": "P200D"}
        business.meter(["ES"], rows=rows, stream=stream, at="2026-10-15T00:00:00Z", **kind)
        business.file(f"{stream} more.ndjson", *usage(random, stream))
        for day in ("2027-02-01", "2027-10-01"):
            business.run.done("stream", "run", stream, "--at", f"{day}T00:00:00Z", "--quiet")


def golden(business: Business) -> dict[str, Decimal]:
    """What each golden record of the months comes to, by its id."""
    found = business.run.json("record", "list", "--kind", "golden", "--all")
    return {one["recordId"]: Decimal(str(one["value"])) for one in found if one["value"]}


def on_invoices(business: Business) -> dict[str, list[Decimal]]:
    """How much of each record is on which invoices that stand."""
    found: dict[str, list[Decimal]] = {}
    for head in business.listed("--status", "issued", "--all"):
        if head["corrects"] is not None:
            continue
        sums: dict[str, Decimal] = {}
        for line in business.run.json("invoice", "show", head["id"])[0]["lines"]:
            for source in line["charge"]["sources"]:
                id, value = source["recordId"], Decimal(source["quantity"])
                sums[id] = sums.get(id, Decimal(0)) + value
        for id, value in sums.items():
            if value:
                found.setdefault(id, []).append(value)
    return found


@pytest.mark.parametrize("seed", _SEEDS)
def test_every_golden_record_is_on_one_invoice(business: Business, seed: int):
    random = Random(seed)
    meter(business, random)
    sell(business, {month: random.choice(ZONES) for month in MONTHS})
    for month in MONTHS:
        bill(business, month)
    records = golden(business)
    assert len(records) >= len(ZONES) * 3
    assert on_invoices(business) == {id: [value] for id, value in records.items()}
    expected = sum(records.values()) + 1000 * len(MONTHS)
    assert billed(business) == expected
    # Whichever is taken back, and made anew, has what it had.
    every = business.listed("--status", "issued", "--all")
    correct(business, random.choice(every))
    assert on_invoices(business) == {id: [value] for id, value in records.items()}
    assert billed(business) == expected


WESTWARD = {"2026-10": "Europe/Madrid", "2026-11": "Etc/UTC"}


def westward(business: Business) -> None:
    """Meter 80 of October in UTC; the book moves from Madrid to UTC with November."""
    rows = [("a", "s", "app", None, 80)]
    business.meter(["ES"], rows=rows, at="2026-10-15T00:00:00Z", until=12, **BY_EVENT)
    sell(business, WESTWARD)


def test_a_book_that_moves_west_bills_the_hours_in_between(business: Business):
    westward(business)
    october, november = bill(business, "2026-10"), bill(business, "2026-11")
    assert november["period"]["start"] == october["period"]["end"] == "2026-10-31T23:00:00.000Z"
    codes = [one["code"] for one in november["exceptions"]]
    assert codes == ["time_zone_changed", "period_overlaps"]
    assert (october["totals"]["net"], november["totals"]["net"]) == ("1000.00", "1080.00")
    assert bill(business, "2026-12")["totals"]["net"] == "1000.00"
    files = business.run.json("invoice", "files", november["number"])
    assert "202611" in json.dumps(files)


def test_a_month_that_begins_hours_earlier_keeps_its_days_when_it_is_drafted_anew(
    business: Business,
):
    westward(business)
    newer = book(
        version="dearer",
        valid={"from": "2026-11-16", "to": None},
        prices=[PER_UNIT, FEE | {"amount": "2000"}],
        timezone="Etc/UTC",
    )
    business.run.done("price-book", "create", "--file", business.file("dearer.json", newer))
    bill(business, "2026-10")
    november = bill(business, "2026-11")
    # Half of 30 days at 1,000, half at 2,000.
    assert november["totals"]["net"] == "1580.00"
    corrected = correct(business, november)
    assert corrected["period"] == november["period"]
    assert corrected["totals"] == november["totals"]


def test_a_draft_made_before_the_invoice_of_another_zone_is_stale(business: Business):
    westward(business)
    [november] = business.draft(period="2026-11")
    assert november["period"]["start"] == "2026-11-01T00:00:00.000Z"
    bill(business, "2026-10")
    refused = business.run("invoice", "issue", november["id"], "--issue-date", "2027-12-01")
    assert refused.code != 0
    assert "now it begins at 2026-10-31T23:00:00.000Z" in refused.err
    [again] = business.draft(period="2026-11")
    assert issue(business, again)["totals"]["net"] == "1080.00"


def test_days_that_nobody_billed_are_not_taken_over(business: Business):
    westward(business)
    words = ("--all", "--from", "2026-10-01", "--to", "2026-10-31")
    [october] = business.run.json("invoice", "draft", *words)
    issue(business, october)
    [november] = business.draft(period="2026-11")
    assert november["period"]["start"] == "2026-11-01T00:00:00.000Z"
    assert "time_zone_changed" not in [one["code"] for one in november["exceptions"]]


def test_what_was_found_of_a_month_is_on_its_invoice_wherever_that_begins(business: Business):
    westward(business)
    bill(business, "2026-10")
    month = read_days("2026-11").in_zone("Etc/UTC")
    check = Check("reconciliation", "too far apart", CheckOutcome.BLOCKED)
    with closing(open_ledger(business.run.data)) as ledger:
        finding = Finding("reconciliation", (check,))
        ledger.put_finding("es", finding, start=month.start, end=month.end, at=month.end)
    [november] = business.draft(period="2026-11")
    assert november["period"]["start"] == "2026-10-31T23:00:00.000Z"
    assert [one["code"] for one in november["checks"]] == ["reconciliation"]
    assert business.run("invoice", "issue", november["id"]).code != 0


def test_lines_by_hand_stay_with_the_days_of_their_draft(business: Business):
    westward(business)
    [draft] = business.draft(period="2026-11")
    words = ("invoice", "add-line", draft["id"], "--amount", "-50.00", "--reason", "goodwill")
    business.run.done(*words)
    bill(business, "2026-10")
    answer = business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert answer.code == 1
    assert "Draft the invoice again" in answer.err
    [anew] = business.draft(period="2026-11")
    assert anew["period"]["start"] != draft["period"]["start"]
    assert Decimal("-50") in [Decimal(line["net"]) for line in anew["lines"]]
    assert [head["id"] for head in business.listed("--status", "draft")] == [anew["id"]]
    issue(business, anew)
    starts = {head["id"]: head["periodStart"] for head in business.listed()}
    assert starts[anew["id"]] == anew["period"]["start"]
