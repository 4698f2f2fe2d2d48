"""``transforms/meter``: records are folded into meters; metered records leave by two ports.

The folding is the engine's. This module knows what a meter node is in a stream: its stored form,
its ports, what is said of records that it sets aside, and that metered records leave in pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice

import polars as pl

from meterhouse.core.guiding_rule import GuidingRule, read_rules
from meterhouse.core.instant import DAY, SECOND, Instant
from meterhouse.core.json_text import Record, canonical_text, field_value, parse_json
from meterhouse.core.metered_record import MeteredRecord
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.quantity import EXACT
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import IDENTITY, TIMESTAMP, USER_ID, VALUE, Flush, MeterPlan
from meterhouse.streams.nodes.node import NodeParams, NodeRun, NodeSite, NodeType, Outputs, Ports
from meterhouse.streams.parameters import fixed_outputs
from meterhouse.streams.record import Emitted, RunResult
from meterhouse.streams.suspension import SuspensePolicy, read_policy

RESET = "reset"
THRESHOLD = "threshold"
#: So many metered records go downstream at a time.
PAGE_RECORDS = 10_000


#: How far after the run's clock a timestamp may be allowed to lie.
TOLERANCE_MAX: Instant = 30 * DAY


class MeterKeyMissing(MeterhouseError):
    """A meter node has no meter key: it gets one when its stream is imported."""

    code = "meter_key_missing"


@dataclass(frozen=True, slots=True)
class MeterParams(NodeParams):
    """The plan of the node, ``suspenseManagement`` and the ids of the outputs.

    Unless ``suspenseManagement`` says otherwise, 10,000 consecutive bad records end the run.
    """

    plan: MeterPlan
    policy: SuspensePolicy
    outputs: tuple[tuple[str, str], ...]

    def ports(self) -> Ports:
        """Golden records leave by ``reset``, partial pushes by ``threshold``."""
        return Ports((RESET, THRESHOLD), RESET, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start metering."""
        return _Meter(self, site)

    def expects(self) -> Sequence[str]:
        """What guiding rules look at and keep; a record without the others is suspended."""
        return [
            field
            for rule in self.plan.rules
            for field in (
                *(condition.field for condition in rule.conditions),
                *(field for section in rule.group_by for field in section),
                *(operation.field for operation in rule.operations),
            )
        ]


def read_plan(reading: Reading, *, meter_key: str = "") -> MeterPlan | None:
    """Read what a meter node does with records; ``None`` where that has problems.

    A stored node has no meter key yet: its stream knows it.
    """
    rules, problems = read_rules(reading.body.get("guidingRules"))
    reading.problems += problems
    text = reading.body.get("flushType")
    text = Flush.PERIOD_END.value if text is None else text
    flush = next((flush for flush in Flush if flush.value == text), None)
    if flush is None:
        known = " or ".join(flush.value for flush in Flush)
        reading.fail("flushType", f"is {shown(text)}", f"use {known}")
    tolerance = _read_tolerance(reading)
    identity = reading.text("identity") or IDENTITY
    if problems or flush is None or tolerance is None:
        return None
    return MeterPlan(meter_key, rules, flush, tolerance, identity)


def _read_tolerance(reading: Reading) -> Instant | None:
    """Read ``futureToleranceSeconds`` as microseconds: 0 where it is absent."""
    before = len(reading.problems)
    seconds = reading.number("futureToleranceSeconds")
    if seconds is None:
        return 0 if len(reading.problems) == before else None
    micros = EXACT.multiply(seconds, Decimal(SECOND))
    if micros != int(micros) or not 0 <= micros <= TOLERANCE_MAX:
        highest = f"{TOLERANCE_MAX // SECOND} ({TOLERANCE_MAX // DAY} days)"
        hint = f"use a number of seconds from 0 to {highest}, with up to 6 digits after the point"
        reading.fail("futureToleranceSeconds", f"is {shown(seconds)}", hint)
        return None
    return int(micros)


def _read(reading: Reading) -> MeterParams | None:
    plan = read_plan(reading)
    policy = read_policy(reading)
    outputs = fixed_outputs(reading)
    for name in outputs.values():
        if name not in (RESET, THRESHOLD):
            hint = f"the outputs are {RESET} and {THRESHOLD}"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    if reading.problems or plan is None:
        return None
    return MeterParams(plan, policy, tuple(outputs.items()))


TYPE = NodeType("transforms/meter", frozenset({2}), _read)


class _Meter(NodeRun):
    def __init__(self, params: MeterParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        facts, snapshot = site.world.facts, site.world.snapshot
        key = facts.meter_keys.get(site.id)
        if key is None:
            hint = "import the stream again, it then gets one"
            raise MeterKeyMissing(f'meter node "{site.name}" has no meter key', hint=hint)
        plan = replace(params.plan, meter_key=key)
        self._metering = Metering(plan, snapshot.meters(key), at=facts.at)
        site.world.readying.append(self._metering.make_ready)
        self._guard = site.guard(params.policy)
        self._golden_first: list[MeteredRecord] = []
        self._golden_last: list[MeteredRecord] = []
        self._thresholds: list[MeteredRecord] = []
        self._offset = 0

    def start(self) -> Iterator[Outputs]:
        # They are in the ledger already: what waits for a run is only their way downstream.
        yield from self._pages(self._metering.released(), RESET, into=[])
        yield from self._pages(self._metering.scan(), RESET, into=self._golden_first)

    def take(self, batch: UsageBatch) -> Outputs:
        outcome = self._metering.meter(batch)
        self._site.count.metered += outcome.metered
        self._guard.screen(batch, self._bad(batch, sorted(outcome.suspended, key=_position)))
        return {}

    def _bad(
        self, batch: UsageBatch, suspended: list[tuple[int, Reason]]
    ) -> list[tuple[int, Reason, str]]:
        if not suspended:
            return []
        taken = batch.take(pl.Series([position for position, _ in suspended], dtype=pl.Int64))
        return [
            (position, reason, _detail(reason, record, self._params.plan.rules))
            for (position, reason), record in zip(suspended, taken.rows(), strict=True)
        ]

    def end(self) -> Iterator[Outputs]:
        # They leave at the end of the run: the order downstream must not depend on batches.
        self._thresholds = [record for _, record in self._metering.thresholds()]
        yield from self._pages(self._thresholds, THRESHOLD, into=[])
        if self._params.plan.flush is Flush.STREAM_EXECUTION:
            golden = self._metering.flush_all()
        else:
            golden = self._metering.scan(self._site.world.facts.end_at)
        yield from self._pages(golden, RESET, into=self._golden_last)
        yield from self._pages(self._metering.adjustments(), RESET, into=self._golden_last)

    def commit(self, result: RunResult) -> None:
        emitted = (*self._golden_first, *self._thresholds, *self._golden_last)
        result.records += [Emitted(self._site.id, record) for record in emitted]
        changes = self._metering.changes()
        if changes.usage is not None:
            changes.usage = self._identified(changes.usage)
        result.states.append((self._site.id, changes))

    def _identified(self, usage: pl.DataFrame) -> pl.DataFrame:
        """Say where records were read, and name by it those without an identity of their own."""
        known = self._site.world.sources.named(usage.select("source", "offset"))
        usage = usage.with_columns(known.get_columns())
        place = pl.format("{}:{}", "source", "offset")
        return usage.with_columns(identity=pl.col("identity").fill_null(place))

    def _pages(
        self, records: Iterable[MeteredRecord], port: str, *, into: list[MeteredRecord]
    ) -> Iterator[Outputs]:
        world = self._site.world
        source: int | None = None
        left = islice(records, world.facts.records_max)
        while page := list(islice(left, PAGE_RECORDS)):
            if source is None:
                source = world.sources.add(self._site.name)
            into += page
            origins = [(source, self._offset + place) for place in range(len(page))]
            self._offset += len(page)
            # Where nothing looks at their fields (no operation), records need not be opened.
            unseen = self._site.needed == frozenset()
            bodies = [{} if unseen else record.body for record in page]
            yield {port: UsageBatch.from_rows(bodies, origins)}


def _position(suspended: tuple[int, Reason]) -> int:
    return suspended[0]


def _detail(reason: Reason, record: Record, rules: Sequence[GuidingRule]) -> str:
    """Say what exactly is wrong, with the value that offends."""
    match reason:
        case Reason.USER_ID_MISSING:
            field = USER_ID
        case Reason.TIMESTAMP_INVALID | Reason.TIMESTAMP_IN_FUTURE:
            field = TIMESTAMP
        case Reason.OUTSIDE_ACTIVE_PERIOD | Reason.NO_METER_FOUND:
            field = USER_ID
        case _:
            field = VALUE
    value = field_value(record, field)
    # As canonical text an object reads the same from rows and from columns.
    same = parse_json(canonical_text(value)) if isinstance(value, dict | list) else value
    text = f"{field} {missing_or_shown(same)}"
    return f"{text}; {_guiding(record, rules)}" if reason is Reason.NO_METER_FOUND else text


def _guiding(record: Record, rules: Sequence[GuidingRule]) -> str:
    """Say how far the guiding rules came with a record that found no meter."""
    held = dict.fromkeys(rule.category for rule in rules if rule.holds(record))
    if not held:
        return "the conditions of no guiding rule hold"
    noun = "category" if len(held) == 1 else "categories"
    return f"the user has no meter of {noun} {', '.join(map(shown, held))}"
