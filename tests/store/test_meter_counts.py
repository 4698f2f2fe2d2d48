"""What the inspector asks: pages by user, and counts that are kept as meters come and go."""

from importlib.resources import files

import pytest

from meterhouse.app.ports import MeterCounts, MeterTypeUse
from meterhouse.core.problem import ConflictError, DefinitionError
from meterhouse.engine.metering import StateChanges
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import RunResult
from tests.store.factories import AT, STREAM, a_meter_type, a_stream, add_meters, commit

MIGRATIONS = files("meterhouse.store") / "migrations"
USERS = ("Ann", "Anna", "Bob", "ann", "Änne", "An", "Anz\U0010fffd")


@pytest.fixture
def full(ledger: SqliteLedger) -> SqliteLedger:
    calls = a_meter_type("Calls", id="calls", category="api")
    chats = a_meter_type("Chats", id="chats", category="chat")
    ledger.add_meter_types([calls, chats, a_meter_type("Idle", id="idle", category="api")])
    ledger.add_stream(a_stream("One", keys=("key-1",)))
    ledger.add_stream(a_stream("Two", id="two", keys=("key-2",)))
    add_meters(ledger, USERS, meter_type=calls, key="key-1")
    add_meters(ledger, ["Anna", "Ann"], meter_type=chats, key="key-1")
    add_meters(ledger, ["Ann"], meter_type=calls, key="key-2")
    add_meters(ledger, ["Ann"], meter_type=calls, key="key-alone")
    return ledger


def counted(ledger: SqliteLedger) -> tuple[dict, dict]:
    """The counts as they are kept, and as they are."""
    kept = "SELECT key_no, type_no, meters FROM meter_count WHERE meters > 0"
    real = "SELECT key_no, type_no, count(*) FROM meter GROUP BY 1, 2"
    rows = [ledger._database.rows(sql) for sql in (kept, real)]
    first, second = ({(key, type): n for key, type, n in found} for found in rows)
    return first, second


def walked(ledger: SqliteLedger, *, limit: int, **filters) -> list[tuple[str, str, str]]:
    found, cursor = [], None
    while True:
        page = ledger.meters(**filters, limit=limit, after=cursor)
        assert len(page.items) <= limit
        found += [
            (m.user_id, m.meter_key, m.meter_type_id)
            for m in (bucket.meter for bucket in page.items)
        ]
        if (cursor := page.next_cursor) is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_users_by_their_beginning_are_sorted_and_paged(full: SqliteLedger, limit: int):
    found = walked(full, user_prefix="An", limit=limit)
    assert [user for user, *_ in found] == [
        *("An", "Ann", "Ann", "Ann", "Ann", "Anna", "Anna", "Anz\U0010fffd")
    ]
    assert len(set(found)) == 8


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_users_of_a_meter_key_by_their_beginning(full: SqliteLedger, limit: int):
    found = walked(full, meter_key="key-1", user_prefix="Ann", limit=limit)
    assert [(user, type) for user, _, type in found] == [
        *(("Ann", "calls"), ("Ann", "chats"), ("Anna", "calls"), ("Anna", "chats"))
    ]
    found = walked(full, meter_key="key-1", meter_type_id="chats", user_prefix="A", limit=limit)
    assert [user for user, *_ in found] == ["Ann", "Anna"]


def test_an_exact_user_goes_before_a_beginning(full: SqliteLedger):
    assert {u for u, *_ in walked(full, user_id="Ann", user_prefix="Bo", limit=9)} == {"Ann"}


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_meters_of_a_type_of_a_key(full: SqliteLedger, limit: int):
    found = walked(full, meter_key="key-1", meter_type_id="calls", limit=limit)
    assert [user for user, *_ in found] == list(USERS)


def test_a_page_goes_on_where_its_last_meter_was_deleted(full: SqliteLedger):
    page = full.meters(meter_key="key-1", user_prefix="Ann", limit=2)
    full.delete_meter(page.items[-1].meter.id)
    rest = full.meters(meter_key="key-1", user_prefix="Ann", after=page.next_cursor)
    assert [bucket.meter.user_id for bucket in rest.items] == ["Anna", "Anna"]


@pytest.mark.parametrize("cursor", ["x", "c1", "c1.%", "c1.4pyTé", "c1./w=="])
def test_a_cursor_of_another_list_is_refused(full: SqliteLedger, cursor: str):
    with pytest.raises(DefinitionError, match="cursor of the page before"):
        full.meters(user_prefix="A", after=cursor)


def test_the_widgets_count_what_a_meter_key_has(full: SqliteLedger):
    assert full.meter_counts("key-1") == MeterCounts(2, 2, 9)
    assert full.meter_counts("key-2") == MeterCounts(1, 1, 1)
    assert full.meter_counts("none") == MeterCounts(0, 0, 0)


def test_the_totals_count_types_in_use_or_not(full: SqliteLedger):
    assert full.meter_counts() == MeterCounts(3, 2, 11)
    assert {t.id: count for t, count in full.meter_types().items} == {
        "calls": 9,
        "chats": 2,
        "idle": 0,
    }


def test_the_streams_whose_meter_key_has_meters_of_a_type(full: SqliteLedger):
    assert full.uses_of_meter_type("calls") == [
        MeterTypeUse(STREAM, "One", "key-1", 7),
        MeterTypeUse("two", "Two", "key-2", 1),
    ]
    assert full.uses_of_meter_type("idle") == full.uses_of_meter_type("none") == []


def test_counts_follow_meters_that_come_and_go(full: SqliteLedger):
    kept, real = counted(full)
    assert kept == real
    ann, bob = (full.meters(user_id=user).items[0].meter for user in ("Ann", "Bob"))
    full.delete_meter(ann.id)
    commit(full, RunResult(states=[("node-0", StateChanges(deleted=[bob.no]))]), at=AT)
    with pytest.raises(ConflictError):
        add_meters(full, ["new", "Ann", "Ann"], meter_type=full.meter_type("chats"))
    kept, real = counted(full)
    assert kept == real
    assert sum(kept.values()) == 9


def test_a_type_whose_meters_are_gone_is_in_use_no_more(full: SqliteLedger):
    for bucket in full.meters(meter_type_id="chats").items:
        full.delete_meter(bucket.meter.id)
    assert full.meter_counts("key-1") == MeterCounts(1, 1, 7)
    full.delete_meter_type("chats")
    assert full.meter_counts() == MeterCounts(2, 1, 9)


def test_meters_that_a_ledger_had_before_are_counted(full: SqliteLedger):
    text = (MIGRATIONS / "0004_correction.sql").read_text("utf-8")
    database = full._database
    before, _ = counted(full)
    database.execute("DROP TRIGGER meter_removed")
    database.execute("DROP TABLE meter_count")
    start = text.index("CREATE TABLE meter_count")
    with database.write():
        database.execute_script(text[start:])
    after, real = counted(full)
    assert after == real == before
