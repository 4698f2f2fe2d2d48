"""Prices that change within a period: usage is cut where its day is known."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import small
from tests.cli.billing import FIELDS, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import (
    BY_EVENT,
    GRADUATED,
    PER_UNIT,
    bill,
    billed,
    change_customer,
    correct,
    late,
    nets,
    run,
)

MADRID = {"timezone": "Europe/Madrid"}


@pytest.fixture
def business(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    return Business(meterhouse, tmp_path)


def record(timestamp: str, value: object, app: str = "app") -> dict[str, Any]:
    fields = dict(zip(FIELDS, ("a", "s", app, None), strict=True))
    return {"userId": "ES", "timestamp": timestamp, "value": value, **fields}


def begin(business: Business, price: dict[str, Any], *records: dict[str, Any], **more: Any) -> None:
    """Meter records of October by event time, 10 on the 1st besides, and have a customer."""
    business.file("Usage more.ndjson", *records)
    rows = [("a", "s", "app", None, 10)]
    zone = {name: more[name] for name in ("timezone",) if name in more}
    business.meter(["ES"], rows=rows, at="2026-10-01T12:00:00Z", **BY_EVENT | zone)
    business.sell(prices=[price], **more)
    business.customer()


def change(business: Business, price: dict[str, Any], day: str = "2026-10-16", **more: Any) -> None:
    """Have another version of the book from a day on."""
    newer = book(version=f"{day}.1", valid={"from": day, "to": None}, prices=[price], **more)
    path = business.file("newer.json", newer)
    business.run.done("price-book", "create", "--file", path)


def quantities(draft: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (line["charge"]["period"]["start"][:16], line["charge"]["quantity"], line["net"])
        for line in draft["lines"]
    ]


def test_each_part_of_the_period_has_the_prices_of_its_version(business: Business):
    in_madrid = [record("2026-10-15T21:59:00Z", 20), record("2026-10-15T22:00:00Z", 40)]
    begin(business, PER_UNIT, *in_madrid, **MADRID)
    change(business, PER_UNIT | {"price": "2"}, **MADRID)
    [draft] = business.draft()
    assert draft["exceptions"] == []
    assert quantities(draft) == [
        ("2026-09-30T22:00", "30", "30.00"),
        ("2026-10-15T22:00", "40", "80.00"),
    ]
    assert [line["charge"]["name"] for line in draft["lines"]] == [
        "q (2026-10-01 to 2026-10-15, prices 2026-10-01.1)",
        "q (2026-10-16 to 2026-10-31, prices 2026-10-16.1)",
    ]
    versions = {one["hash"]: one["version"] for one in draft["books"]}
    assert [versions[line["book"]] for line in draft["lines"]] == ["2026-10-01.1", "2026-10-16.1"]
    assert business.draft() == [draft]


def test_a_cell_that_a_version_drops_is_charged_by_the_one_before(business: Business):
    prices = [
        {"sku": "q", "match": {}, "unit": "query"}
        | {"model": "matrix", "dimensions": ["app"], "values": values}
        for values in ({"app": "1", "old": "2"}, {"app": "3"})
    ]
    used = (("2026-10-03", 4, "old"), ("2026-10-18", 1, "app"))
    begin(business, prices[0], *[record(f"{day}T00:00:00Z", n, app) for day, n, app in used])
    change(business, prices[1])
    [draft] = business.draft()
    assert draft["exceptions"] == []
    assert [net for *_, net in quantities(draft)] == ["18.00", "3.00"]


def test_quantities_go_on_through_the_tiers_or_start_anew(business: Business):
    begin(
        business, GRADUATED, record("2026-10-10T00:00:00Z", 70), record("2026-10-20T00:00:00Z", 80)
    )
    change(business, GRADUATED)
    [draft] = business.draft()
    assert [net for *_, net in quantities(draft)] == ["80.00", "50.00"]
    change(business, GRADUATED, "2026-10-18", tiers_at_change="restart")
    [draft] = business.draft()
    assert [net for *_, net in quantities(draft)] == ["80.00", "80.00"]


def test_late_usage_is_rated_by_the_version_of_its_day(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    change(business, PER_UNIT | {"price": "2"})
    october = bill(business, "2026-10")
    late(business, "2026-11-05", 7)
    # A version that was made since changes nothing of what was billed.
    change(business, PER_UNIT | {"price": "9"}, "2026-10-25")
    november = bill(business, "2026-11")
    assert nets(november) == [("q", "14.00", october["number"])]
    assert quantities(november) == [("2026-10-16T00:00", "7", "14.00")]
    assert billed(business) == 10 + 2 * (40 + 7)


def billed_in_two_parts(business: Business, *more: dict[str, Any], **of_book: Any) -> str:
    """Bill 10 at 1, 40 at 2 from the 16th on; returns the id of the meter, that keeps both."""
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40), *more, **of_book)
    change(business, PER_UNIT | {"price": "2"}, **of_book)
    assert bill(business, "2026-10")["totals"]["net"] == "90.00"
    return business.run.json("meter", "list")[0]["id"]


def other_meter(business: Business) -> None:
    """Have another meter of the customer's, with 1 unit on the last day of October, late."""
    late_day = {"value": 1, "timestamp": "2026-10-31T00:00:00Z"}
    business.file("Usage other.ndjson", {"userId": "PT", **late_day} | dict.fromkeys(FIELDS, "b"))
    [one] = business.run.json("meter", "list")
    made = [{"userId": "PT", "meterKey": one["meterKey"], "meterTypeId": "Usage"}]
    created = ("--at", "2026-10-01T00:00:00Z")
    business.run.done("meter", "create", "--file", "-", *created, given=json.dumps(made))
    change_customer(business, users=["ES", "PT"])


@pytest.mark.parametrize("last", ["2026-12-01", "2030-01-01"])
def test_late_usage_leaves_what_was_billed_of_a_deleted_meter_as_it_was(
    business: Business, last: str
):
    """Whether its single usage is kept still, or has been forgotten after three years."""
    meter = billed_in_two_parts(business)
    other_meter(business)
    business.run.done("meter", "delete", meter)
    run(business, "2026-11-05")
    run(business, last)
    november = bill(business, "2026-11")
    assert (november["kind"], november["totals"]["net"]) == ("invoice", "2.00")
    assert billed(business) == 92


def test_usage_that_was_billed_in_parts_and_is_restated_is_cut_though_its_meter_is_gone(
    business: Business,
):
    meter = billed_in_two_parts(business)
    late(business, "2026-11-05", 7)
    business.run.done("meter", "delete", meter)
    assert bill(business, "2026-11")["totals"]["net"] == "14.00"
    assert billed(business) == 10 + 2 * (40 + 7)


def test_usage_that_was_billed_in_parts_and_is_restated_blocks_when_it_is_forgotten(
    business: Business,
):
    meter = billed_in_two_parts(business)
    late(business, "2026-11-05", 7)
    business.run.done("meter", "delete", meter)
    run(business, "2030-01-01")
    [draft] = business.draft(period="2026-11")
    told = {one["code"]: one["text"] for one in draft["exceptions"]}
    assert "nobody knows the days any more" in told["late_not_cut"]
    refused = business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert refused.code != 0
    assert "put the meter and its single usage back" in refused.err


def test_usage_that_is_late_in_a_part_without_usage_has_its_own_line(business: Business):
    begin(business, PER_UNIT)
    change(business, PER_UNIT | {"price": "2"})
    october = bill(business, "2026-10")
    assert len(october["lines"]) == 1
    late(business, "2026-11-05", 7)
    assert nets(bill(business, "2026-11")) == [("q", "14.00", october["number"])]


def test_a_corrected_period_is_cut_by_the_versions_there_are_then(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    october = bill(business, "2026-10")
    late(business, "2026-11-05", 7)
    bill(business, "2026-11")
    change(business, PER_UNIT | {"price": "2"})
    corrected = correct(business, october)
    # What the next invoice has billed of the period, at the old price, is deducted.
    assert nets(corrected) == [
        ("q", "10.00", None),
        ("q", "94.00", None),
        ("q", "-7.00", "LICEO-2027-000002"),
    ]
    assert billed(business) == 10 + 2 * 47


def test_a_line_is_explained_by_the_usage_of_its_days(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    change(business, PER_UNIT | {"price": "2"})
    invoice = bill(business, "2026-10")
    words = ("invoice", "explain", invoice["number"], "--line")
    told = [business.run.json(*words, line)[0] for line in ("1", "2")]
    assert [one["price"]["version"] for one in told] == ["2026-10-01.1", "2026-10-16.1"]
    inputs = [one["records"][0]["inputRecords"] for one in told]
    assert [(one["count"], one["value"]) for one in inputs] == [(1, "10"), (1, "40")]


def by_day(
    business: Business,
    groups: list[list[str]],
    price: dict[str, Any],
    *,
    of_type: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """Meter by processing time, with the day as a field of groups."""
    rows = [("2026-10-15", "x", 30), ("2026-10-16", "x", 40), ("2026-10-16", "y", 5)]
    usage = [{"userId": "ES", "day": day, "app": app, "value": n} for day, app, n in rows]
    business.file("Usage.ndjson", *usage)
    rule = small.RULE | {"groupBy": [{"fields": one} for one in groups], "matchCategory": "Usage"}
    reader = small.reader(business.folder / "Usage*.ndjson")
    document = small.document(reader, small.meter(rule)) | {"name": "Usage"}
    kind = small.TYPE | {"name": "Usage", "category": "Usage"} | (of_type or {})
    business.run.done("meter-type", "create", "--file", "-", given=json.dumps(kind))
    key = business.run.import_stream("-", given=json.dumps(document))["Meter"]
    meters = json.dumps([{"userId": "ES", "meterKey": key, "meterTypeId": "Usage"}])
    created = ("--at", "2026-10-01T00:00:00Z")
    business.run.done("meter", "create", "--file", "-", *created, given=meters)
    for at in ("2026-10-20", "2026-11-01"):
        business.run.done("stream", "run", "Usage", "--at", f"{at}T00:00:00Z", "--quiet")
    business.sell(prices=[price], **more)
    business.customer()
    change(business, price | {"price": "2"}, **more)


@pytest.mark.parametrize("users", [["ES", "ES"], ["ES", "PT"]])
def test_free_events_are_those_of_the_period_whatever_meter_has_them(
    business: Business, users: list[str]
):
    percent = {"sku": "q", "match": {}, "unit": "query", "model": "percentage", "percent": "10"}
    events = [
        record(f"2026-10-{day}T10:00:0{second}Z", 10) | {"userId": user}
        for user, day in zip(users, ("03", "20"), strict=True)
        for second in range(5)
    ]
    business.meter(["ES", "PT"], rows=[], at="2026-10-01T12:00:00Z", **BY_EVENT)
    business.sell(prices=[percent])
    business.customer(users=["ES", "PT"])
    change(business, percent | {"fixed": "1", "free_events": 3})
    business.file("Usage 1.ndjson", *events)
    for day in ("2026-11-02", "2026-11-03"):
        run(business, day)
    [draft] = business.draft()
    # All three free events were before the change.
    assert [net for *_, net in quantities(draft)] == ["5.00", "10.00"]


APP = PER_UNIT | {"line_by": ["app"]}


@pytest.mark.parametrize(
    "groups",
    [
        [["day", "app"]],
        [["day", "app"], ["app"]],
        # An application is of one user: the days of the one are those of the other.
        [["day", "app"], ["app", "userId"]],
    ],
)
def test_a_day_among_the_group_fields_is_enough(business: Business, groups: list[list[str]]):
    by_day(business, groups, APP)
    [draft] = business.draft()
    assert draft["exceptions"] == []
    assert [(line["charge"]["fields"]["app"], line["net"]) for line in draft["lines"]] == [
        ('"x"', "30.00"),
        ('"x"', "80.00"),
        ('"y"', "10.00"),
    ]


def test_groups_that_prices_ask_for_and_no_day_is_known_of_leave_usage_whole(business: Business):
    by_day(business, [["day"], ["app"]], APP)
    [draft] = business.draft()
    [told] = draft["exceptions"]
    assert told["code"] == "price_change_in_period"
    assert "have meters keep single usage or group by `day`" in told["text"]
    assert sum(Decimal(line["net"]) for line in draft["lines"]) == 75


def test_days_alone_are_enough_where_prices_ask_for_nothing_else(business: Business):
    by_day(business, [["day"], ["app"]], PER_UNIT)
    [draft] = business.draft()
    assert [net for *_, net in quantities(draft)] == ["30.00", "90.00"]


def test_versions_in_another_currency_or_zone_or_none_leave_the_period_whole(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    change(business, PER_UNIT | {"price": "2"}, **MADRID)
    [draft] = business.draft()
    [told] = draft["exceptions"]
    assert "is in the time zone Europe/Madrid" in told["text"]
    assert [net for *_, net in quantities(draft)] == ["50.00"]


def test_what_if_takes_the_versions_of_the_period(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    change(business, PER_UNIT | {"price": "2"})
    dearer = business.file("dearer.json", book(version="x", prices=[PER_UNIT | {"price": "3"}]))
    words = ("invoice", "what-if", "--book", dearer, "--period", "2026-10")
    told = business.run.json(*words)[0]
    assert (told["now"], told["then"]) == ("90.00", "150.00")


REQUESTS = {"to": "requests", "match": {"category": "Usage"}}
LIMIT = {"code": "late-app", "text": "of app", "match": {"app": "app"}, "percent": "0"}


def changed_to(business: Business, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Draft 10 of a version and 40 of the next, that differ in what they tell."""
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40), **before)
    change(business, PER_UNIT | {"price": "2"}, **after)
    [draft] = business.draft()
    return draft


def test_a_count_of_the_second_version_alone_is_told(business: Business):
    draft = changed_to(business, {}, {"counts": [REQUESTS]})
    assert (draft["requests"], draft["totals"]["net"]) == ("40", "10.00")


def test_a_count_of_the_first_version_alone_is_told_of_its_days(business: Business):
    draft = changed_to(business, {"counts": [REQUESTS], "limits": [LIMIT]}, {"limits": [LIMIT]})
    assert (draft["requests"], draft["totals"]["net"]) == ("10", "80.00")
    [check] = draft["checks"]
    assert "40 of 40 of app" in check["text"]
    # Usage by day is what the lines are for.
    assert [window["quantity"] for window in draft["windows"]] == ["40"]


def test_a_limit_of_the_second_version_alone_is_checked(business: Business):
    draft = changed_to(business, {}, {"limits": [LIMIT]})
    assert [(one["code"], one["outcome"]) for one in draft["checks"]] == [("late-app", "blocked")]


def test_groups_that_counts_ask_for_and_no_day_is_known_of_leave_usage_whole(business: Business):
    count = {"to": "exceptions", "code": "dups", "text": "dups", "match": {"app": "y"}}
    by_day(business, [["day"], ["app"]], PER_UNIT, counts=[count])
    [draft] = business.draft()
    assert draft["totals"]["net"] == "70.00"
    assert [one["code"] for one in draft["exceptions"]] == ["price_change_in_period", "dups"]


def test_a_version_of_a_zone_to_the_west_is_told_of(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    change(business, PER_UNIT | {"price": "2"}, timezone="America/New_York")
    [draft] = business.draft()
    assert ["America/New_York" in one["text"] for one in draft["exceptions"]] == [True]


def test_a_draft_made_before_a_version_within_its_period_is_stale(business: Business):
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 40))
    [draft] = business.draft()
    change(business, PER_UNIT | {"price": "2"})
    refused = business.run("invoice", "issue", draft["id"], "--issue-date", "2027-12-01")
    assert refused.code != 0
    assert "or versions of its price book" in refused.err
    assert bill(business, "2026-10")["totals"]["net"] == "90.00"


def explained(business: Business) -> list[tuple[str, int, str]]:
    [draft] = business.draft()
    told = business.run.json("invoice", "explain", draft["id"], "--line", "1")[0]
    [one] = told["records"]
    return [(told["quantity"], one["inputRecords"]["count"], one["inputRecords"]["value"])]


def test_usage_that_was_left_whole_is_explained_by_all_of_it(business: Business):
    business.file("Usage more.ndjson", record("2026-10-20T00:00:00Z", 40))
    rows = [("a", "s", "app", None, 10)]
    most = BY_EVENT | {"aggregation": "max"}
    business.meter(["ES"], rows=rows, at="2026-10-01T12:00:00Z", **most)
    business.sell(prices=[PER_UNIT])
    business.customer()
    change(business, PER_UNIT | {"price": "2"})
    assert explained(business) == [("40", 2, "40")]


def test_what_is_counted_is_not_among_the_usage_of_a_line(business: Business):
    count = {"to": "requests", "match": {"app": "test"}}
    begin(business, PER_UNIT, record("2026-10-20T00:00:00Z", 7, "test"), counts=[count])
    assert explained(business) == [("10", 1, "10")]


def test_what_the_draft_has_no_check_for_is_not_overridden(business: Business):
    begin(business, PER_UNIT)
    [draft] = business.draft()
    words = ("--override", "nonsense", "--reason", "x", "--issue-date", "2027-12-01")
    refused = business.run("invoice", "issue", draft["id"], *words)
    assert refused.code != 0
    assert "'nonsense' is no check of the draft" in refused.err


DAILY = {"minute": "0", "hour": "0", "day": "*", "month": "*", "weekday": "*"}


def daily(business: Business, day: str) -> dict[str, Any]:
    """Meter 5 on 2 November, 7 between the 4th and the 19th, 100 on the 20th, by resets of days."""
    business.meter(["ES"], rows=[("a", "s", "app", None, 10)], resetSchedule=DAILY)
    usage = {"userId": "ES"} | dict.fromkeys(FIELDS, "b")
    for on, value in (("02", 5), ("03", 0), ("19", 7), ("20", 100), ("21", 0)):
        business.file(f"Usage {on}.ndjson", *([usage | {"value": value}] if value else []))
        run(business, f"2026-11-{on}")
    business.sell(prices=[PER_UNIT])
    business.customer()
    change(business, PER_UNIT | {"price": "2"}, day)
    [draft] = business.draft(period="2026-11")
    return draft


@pytest.mark.parametrize(
    ("day", "first", "second"),
    [("2026-11-04", 5, 107), ("2026-11-20", 12, 100), ("2026-11-21", 112, 0)],
)
def test_usage_whose_own_period_is_of_one_version_has_its_prices(
    business: Business, day: str, first: int, second: int
):
    draft = daily(business, day)
    assert "price_change_in_period" not in [one["code"] for one in draft["exceptions"]]
    expected = [("2026-11-01", first, first), (day, second, 2 * second)]
    assert [(at[:10], int(n), Decimal(net)) for at, n, net in quantities(draft)] == [
        one for one in expected if one[1]
    ]


def test_usage_whose_own_period_has_the_change_in_it_is_left_whole(business: Business):
    draft = daily(business, "2026-11-10")
    [told] = [one for one in draft["exceptions"] if one["code"] == "price_change_in_period"]
    assert "(records: 1)" in told["text"]
    assert [(n, net) for _, n, net in quantities(draft)] == [("12", "12.00"), ("100", "200.00")]


def test_the_day_of_usage_goes_before_when_it_was_metered(business: Business):
    """The file of a day is read on the next one, when other prices hold."""
    by_day(business, [["day", "app"]], APP, of_type={"resetSchedule": DAILY})
    usage = {"userId": "ES", "day": "2026-11-02", "app": "x", "value": 7}
    business.file("Usage later.ndjson", usage)
    for day in ("2026-11-03", "2026-11-04"):
        run(business, day)
    change(business, APP | {"price": "3"}, "2026-11-03")
    [draft] = business.draft(period="2026-11")
    assert quantities(draft) == [("2026-11-01T00:00", "7", "14.00")]
