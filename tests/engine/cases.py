"""Generated cases of metering: definitions, records and runs, all from one seed.

``play`` carries a case out and returns everything that it gave as text, so that two ways of
carrying it out can be compared to the last character.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from random import Random

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, Condition, GuidingRule, Operation
from meterhouse.core.instant import DAY, Instant, instant_text, parse_instant
from meterhouse.core.json_text import Record
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.engine.columns.breakdowns import Breakdowns, SectionColumns
from meterhouse.engine.columns.cells import decode_sections, split_entries
from meterhouse.engine.metering import Metering, StateChanges
from meterhouse.engine.plan import Flush, MeterPlan
from meterhouse.engine.source import MeterColumns, MeterSource
from tests.golden.keeping import InMemory, Keeping

_START = parse_instant("2026-03-20T00:00:00Z") or 0
_ZONES = ("Etc/UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata", "Africa/Cairo")
_SCHEDULES = (
    ResetSchedule(),
    ResetSchedule(day="*"),
    ResetSchedule(hour="*", day="*"),
    ResetSchedule(day="L", hour="12"),
    ResetSchedule(day="*", weekday="1,4", minute="30", hour="2"),
)
_FIELDS = "xyzw"
_USERS = ("ann", "bob", "3")


@dataclass(frozen=True, slots=True)
class Step:
    """One run: its clock, its plan, its records, and where they are cut into batches."""

    at: Instant
    plan: MeterPlan
    records: list[Record]
    cuts: list[int]


@dataclass(frozen=True, slots=True)
class Case:
    """A generated case."""

    meters: list[Meter]
    plan: MeterPlan
    steps: list[Step]


@dataclass(slots=True)
class Style:
    """What records of one case look like: tame ones stay homogeneous, wild ones mix types."""

    random: Random
    wild: bool
    huge: bool
    values: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.values = [1, 2, 3, 7, 0]
        if self.random.random() < 0.5:
            self.values += [Decimal("0.5"), Decimal("1.250"), Decimal("1e-18")]
        if self.random.random() < 0.5:
            self.values += [-2, Decimal("-1.25")]
        if self.wild:
            self.values += ["2", " 2", "x", "", None, True, "1e400", Decimal("1e-19"), "0x1", "٣"]
            self.values += [Decimal("1e400"), Decimal("NaN"), 10**20, 10**20 - 1, 2**63, [1]]
            self.values += [Decimal("9" * 20 + "." + "9" * 18), Decimal("-0.00"), Decimal("0e99")]
        if self.huge:
            self.values += [Decimal("9e19"), Decimal("-9e19"), 5 * 10**19] * 3


def generate(seed: int) -> Case:
    """Make the case of a seed."""
    random = Random(seed)
    style = Style(random, wild=random.random() < 0.6, huge=random.random() < 0.15)
    meters = [_meter(random, number) for number in range(random.randint(1, 8))]
    rules = tuple(_rule(random, number) for number in range(random.randint(1, 4)))
    tolerance = random.choice((0, 0, DAY))
    plan = MeterPlan("key", rules, random.choice(list(Flush)), tolerance)
    at, steps = _START, []
    for _ in range(random.choice((1, 1, 2, 3))):
        at += random.choice((3_600_000_000, DAY, 20 * DAY, 45 * DAY))
        records = [_record(style, at) for _ in range(random.randint(0, 30))]
        cuts = sorted(random.randint(0, len(records)) for _ in range(random.choice((0, 0, 1, 3))))
        steps.append(Step(at, plan, records, [0, *cuts, len(records)]))
    return _by_event_time(Case(meters, plan, steps), seed)


def _by_event_time(case: Case, seed: int) -> Case:
    """Let the timestamps decide the periods of some meters, in every other case."""
    random = Random(f"event {seed}")
    if random.random() < 0.5:
        return case
    share = random.choice((0.5, 1))
    meters = [m if random.random() > share else _event_meter(random, m) for m in case.meters]
    if not any(meter.by_event_time for meter in meters):
        return case
    plan = replace(case.plan, flush=Flush.PERIOD_END)
    steps = [
        replace(s, plan=plan, records=[_retimed(random, r, s.at) for r in s.records])
        for s in case.steps
    ]
    return Case(meters, plan, steps)


def _event_meter(random: Random, meter: Meter) -> Meter:
    schedule = meter.reset_schedule
    if schedule.hour == "*":
        schedule = replace(schedule, hour="*/6")
    grace = random.choice((0, 0, 1, DAY, 3 * DAY, 40 * DAY))
    window = (meter.active_from, meter.active_to) if random.random() < 0.3 else (None, None)
    active_from, active_to = window
    return replace(
        meter,
        reset_schedule=schedule,
        grace_period=grace,
        active_from=active_from,
        active_to=active_to,
    )


def _retimed(random: Random, record: Record, at: Instant) -> Record:
    """Give a record another timestamp: bounds of periods and months long gone are among them."""
    if random.random() < 0.4:
        return record
    earlier = random.choice((0, 1, 7, DAY, 3 * DAY, 20 * DAY, 46 * DAY, 100 * DAY, 3000 * DAY))
    moment = at - earlier
    if random.random() < 0.2:
        moment -= moment % DAY
    return {**record, "timestamp": random.choice((instant_text(moment), moment // 1000))}


def with_changed_rules(case: Case, seed: int) -> Case:
    """Return the case with other rules in every run: what older ones stored stays."""
    random = Random(f"rules {seed}")
    steps = []
    for step in case.steps:
        rules = tuple(_rule(random, number) for number in range(random.randint(1, 3)))
        steps.append(replace(step, plan=replace(step.plan, rules=rules)))
    return replace(case, steps=steps)


def with_more_steps(case: Case, seed: int) -> Case:
    """Return the case with runs of a minute later each, which end no period: buckets fill up."""
    random = Random(f"steps {seed}")
    style = Style(random, wild=random.random() < 0.6, huge=random.random() < 0.15)
    steps = list(case.steps)
    for number in range(1, 4):
        at = case.steps[-1].at + number * 60_000_000
        records = [_record(style, at) for _ in range(random.randint(1, 20))]
        cuts = list(range(0, len(records), 3))
        steps.append(Step(at, case.plan, records, [*cuts, len(records)]))
    return replace(case, steps=steps)


def generate_going_on(seed: int) -> Case:
    """Make a case whose runs go on with what others left.

    Hardly a meter is reset, each run has some of the users, and now and then other rules.
    """
    random = Random(f"going on {seed}")
    style = Style(random, wild=random.random() < 0.4, huge=random.random() < 0.15)
    meters = [_meter(random, number) for number in range(random.randint(4, 12))]
    users = "uvwxyz"
    meters = [replace(m, user_id=users[n % 6], category="ab"[n // 9]) for n, m in enumerate(meters)]
    meters = [
        replace(m, reset_schedule=ResetSchedule(), active_from=None, active_to=None)
        if random.random() < 0.85
        else m
        for m in meters
    ]
    flush = Flush.STREAM_EXECUTION if random.random() < 0.15 else Flush.PERIOD_END
    plan = MeterPlan("key", _grouping_rules(random), flush)
    changing = random.random() < 0.4
    at, steps = _START, []
    for _ in range(random.randint(4, 7)):
        at += random.choice((60_000_000,) * 12 + (DAY, 20 * DAY))
        if changing and random.random() < 0.5:
            plan = replace(plan, rules=_grouping_rules(random))
        mine = random.sample(users, random.choice((1, 2, 5, 6)))
        records = [_record(style, at) for _ in range(random.choice((3, 15, 40)))]
        records = [{**record, "userId": random.choice(mine)} for record in records]
        steps.append(Step(at, plan, records, [0, len(records) // 2, len(records)]))
    return Case(meters, plan, steps)


def _grouping_rules(random: Random) -> tuple[GuidingRule, ...]:
    """Rules that group, most of them any record."""
    rules = []
    for number in range(random.randint(1, 3)):
        rule = _rule(random, number)
        conditions = () if number == 0 or random.random() < 0.6 else rule.conditions
        sections = rule.group_by or (("x",), tuple(random.sample(_FIELDS, 2)))
        operations = rule.operations or (Operation("x", Carry.FIRST), Operation("x", Carry.LAST))
        rules.append(
            replace(
                rule,
                category="ab"[number // 2],
                conditions=conditions,
                group_by=sections,
                operations=operations,
            )
        )
    return tuple(rules)


def _meter(random: Random, number: int) -> Meter:
    capacity = random.choice((None, Decimal(10), Decimal("33.3")))
    thresholds = tuple(_threshold(random, place, capacity) for place in range(random.randint(0, 4)))
    return Meter(
        no=number,
        id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
        user_id=random.choice(_USERS),
        meter_key="key",
        meter_type_id="type",
        meter_type_name="Type",
        category=random.choice("ab"),
        aggregation=random.choice([Aggregation.SUM, Aggregation.SUM, *Aggregation]),
        unit="call",
        reset_schedule=random.choice(_SCHEDULES),
        timezone=random.choice(_ZONES),
        created_at=_START - random.choice((0, DAY, 40 * DAY)),
        active_from=random.choice((None, None, _START - DAY, _START + DAY)),
        active_to=random.choice((None, None, _START + 10 * DAY)),
        capacity=capacity,
        thresholds=thresholds,
        custom_fields=random.choice(({}, {"plan": "gold"})),
        delete_on_reset=random.random() < 0.1,
    )


def _threshold(random: Random, place: int, capacity: Decimal | None) -> Threshold:
    if capacity is not None and random.random() < 0.5:
        percentage = Decimal(random.choice(("50", "100", "105", "33.333333333333333333")))
        return Threshold(f"t{place}", capacity_percentage=percentage)
    limit = Decimal(random.choice(("1", "2.5", "7", "10", "30", "1e19")))
    return Threshold(f"t{place}", absolute_value=limit, custom_fields={"action": "x"})


def _rule(random: Random, number: int) -> GuidingRule:
    values = ("p", "q", 5, Decimal("2.5"), True, "5")
    names = (*_FIELDS, "n.a")
    sections = [
        tuple(random.sample(names, random.randint(1, 3))) for _ in range(random.randint(0, 2))
    ]
    operations = [
        Operation(random.choice(names), random.choice(list(Carry)))
        for _ in range(random.randint(0, 3))
    ]
    return GuidingRule(
        f"rule {number}",
        random.choice("abc"),
        tuple(
            Condition(random.choice(names), random.choice(values))
            for _ in range(random.choice((0, 0, 1, 2)))
        ),
        random.choice(("and", "or")),
        tuple(dict.fromkeys(sections)),
        tuple(dict.fromkeys(operations)),
    )


def _record(style: Style, at: Instant) -> Record:
    random = style.random
    record: Record = {"userId": random.choice(_USERS), "value": random.choice(style.values)}
    if style.wild:
        if random.random() < 0.1:
            record["userId"] = random.choice((3, Decimal("3.0"), None, True, "", "nobody"))
        if random.random() < 0.05:
            del record[random.choice(("userId", "value"))]
    if random.random() < 0.4:
        record["timestamp"] = _timestamp(style, at)
    for name in _FIELDS:
        if random.random() < 0.85:
            record[name] = random.choice(_texts(style))
    if random.random() < 0.3:
        record["n"] = {"a": random.choice(("p", 5, None))}
    if style.wild and random.random() < 0.2:
        record["n.a"] = random.choice(("q", 6, None))
    return {name: value for name, value in record.items() if value is not None or style.wild}


def _texts(style: Style) -> list[object]:
    if not style.wild:
        return ["p", "q", "r"]
    return [
        "p",
        "q",
        5,
        Decimal("5.0"),
        "5",
        True,
        None,
        {"k": [1]},
        'a"b\\',
        "\u00e9\u2028",
        Decimal("2.5"),
        "{",
    ]


def _timestamp(style: Style, at: Instant) -> object:
    earlier = at - style.random.choice((0, 1, DAY, 2 * DAY, 12 * DAY))
    good = [instant_text(earlier), instant_text(earlier)[:-1], earlier // 1000]
    odd = [
        instant_text(at + DAY // 2),
        instant_text(at + 2 * DAY),
        f"{instant_text(earlier)[:-1]}123456Z",
        instant_text(earlier)[:19] + "+05:30",
        "2026-02-30T00:00:00Z",
        "2026-03-01T00:00:60Z",
        "2026-03-01",
        "+2026-1-01T00:00:00.000Z",
        "0000-01-01T00:00:00.000Z",
        "soon",
        "",
        None,
        True,
        str(earlier // 1000),
        Decimal(earlier) / 1000,
        Decimal("1e30"),
        10**18,
    ]
    return style.random.choice(good + odd if style.wild else good[:1])


#: Columns fold so many records at a time, step by step: every batch, some, all of them.
_WINDOWS = (12, 1, 10**9)


def _coded(batch: UsageBatch) -> UsageBatch:
    """Let every other column of texts come as dictionary and numbers, as from a Parquet file."""
    columns = dict(batch.columns())
    for name in sorted(columns)[::2]:
        if columns[name].kind is ColumnKind.TEXT:
            texts = columns[name].values
            # One text may stand in a dictionary twice.
            known = pl.concat([texts.drop_nulls().unique(), texts.drop_nulls().unique()])
            codes = [None if text is None else known.to_list().index(text) for text in texts]
            columns[name] = Column.of_codes(Coded(pl.Series(codes, dtype=pl.Int32), known))
    return batch.with_columns(columns)


class _InPacks:
    """A source whose columns have most breakdowns in packs of three meters, as in a ledger."""

    def __init__(self, source: MeterSource) -> None:
        self._source = source

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def columns(self) -> MeterColumns:
        columns = self._source.columns()
        there = columns.frame["groups"].is_not_null() & (columns.frame["no"] % 4 > 0)
        rows = there.arg_true()
        pack = pl.repeat(None, len(there), dtype=pl.Int64, eager=True)
        # Those of a ledger are positive, and stay.
        pack = pack.scatter(rows, -1 - pl.int_range(len(rows), eager=True) // 3)
        frame = columns.frame.with_columns(pack=pl.coalesce(pack, "pack"))

        def packed(number: int) -> Breakdowns:
            if number > 0:
                return columns.packs(number)
            mine = frame.filter(pl.col("pack") == number).select("no", "groups", m="no")
            sections = []
            for section, first, last, entries in decode_sections(mine):
                cells = split_entries(entries, len(section) + 1 + len(first) + len(last))
                cells = cells.rename({"m": "no"})
                made = SectionColumns.of_cells(section, first, last, cells=cells)
                sections.append(_whole(made) if number % 2 else made)
            return Breakdowns.of_content(Breakdowns(sections).content())

        texts = frame["groups"].set(there & pack.is_not_null(), None)
        return MeterColumns(frame.with_columns(texts), columns.profiles, packed)


def _whole(section: SectionColumns) -> SectionColumns:
    """The same with whole numbers for values, where all are."""
    value = section.frame["value"]
    texts = value.cast(pl.String).str.strip_chars_end("0")
    if not (texts.str.ends_with(".").all() and (value.abs() < 2**62).all()):
        return section
    return replace(section, frame=section.frame.with_columns(value.cast(pl.Int64)))


def _usage(changes: StateChanges) -> list[str]:
    """What is kept of single usage, in order of arrival."""
    if changes.usage is None:
        return []
    ordered = changes.usage.sort("offset", "meter", maintain_order=True)
    return [str(row) for row in ordered.select(sorted(ordered.columns)).iter_rows()]


def play(
    case: Case,
    *,
    rows_max: int,
    whole: bool = False,
    windows: Sequence[int] = _WINDOWS,
    keeping: Keeping | None = None,
) -> list[str]:
    """Carry a case out; ``rows_max`` chooses the executor, ``whole`` ignores the cuts.

    ``keeping`` has the meters between runs.
    """
    keeping = keeping or InMemory(case.meters)
    transcript: list[str] = []
    for number, step in enumerate(case.steps):
        with keeping.source() as source:
            lines, changes = _play_step(
                step, number, source, rows_max=rows_max, whole=whole, windows=windows
            )
        transcript += lines
        keeping.keep(changes, [], at=step.at)
    return transcript + _final(case, keeping)


def _play_step(
    step: Step,
    number: int,
    source: MeterSource,
    *,
    rows_max: int,
    whole: bool,
    windows: Sequence[int],
) -> tuple[list[str], StateChanges]:
    transcript: list[str] = []
    metering = Metering(
        step.plan,
        _InPacks(source) if number else source,
        at=step.at,
        rows_max=rows_max,
        window_records_max=windows[number % len(windows)],
    )
    transcript += [f"{number} scan {record.text}" for record in metering.scan()]
    if rows_max < 0 and number % 2:
        metering.make_ready()
    batch = UsageBatch.from_rows(step.records)
    cuts = [0, len(batch)] if whole else step.cuts
    metered = 0
    for start, end in pairwise(cuts):
        piece = batch.slice(start, end - start)
        if rows_max < 0 and (number + start) % 2:
            piece = _coded(piece)
        outcome = metering.meter(piece)
        assert outcome.metered + len(outcome.suspended) == end - start
        metered += outcome.metered
        transcript += [f"{number} suspended {start + p} {r.value}" for p, r in outcome.suspended]
    transcript += [
        f"{number} threshold {position} {record.text}" for position, record in metering.thresholds()
    ]
    transcript.append(f"{number} metered {metered}")
    if step.plan.flush is Flush.STREAM_EXECUTION:
        last = metering.flush_all()
    else:
        last = metering.scan(step.at + (DAY if number % 2 else 0))
    transcript += [f"{number} flush {record.text}" for record in last]
    transcript += [f"{number} adjustment {record.text}" for record in metering.adjustments()]
    changes = metering.changes()
    transcript += [f"{number} usage {line}" for line in _usage(changes)]
    return transcript, changes


def _final(case: Case, keeping: Keeping) -> list[str]:
    with keeping.source() as source:
        if source.has_event_meters():
            final = Metering(case.plan, source, at=case.steps[-1].at + 30 * DAY)
            return [f"final {record.text}" for record in final.scan()]
        ends = MeterPlan("key", case.plan.rules, Flush.STREAM_EXECUTION)
        final = Metering(ends, source, at=_START + 400 * DAY)
        return [f"final {record.text}" for record in final.flush_all()]
