"""Many records at a time: crossings are searched in slices then, and give what rows give."""

from decimal import Decimal
from random import Random

import polars as pl
import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, GuidingRule, Operation
from meterhouse.core.instant import DAY, parse_instant
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.engine.columns import buckets
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.source import State

_START = parse_instant("2026-10-01T00:00:00Z")
_RECORDS = 130_000
_RULE = GuidingRule("calls", "calls", (), "and", (("app",),), (Operation("app", Carry.LAST),))


def _state(limits: list[int]) -> State:
    thresholds = tuple(Threshold(f"at {n}", absolute_value=Decimal(n)) for n in limits)
    return State.from_meters(
        Meter(
            no,
            f"00000000-0000-4000-8000-{no:012}",
            f"user {no}",
            "key",
            "type",
            "Calls",
            "calls",
            Aggregation.SUM,
            "call",
            ResetSchedule("0", "0", "1", "*", "*"),
            "Etc/UTC",
            _START,
            thresholds=thresholds,
        )
        for no in range(1, 9)
    )


def _batch(seed: int, least: int) -> UsageBatch:
    random = Random(seed)
    columns = {
        "userId": [f"user {min(8, int(random.expovariate(0.6)) + 1)}" for _ in range(_RECORDS)],
        "value": [random.randint(least, 9) for _ in range(_RECORDS)],
        "app": [random.choice("abc") for _ in range(_RECORDS)],
    }
    kinds = {"value": ColumnKind.NUMBER}
    return UsageBatch.from_columns(
        {
            name: Column(kinds.get(name, ColumnKind.TEXT), pl.Series(values))
            for name, values in columns.items()
        },
        length=_RECORDS,
    )


def test_sums_beyond_64_bits_cross_like_those_of_rows() -> None:
    state = _state([10**19, 2 * 10**19])
    plan = MeterPlan("key", (_RULE,))
    large = Column(ColumnKind.NUMBER, pl.repeat(2 * 10**14, 120_000, dtype=pl.Int64, eager=True))
    users = Column(ColumnKind.TEXT, pl.repeat("user 1", 120_000, eager=True))
    batch = UsageBatch.from_columns({"userId": users, "value": large}, length=120_000)
    metering = Metering(plan, state, at=_START + DAY)
    metering.meter(batch)
    assert [position for position, _ in metering.thresholds()] == [49_999, 99_999]


def _with_past(state: State, value: int) -> State:
    """The same meters, of which limits were set after they had passed them."""
    buckets = []
    for bucket in state:
        bucket.state.value, bucket.state.volume = Decimal(value), Decimal(value)
        bucket.state.count = 1
        buckets.append(bucket)
    return State(buckets)


@pytest.mark.parametrize("past", [0, 1_500, 2_000])
@pytest.mark.parametrize(("seed", "least"), [(1, 0), (2, 1), (3, -3)])
def test_crossings_of_many_records_equal_those_of_rows(seed: int, least: int, past: int) -> None:
    state = _state([1, 2_000, 2_001, 60_000, 90_000, 10**9])
    if past:
        state = _with_past(state, past)
    plan = MeterPlan("key", (_RULE,))
    batch = _batch(seed, least)
    pushed = []
    for rows_max in (10**9, -1):
        metering = Metering(plan, state, at=_START + DAY, rows_max=rows_max)
        half = _RECORDS // 2
        for part in (batch.slice(0, half), batch.slice(half, _RECORDS - half)):
            assert metering.meter(part).metered == len(part)
        pushed.append([(at, record.text) for at, record in metering.thresholds()])
    assert pushed[0] == pushed[1]
    assert len(pushed[0]) > 10


def _one_user(values: list[int]) -> UsageBatch:
    series = pl.Series(values, dtype=pl.Int64)
    texts = {"userId": "user 1", "app": "a"}
    columns = {name: Column.from_values([text] * len(values)) for name, text in texts.items()}
    columns["value"] = Column(ColumnKind.NUMBER, series)
    return UsageBatch.from_columns(columns, length=len(values))


def _told(state: State, batches: list[UsageBatch], rows_max: int) -> list[str]:
    """What rows or columns tell of some batches: threshold records, then golden records."""
    metering = Metering(
        MeterPlan("key", (_RULE,)), state, at=_START + DAY, rows_max=rows_max, window_records_max=1
    )
    for batch in batches:
        assert metering.meter(batch).metered == len(batch)
    told = [f"{at} {record.text}" for at, record in metering.thresholds()]
    return told + [record.text for record in metering.flush_all()]


def test_crossings_are_found_where_sums_of_whole_numbers_leave_64_bits() -> None:
    state = _state([10**18, 9 * 10**18, 10**19, 12 * 10**18])
    batches = [_one_user([10**14] * _RECORDS)]
    told = [_told(state, batches, rows_max) for rows_max in (10**9, -1)]
    assert told[0] == told[1]
    assert [text.split(" ")[0] for text in told[1][:4]] == ["9999", "89999", "99999", "119999"]


def test_the_least_whole_number_of_64_bits_is_added_exactly() -> None:
    batches = [_one_user([-(2**63), -5])]
    told = [_told(_state([]), batches, rows_max) for rows_max in (10**9, -1)]
    assert told[0] == told[1]
    assert '"value":-9223372036854775813,' in told[1][0]


def test_whole_sums_of_many_folds_leave_64_bits_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if there were thousands of folds: each of these would be a quantity otherwise.
    monkeypatch.setattr(buckets, "_WHOLE_MAX", 2**63)
    batches = [_one_user([2**62]) for _ in range(5)]
    told = [_told(_state([]), batches, rows_max) for rows_max in (10**9, -1)]
    assert told[0] == told[1]
    assert f'"value":{5 * 2**62},' in told[1][0]


def test_users_who_go_to_rows_keep_what_older_rules_grouped_by() -> None:
    state, told = _state([9 * 10**19]), []
    newer = GuidingRule("calls", "calls", (), "and", (("userId",),), ())
    for rows_max in (10**9, -1):
        first = Metering(MeterPlan("key", (_RULE,)), state, at=_START + DAY, rows_max=rows_max)
        first.meter(_one_user([5 * 10**18]))
        plan = MeterPlan("key", (newer,))
        then = state.with_changes(first.changes())
        second = Metering(plan, then, at=_START + 2 * DAY, rows_max=rows_max)
        batches = [_one_user([92 * 10**17] * 6)] * 2
        assert [second.meter(batch).metered for batch in batches] == [6, 4]
        thresholds = [f"{at} {record.text}" for at, record in second.thresholds()]
        told.append(thresholds + [record.text for record in second.flush_all()])
    assert told[0] == told[1]
    mine = [text for text in told[1] if '"userId":"user 1"' in text]
    assert len(mine) == 2
    assert all('{"name":"app","groups":[{' in text for text in mine)
