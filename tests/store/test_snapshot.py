import random
from collections.abc import Sequence
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.core.instant import DAY
from meterhouse.core.meter import MeterPatch
from meterhouse.core.meter_state import GroupState
from meterhouse.core.threshold import Threshold
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.changes import Contents, StateChanges
from meterhouse.engine.source import METER_SCHEMA, MeterColumns, State
from meterhouse.store import SqliteLedger
from meterhouse.store.connection import Database, Row, TooBigError
from meterhouse.streams.record import RunResult
from tests.store.factories import (
    AT,
    KEY,
    a_meter_type,
    a_month_later,
    a_stream,
    add_meters,
    commit,
    snapshot,
)

USERS = ["ann", "bob", "", "ü", 'a"b', "x\x1c\x1f\n\r,y", "nul\x00in", "5", "5.0", "[1]", "😀"]
AGGREGATIONS = ["sum", "increment", "min", "max"]


@pytest.fixture
def ids(ledger: SqliteLedger) -> list[str]:
    """Meters of four types with various users, some with a profile of their own."""
    ledger.add_stream(a_stream())
    ids: list[str] = []
    for n, aggregation in enumerate(AGGREGATIONS):
        made = a_meter_type(
            f"type {n}",
            aggregation={"type": aggregation},
            capacity=100,
            thresholds=[{"name": "t", "capacityPercentage": 50}],
            activeTo="2026-12-01T00:00:00Z" if n else None,
            resetSchedule=dict.fromkeys(("minute", "hour", "day", "month", "weekday"), "*")
            | {"minute": "0", "hour": str(n), "day": "L" if n % 2 else "1"},
        )
        ledger.add_meter_types([made])
        ids += add_meters(ledger, USERS, meter_type=made)
        add_meters(ledger, ["ann"], meter_type=made, key="other key")
    own = {"capacity": 5, "thresholds": [{"name": "own", "absoluteValue": 3}]}
    for id, body in ((ids[3], own), (ids[20], own), (ids[21], {"activeTo": None})):
        patch, problems = MeterPatch.from_api(body)
        assert not problems
        ledger.update_meter(id, patch, at=AT)
    return ids


def buckets_of(ledger: SqliteLedger, ids: Sequence[str]) -> list[Bucket]:
    return [ledger.meter(id) for id in ids]


def fill(buckets: Sequence[Bucket], *, seed: int) -> None:
    """Put all kinds of contents into buckets."""
    chance = random.Random(seed)
    texts = ['"a"', "1", "null", '{"k":[1,2]}', '"\\u0001é"', '""', "0.000000000000000001"]
    for bucket in buckets:
        state = bucket.state
        state.count = chance.randint(1, 5)
        state.value = Decimal(chance.randint(-(10**20) + 1, 10**20 - 1)).scaleb(
            -chance.randint(0, 18)
        )
        if bucket.meter.aggregation.value == "sum":
            state.volume = abs(state.value) + chance.choice([0, 1])
        state.updated_at = AT + 5
        state.carry_first = {f: chance.choice(texts) for f in ("x", "y.z") if chance.random() < 0.5}
        state.carry_last = {f: chance.choice(texts) for f in ('q"', "r") if chance.random() < 0.5}
        state.reached = {"t": AT + 3} if chance.random() < 0.5 else {}
        sections = [("a",), ("a", "b")][: chance.randint(0, 2)]
        state.groups = {s: groups(s, texts, chance) for s in sections}


def groups(section, texts, chance):
    keys = {tuple(chance.choice(texts) for _ in section) for _ in range(chance.randint(1, 3))}
    return {
        key: GroupState(
            Decimal(chance.randint(-5, 5)),
            {"x": chance.choice(texts)} if chance.random() < 0.5 else {},
            {"r": chance.choice(texts)} if chance.random() < 0.5 else {},
        )
        for key in sorted(keys)
    }


def contents_of(columns: MeterColumns) -> pl.DataFrame:
    return columns.frame.drop("user_id", "profile")


def assert_same(left: MeterColumns, right: MeterColumns) -> None:
    assert left.frame.schema == right.frame.schema == pl.Schema(METER_SCHEMA)
    one, two = (
        columns.frame.with_columns(
            profile=pl.Series([repr(columns.profiles[n]) for n in columns.frame["profile"]])
        )
        for columns in (left, right)
    )
    assert one.equals(two)


def test_fresh_columns_equal_those_of_a_state_in_memory(ledger: SqliteLedger, ids):
    with snapshot(ledger) as opened:
        columns = opened.meters(KEY).columns()
    assert_same(columns, State(buckets_of(ledger, ids)).columns())
    assert len(set(columns.profiles)) == len(columns.profiles)


@pytest.mark.parametrize("seed", range(5))
def test_filled_columns_and_buckets_equal_those_of_a_state_in_memory(
    ledger: SqliteLedger, ids, seed
):
    buckets = buckets_of(ledger, ids)
    touched = random.Random(seed).sample(buckets, len(buckets) // 2)
    fill(touched, seed=seed)
    memory = State(buckets)
    touched.sort(key=lambda bucket: bucket.meter.no)
    commit(ledger, RunResult(states=[("n", StateChanges(buckets=touched))]))
    with snapshot(ledger) as opened:
        source = opened.meters(KEY)
        assert_same(source.columns(), memory.columns())
        assert list(source.all()) == list(memory.all())


@pytest.mark.parametrize("seed", range(5))
def test_contents_of_a_frame_come_back_as_columns_and_as_buckets(ledger: SqliteLedger, ids, seed):
    buckets = buckets_of(ledger, ids)
    fill(buckets, seed=seed)
    memory = State(buckets)
    numbers = sorted(random.Random(seed).sample([b.meter.no for b in buckets], len(buckets) // 2))
    frame = contents_of(memory.columns()).filter(pl.col("no").is_in(numbers))
    changes = StateChanges(contents=Contents.of(frame), updated_at=AT + 5)
    commit(ledger, RunResult(states=[("n", changes)]))
    with snapshot(ledger) as opened:
        source = opened.meters(KEY)
        found = contents_of(source.columns()).filter(pl.col("no").is_in(numbers))
        assert found.equals(frame)
        assert list(source.by_numbers(numbers)) == memory.by_numbers(numbers)
        untouched = contents_of(source.columns()).filter(~pl.col("no").is_in(numbers))
        assert untouched["count"].sum() == 0


def test_contents_follow_a_period_that_the_same_run_has_reset(ledger: SqliteLedger, ids):
    from meterhouse.engine.flush import flush_expired

    later = a_month_later()
    (bucket,) = buckets_of(ledger, ids[:1])
    flush_expired(bucket, at=later, sections=())
    memory = buckets_of(ledger, ids[:1])
    fill(memory, seed=1)
    frame = contents_of(State(memory).columns())
    changes = StateChanges(buckets=[bucket], contents=Contents.of(frame), updated_at=later)
    commit(ledger, RunResult(states=[("n", changes)]), at=later)
    stored = ledger.meter(ids[0])
    assert stored.state.period == bucket.state.period
    assert (stored.state.value, stored.state.groups) == (
        memory[0].state.value,
        memory[0].state.groups,
    )
    assert stored.state.updated_at == later


def test_users_are_found_whatever_their_ids(ledger: SqliteLedger, ids):
    memory = State(buckets_of(ledger, ids))
    with snapshot(ledger) as opened:
        source = opened.meters(KEY)
        for users in ([], ["nobody"], ["ann", "nobody"], USERS, ["5"], ["nul\x00in"], ["\ud800"]):
            found = sorted(source.for_users(users), key=lambda bucket: bucket.meter.no)
            assert found == memory.for_users(users)


def test_numbers_are_answered_in_the_order_asked(ledger: SqliteLedger, ids):
    with snapshot(ledger) as opened:
        found = opened.meters(KEY).by_numbers([7, 1, 3])
        assert [bucket.meter.no for bucket in found] == [7, 1, 3]


@pytest.mark.parametrize("days", [0, 10, 22, 40, 400])
def test_expired_meters_come_by_number_without_retired_ones(ledger: SqliteLedger, ids, days):
    buckets = buckets_of(ledger, ids)
    touched = buckets[::3]
    fill(touched, seed=1)
    commit(ledger, RunResult(states=[("n", StateChanges(buckets=touched))]))
    at = AT + days * DAY

    def retired(bucket: Bucket) -> bool:
        active_to = bucket.meter.active_to
        return active_to is not None and active_to <= at and not bucket.state.count

    expected = [bucket for bucket in State(buckets).expired(at) if not retired(bucket)]
    with snapshot(ledger) as opened:
        assert list(opened.meters(KEY).expired(at)) == expected
    assert bool(expected) == (days > 21)


def test_a_key_without_meters_has_none(ledger: SqliteLedger, ids):
    with snapshot(ledger) as opened:
        source = opened.meters("unknown")
        assert_same(source.columns(), State().columns())
        assert list(source.all()) == list(source.expired(AT * 2)) == []
        assert list(source.for_users(["ann"])) == []


def test_a_snapshot_does_not_see_what_is_written_later(ledger: SqliteLedger, ids):
    meter_type = ledger.meter_type("type 0")
    buckets = buckets_of(ledger, ids)
    with snapshot(ledger) as opened:
        source = opened.meters(KEY)
        before = source.columns()
        fill(buckets, seed=3)
        commit(ledger, RunResult(states=[("n", StateChanges(buckets=buckets))]))
        add_meters(ledger, ["late"], meter_type=meter_type)
        assert_same(source.columns(), before)
        assert list(source.for_users(["late"])) == []
    with snapshot(ledger) as opened:
        assert len(list(opened.meters(KEY).for_users(["late"]))) == 1


def test_a_meter_with_its_own_thresholds_has_its_own_profile(ledger: SqliteLedger, ids):
    with snapshot(ledger) as opened:
        columns = opened.meters(KEY).columns()
    by_number = dict(zip(columns.frame["no"], columns.frame["profile"], strict=True))
    own = columns.profiles[by_number[ledger.meter(ids[3]).meter.no]]
    common = columns.profiles[by_number[ledger.meter(ids[0]).meter.no]]
    assert own.limits == ((Decimal(3), "own"),)
    assert common.limits == ((Decimal(50), "t"),)
    assert Threshold("t", Decimal(50)) in ledger.meter(ids[0]).meter.thresholds


@pytest.mark.parametrize("size", [1, 300, 10**7])
def test_columns_do_not_depend_on_how_they_are_cut(ledger: SqliteLedger, ids, monkeypatch, size):
    buckets = buckets_of(ledger, ids)
    fill(buckets, seed=8)
    commit(ledger, RunResult(states=[("n", StateChanges(buckets=buckets))]))
    monkeypatch.setattr("meterhouse.store.snapshot._CONTENTS_BYTES", size)
    monkeypatch.setattr("meterhouse.store.snapshot._CONTENTS_FIRST", 2)
    monkeypatch.setattr("meterhouse.store.snapshot._IDENTITIES_AT_ONCE", 5)
    monkeypatch.setattr("meterhouse.store.snapshot._BUCKETS_AT_ONCE", 3)
    with snapshot(ledger) as opened:
        source = opened.meters(KEY)
        assert_same(source.columns(), State(buckets).columns())
        assert list(source.all()) == list(State(buckets).all())


def test_contents_too_large_for_one_text_are_read_in_smaller_parts(
    ledger: SqliteLedger, ids, monkeypatch
):
    buckets = buckets_of(ledger, ids)
    fill(buckets, seed=9)
    commit(ledger, RunResult(states=[("n", StateChanges(buckets=buckets))]))
    asked: list[int] = []

    def limited(self: Database, sql: str, values) -> Row:
        if "group_concat" in sql:
            asked.append(values[-1])
            if values[-1] > 7:
                raise TooBigError
        return only_row(self, sql, values)

    only_row = Database.only_row
    monkeypatch.setattr(Database, "only_row", limited)
    with snapshot(ledger) as opened:
        assert_same(opened.meters(KEY).columns(), State(buckets).columns())
    assert asked[:3] == [200, 20, 2]
