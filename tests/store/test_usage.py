"""Single usage in the ledger: any history of changes equals one fold of what is left."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl
import pytest

from meterhouse.app.usage_ports import Amendment
from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, GuidingRule, Operation
from meterhouse.core.instant import DAY, MINUTE, Instant, instant_text, parse_instant
from meterhouse.core.json_text import Record, parse_json
from meterhouse.core.meter import NewMeter
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.schedule import ResetSchedule
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import MeterPlan
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import USAGE_LIFETIME, Emitted, RunResult
from tests.store.factories import (
    AT,
    KEY,
    a_meter_type,
    a_run,
    a_stream,
    add_meters,
    commit,
    new_id,
    snapshot,
    start,
)

_RULE = GuidingRule(
    "all",
    "api",
    (),
    "and",
    (("model",),),
    (Operation("id", Carry.LAST), Operation("id", Carry.FIRST)),
)
_PLAN = MeterPlan(KEY, (_RULE,))
_ZONES = ("Etc/UTC", "Europe/Berlin", "Asia/Kolkata")
_HOUR = 60 * MINUTE


class Story:
    """A ledger with one event-time meter, and what has become of every record that it took."""

    def __init__(
        self, ledger: SqliteLedger, random: Random, *, aggregation: str | None = None
    ) -> None:
        self.ledger, self.random = ledger, random
        self.zone = random.choice(_ZONES)
        chosen = random.choice(("sum", "sum", "increment", "min", "max"))
        self.aggregation = aggregation or chosen
        daily = {"minute": "0", "hour": "0", "day": "*", "month": "*", "weekday": "*"}
        meter_type = a_meter_type(
            aggregation=self.aggregation,
            resetSchedule=daily,
            timezone=self.zone,
            periodAssignment="event",
            gracePeriod=random.choice(("PT0S", "PT6H", "P2D")),
            thresholds=[{"name": "t", "absoluteValue": 3}],
        )
        ledger.add_meter_types([meter_type])
        ledger.add_stream(a_stream())
        [self.meter] = add_meters(ledger, ["ann"], meter_type=meter_type)
        self.at = AT
        self.live: dict[str, tuple[Instant, Decimal, str]] = {}
        self.void: set[str] = set()
        self.order: list[str] = []

    def run(self, *given: Record) -> None:
        """Meter some records, by one executor or the other; those that are given, if any are."""
        self.at += self.random.choice((_HOUR, 7 * _HOUR, DAY, 3 * DAY))
        records = list(given) or [self._record() for _ in range(self.random.randint(0, 8))]
        with snapshot(self.ledger) as view:
            rows_max = self.random.choice((-1, 10**9))
            metering = Metering(_PLAN, view.meters(KEY), at=self.at, rows_max=rows_max)
            metering.released()
            told = [*metering.scan()]
            assert not metering.meter(UsageBatch.from_rows(records)).suspended
            told += [record for _, record in metering.thresholds()]
            told += [*metering.scan(), *metering.adjustments()]
            changes = metering.changes()
            if changes.usage is not None:
                # The node puts the name of a source in the place of its number.
                named = changes.usage["source"].cast(pl.String)
                changes.usage = changes.usage.with_columns(source=named)
            result = RunResult(
                states=[("node-0", changes)],
                records=[Emitted("node-0", record) for record in told],
            )
        commit(self.ledger, result, at=self.at)

    def _record(self) -> Record:
        id, value = f"r{len(self.order)}", Decimal(self.random.choice(("1", "0.5", "-1", "2")))
        moment = self._moment()
        model = self.random.choice("ab")
        self.order.append(id)
        self.live[id] = moment, value, model
        time = instant_text(moment)
        return {"id": id, "userId": "ann", "value": value, "timestamp": time, "model": model}

    def _moment(self) -> Instant:
        span = self.random.choice((_HOUR, 2 * DAY, 9 * DAY))
        return (self.at - self.random.randint(0, span)) // 1000 * 1000

    def change(self) -> None:
        """Void or amend some record, or fail to."""
        if not self.order:
            return
        id = self.random.choice(self.order)
        amendment = None
        if self.random.random() < 0.6:
            amendment = Amendment(
                self.random.choice((None, Decimal(4), Decimal("-0.25"))),
                self.random.choice((None, self._moment())),
                self.random.choice(({}, {"model": "c"})),
            )
        if id in self.void:
            with pytest.raises(ConflictError, match="void since"):
                self.ledger.change_usage(self.meter, id, amendment, at=self.at)
            return
        self.ledger.change_usage(self.meter, id, amendment, at=self.at)
        if amendment is None:
            self.void.add(id)
            del self.live[id]
            return
        moment, value, model = self.live[id]
        self.live[id] = (
            moment if amendment.timestamp is None else amendment.timestamp,
            value if amendment.value is None else amendment.value,
            str(amendment.fields.get("model", model)),
        )

    def expected(self) -> dict[str, tuple[Any, ...]]:
        """Fold all that is left: value, by model, first and last record, of each day."""
        schedule = ResetSchedule(day="*")
        bounds = [schedule.next_after(AT - 20 * DAY, self.zone)]
        while bounds[-1] <= self.at:
            bounds.append(schedule.next_after(bounds[-1], self.zone))
        bounds = sorted({*bounds, AT})
        days: dict[Instant, list[str]] = defaultdict(list)
        for id in self.order:
            if id in self.live:
                days[bounds[bisect_right(bounds, self.live[id][0]) - 1]].append(id)
        return {instant_text(start): self._shown(ids) for start, ids in days.items()}

    def _shown(self, ids: list[str]) -> tuple[Any, ...]:
        models = sorted({self.live[id][2] for id in ids})
        groups = {m: self._fold([i for i in ids if self.live[i][2] == m]) for m in models}
        return self._fold(ids), groups, {"id": ids[0]}, {"id": ids[-1]}

    def _fold(self, ids: list[str]) -> Decimal:
        values = [self.live[id][1] for id in ids]
        folds = {"sum": sum, "increment": len, "min": min, "max": max}
        return Decimal(folds[self.aggregation](values))

    def told(self) -> dict[str, tuple[Any, ...]]:
        """What the last record of each day says."""
        days = {}
        for entry in self.ledger.records(limit=10_000).items:
            record = parse_json(entry.text)
            if entry.kind != "threshold":
                groups = {
                    group["fields"]["model"]: Decimal(str(group["value"]))
                    for breakdown in record["groupBreakdowns"]
                    for group in breakdown["groups"]
                }
                shown = (Decimal(str(record["value"])), groups)
                days[record["periodStart"]] = (*shown, record["carryFirst"], record["carryLast"])
        return days


@pytest.mark.parametrize("seed", range(40))
def test_any_history_equals_one_fold_of_what_is_left(ledger: SqliteLedger, seed: int) -> None:
    random = Random(seed)
    story = Story(ledger, random)
    for _ in range(random.randint(3, 12)):
        random.choice((story.run, story.run, story.change))()
    # Everything closes.
    story.at += 4 * DAY
    story.run()
    story.at += 8 * DAY
    story.run()
    told, expected = story.told(), story.expected()
    open_days = {day for day in expected if parse_instant(day) > story.at - 4 * DAY}
    for day, shown in expected.items():
        assert day in open_days or told[day] == shown, f"seed {seed}, {day}"
    empty = (0, {}, {}, {})
    assert all(shown == empty for day, shown in told.items() if day not in expected)


def _one(ledger: SqliteLedger) -> Story:
    story = Story(ledger, Random(3))
    while not story.order:
        story.run()
    return story


def test_a_running_stream_keeps_its_usage_as_it_is(ledger: SqliteLedger) -> None:
    story = _one(ledger)
    start(ledger, a_run(new_id(), at=story.at))
    with pytest.raises(ConflictError, match="is using the meter"):
        ledger.change_usage(story.meter, story.order[0], None, at=story.at)


def test_what_does_not_exist_is_not_found(ledger: SqliteLedger) -> None:
    story = _one(ledger)
    with pytest.raises(NotFoundError, match="took no record"):
        ledger.change_usage(story.meter, "zz", None, at=story.at)
    with pytest.raises(NotFoundError, match="no meter"):
        ledger.change_usage("zz", story.order[0], None, at=story.at)


def test_a_change_that_leaves_the_range_changes_nothing(ledger: SqliteLedger) -> None:
    story = Story(ledger, Random(1), aggregation="sum")
    while len(story.order) < 3:
        story.run()
    most = Decimal(6 * 10**19)
    same = AT + MINUTE
    ledger.change_usage(story.meter, story.order[0], Amendment(most, same), at=story.at)
    before = ledger.usage(story.meter).items
    with pytest.raises(ConflictError, match="range"):
        ledger.change_usage(story.meter, story.order[1], Amendment(most, same), at=story.at)
    assert ledger.usage(story.meter).items == before


def _periods(story: Story) -> list[Instant]:
    """The starts of all periods of which something is kept."""
    usage = story.ledger.usage(story.meter, limit=1000).items
    return sorted({entry.period_start for entry in usage})


@pytest.mark.parametrize("seed", range(8))
def test_usage_of_periods_that_were_told_outlasts_its_meter(
    ledger: SqliteLedger, seed: int
) -> None:
    story = Story(ledger, Random(seed))
    for _ in range(6):
        story.run()
        story.change()
    starts, told = _periods(story), story.told()
    kept = {day: ledger.usage_of_period(story.meter, start=day) for day in starts}
    ledger.delete_meter(story.meter)
    assert ledger.usage(story.meter).items == []
    for day in starts:
        closed = instant_text(day) in told
        after = ledger.usage_of_period(story.meter, start=day)
        assert after == (kept[day] if closed else [])
        how = ledger.usage_aggregation(story.meter, start=day)
        assert how == (Aggregation(story.aggregation) if closed else None)


def test_a_meter_made_anew_under_the_same_id_mixes_nothing(ledger: SqliteLedger) -> None:
    story = _one(ledger)
    while not story.told():
        story.run()
    told = [day for day in _periods(story) if instant_text(day) in story.told()]
    kept = {day: ledger.usage_of_period(story.meter, start=day) for day in told}
    meter = ledger.meter(story.meter).meter
    ledger.delete_meter(story.meter)
    story.at += 9 * DAY
    anew = NewMeter(meter.user_id, KEY, meter.meter_type_id)
    ledger.add_meters([(story.meter, anew)], at=story.at)
    assert {day: ledger.usage_of_period(story.meter, start=day) for day in told} == kept
    later = instant_text(story.at)
    story.run({"id": "new", "userId": meter.user_id, "value": Decimal(1), "timestamp": later})
    assert [entry.identity for entry in ledger.usage(story.meter).items] == ["new"]
    assert ledger.usage_aggregation(story.meter, start=told[-1]) is not None
    early = instant_text(told[-1])
    story.run({"id": "early", "userId": meter.user_id, "value": Decimal(1), "timestamp": early})
    # Both have usage of that day by now: nobody knows whose a record of it asks for.
    assert ledger.usage_aggregation(story.meter, start=told[-1]) is None


def test_of_two_meters_of_one_id_that_are_gone_nobody_knows_whose_usage_is_meant(
    ledger: SqliteLedger,
) -> None:
    story = _one(ledger)
    meter = ledger.meter(story.meter).meter
    while not story.told():
        story.run()
    day = max(start for start in _periods(story) if instant_text(start) in story.told())
    ledger.delete_meter(story.meter)
    kept = ledger.usage_of_period(story.meter, start=day)
    assert kept
    anew = NewMeter(meter.user_id, KEY, meter.meter_type_id)
    ledger.add_meters([(story.meter, anew)], at=story.at)
    again = {"userId": meter.user_id, "value": Decimal(1), "timestamp": instant_text(day)}
    story.run({"id": "again", **again})
    story.at += 9 * DAY
    later = instant_text(story.at)
    story.run({"id": "later", **again, "timestamp": later})
    [last] = [start for start in _periods(story) if start != day]
    story.at += 9 * DAY
    story.run({"id": "end", **again, "timestamp": instant_text(story.at)})
    ledger.delete_meter(story.meter)
    assert ledger.usage_aggregation(story.meter, start=day) is None
    assert ledger.usage_of_period(story.meter, start=day) == []
    # What one of them alone has is still its own.
    assert ledger.usage_aggregation(story.meter, start=last) is not None
    [one] = ledger.usage_of_period(story.meter, start=last)
    assert one.identity == "later"


def test_usage_of_a_meter_that_is_gone_is_forgotten_in_the_end(ledger: SqliteLedger) -> None:
    story = _one(ledger)
    story.at += 9 * DAY
    story.run()
    starts = _periods(story)
    type_id = ledger.meter(story.meter).meter.meter_type_id
    assert not ledger.outlasted(type_id)
    ledger.delete_meter(story.meter)
    assert ledger.outlasted(type_id)
    first, last = starts[0] + 3 * DAY, story.at + 3 * DAY
    commit(ledger, RunResult(), at=first + USAGE_LIFETIME - 3 * DAY)
    assert ledger.usage_of_period(story.meter, start=starts[0])
    commit(ledger, RunResult(), at=last + USAGE_LIFETIME)
    assert not any(ledger.usage_of_period(story.meter, start=day) for day in starts)
    assert not ledger.outlasted(type_id)
    left = ("gone_meter", "gone_period", "gone_usage")
    assert [ledger._database.value(f"SELECT count(*) FROM {name}") for name in left] == [0, 0, 0]
