"""Event-time periods against a slow and obvious count: each period folded once, from all usage."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import GuidingRule
from meterhouse.core.instant import DAY, MINUTE, Instant, instant_text, parse_instant
from meterhouse.core.json_text import Record
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.metering import EventTimeFlush, Metering
from meterhouse.engine.plan import Flush, MeterPlan
from meterhouse.engine.source import State

_START = parse_instant("2026-03-20T07:00:00Z") or 0
_ZONES = ("Etc/UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Africa/Cairo")
_SCHEDULES = (
    ResetSchedule(),
    ResetSchedule(day="*"),
    ResetSchedule(hour="*/8", day="*"),
    ResetSchedule(day="L", hour="12"),
    ResetSchedule(day="*", weekday="1,4", minute="30", hour="2"),
)
_RULE = GuidingRule("all", "U", (), "and", (("model",),), ())
_PLAN = MeterPlan("key", (_RULE,))
_HOUR = 60 * MINUTE
_BLOCKS = [*range(3), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(3, 30))]
_SEEDS = [*range(20), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(20, 200))]


def _meter(random: Random, no: int, **given: object) -> Meter:
    meter = Meter(
        no=no,
        id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
        user_id=f"u{no}",
        meter_key="key",
        meter_type_id="type",
        meter_type_name="Type",
        category="U",
        aggregation=random.choice(list(Aggregation)),
        unit="call",
        reset_schedule=random.choice(_SCHEDULES),
        timezone=random.choice(_ZONES),
        created_at=_START - random.choice((0, 5 * _HOUR, 40 * DAY)),
        thresholds=(Threshold("t", absolute_value=Decimal(9)),),
        grace_period=random.choice((0, 1, 6 * _HOUR, 3 * DAY, 60 * DAY)),
    )
    return replace(meter, **given)


def _records(random: Random, meters: list[Meter], at: Instant, *, oldest: Instant) -> list[Record]:
    records: list[Record] = []
    for _ in range(random.randint(0, 25)):
        moment = at - random.randint(0, oldest)
        if random.random() < 0.2:
            moment -= moment % DAY
        record: Record = {
            "userId": random.choice(meters).user_id,
            "value": random.choice((1, 2, Decimal("0.125"), -1)),
            "model": random.choice("abc"),
        }
        if random.random() < 0.9:
            record["timestamp"] = instant_text(moment)
        records.append(record)
    return records


@dataclass
class History:
    """What a history of runs gave: records by kind, in order, and all usage that was metered."""

    told: list[tuple[str, Record]]
    usage: list[tuple[Record, Instant]]
    state: State


def _run(state: State, history: History, records: list[Record], at: Instant, rows_max: int) -> None:
    metering = Metering(_PLAN, state, at=at, rows_max=rows_max)
    history.told += [("golden", record.body) for record in metering.scan()]
    middle = len(records) // 2
    for piece in (records[:middle], records[middle:]):
        outcome = metering.meter(UsageBatch.from_rows(piece))
        assert not outcome.suspended
    history.usage += [(record, at) for record in records]
    history.told += [("threshold", record.body) for _, record in metering.thresholds()]
    history.told += [("golden", record.body) for record in metering.scan()]
    history.told += [("adjustment", record.body) for record in metering.adjustments()]
    history.state = state.with_changes(metering.changes())


def _play(random: Random, meters: list[Meter], *, rows_max: int) -> History:
    history = History([], [], State.from_meters(meters))
    at = _START
    for _ in range(random.randint(1, 5)):
        at += random.choice((_HOUR, DAY, 9 * DAY, 33 * DAY))
        oldest = random.choice((_HOUR, 2 * DAY, 50 * DAY, 400 * DAY))
        records = _records(random, meters, at, oldest=oldest)
        _run(history.state, history, records, at, rows_max)
    # Long after: everything that is open closes.
    _run(history.state, history, [], at + 95 * DAY, rows_max)
    return history


def _bounds(meter: Meter, first: Instant, last: Instant) -> list[Instant]:
    bounds = [meter.reset_schedule.next_after(first - 70 * DAY, meter.timezone)]
    while bounds[-1] <= last:
        bounds.append(meter.reset_schedule.next_after(bounds[-1], meter.timezone))
    return sorted({*bounds, meter.created_at})


def _expected(meter: Meter, usage: list[tuple[Record, Instant]]) -> dict[str, tuple[object, ...]]:
    """Fold all usage of a meter, period by period: start, end, value and value by model."""
    mine = [
        (parse_instant(str(record.get("timestamp", ""))) or at, record)
        for record, at in usage
        if record["userId"] == meter.user_id
    ]
    if not mine:
        return {}
    moments = [moment for moment, _ in mine]
    bounds = _bounds(meter, min(moments), max(moments))
    periods: dict[tuple[Instant, Instant], list[Record]] = defaultdict(list)
    for moment, record in mine:
        place = bisect_right(bounds, moment)
        periods[bounds[place - 1], bounds[place]].append(record)
    shown = {}
    for (start, end), records in periods.items():
        models = sorted({str(record["model"]) for record in records})
        groups = {m: _fold(meter, [r for r in records if r["model"] == m]) for m in models}
        shown[instant_text(start)] = (instant_text(end), _fold(meter, records), groups)
    return shown


def _fold(meter: Meter, records: list[Record]) -> Decimal:
    values = [Decimal(str(record["value"])) for record in records]
    folds = {
        Aggregation.SUM: sum(values),
        Aggregation.INCREMENT: len(values),
        Aggregation.MIN: min(values),
        Aggregation.MAX: max(values),
    }
    return Decimal(folds[meter.aggregation])


def _shown(record: Record) -> tuple[object, ...]:
    groups = {
        group["fields"]["model"]: Decimal(str(group["value"]))
        for breakdown in record["groupBreakdowns"]
        for group in breakdown["groups"]
    }
    return record["periodEnd"], Decimal(str(record["value"])), groups


@pytest.mark.parametrize("rows_max", [10**9, -1])
@pytest.mark.parametrize("block", _BLOCKS)
def test_golden_and_adjustments_equal_one_fold_of_all_usage(block: int, rows_max: int) -> None:
    for seed in range(block * 8, block * 8 + 8):
        random = Random(seed)
        meters = [_meter(random, no) for no in range(1, random.randint(2, 4))]
        history = _play(random, meters, rows_max=rows_max)
        for meter in meters:
            mine = [(kind, r) for kind, r in history.told if r["id"] == meter.id]
            _assert_story(mine)
            last = {r["periodStart"]: _shown(r) for kind, r in mine if kind != "threshold"}
            expected = _expected(meter, history.usage)
            untouched = {start: told for start, told in last.items() if start not in expected}
            assert {start: last[start] for start in expected} == expected, f"seed {seed}"
            assert all(told[1:] == (0, {}) for told in untouched.values())


def _assert_story(told: list[tuple[str, Record]]) -> None:
    """Each period leaves once, in order; adjustments count up and know what was told before."""
    golden = [r for kind, r in told if kind == "golden"]
    assert max(Counter(r["periodStart"] for r in golden).values(), default=1) == 1
    later = [r for r in golden if r["periodStart"] >= r["createdAt"]]
    assert [r["periodStart"] for r in later] == sorted(r["periodStart"] for r in later)
    assert all(a["periodEnd"] == b["periodStart"] for a, b in pairwise(later))
    assert len({r["recordId"] for _, r in told}) == len(told)
    known: dict[str, tuple[str, int, object]] = {}
    for kind, record in told:
        start = record["periodStart"]
        if kind == "golden":
            known[start] = (record["recordId"], 0, record["value"])
        elif kind == "adjustment":
            id, number, value = known[start]
            assert (record["adjusts"], record["adjustment"]) == (id, number + 1)
            assert record["previousValue"] == value
            known[start] = (id, number + 1, record["value"])


@pytest.mark.parametrize("rows_max", [10**9, -1])
@pytest.mark.parametrize("seed", _SEEDS)
def test_event_time_equals_processing_time_where_nothing_is_late(seed: int, rows_max: int) -> None:
    random = Random(f"same {seed}")
    schedule, zone = random.choice(_SCHEDULES), random.choice(_ZONES)
    meters = [
        _meter(
            random,
            no,
            reset_schedule=schedule,
            timezone=zone,
            created_at=_START,
            grace_period=0,
            delete_on_reset=random.random() < 0.1,
            active_to=random.choice((None, None, _START + 12 * DAY)),
        )
        for no in range(1, 4)
    ]
    state = State.from_meters(meters)
    same = State.from_meters([replace(meter, grace_period=None) for meter in meters])
    for at, records in _prompt_runs(random, meters):
        outcomes = []
        for place, before in enumerate((state, same)):
            metering = Metering(_PLAN, before, at=at, rows_max=rows_max)
            story: list[object] = [record.text for record in metering.scan()]
            outcome = metering.meter(UsageBatch.from_rows(records))
            story += [outcome.metered, outcome.suspended]
            story += [(q, record.text) for q, record in metering.thresholds()]
            story += [record.text for record in metering.scan()]
            assert not list(metering.adjustments())
            outcomes.append(story)
            after = before.with_changes(metering.changes())
            state, same = (after, same) if place == 0 else (state, after)
        assert outcomes[0] == outcomes[1]


def _prompt_runs(random: Random, meters: list[Meter]) -> list[tuple[Instant, list[Record]]]:
    """Runs at every reset and some between, with usage of the time since the last of them."""
    meter, at = meters[0], max(meter.created_at for meter in meters)
    runs = []
    for _ in range(random.randint(3, 9)):
        # Before it all meters are in the period that holds the clock.
        end = meter.reset_schedule.next_after(at, meter.timezone)
        following = random.choice((end, min(end, at + random.randint(1, 9 * _HOUR))))
        oldest = max(0, following - 1 - at) if following < end else 0
        records = _records(random, meters, following, oldest=0)
        for record in records:
            record["timestamp"] = instant_text(following - random.randint(0, oldest))[:-1]
        runs.append((following, [r for r in records if _between(r, at, following)]))
        at = following
    return runs


def _between(record: Record, start: Instant, end: Instant) -> bool:
    return start <= (parse_instant(f"{record['timestamp']}Z") or 0) <= end


def test_a_node_that_flushes_each_run_refuses_event_time() -> None:
    meter = _meter(Random(1), 1)
    plan = replace(_PLAN, flush=Flush.STREAM_EXECUTION)
    with pytest.raises(EventTimeFlush, match="timestamps") as error:
        Metering(plan, State.from_meters([meter]), at=_START)
    assert "TIMEOUT" in str(error.value.hint)


def _single(meter: Meter, *runs: tuple[Instant, list[Record]]) -> History:
    history = History([], [], State.from_meters([meter]))
    for at, records in runs:
        _run(history.state, history, records, at, 10**9)
    return history


def _usage(meter: Meter, moment: Instant, value: int = 1) -> Record:
    return {
        "userId": meter.user_id,
        "value": value,
        "model": "a",
        "timestamp": instant_text(moment),
    }


def _daily(**given: object) -> Meter:
    whole: dict[str, object] = {
        "reset_schedule": ResetSchedule(day="*"),
        "timezone": "Etc/UTC",
        "aggregation": Aggregation.SUM,
        "created_at": _START,
        "grace_period": 0,
    }
    return _meter(Random(7), 1, **(whole | given))


def test_thresholds_count_in_each_period_by_itself() -> None:
    meter = _daily(grace_period=5 * DAY)
    days = [_usage(meter, _START + n * DAY, 10) for n in (1, 0, 1)]
    history = _single(meter, (_START + 2 * DAY, days))
    reached = [r["periodStart"] for kind, r in history.told if kind == "threshold"]
    assert reached == ["2026-03-21T00:00:00.000Z", "2026-03-20T07:00:00.000Z"]


def test_delete_on_reset_waits_for_the_last_period_with_usage() -> None:
    meter = _daily(grace_period=DAY, delete_on_reset=True)
    both = [_usage(meter, _START), _usage(meter, _START + DAY)]
    history = _single(meter, (_START + DAY, both), (_START + 2 * DAY, []), (_START + 3 * DAY, []))
    golden = [r["periodStart"] for kind, r in history.told if kind == "golden"]
    assert golden == ["2026-03-20T07:00:00.000Z", "2026-03-21T00:00:00.000Z"]
    assert len(history.state) == 0
    assert list(history.state.open_periods([1])) == []


def test_what_a_meter_takes_in_the_run_at_whose_end_it_goes_is_told_and_kept() -> None:
    meter = _daily(grace_period=DAY, delete_on_reset=True)
    both = [_usage(meter, _START), _usage(meter, _START + DAY)]
    state = _single(meter, (_START + DAY, both)).state
    metering = Metering(_PLAN, state, at=_START + 2 * DAY)
    assert [record.body["value"] for record in metering.scan()] == [1]
    metering.meter(UsageBatch.from_rows([_usage(meter, _START, 5), _usage(meter, _START + DAY, 7)]))
    golden = [record.body["value"] for record in metering.scan(_START + 3 * DAY)]
    adjusted = [record.body["value"] for record in metering.adjustments()]
    assert (golden, adjusted) == ([8], [6])
    changes = metering.changes()
    assert changes.deleted == [meter.no]
    assert changes.usage["value"].to_list() == ["5", "7"]
    assert [period.closed for period in changes.periods] == [True, True]
    assert len(state.with_changes(changes)) == 0


def test_an_untouched_meter_that_goes_leaves_one_record() -> None:
    history = _single(_daily(delete_on_reset=True), (_START + 9 * DAY, []))
    assert [r["periodEnd"] for _, r in history.told] == ["2026-03-21T00:00:00.000Z"]
    assert len(history.state) == 0


def test_usage_of_a_period_that_left_empty_adjusts_it() -> None:
    meter = _daily()
    late = _usage(meter, _START + DAY, 4)
    history = _single(meter, (_START + 4 * DAY, []), (_START + 4 * DAY + 1, [late]))
    golden = {r["periodStart"]: r["recordId"] for k, r in history.told if k == "golden"}
    [adjusted] = [r for kind, r in history.told if kind == "adjustment"]
    assert adjusted["adjusts"] == golden["2026-03-21T00:00:00.000Z"]
    assert (adjusted["value"], adjusted["previousValue"], adjusted["adjustment"]) == (4, 0, 1)
    assert list(adjusted)[-4:] == ["adjusts", "adjustment", "previousValue", "recordId"]


def test_a_retired_meter_without_usage_goes_without_a_record() -> None:
    meter = _daily(delete_on_reset=True, active_to=_START + _HOUR)
    history = _single(meter, (_START + 9 * DAY, []))
    assert (history.told, len(history.state)) == ([], 0)


def test_an_empty_period_of_a_retired_meter_leaves_where_usage_follows() -> None:
    meter = _daily(active_to=_START + 2 * DAY, grace_period=5 * DAY)
    used = [_usage(meter, _START + DAY, 3)]
    history = _single(meter, (_START + DAY, used), (_START + 30 * DAY, []))
    told = [(kind, r["periodStart"], r["value"]) for kind, r in history.told]
    assert told == [
        ("golden", "2026-03-20T07:00:00.000Z", 0),
        ("golden", "2026-03-21T00:00:00.000Z", 3),
    ]
