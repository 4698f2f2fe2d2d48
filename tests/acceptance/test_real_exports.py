"""Real exports come in unchanged and, with scripts, give the results that are known of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest

from tests.acceptance.exported import (
    FEBRUARY,
    FOLDER,
    SCRIPTS,
    exported,
    filled,
    import_document,
    named,
    needs_exports,
    run,
)
from tests.cli.command import Meterhouse
from tests.connectors.http.server import Asked, Reply, Server

pytestmark = needs_exports
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
PRINTING = "printing-as-a-service-with-metering"


def test_there_are_scripts_for_all_of_them():
    assert len(NAMES) == 15
    assert {folder.name for folder in SCRIPTS.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_export_comes_out_as_it_went_in(meterhouse: Meterhouse, name: str):
    """Laid out as the original does it, it is the same file byte for byte."""
    file = FOLDER / f"{name}.json"
    ended = meterhouse.process("stream", "import", file)
    assert ended.code == 0, ended.err
    out = meterhouse.done("stream", "export", exported(name)["name"]).out
    laid_out = json.dumps(json.loads(out), indent=1, ensure_ascii=False)
    assert laid_out.encode() == file.read_bytes().rstrip()


def only(name: str) -> str:
    """The export of a solution of one stream."""
    return f"{name}__{name}"


# ---------------------------------------------------------------- foreign exchange

RATES = {"SEK": "0.0951234", "EUR": "1.08125", "GBP": "1.26504999", "AUD": "0.6666"}
FEES = {"SEK": 25, "EUR": 10, "GBP": 4, "AUD": 7}


def rate(asked: Asked) -> Reply:
    if asked.headers.get("authorization") != "Basic cmF0ZXM6bWFueQ==":
        return Reply.of({"error": "who are you?"}, 401)
    assert asked.query["symbols"] == ["USD"]
    [base] = asked.query["base"]
    body = f'{{"base": "{base}", "rates": {{"USD": {RATES[base]}}}}}'
    return Reply(200, body.encode(), {"content-type": "application/json"})


@pytest.fixture
def rates() -> Iterator[Server]:
    with Server({"/rates": rate}).serving() as serving:
        yield serving


def test_four_fees_are_converted_and_rounded(
    meterhouse: Meterhouse, rates: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", rates.host)
    document = filled(only("data-enrichment-with-foreign-exchange-rates"))
    named(document, "Exchange Rate")["params"]["uri"] = f"{rates.url}/rates"
    credentials = json.dumps({"username": "rates", "password": "many"})
    words = ("--name", "rates", "--type", "basic", "--file", "-")
    meterhouse.done("secret", "create", *words, given=credentials)
    import_document(meterhouse, document, "--secret", "rates")

    ran = run(meterhouse, document)

    assert [record["Service Fee (USD)"] for record in ran.logged["Log"]] == [
        2.3781,  # 25 x 0.0951234 = 2.378085
        10.8125,
        5.0602,  # 4 x 1.26504999 = 5.06019996
        4.6662,
    ]
    assert [(r["Currency"], r["ServiceFee"]) for r in ran.logged["Log"]] == list(FEES.items())
    assert all("httpResponse" not in record for record in ran.logged["Log"])
    shown = [Decimal(str(record["USD Exchange Rate"])) for record in ran.logged["Log"]]
    assert shown == [Decimal(text) for text in RATES.values()]
    assert rates.count("/rates") == 4


# ---------------------------------------------------------------- Spark Energy, Punk Games


def test_of_eight_charges_three_are_good(meterhouse: Meterhouse):
    document = filled(only("handling-erroneous-and-duplicated-records"))
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    assert ran.nodes["Simulate Data"]["out"] == {"out": 8}
    assert ran.figures("Deduplicate") == (8, 3, 0, 0)
    assert ran.figures("Validate") == (5, 0, 2, 0)
    assert [(r["kWhCharged"], r["chargingPlace"]) for r in ran.logged["Log"]] == [
        (31.5, "Harbour"),
        (7.25, "Station"),
        (48, "Airport"),
    ]
    waiting = meterhouse.json("correction", "list")
    assert [entry["reason"] for entry in waiting] == ["schema_invalid"] * 2
    assert "userTechnicalId" in waiting[0]["detail"]
    assert "kWhCharged" in waiting[1]["detail"]


def test_thirty_downloads_in_a_month(meterhouse: Meterhouse):
    document = filled(only("summarize-monthly-usage-data"))
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    monthly = {"Month": "2026-01", "TotalDownload": 30, "User": "punk-1977"}
    assert ran.logged["Log"] == [monthly]


# ---------------------------------------------------------------- Forma AI


def test_credits_and_monthly_cost_of_each_customer(meterhouse: Meterhouse):
    """Each source has 20 events; the 7th is invalid, the 13th comes twice, every fifth is nobody's.

    Aster has those of n mod 5 in 0, 1 (8 events, the sum of n is 84), Borealis those in 2, 3
    without the 7th (7 events, 73). The n-th event has 40 n tokens of copy, 100 n of brand agent,
    and 60 n of design: images where n is even (Aster 52, Borealis 40 of that sum), else videos.
    """
    document = filled(only("forma-ai-usage-credits"), "Cost per customer")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    for source in ("design", "copy", "brand"):
        assert ran.figures(f"Validate {source}") == (21, 0, 1, 0)
        assert ran.figures(f"Dedup {source}") == (20, 1, 0, 0)
    assert ran.figures("Validate customer") == (57, 0, 12, 0)

    credits: Counter[str] = Counter()
    for record in ran.logged["Pricing"]:
        credits[record["fields"]["customerId"]] += record["fields"]["credits"]
        assert record["accountId"] == f"account of {record['fields']['customerId']}"
    assert len({record["idempotencyKey"] for record in ran.logged["Pricing"]}) == 45
    assert credits == {
        "Aster": 8 * 1 + 8 * 5 + 4 * 3 + 4 * 4,
        "Borealis": 7 * 1 + 7 * 5 + 4 * 3 + 3 * 4,
    }

    cost: dict[str, Decimal] = defaultdict(Decimal)
    operations: Counter[str] = Counter()
    for record in ran.logged["After Cost per customer"]:
        assert (record["usageMonth"], record["currency"]) == ("2026-01", "EUR")
        cost[record["customerId"]] += Decimal(str(record["monthlyAiCost"]))
        operations[record["customerId"]] += record["operationsCount"]
    assert cost == {
        # copy, brand agent, images, videos
        "Aster": Decimal("0.336") + Decimal("4.2") + Decimal("0.624") + Decimal("0.576"),
        "Borealis": Decimal("0.292") + Decimal("3.65") + Decimal("0.48") + Decimal("0.594"),
    }
    assert operations == {"Aster": 24, "Borealis": 21}
    # The count has another name than the one that the last node maps: it has no such field.
    assert {(r["accountName"], r["month"]) for r in ran.logged["Margin dashboard"]} == {
        ("Aster", "2026-01"),
        ("Borealis", "2026-01"),
    }


# ---------------------------------------------------------------- Cultflicks


def percent(part: int, whole: int) -> int:
    return floor(Fraction(100 * part, whole) + Fraction(1, 2))


def test_views_are_settled_analysed_and_billed(meterhouse: Meterhouse):
    document = filled(only("cultflicks-video-streaming"), "View simulator", "Date")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    views = ran.logged["After View simulator"]
    assert len(views) == 100
    assert all(
        record["timestamp"].endswith("T23:59:59.000Z") for record in ran.logged["After Date"]
    )
    settled = per_title(views, done=True)
    assert by_title(ran.logged["To partner settlement"]) == settled
    unfinished = per_title(views, done=False)
    assert by_title(ran.logged["To analytics"]) == unfinished
    assert sum(count for count, _ in [*settled.values(), *unfinished.values()]) == 100
    for record in ran.logged["To partner settlement"]:
        even = int(record["title"].split()[1]) % 2 == 0
        assert record["ip_owner"] == ("Even Pictures" if even else "Odd Studios")


def per_title(views: list[dict[str, Any]], *, done: bool) -> dict[str, tuple[int, int]]:
    """Views and seconds of each title, of those watched to the end, or not."""
    found: dict[str, tuple[int, int]] = {}
    for view in views:
        if (percent(view["view_duration"], view["full_duration"]) > 90) is done:
            count, seconds = found.get(view["title"], (0, 0))
            found[view["title"]] = count + 1, seconds + view["view_duration"]
    return found


def by_title(records: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    assert {record["month"] for record in records} == {"2026-01"}
    return {r["title"]: (r["total_views"], r["total_view_duration"]) for r in records}


def test_averages_of_unfinished_views_are_exact(meterhouse: Meterhouse):
    document = filled(only("cultflicks-video-streaming"), "View simulator")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    percents = defaultdict(list)
    for view in ran.logged["After View simulator"]:
        share = percent(view["view_duration"], view["full_duration"])
        if share < 91:
            percents[view["title"]].append(share)
    for record in ran.logged["To analytics"]:
        shares = percents[record["title"]]
        average = Decimal(sum(shares)) / len(shares)
        shown = Decimal(str(record["average_view_perc"]))
        places = Decimal("0.000000000001")
        assert shown.quantize(places) == average.quantize(places, ROUND_HALF_EVEN)


def test_users_are_classified_and_written_to(meterhouse: Meterhouse):
    document = filled(only("cultflicks-video-streaming"), "View simulator")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    seen: Counter[int] = Counter()
    full: Counter[int] = Counter()
    for view in ran.logged["After View simulator"]:
        seen[view["user_id"]] += view["view_duration"]
        full[view["user_id"]] += view["full_duration"]
    billed = {record["user_id"]: record for record in ran.logged["To Billing"]}
    assert set(billed) == {1, 2, 3, 4}
    for user, record in billed.items():
        assert record["total_view_duration"] == seen[user]
        assert record["total_full_duration"] == full[user]
        category = (
            "Heavy" if seen[user] > 200_000 else "Light" if seen[user] < 100_000 else "Medium"
        )
        risk = "High" if Fraction(100 * seen[user], full[user]) < 76 else "Low"
        assert (record["user_category"], record["user_churn_risk"]) == (category, risk)
    assert {record["user_category"] for record in billed.values()} == {"Heavy", "Medium", "Light"}
    assert {record["user_churn_risk"] for record in billed.values()} == {"High", "Low"}
    [ada] = [
        mail for mail in ran.logged["Send email notification"] if "dear Ada" in mail["message"]
    ]
    messages = f"{billed[1]['nudge_msg']} {billed[1]['metrics_msg']}"
    assert ada == {
        "subject": "Thank you for using Cultflicks!",
        "message": "Hi dear Ada, Your email is ada@mail.test, your country is SE, and you were "
        f"born on 1990. {messages}  Best regards, Cultflicks",
    }


# ---------------------------------------------------------------- Peppa CRM

ACCOUNTS = {1: "Alpha", 2: "Beta", 3: "Gamma", 4: "Delta", 5: "Epsilon"}
FUNNEL = ("New lead", "Contacted", "Renewed", "Lost")


def test_events_of_two_sources_are_counted_by_account(meterhouse: Meterhouse):
    document = filled(only("peppa-crm"), "Core Sources", "CPQ Sources")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    assert ran.figures("Deduplicate Core events")[:2] == (192, 8)
    assert ran.figures("Deduplicate CPQ events (1)")[:2] == (210, 15)
    funnel: dict[str, Counter[str]] = defaultdict(Counter)
    services: dict[str, Counter[str]] = defaultdict(Counter)
    core = {event["eventId"]: event for event in known(ran.logged["After Core Sources"])}
    for event in core.values():
        account = ACCOUNTS.get(event["accountId"], "ACCOUNT NOT FOUND")
        funnel[account][FUNNEL[event["funnelEventId"]]] += 1
        services[account][event["serviceId"]] += 1
    quotes = {
        event["eventKey"]: event for event in known(ran.logged["After CPQ Sources"], "userId")
    }
    for event in quotes.values():
        account = ACCOUNTS[event["userId"] - 69]
        funnel[account][f"Quote {event['quoteState']}"] += 1
        services[account][event["sourceServiceId"]] += 1
    assert {r["accountName"]: r["eventCount"] for r in ran.logged["To Billing"]} == {
        account: counts.total() for account, counts in funnel.items()
    }
    analytics = ran.logged["To analytics"]
    assert len(analytics) == 2 * len(funnel)
    for name, expected in (("FunnelEvent", funnel), ("ServiceId", services)):
        field = f"eventCountBy{name}"
        assert {r["accountName"]: r[field] for r in analytics if field in r} == expected


def known(events: list[dict[str, Any]], field: str = "accountId") -> list[dict[str, Any]]:
    """The first of each event whose sender is known."""
    return [event for event in reversed(events) if event[field] != "UNKNOWN"]


def test_accounts_that_nobody_knows_are_reconciled(meterhouse: Meterhouse):
    document = filled(only("peppa-crm"), "Core Sources")
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    lost = Counter(
        event["accountId"]
        for event in known(ran.logged["After Core Sources"])
        if event["accountId"] not in ACCOUNTS
    )
    assert set(lost) == {6, 7}
    assert ran.logged["To reconciliation"] == [
        {
            "accountId": account,
            "accountName": "ACCOUNT NOT FOUND",
            "sumFunnelEvents": lost[account],
            "billingPeriod": "2026-01",
        }
        for account in (r["accountId"] for r in ran.logged["To reconciliation"])
    ]
    [audit] = meterhouse.json("run", "audit", "--stream", document["name"])
    assert audit["custom"] == {"unprovisionedAccounts": 2, "unprovisionedEvents": lost.total()}
    assert ran.nodes["Account not found"]["suspended"] == 192 - lost.total()


# ---------------------------------------------------------------- printing

SHEETS = {"101": 24, "102": 31, "103": 28, "104": 45, "105": 52}


def test_sheets_are_summed_by_the_aggregator(meterhouse: Meterhouse):
    document = filled(only("printing-as-a-service"))
    import_document(meterhouse, document)
    ran = run(meterhouse, document)
    assert ran.figures("Validate") == (12, 0, 1, 0)
    assert ran.figures("Deduplicate 1") == (11, 2, 0, 0)
    found = {str(record["printerId"]): record for record in ran.logged["To Billing"]}
    assert {id: record["sheets"] for id, record in found.items()} == SHEETS
    assert sum(SHEETS.values()) == 180
    assert found["101"] == {
        "customer": "Guz Inc",
        "department": "Research",
        "printerId": 101,
        "sheets": 24,
        "period": "2025-12",
    }
    assert [record["printerId"] for record in ran.logged["To Order Ink"]] == [104]
    assert [record["printerId"] for record in ran.logged["To Service"]] == [102, 105]
    assert ran.logged["To Service"][0] == {
        "customer": "Guz Inc",
        "department": "Research",
        "printerId": 102,
        "brand": "Acme",
        "model": "MPS-Super",
        "type": "Laser",
        "status": "Needs service",
    }


def printers(meterhouse: Meterhouse, document: dict[str, Any]) -> str:
    """Provision the five printers by hand; the meter key."""
    folder = meterhouse.examples / "printing"
    meterhouse.done("meter-type", "create", "--file", folder / "meter-types.json")
    key = import_document(meterhouse, document)["Meter"]
    meterhouse.create_meters(folder / "meters.ndjson", key=key, at="2026-01-01T00:00:00Z")
    return key


def test_sheets_are_metered_and_billed(meterhouse: Meterhouse):
    document = filled(only(PRINTING))
    key = printers(meterhouse, document)
    ran = run(meterhouse, document)
    assert ran.figures("Validate") == (12, 0, 1, 0)
    assert ran.figures("Deduplicate 1") == (11, 2, 0, 0)
    assert ran.figures("Meter") == (9, 0, 0, 9)
    assert {meter["userId"]: meter["value"] for meter in meterhouse.json("inspect", key)} == SHEETS
    assert [record["printerId"] for record in ran.logged["To Order Ink"]] == [104]
    assert [record["printerId"] for record in ran.logged["To Service"]] == [102, 105]
    ended = run(meterhouse, document, at=FEBRUARY)
    assert {r["printerId"]: r["sheets"] for r in ended.logged["To Billing"]} == SHEETS
    assert {(r["customer"], r["brand"]) for r in ended.logged["To Billing"]} == {
        ("Guz Inc", "Acme")
    }


def test_full_printers_are_mailed_about_and_stopped(meterhouse: Meterhouse):
    document = filled(only(PRINTING))
    named(document, "Count")["params"]["max"] = 400
    printers(meterhouse, document)
    ran = run(meterhouse, document)
    assert ran.nodes["Route"]["out"] == {"EMAIL": 5, "DEACTIVATE": 5}
    mails = {record["message"].split(":")[0] for record in ran.logged["Email maintenance"]}
    stops = {record["message"].split(":")[0] for record in ran.logged["Deactivate printer"]}
    assert mails == stops == {f"Printer {id}" for id in SHEETS}
    assert "(DEACTIVATE_PRINTER)" in ran.logged["Deactivate printer"][0]["message"]
