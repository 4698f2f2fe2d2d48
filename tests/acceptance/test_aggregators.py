"""The example streams that fold records: their results are known from what they simulate."""

import itertools
import json
from typing import Any

import pytest

from tests.cli.command import Meterhouse

AT = "2026-01-20T12:00:00Z"
VERSIONS = {
    "readers/counter": 2,
    "transforms/deduplicate": 4,
    "transforms/map": 2,
    "transforms/split": 3,
    "transforms/data_aggregate": 3,
    "transforms/script_aggregate": 2,
}


def node(name: str, type_: str, **params: Any) -> dict[str, Any]:
    version = VERSIONS.get(type_, 1)
    return {"id": name, "name": name, "type": type_, "schemaVersion": version, "params": params}


def counter(count: int, name: str = "Count") -> dict[str, Any]:
    return node(name, "readers/counter", max=count)


def script(name: str, transform: str) -> dict[str, Any]:
    return node(name, "transforms/script", transform=transform)


def aggregator(name: str, keys: str, operations: str, flush: str, **params: Any) -> dict[str, Any]:
    """``keys`` are fields, with the part of a date behind a colon; operations: ``TYPE field``."""
    parts = [key.partition(":") for key in keys.split()]
    group_keys = [{"field": field, "operationType": part or "NONE"} for field, _, part in parts]
    made = [entry.split() for entry in operations.split(",")]
    given = [{"field": field, "type": type_} for type_, field in made]
    body = {"groupKeys": group_keys, "operations": given, "flushType": flush} | params
    return node(name, "transforms/data_aggregate", **body)


def mapped(name: str, **mappings: str) -> dict[str, Any]:
    pairs = [{target: source} for target, source in mappings.items()]
    return node(name, "transforms/map", mappings=pairs)


def log(name: str) -> dict[str, Any]:
    return node(name, "writers/log")


def stream(name: str, *chains: list[dict[str, Any] | str]) -> str:
    """A document of chains of nodes; a text names a node of an earlier chain, with its port."""
    nodes: dict[str, dict[str, Any]] = {}
    edges = []
    for chain in chains:
        nodes |= {item["id"]: item for item in chain if not isinstance(item, str)}
        for one, two in itertools.pairwise(chain):
            source = one if isinstance(one, str) else one["id"]
            target = two if isinstance(two, str) else two["id"]
            source, _, port = source.partition(":")
            edge = {"id": f"{source}{port}{target}", "from": source, "to": target, "config": {}}
            edges.append(edge | ({"output": port} if port else {}))
    return json.dumps({"name": name, "nodes": list(nodes.values()), "edges": edges})


def run(meterhouse: Meterhouse, document: str, *, at: str = AT, again: bool = False) -> dict:
    """Import and run a stream; its counts by node."""
    if not again:
        meterhouse.import_stream("-", given=document)
    name = json.loads(document)["name"]
    [ended] = meterhouse.json("stream", "run", name, "--at", at, "--seed", 1)
    return {node["name"]: node for node in ended["nodes"]}


def logged(meterhouse: Meterhouse, node: str) -> list[dict[str, Any]]:
    [last] = meterhouse.json("run", "list", "--limit", 1)
    lines = meterhouse.json("run", "show", last["id"], "--log")
    return [json.loads(line["text"]) for line in lines if line["node"] == node]


# ---------------------------------------------------------------- Punk Games

DOWNLOADS = """
const day = String(payload.value).padStart(2, "0");
await push({userId: "punk", dateTime: `2026-01-${day}T08:00:00.000Z`,
            downloadedGame: 2 * payload.value});
"""


def test_monthly_downloads_of_punk_games_are_30(meterhouse: Meterhouse):
    document = stream(
        "Punk Games",
        [
            counter(5),
            script("Simulate", DOWNLOADS),
            aggregator("Sum", "userId dateTime:MONTH", "NUMERIC_SUM downloadedGame", "ALL_FILES"),
            mapped(
                "Monthly", Month="month_dateTime", TotalDownload="sum_downloadedGame", User="userId"
            ),
            log("Log"),
        ],
    )
    nodes = run(meterhouse, document)
    assert logged(meterhouse, "Log") == [{"Month": "2026-01", "TotalDownload": 30, "User": "punk"}]
    assert (nodes["Sum"]["in"], nodes["Sum"]["out"]) == (5, {"out": 1})


# ---------------------------------------------------------------- printing

PRINTING = """
const n = payload.value, id = 101 + ((n - 1) % 5);
const event = {printerId: id, sheets: Math.floor(3.55 * n), paper: "A4",
               timestamp: `2025-12-${10 + n}T10:00:00.000Z`, eventId: `${id}_${n}`};
if (n === 3) Object.assign(event, {printerId: "unknown", timestamp: "UNKNOWN", paper: "XYZ123"});
await push(event);
if (n % 5 === 0) await push(event);
"""
PRINTS = {
    "properties": {
        "printerId": {"type": "integer"},
        "paper": {"type": "string", "pattern": "A."},
        "timestamp": {"type": "string", "pattern": "^(2.*)$"},
    },
    "required": ["printerId", "paper", "timestamp"],
}


def test_printed_sheets_are_summed_per_printer_and_month(meterhouse: Meterhouse):
    document = stream(
        "Printing",
        [
            counter(10),
            script("Simulate", PRINTING),
            node("Validate", "transforms/validate", schema=PRINTS),
            node("Deduplicate", "transforms/deduplicate", key="${payload.eventId}"),
            aggregator("Sum", "printerId timestamp:MONTH", "NUMERIC_SUM sheets", "ALL_FILES"),
            mapped("Billing", printerId="printerId", sheets="sum_sheets", period="month_timestamp"),
            log("To Billing"),
        ],
    )
    nodes = run(meterhouse, document)
    sheets = {"101": 24, "102": 31, "103": 28, "104": 45, "105": 52}
    assert logged(meterhouse, "To Billing") == [
        {"period": "2025-12", "printerId": int(id), "sheets": sheets[id]}
        for id in ("101", "102", "104", "105", "103")
    ]
    assert (nodes["Validate"]["suspended"], nodes["Deduplicate"]["duplicates"]) == (1, 2)
    assert nodes["Sum"]["in"] == 9


# ---------------------------------------------------------------- Cultflicks

VIEWS = """
const n = payload.value, full = 1000 * (1 + n % 3);
await push({user_id: 1 + n % 4, title: `Film ${n % 11}`, timestamp: `2022-Jan-${10 + n % 20}`,
            full_duration: full, view_duration: n % 2 ? full : full / 2,
            view_percent: n % 2 ? 100 : 50, plan: n < 50 ? "Standard" : "Premium"});
"""
END_OF_DAY = {
    part: {"mode": "set", "value": value}
    for part, value in (("hour", 23), ("minute", 59), ("second", 59))
}


def film_views() -> list[dict[str, Any]]:
    """What the simulator lets out, worked out once more."""
    views = []
    for n in range(1, 101):
        full = 1000 * (1 + n % 3)
        seen = full if n % 2 else full // 2
        plan = "Standard" if n < 50 else "Premium"
        views.append(
            {
                "user": 1 + n % 4,
                "title": f"Film {n % 11}",
                "full": full,
                "seen": seen,
                "plan": plan,
                "done": bool(n % 2),
            }
        )
    return views


def test_views_of_cultflicks_are_settled_by_title_and_classified_by_user(meterhouse: Meterhouse):
    outputs = [{"id": "done", "name": "Completed"}, {"id": "open", "name": "Not completed"}]
    key = "@{payload.view_percent}"
    rules = [
        {"key": key, "op": "gt", "value": "90", "output": "done"},
        {"key": key, "op": "lt", "value": "91", "output": "open"},
    ]
    item = {
        "field": "timestamp",
        "inputFormat": "YYYY-MMM-DD",
        "mode": "modify",
        "operation": END_OF_DAY,
        "outputFormat": "YYYY-MM-DDTHH:mm:ss.SSS[Z]",
    }
    per_title = "GENERAL_COUNT title,NUMERIC_SUM view_duration,NUMERIC_AVERAGE view_percent"
    per_user = "NUMERIC_SUM view_duration,NUMERIC_SUM full_duration,GENERAL_COUNT title"
    per_user += ",GENERAL_CARRY_LAST plan"
    document = stream(
        "Cultflicks",
        [
            counter(100),
            script("Views", VIEWS),
            node("Date", "transforms/date", items=[item]),
            node(
                "Check",
                "transforms/split",
                rules=rules,
                multiOutput={"configurable": {"outputs": outputs}},
            ),
        ],
        [
            "Check:done",
            aggregator("Settle", "timestamp:MONTH title", per_title, "EACH_FILE"),
            log("Partners"),
        ],
        [
            "Check:open",
            aggregator("Analyse", "timestamp:MONTH title", per_title, "EACH_FILE"),
            log("Analytics"),
        ],
        [
            "Date",
            aggregator("View time", "user_id timestamp:MONTH", per_user, "EACH_FILE"),
            log("Users"),
        ],
    )
    run(meterhouse, document)
    views = film_views()
    for name, done in (("Partners", True), ("Analytics", False)):
        found = {record["title"]: record for record in logged(meterhouse, name)}
        assert set(found) == {f"Film {n}" for n in range(11)}
        for title, record in found.items():
            chosen = [view for view in views if view["title"] == title and view["done"] is done]
            assert record == {
                "month_timestamp": "2022-01",
                "title": title,
                "count_title": len(chosen),
                "sum_view_duration": sum(view["seen"] for view in chosen),
                "avg_view_percent": 100 if done else 50,
            }
    for record in logged(meterhouse, "Users"):
        chosen = [view for view in views if view["user"] == record["user_id"]]
        assert record["sum_view_duration"] == sum(view["seen"] for view in chosen)
        assert record["sum_full_duration"] == sum(view["full"] for view in chosen)
        assert (record["count_title"], record["carry_last_plan"]) == (25, "Premium")


# ---------------------------------------------------------------- Peppa CRM

CORE = """
const n = payload.value;
await push({eventId: n, accountId: n % 3, serviceId: n % 2 ? "Billing" : "LeadFinder",
            funnelEventName: n % 2 ? "Renewed" : "New lead",
            accountName: ["Alpha", "Beta", "ACCOUNT NOT FOUND"][n % 3],
            timestamp: "2026-01-05T00:00:00.000Z"});
"""
CPQ = """
await push({eventKey: 1000 + payload.value, accountName: "Alpha", sourceServiceId: "QuoteSender",
            funnelEventName: "Quote sent", timestamp: "2026-01-06T00:00:00.000Z"});
"""
CORRELATE = """
const data = session.data;
data.eventCountByFunnelEvent ??= {};
data.eventCountByServiceId ??= {};
const count = (counts, name) => { counts[name] = (counts[name] ?? 0) + 1; };
count(data.eventCountByFunnelEvent, payload.funnelEventName);
count(data.eventCountByServiceId, payload.serviceId ?? payload.sourceServiceId);
data.eventCount = session.meta.count;
data.month = payload.timestamp.substring(0, 7);
session.setTimeout(3600 * 1000);
"""
RECONCILE = """
audit.sum("events", payload.count_eventId);
audit.count("accounts");
await push(payload);
"""


@pytest.fixture
def peppa() -> str:
    correlate = node(
        "Correlate",
        "transforms/script_aggregate",
        groupByRules=[{"fields": ["accountName"]}],
        onTransform=CORRELATE,
        onTimeout="await session.flush()",
    )
    unknown = {"properties": {"accountName": {"const": "ACCOUNT NOT FOUND"}}}
    found = node(
        "Not found", "transforms/validate", schema=unknown, suspenseManagement={"enabled": False}
    )
    per_account = "GENERAL_CARRY_LAST accountName,GENERAL_COUNT eventId"
    return stream(
        "Peppa CRM",
        [counter(12, "Trigger 1"), script("Core", CORE), correlate, log("Analytics")],
        [counter(5, "Trigger 2"), script("CPQ", CPQ), "Correlate"],
        [
            "Core",
            found,
            aggregator("Per account", "timestamp:MONTH accountId", per_account, "EACH_FILE"),
            script("Audit", RECONCILE),
            log("Reconciliation"),
        ],
    )


def test_two_sources_of_peppa_are_correlated_by_account_over_runs(
    meterhouse: Meterhouse, peppa: str
):
    nodes = run(meterhouse, peppa)
    assert nodes["Correlate"]["in"] == 17
    assert logged(meterhouse, "Analytics") == []
    sessions = meterhouse.json("stream", "sessions", "Peppa CRM", "--node", "Correlate")
    counted = {session["key"]["accountName"]: session["data"]["eventCount"] for session in sessions}
    assert counted == {"Beta": 4, "ACCOUNT NOT FOUND": 4, "Alpha": 9}
    run(meterhouse, peppa, at="2026-01-20T14:00:00Z", again=True)
    leaving = {record["accountName"]: record for record in logged(meterhouse, "Analytics")}
    assert leaving["Alpha"] == {
        "accountName": "Alpha",
        "eventCount": 9,
        "eventCountByFunnelEvent": {"Renewed": 2, "New lead": 2, "Quote sent": 5},
        "eventCountByServiceId": {"Billing": 2, "LeadFinder": 2, "QuoteSender": 5},
        "month": "2026-01",
    }
    assert sum(record["eventCount"] for record in leaving.values()) == 17


def test_unknown_accounts_of_peppa_are_reconciled_by_custom_audit(
    meterhouse: Meterhouse, peppa: str
):
    run(meterhouse, peppa)
    assert logged(meterhouse, "Reconciliation") == [
        {
            "month_timestamp": "2026-01",
            "accountId": 2,
            "carry_last_accountName": "ACCOUNT NOT FOUND",
            "count_eventId": 4,
        }
    ]
    [entry] = meterhouse.json("run", "audit", "--stream", "Peppa CRM")
    assert entry["custom"] == {"events": 4, "accounts": 1}


def test_open_sessions_are_listed_and_a_preview_changes_none(meterhouse: Meterhouse, peppa: str):
    run(meterhouse, peppa)
    before = meterhouse.json("stream", "sessions", "Peppa CRM")
    shown = {view["name"]: view for view in meterhouse.json("stream", "preview", "Peppa CRM")}
    assert len(shown["Per account"]["out"]["out"]) == 1
    assert meterhouse.json("stream", "sessions", "Peppa CRM") == before
    assert "Alpha" in meterhouse.done("stream", "sessions", "Peppa CRM").out
    assert "has no node 'x'" in meterhouse.refused("stream", "sessions", "Peppa CRM", "--node", "x")


def test_sessions_of_a_data_aggregator_show_what_would_leave(meterhouse: Meterhouse):
    timeout = {"value": 1, "unit": "DAY"}
    gather = aggregator("Sum", "u", "NUMERIC_SUM n", "TIMEOUT", timeout=timeout)
    document = stream(
        "Days",
        [
            counter(4),
            script("S", "push({u: payload.value % 2, n: payload.value})"),
            gather,
            log("Log"),
        ],
    )
    run(meterhouse, document)
    [odd, even] = meterhouse.json("stream", "sessions", "Days")
    assert (odd["key"], odd["data"], odd["meta"]) == ({"u": 1}, {"u": 1, "sum_n": 4}, {})
    assert even["data"] == {"u": 0, "sum_n": 6}
    assert even["timeoutAt"] == "2026-01-21T12:00:00.000Z"
    run(meterhouse, document, at="2026-01-22T12:00:00Z", again=True)
    assert logged(meterhouse, "Log") == [{"u": 0, "sum_n": 6}, {"u": 1, "sum_n": 4}]
