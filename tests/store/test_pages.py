import re

import pytest

from meterhouse.app.access_ports import Activity
from meterhouse.app.correction_ports import SuspenseFilter
from meterhouse.app.ports import Page
from meterhouse.core.metered_record import Kind
from meterhouse.core.problem import DefinitionError
from meterhouse.core.secret import SecretType
from meterhouse.core.suspense import Reason
from meterhouse.store import SqliteLedger
from meterhouse.store.pages import cursor_of, number_after
from meterhouse.store.sql_text import queries
from meterhouse.streams.group import StreamGroup
from meterhouse.streams.record import AggregateSession, RunResult, RunStatus, SessionChanges
from meterhouse.streams.schedule import Schedule
from meterhouse.streams.schedule_rule import ScheduleRule
from meterhouse.streams.version import StreamVersion
from tests.store.factories import (
    AT,
    KEY,
    a_meter_type,
    a_run,
    a_secret,
    a_stream,
    a_suspended,
    add_meters,
    an_application,
    an_emitted,
    commit,
    start,
)


@pytest.fixture
def full(ledger: SqliteLedger) -> SqliteLedger:
    types = [a_meter_type(f"type {n}", id=f"type-{n}") for n in range(7)]
    ledger.add_meter_types(types)
    for meter_type in types[:2]:
        add_meters(ledger, [f"user {n}" for n in range(4)], meter_type=meter_type)
    for n in range(7):
        ledger.add_stream(a_stream(f"stream {n}", id=f"stream-{n}", keys=()))
    suspended = [a_suspended(n) for n in range(7)]
    kept = [AggregateSession(f"[{n}]", "{}", AT, AT, AT) for n in range(4)]
    sessions = [SessionChanges("agg", "", kept), SessionChanges("more", '[["u","NONE"]]', kept)]
    records = [an_emitted(str(n), kind=list(Kind)[n % 2]) for n in range(7)]
    result = RunResult(suspended=suspended, records=records, sessions=sessions)
    commit(ledger, result, id="big")
    for n in range(6):
        start(ledger, a_run(f"run-{n}"))
    for n in range(7):
        ledger.add_secret(a_secret(f"Secret {n}"), lambda _: b"sealed")
        ledger.add_application(an_application(f"application {n}"), b"hash")
        ledger.add_activity(Activity(AT, "ann", "create", "secret", f"s-{n % 2}", {"n": n}))
    add_what_streams_have(ledger)
    return ledger


def add_what_streams_have(ledger: SqliteLedger) -> None:
    """Versions, groups, schedules and entries of the usage audit, some of each."""
    rule = ScheduleRule.from_api({"interval": "minutes", "every": 5})
    for n in range(3):
        document = {"nodes": [], "name": "stream 1"}
        note = (f"v{n}", "", AT, None, document, {})
        ledger.add_version(StreamVersion(f"version-{n}", "stream-1", *note))
        members = ((f"stream-{n}", f"stream {n}"),)
        ledger.add_group(StreamGroup(f"group-{n}", f"group {n}", members, AT, AT))
        stream = f"stream-{n + 4}"
        ledger.put_schedule(Schedule(f"s-{n}", rule, True, AT, AT, stream, next_at=AT))
        commit(ledger, RunResult(), id=f"done-{n}")


OF_STREAM = SuspenseFilter(stream_id="stream-1")
OF_REASON = SuspenseFilter(reason=Reason.NO_METER_FOUND)
OF_RUN = SuspenseFilter(run_id="big")
OF_TIME = SuspenseFilter(since=AT, until=AT + 1)
LISTS = {
    "meter types": lambda ledger, **page: ledger.meter_types(**page),
    "meters": lambda ledger, **page: ledger.meters(**page),
    "meters of a key": lambda ledger, **page: ledger.meters(meter_key=KEY, **page),
    "meters of a type": lambda ledger, **page: ledger.meters(meter_type_id="type-0", **page),
    "meters of a user": lambda ledger, **page: ledger.meters(user_id="user 1", **page),
    "streams": lambda ledger, **page: ledger.streams(**page),
    "runs": lambda ledger, **page: ledger.runs(**page),
    "runs of a stream": lambda ledger, **page: ledger.runs(stream_id="stream-1", **page),
    "runs of a state": lambda ledger, **page: ledger.runs(status=RunStatus.FAILED, **page),
    "runs of a time": lambda ledger, **page: ledger.runs(since=AT, until=AT + 1, **page),
    "versions": lambda ledger, **page: ledger.versions(stream_id="stream-1", **page),
    "groups": lambda ledger, **page: ledger.groups(**page),
    "schedules": lambda ledger, **page: ledger.schedules(**page),
    "usage audit": lambda ledger, **page: ledger.usage_audit(**page),
    "usage audit of a stream": lambda ledger, **page: ledger.usage_audit(
        stream_id="stream-1", **page
    ),
    "sessions": lambda ledger, **page: ledger.open_sessions("stream-1", **page),
    "sessions of a node": lambda ledger, **page: ledger.open_sessions(
        "stream-1", node_id="agg", **page
    ),
    "records": lambda ledger, **page: ledger.records(**page),
    "golden records": lambda ledger, **page: ledger.records(kind="golden", **page),
    "records of a run": lambda ledger, **page: ledger.records(run_id="big", **page),
    "suspense": lambda ledger, **page: ledger.suspense(**page),
    "suspense of a stream": lambda ledger, **page: ledger.suspense(OF_STREAM, **page),
    "suspense of a reason": lambda ledger, **page: ledger.suspense(OF_REASON, **page),
    "suspense of a run": lambda ledger, **page: ledger.suspense(OF_RUN, **page),
    "suspense of a time": lambda ledger, **page: ledger.suspense(OF_TIME, **page),
    "secrets": lambda ledger, **page: ledger.secrets(**page),
    "secrets by name": lambda ledger, **page: ledger.secrets(name="SECRET", **page),
    "secrets of a type": lambda ledger, **page: ledger.secrets(type=SecretType.BASIC, **page),
    "applications": lambda ledger, **page: ledger.applications(**page),
    "newest: activities": lambda ledger, **page: ledger.activities(**page),
    "newest: activities of one": lambda ledger, **page: ledger.activities(actor="ann", **page),
    "newest: activities on one": lambda ledger, **page: ledger.activities(
        object_id="s-1", actor="ann", **page
    ),
}


def walked(ledger: SqliteLedger, name: str, *, limit: int) -> list:
    items, cursor = [], None
    while True:
        page: Page = LISTS[name](ledger, limit=limit, after=cursor)
        assert 0 < len(page.items) <= limit
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


@pytest.mark.parametrize("name", LISTS)
def test_pages_put_together_are_the_list(full: SqliteLedger, name):
    whole = LISTS[name](full, limit=100)
    assert len(whole.items) >= 2
    assert whole.next_cursor is None
    for limit in (1, 2, 3, 7, 100):
        assert walked(full, name, limit=limit) == list(whole.items)


@pytest.mark.parametrize("name", LISTS)
def test_a_page_after_the_end_is_empty(full: SqliteLedger, name):
    newest_first = name.startswith(("runs", "newest", "versions", "usage"))
    after = cursor_of(1 if newest_first else 10**6)
    assert LISTS[name](full, after=after) == Page([])


@pytest.mark.parametrize("cursor", ["", "x", "c", "c!", "7", "c-1 x"])
def test_a_cursor_of_another_making_is_refused(full: SqliteLedger, cursor):
    with pytest.raises(DefinitionError, match="cursor of the page before"):
        full.meters(after=cursor)


@pytest.mark.parametrize("number", [0, 1, 35, 36, 2**63 - 1])
def test_a_cursor_is_a_number_in_disguise(number):
    assert number_after(cursor_of(number)) == number


def test_an_item_that_comes_between_two_pages_is_not_lost(full: SqliteLedger):
    page = full.meters(limit=8)
    assert page.next_cursor is None
    page = full.meters(limit=7)
    add_meters(full, ["new"], meter_type=full.meter_type("type-0"), at=AT)
    rest = full.meters(after=page.next_cursor)
    assert [bucket.meter.user_id for bucket in rest.items] == ["user 3", "new"]


PAGES = [
    (noun, name)
    for noun in (
        *("meter_types", "meters", "streams", "runs", "records", "corrections", "outbox"),
        *("secrets", "applications", "activities"),
        *("stream_versions", "stream_groups", "schedules", "usage_audit", "sessions"),
    )
    for name in queries(noun)
    if name.startswith("page") or name == "pending"
]


@pytest.mark.parametrize(("noun", "name"), PAGES, ids=" ".join)
def test_every_list_is_read_by_an_index_and_never_sorted(ledger: SqliteLedger, noun, name):
    sql = queries(noun)[name]
    values = dict.fromkeys(re.findall(r":(\w+)", sql), 1) or [1] * sql.count("?")
    plan = ledger._database.rows(f"EXPLAIN QUERY PLAN {sql}", values)
    steps = [step for *_, step in plan]
    # Going through one document, by a virtual table, is no scan of a list.
    scans = [s for s in steps if s.startswith("SCAN") and "VIRTUAL TABLE" not in s]
    assert not [s for s in scans if "USING" not in s], steps
    assert not [s for s in steps if "TEMP B-TREE" in s], steps


SCANS = ["expired", "all", "identity_columns", "contents_lines", "own_profiles", "requeued", "seen"]


@pytest.mark.parametrize("name", SCANS)
def test_a_snapshot_finds_the_meters_of_a_key_by_an_index(ledger: SqliteLedger, name):
    sql = queries("snapshot")[name]
    values = dict.fromkeys(re.findall(r":(\w+)", sql), 1) or [1] * sql.count("?")
    steps = [step for *_, step in ledger._database.rows(f"EXPLAIN QUERY PLAN {sql}", values)]
    allowed = ("counter", "CONSTANT ROW", "(subquery")
    scans = [s for s in steps if s.startswith("SCAN") and not any(a in s for a in allowed)]
    assert not scans, steps
