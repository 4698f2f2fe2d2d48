"""A line notation for metering cases: definitions, usage and clock in, what must come out beside.

    type   calls  sum  category=api  schedule=0,0,1,*,*  tz=Europe/Berlin  capacity=10
    limit  calls  half  50%            (or an absolute number)
    meter  M1  ann  calls  from=...  to=...  deleteOnReset
    rule   L1  category=api  when=kind:L1  group=region;region,kind  first=case  last=case
    at     2025-11-03T10:00Z           the clock of the next run
    use    ann  3  kind=L1  region=EU  =>  suspended no_meter_found | half
    run                                ends a run; flushes that follow are its outcome
    reset  M1  3  2025-10-31T23:00Z..2025-11-30T23:00Z  region:EU=3  first.case=1

Words are separated by blanks; JSON values may stand for bare words. ``execute flush=execution`` on
a line of its own switches the node to stream execution.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, Condition, GuidingRule, Operation
from meterhouse.core.instant import Instant, instant_text, parse_instant
from meterhouse.core.json_text import Record, json_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.metered_record import MeteredRecord
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import Flush, MeterPlan
from meterhouse.engine.rows import Outcome
from tests.golden.keeping import Keeping


@dataclass(slots=True)
class Step:
    """One run of a case: its clock, its usage with what must become of it, its flushes."""

    at: Instant
    usage: list[tuple[Record, str]] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)


@dataclass(slots=True)
class GoldenCase:
    """A parsed case file."""

    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    meters: list[Meter] = field(default_factory=list)
    rules: list[GuidingRule] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    flush: Flush = Flush.PERIOD_END


def parse_case(text: str) -> GoldenCase:
    """Read a case."""
    case, clock = GoldenCase(), 0
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        verb, rest = words[0], words[1:]
        if verb == "at":
            clock = _instant(rest[0])
        elif verb in ("use", "run", "reset"):
            _take_step(case, verb, rest, clock)
        else:
            _take_definition(case, verb, rest, clock)
    return case


def play_case(case: GoldenCase, kept: Keeping, *, rows_max: int) -> tuple[list[str], list[str]]:
    """Carry a case out; returns what was expected and what came, in the notation."""
    names = {meter.id: meter.meter_type_name for meter in case.meters}
    expected: list[str] = []
    actual: list[str] = []
    for step in case.steps:
        outcome, thresholds, flushed = _run(case, step, kept, rows_max=rows_max)
        outcomes: list[list[str]] = [[] for _ in step.usage]
        for position, reason in outcome.suspended:
            outcomes[position].append(f"suspended {reason.value}")
        for position, record in thresholds:
            outcomes[position].append(record.body["thresholdReached"]["name"])
        for (record, wanted), came in zip(step.usage, outcomes, strict=True):
            expected.append(f"{json_text(record)} => {wanted}")
            actual.append(f"{json_text(record)} => {' '.join(came)}")
        expected += step.resets
        actual += [_reset_line(record.body, names) for record in flushed]
    return expected, actual


def _run(
    case: GoldenCase, step: Step, kept: Keeping, *, rows_max: int
) -> tuple[Outcome, list[tuple[int, MeteredRecord]], list[MeteredRecord]]:
    plan = MeterPlan("key", tuple(case.rules), case.flush)
    with kept.source() as source:
        metering = Metering(plan, source, at=step.at, rows_max=rows_max)
        flushed = list(metering.scan())
        outcome = metering.meter(UsageBatch.from_rows([record for record, _ in step.usage]))
        thresholds = metering.thresholds()
        whole = case.flush is Flush.STREAM_EXECUTION
        flushed += list(metering.flush_all() if whole else metering.scan())
        changes = metering.changes()
    kept.keep(changes, [*(record for _, record in thresholds), *flushed], at=step.at)
    return outcome, thresholds, flushed


def _take_definition(case: GoldenCase, verb: str, rest: list[str], clock: Instant) -> None:
    if verb == "type":
        case.types[rest[0]] = {"aggregation": rest[1], "limits": []} | _options(rest[2:])
    elif verb == "limit":
        case.types[rest[0]]["limits"].append(_threshold(rest[1], rest[2]))
    elif verb == "meter":
        case.meters.append(_meter(case, rest, clock))
    elif verb == "rule":
        case.rules.append(_rule(rest))
    elif verb == "execute":
        case.flush = Flush.STREAM_EXECUTION
    else:
        raise ValueError(f"{verb!r} is not in the notation")


def _take_step(case: GoldenCase, verb: str, rest: list[str], clock: Instant) -> None:
    if verb == "reset":
        case.steps[-1].resets.append(" ".join(rest))
        return
    step = _step(case, clock)
    if verb == "use":
        step.usage.append(_usage(rest))


def _step(case: GoldenCase, clock: Instant) -> Step:
    if not case.steps or case.steps[-1].at != clock:
        case.steps.append(Step(clock))
    return case.steps[-1]


def _options(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _threshold(name: str, limit: str) -> Threshold:
    if limit.endswith("%"):
        return Threshold(name, capacity_percentage=Decimal(limit[:-1]))
    return Threshold(name, absolute_value=Decimal(limit))


def _meter(case: GoldenCase, words: list[str], clock: Instant) -> Meter:
    name, user, kind = words[:3]
    options, given = _options(words[3:]), case.types[kind]
    fields = given.get("schedule", "0,0,1,*,*").split(",")
    aggregation = Aggregation.from_text(given["aggregation"])
    assert aggregation is not None
    return Meter(
        no=len(case.meters),
        id=str(uuid.UUID(int=len(case.meters) + 1)),
        user_id=user,
        meter_key="key",
        meter_type_id=kind,
        meter_type_name=name,
        category=given.get("category", "DEFAULT"),
        aggregation=aggregation,
        unit="call",
        reset_schedule=ResetSchedule(*fields),
        timezone=given.get("tz", "Etc/UTC"),
        created_at=clock,
        active_from=_instant(options["from"]) if "from" in options else None,
        active_to=_instant(options["to"]) if "to" in options else None,
        capacity=Decimal(given["capacity"]) if "capacity" in given else None,
        thresholds=tuple(given["limits"]),
        delete_on_reset="deleteOnReset" in options,
    )


def _rule(words: list[str]) -> GuidingRule:
    options = _options(words[1:])
    conditions = [part.split(":", 1) for part in options.get("when", "").split(",") if part]
    operations = [
        Operation(name, carry)
        for key, carry in (("first", Carry.FIRST), ("last", Carry.LAST))
        for name in options.get(key, "").split(",")
        if name
    ]
    groups = options.get("group", "")
    return GuidingRule(
        words[0],
        options.get("category", "DEFAULT"),
        tuple(Condition(name, _value(text)) for name, text in conditions),
        options.get("relation", "and"),
        tuple(tuple(section.split(",")) for section in groups.split(";") if section),
        tuple(operations),
    )


def _usage(words: list[str]) -> tuple[Record, str]:
    arrow = words.index("=>") if "=>" in words else len(words)
    record: Record = {}
    for name, word in zip(("userId", "value"), words[:2], strict=True):
        if word != "-":
            record[name] = _value(word)
    record |= {name: _value(text) for name, text in _options(words[2:arrow]).items()}
    return record, " ".join(words[arrow + 1 :])


def _value(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text


def _instant(text: str) -> Instant:
    instant = parse_instant(text)
    assert instant is not None, text
    return instant


def _reset_line(body: Record, names: dict[str, str]) -> str:
    ends = "..".join(_short(body[key]) for key in ("periodStart", "periodEnd"))
    words = [names[body["id"]], json_text(body["value"]), ends]
    for section in body["groupBreakdowns"]:
        words += [f"{group['key']}={json_text(group['value'])}" for group in section["groups"]]
    for side in ("carryFirst", "carryLast"):
        short = side.removeprefix("carry").lower()
        words += [f"{short}.{name}={json_text(value)}" for name, value in body[side].items()]
    return " ".join(words)


def _short(text: str) -> str:
    instant = _instant(text)
    return (
        instant_text(instant).removesuffix(":00.000Z") + "Z" if instant % 60_000_000 == 0 else text
    )
