"""What event-time meters took outlasts them: deleting a meter changes nothing of what is billed."""

import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.acceptance import small
from tests.cli.billing import FIELDS, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import (
    BY_EVENT,
    PER_UNIT,
    bill,
    billed,
    change_customer,
    correct,
    issue,
    nets,
    run,
)

EACH = {
    "sku": "q",
    "match": {},
    "model": "percentage",
    "percent": "10",
    "fixed": "1",
    "unit": "query",
}
FEE = {"sku": "fee", "model": "flat", "amount": "100"}
#: More than three years after the usage of these tests.
_LONG_AFTER = "2030-01-01"
#: Each is a history of its own; more in the long suite.
_SEEDS = [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 20))]


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def record(day: str, value: int, *, user: str = "ES", id: str = "") -> dict[str, Any]:
    body = {"userId": user, "timestamp": f"{day}T10:00:00Z", "value": value, "id": id}
    return body | dict.fromkeys(FIELDS, "b")


def meters(business: Business, *users: str, **more: Any) -> None:
    """Have a type of meters, a stream, and a meter of each user, from October on."""
    rule = small.RULE | {"groupBy": [{"fields": FIELDS}], "matchCategory": "Usage"}
    kind = small.TYPE | {"name": "Usage", "category": "Usage"} | BY_EVENT
    stream = small.document(small.reader(business.folder / "Usage*.ndjson"), small.meter(rule))
    business.run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
    key = business.run.import_stream("-", given=json.dumps(stream | {"name": "Usage"}))["Meter"]
    made = [{"userId": user, "meterKey": key, "meterTypeId": "Usage"} | more for user in users]
    create(business, made, "2026-10-01")


def create(business: Business, made: list[dict[str, Any]], day: str) -> None:
    words = ("meter", "create", "--file", "-", "--at", f"{day}T00:00:00Z")
    business.run.done(*words, given=json.dumps(made))


def use(business: Business, name: str, *records: dict[str, Any]) -> None:
    business.file(f"Usage {name}.ndjson", *records)


def meter_of(business: Business, user: str) -> dict[str, Any]:
    [meter] = [one for one in business.run.json("meter", "list") if one["userId"] == user]
    return meter


def delete(business: Business, user: str) -> str:
    meter = meter_of(business, user)["id"]
    business.run.done("meter", "delete", meter)
    return meter


def dearer(business: Business, price: dict[str, Any], day: str = "2026-10-16") -> None:
    """Have another version of the book from a day on."""
    newer = book(version=day, valid={"from": day, "to": None}, prices=[price])
    business.run.done("price-book", "create", "--file", business.file("newer.json", newer))


def two_users(business: Business, price: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Bill 10 of each of two users in October, and delete the meter of one."""
    use(business, "first", *(record("2026-10-05", 10, user=user) for user in ("ES", "PT")))
    meters(business, "ES", "PT")
    run(business, "2026-11-01")
    business.sell(prices=[price, FEE], **more)
    business.customer(users=["ES", "PT"])
    october = bill(business, "2026-10")
    delete(business, "ES")
    return october


@pytest.mark.parametrize("change", ["nothing", "changed", "deleted"])
def test_meters_that_go_at_their_reset_are_billed_by_their_single_usage(
    business: Business, change: str
):
    use(business, "all", record("2026-10-05", 10), record("2026-10-18", 30))
    meters(business, "ES", deleteOnReset=True)
    for day in ("2026-10-25", "2026-11-01"):
        run(business, day)
    assert business.run.json("meter", "list") == []
    if change == "changed":
        other = json.dumps({"periodAssignment": "processing", "gracePeriod": None})
        business.run.done("meter-type", "update", "Usage", "--file", "-", given=other)
    elif change == "deleted":
        business.run.done("meter-type", "delete", "Usage")
    business.sell(prices=[PER_UNIT])
    dearer(business, PER_UNIT | {"price": "2"})
    business.customer()
    [draft] = business.draft()
    assert (draft["totals"]["net"], draft["exceptions"]) == ("70.00", [])
    assert [window["quantity"] for window in draft["windows"]] == ["10", "30"]
    prices = book(id="by-event", prices=[EACH])
    business.run.done("price-book", "create", "--file", business.file("p.json", prices))
    change_customer(business, priceBook="by-event")
    [draft] = business.draft()
    assert (draft["totals"]["net"], draft["unpriced"]) == ("6.00", [])


def test_late_usage_of_others_is_billed_though_a_meter_is_gone(business: Business):
    october = two_users(business, EACH)
    assert october["totals"]["net"] == "104.00"
    use(business, "late", record("2026-10-20", 20, user="PT"))
    for day in ("2026-11-10", "2026-12-02", "2027-01-02"):
        run(business, day)
    assert nets(bill(business, "2026-11")) == [
        ("fee", "100.00", None),
        ("q", "3.00", october["number"]),
    ]
    assert nets(bill(business, "2026-12")) == [("fee", "100.00", None)]
    correct(business, october)
    assert billed(business) == 300 + 7


def test_a_line_is_explained_by_input_that_outlasts_its_meter_and_nobody_can_change(
    business: Business,
):
    use(business, "all", record("2026-10-05", 10, id="a"), record("2026-10-06", 5, id="b"))
    meters(business, "ES")
    run(business, "2026-11-01")
    meter = meter_of(business, "ES")["id"]
    business.run.done("usage", "void", meter, "b")
    run(business, "2026-11-02")
    business.sell(prices=[PER_UNIT])
    business.customer()
    invoice = bill(business, "2026-10")
    words = ("invoice", "explain", invoice["id"], "--line", "1")
    before = business.run.json(*words)
    delete(business, "ES")
    assert business.run.json(*words) == before
    [explained] = before
    [told] = explained["records"][0]["inputRecords"]["records"]
    assert (told["identity"], told["value"]) == ("a", "10")
    refused = business.run.refused("invoice", "rows", invoice["id"], "--line", "1")
    assert "the records are there: meterhouse invoice explain" in refused
    assert "There is no meter" in business.run.refused("usage", "list", meter)
    assert "There is no meter" in business.run.refused("usage", "void", meter, "a")


def test_a_meter_made_anew_has_nothing_of_the_one_before(business: Business):
    use(business, "first", record("2026-10-05", 10))
    meters(business, "ES")
    run(business, "2026-11-01")
    business.sell(prices=[EACH])
    business.customer()
    assert bill(business, "2026-10")["totals"]["net"] == "2.00"
    old = meter_of(business, "ES")
    delete(business, "ES")
    same = {name: old[name] for name in ("userId", "meterKey")} | {"meterTypeId": "Usage"}
    create(business, [same], "2026-10-01")
    use(business, "late", record("2026-10-20", 20))
    run(business, "2026-11-10")
    run(business, "2026-12-02")
    assert bill(business, "2026-11")["totals"]["net"] == "3.00"
    listed = business.run.json("usage", "list", meter_of(business, "ES")["id"])
    assert [one["value"] for one in listed] == [20]


def test_after_three_years_lines_stay_as_they_were_billed(business: Business):
    october = two_users(business, EACH | {"line_by": ["user"]})
    use(business, "late", record("2026-10-20", 20, user="PT"))
    run(business, _LONG_AFTER)
    [draft] = business.draft(period="2026-11")
    assert (draft["unpriced"], draft["exceptions"]) == ([], [])
    assert nets(issue(business, draft))[1:] == [("q", "3.00", october["number"])]
    assert billed(business) == 200 + 7


def test_after_three_years_a_line_that_is_changed_blocks_with_a_way_out(business: Business):
    october = two_users(business, EACH)
    use(business, "late", record("2026-10-20", 20, user="PT"))
    run(business, _LONG_AFTER)
    [draft] = business.draft(period="2026-11")
    [told] = [one["text"] for one in draft["exceptions"] if one["code"] == "late_no_events"]
    assert f"invoice {october['number']}: of usage priced by single events (q)" in told
    assert (draft["unpriced"], draft["totals"]["net"]) == ([], "100.00")
    refused = business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert refused.code != 0
    assert "a price book that needs no single events" in refused.err
    # The way out that is told.
    prices = book(id="simple", prices=[PER_UNIT | {"price": "0.2"}, FEE])
    business.run.done("price-book", "create", "--file", business.file("p.json", prices))
    change_customer(business, priceBook="simple")
    business.run.done("invoice", "correct", october["id"], "--reason", "usage is gone")
    [anew] = business.draft()
    words = ("--amount", "-1", "--reason", "evened out")
    business.run.done("invoice", "add-line", anew["id"], *words)
    issue(business, anew)
    [november] = business.draft(period="2026-11")
    issue(business, november)
    assert billed(business) == 200 + Decimal("0.2") * 40 - 1


def test_after_three_years_lines_that_depend_on_all_lines_block(business: Business):
    off = {"name": "partner", "kind": "percentage", "value": "10"}
    two_users(business, EACH | {"line_by": ["user"]}, discounts=[off])
    use(business, "late", record("2026-10-20", 20, user="PT"))
    run(business, _LONG_AFTER)
    [draft] = business.draft(period="2026-11")
    assert "late_no_events" in [one["code"] for one in draft["exceptions"]]


def _history(business: Business, seed: int, *, deletes: bool) -> list[Any]:
    """Bill months in which meters are deleted after their period's end, or are not."""
    random = Random(seed)
    users = ["ES", "PT", "FR", "IT"]
    price = random.choice([EACH, PER_UNIT, EACH | {"line_by": ["user"]}])
    gone = random.sample(users, random.randrange(1, 3))
    at_reset = random.random() < 0.5
    named = {"deleteOnReset": True} if deletes and at_reset else {}
    meters(business, *(user for user in users if user in gone), **named)
    [*made] = business.run.json("meter", "list")
    left = [user for user in users if user not in gone]
    same = {"meterKey": made[0]["meterKey"], "meterTypeId": "Usage"}
    create(business, [{"userId": user} | same for user in left], "2026-10-01")
    business.sell(prices=[price, FEE])
    if random.random() < 0.7:
        dearer(business, price | {"percent": "20"} if "percent" in price else price | {"price": 3})
    business.customer(users=users)
    for user in users:
        days = random.sample(range(1, 31), 3)
        some = [record(f"2026-10-{day:02}", random.randrange(1, 90), user=user) for day in days]
        use(business, f"of {user}", *some)
    for day in ("2026-10-31", "2026-11-01", "2026-11-02"):
        run(business, day)
    if deletes and not at_reset:
        for user in gone:
            delete(business, user)
    found = [bill(business, "2026-10")]
    for month, after in (("11", "2026-12-01"), ("12", "2027-01-01")):
        late_one = record(f"2026-10-{random.randrange(1, 31):02}", 7, user=random.choice(left))
        use(business, f"late {month}", late_one)
        run(business, f"2026-{month}-20")
        run(business, after)
        found.append(bill(business, f"2026-{month}"))
        if random.random() < 0.4:
            found.append(correct(business, found.pop(0)))
    return [(one["number"], nets(one)) for one in found] + [billed(business)]


@pytest.mark.parametrize("seed", _SEEDS)
def test_deleting_meters_after_their_period_changes_no_amount(tmp_path: Path, seed: int):
    outcomes = []
    for name, deletes in (("kept", False), ("deleted", True)):
        folder = tmp_path / name
        folder.mkdir()
        business = Business(Meterhouse(folder / "data"), folder)
        outcomes.append(_history(business, seed, deletes=deletes))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("gone", [False, True])
def test_a_meter_that_is_gone_takes_no_days_from_others_of_its_type(business: Business, gone: bool):
    rule = small.RULE | {"groupBy": [{"fields": ["day", "app"]}], "matchCategory": "Usage"}
    kind = small.TYPE | {"name": "Usage", "category": "Usage"} | BY_EVENT
    stream = small.document(small.reader(business.folder / "Usage*.ndjson"), small.meter(rule))
    business.run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
    key = business.run.import_stream("-", given=json.dumps(stream | {"name": "Usage"}))["Meter"]
    of = {"meterKey": key, "meterTypeId": "Usage"}
    if gone:
        create(business, [of | {"userId": "PT"}], "2026-09-01")
        use(business, "a", record("2026-09-05", 1, user="PT") | {"day": "2026-09-05"})
        run(business, "2026-10-01")
        delete(business, "PT")
    changed = json.dumps({"periodAssignment": "processing", "gracePeriod": None})
    business.run.done("meter-type", "update", "Usage", "--file", "-", given=changed)
    create(business, [of | {"userId": "ES"}], "2026-10-01")
    use(business, "b", record("2026-10-05", 10) | {"day": "2026-10-05"})
    run(business, "2026-10-20")
    run(business, "2026-11-01")
    business.sell(prices=[PER_UNIT | {"line_by": ["app"]}])
    business.customer()
    [draft] = business.draft()
    assert [(one["start"], one["quantity"]) for one in draft["windows"]] == [("2026-10-05", "10")]
