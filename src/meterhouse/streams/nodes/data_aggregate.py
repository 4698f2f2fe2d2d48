"""``transforms/data_aggregate``: records are folded into groups; a group leaves as one record.

The folding is the engine's. This module knows when groups leave: for each input or for all of them
at the end of the run, or as *sessions* that stay open over runs, until their time-out has come or
what they have gathered meets conditions. What leaves at one time is in the order in which the
groups first came; sessions whose time is up leave by the instant of their time-out, then by key.

The clock is that of the run. Whatever the batches, the result is the same: groups are looked at
when all records are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.core.json_text import JsonValue, Record, canonical_text, field_value, parse_json
from meterhouse.core.reading import Reading, missing_or_shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.aggregate import AggregatePlan
from meterhouse.engine.aggregate_fold import SOURCE, AggregateFold, Refused, merged
from meterhouse.engine.aggregate_result import (
    frame_of_kept,
    kept_states,
    key_texts,
    of_one_source,
    result_columns,
)
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.mask import uniform
from meterhouse.streams.nodes.aggregate_params import Flush, FlushRule, read_flush, read_plan
from meterhouse.streams.nodes.node import (
    OUT,
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    record_fields,
)
from meterhouse.streams.record import AggregateSession, RunResult, SessionChanges
from meterhouse.streams.suspension import SuspensePolicy, read_policy

#: So many groups leave at a time.
PAGE_RECORDS = 100_000


@dataclass(frozen=True, slots=True)
class DataAggregateParams(NodeParams):
    """What is grouped and computed, and when it leaves."""

    plan: AggregatePlan
    rule: FlushRule
    policy: SuspensePolicy

    def open(self, site: NodeSite) -> NodeRun:
        """Start folding."""
        return _DataAggregate(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields that are folded; whole records where some may be suspended."""
        may_fail = any(key.part for key in self.plan.keys)
        may_fail |= any(aggregate.operation.numeric for aggregate in self.plan.aggregates)
        return None if may_fail else record_fields(self.plan.fields)

    def expects(self) -> Sequence[str]:
        """What is grouped by, and what is computed of."""
        return self.plan.fields


def _read(reading: Reading) -> DataAggregateParams | None:
    plan = read_plan(reading)
    rule = read_flush(reading, plan)
    policy = read_policy(reading)
    if reading.problems or rule is None:
        return None
    return DataAggregateParams(plan, rule, policy)


TYPE = NodeType("transforms/data_aggregate", frozenset({2, 3}), _read)


class _DataAggregate(NodeRun):
    def __init__(self, params: DataAggregateParams, site: NodeSite) -> None:
        self._plan, self._rule = params.plan, params.rule
        self._site = site
        self._guard = site.guard(params.policy)
        by_source = params.rule.flush is Flush.EACH_FILE
        self._fold = AggregateFold(params.plan, by_source=by_source)
        self._sessions = _Sessions(site, params.plan)
        self._source: int | None = None
        self._offset = 0

    def start(self) -> Iterator[Outputs]:
        yield from self._timed_out(self._sessions.due(self._site.world.facts.at))

    def take(self, batch: UsageBatch) -> Outputs:
        self._guard.screen(batch, _details(batch, self._fold.take(batch)))
        return {}

    def end(self) -> Iterator[Outputs]:
        frame = self._fold.totals()
        if not self._rule.keeps:
            yield from self._pages(frame)
            return
        for part in frame.partition_by(SOURCE, maintain_order=True) if len(frame) else ():
            yield from self._pages(self._gathered(of_one_source(part)))
        facts = self._site.world.facts
        ends_at = facts.at if facts.end_at is None else facts.end_at
        yield from self._timed_out(self._sessions.due(ends_at))

    def commit(self, result: RunResult) -> None:
        if (changes := self._sessions.changes()) is not None:
            result.sessions.append(changes)

    def _gathered(self, part: pl.DataFrame) -> pl.DataFrame:
        """Add groups to the sessions that are open; return what leaves of them."""
        keys = key_texts(part, self._plan)
        open_before = self._sessions.take(keys)
        kept = frame_of_kept([(s.key, s.state) for s in open_before], self._plan)
        # What was kept came first, but groups leave in the order in which they came in this run.
        whole = merged([kept, part], self._plan)
        order = {key: place for place, key in enumerate(keys)}
        places = pl.Series([order[key] for key in key_texts(whole, self._plan)], dtype=pl.Int64)
        whole = whole[places.arg_sort()]
        leaves = self._meets_conditions(whole)
        stays = whole.filter(~leaves)
        began = {session.key: session.created_at for session in open_before}
        self._keep(key_texts(stays, self._plan), kept_states(stays, self._plan), began)
        return whole.filter(leaves)

    def _meets_conditions(self, frame: pl.DataFrame) -> pl.Series:
        conditions = self._rule.conditions
        met = uniform(len(frame), value=bool(conditions))
        if conditions and len(frame):
            columns = result_columns(frame, self._plan)
            for name, comparison in conditions:
                met &= comparison.mask(columns[name])
        return met

    def _keep(self, keys: Sequence[str], states: Sequence[str], began: dict[str, int]) -> None:
        now, timeout = self._site.world.facts.at, self._rule.timeout
        for key, state in zip(keys, states, strict=True):
            created_at = began.get(key, now)
            instant = None
            if timeout is not None:
                instant = timeout.instant(created_at=created_at, updated_at=now)
            self._sessions.keep(AggregateSession(key, state, created_at, now, instant))

    def _timed_out(self, due: Sequence[AggregateSession]) -> Iterator[Outputs]:
        if due:
            kept = [(session.key, session.state) for session in due]
            yield from self._pages(frame_of_kept(kept, self._plan))

    def _pages(self, frame: pl.DataFrame) -> Iterator[Outputs]:
        for part in frame.iter_slices(PAGE_RECORDS) if len(frame) else ():
            if self._source is None:
                self._source = self._site.world.sources.add(self._site.name)
            columns = result_columns(part, self._plan)
            batch = UsageBatch.from_columns(
                columns, length=len(part), source=self._source, first_offset=self._offset
            )
            self._offset += len(part)
            yield {OUT: batch}


class _Sessions:
    """The open sessions that a run has to do with."""

    def __init__(self, site: NodeSite, plan: AggregatePlan) -> None:
        self._site = site
        self._scope = plan.scope
        #: by key; ``None``: there is none, or it has ended in this run
        self._known: dict[str, AggregateSession | None] = {}
        self._stored: set[str] = set()

    def take(self, keys: Sequence[str]) -> list[AggregateSession]:
        """Return what is open under some keys; it ends unless it is kept again."""
        world = self._site.world
        asked = [key for key in keys if key not in self._known]
        found = world.snapshot.sessions(self._site.id, self._scope, keys=asked, at=world.facts.at)
        self._stored |= {session.key for session in found}
        loaded = {session.key: session for session in found}
        taken = [self._known.get(key) or loaded.get(key) for key in keys]
        self._known |= dict.fromkeys(keys)
        return [session for session in taken if session is not None]

    def keep(self, session: AggregateSession) -> None:
        """Leave a session open."""
        self._known[session.key] = session

    def due(self, at: int) -> list[AggregateSession]:
        """Return the sessions whose time-out has come, in order; they end."""
        world = self._site.world
        stored = world.snapshot.due_sessions(self._site.id, self._scope, at=at)
        self._stored |= {session.key for session in stored}
        due = [session for session in stored if session.key not in self._known]
        due += [s for s in self._known.values() if s is not None and _is_due(s, at)]
        self._known |= dict.fromkeys(session.key for session in due)
        return sorted(due, key=lambda session: (session.timeout_at or 0, session.key))

    def changes(self) -> SessionChanges | None:
        """Return what the run changed, ``None`` where that is nothing."""
        kept = [session for session in self._known.values() if session is not None]
        ended = [key for key, session in self._known.items() if session is None]
        ended = [key for key in ended if key in self._stored]
        if not kept and not ended:
            return None
        return SessionChanges(self._site.id, self._scope, kept, ended)


def _is_due(session: AggregateSession, at: int) -> bool:
    return session.timeout_at is not None and session.timeout_at <= at


def _details(batch: UsageBatch, refused: Sequence[Refused]) -> list[tuple[int, Reason, str]]:
    if not refused:
        return []
    taken = batch.take(pl.Series([item.position for item in refused], dtype=pl.Int64)).rows()
    return [
        (item.position, item.reason, f"{item.field} {missing_or_shown(_same(record, item.field))}")
        for item, record in zip(refused, taken, strict=True)
    ]


def _same(record: Record, field: str) -> JsonValue:
    """A value that reads the same from rows and from columns."""
    value = field_value(record, field)
    return parse_json(canonical_text(value)) if isinstance(value, dict | list) else value
