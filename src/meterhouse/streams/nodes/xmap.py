"""``transforms/xmap`` (map): expressions make the fields of a record, others may be kept.

All expressions see the record as it came in. A record for which one of them cannot be computed is
set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterhouse.core.expression import (
    Expression,
    ExpressionError,
    evaluate,
    expected_fields,
    never_fails,
)
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.expression_columns import BatchEvaluation
from meterhouse.streams.mapped_record import MappedRecord
from meterhouse.streams.mask import without
from meterhouse.streams.nodes.node import (
    OUT,
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    joined,
    record_fields,
)
from meterhouse.streams.parameters import read_expression
from meterhouse.streams.suspension import Bad, SuspensePolicy, read_policy
from meterhouse.streams.target import TargetPath, read_target, refuse_overlaps

MAPPINGS_MAX = 1_000
EXCEPT_MAX = 1_000
ERROR_MESSAGE_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class XmapMapping:
    """One target, and the expression that makes its value."""

    field: str
    target: TargetPath
    expression: Expression
    error_message: str | None = None

    def fault(self, error: ExpressionError) -> str:
        """Say what is wrong with a record."""
        own = f"{self.error_message}: " if self.error_message else ""
        return f'{own}mapping "{self.field}": {error}'


@dataclass(frozen=True, slots=True)
class XmapParams(NodeParams):
    """``mappings`` in order, ``keepFields``, ``suspenseManagement``."""

    mappings: tuple[XmapMapping, ...]
    keeps: bool
    dropped: tuple[TargetPath, ...]
    policy: SuspensePolicy

    @property
    def outgoing(self) -> MappedRecord:
        """What leaves."""
        targets = tuple(mapping.target for mapping in self.mappings)
        return MappedRecord(targets, self.keeps, self.dropped)

    def open(self, site: NodeSite) -> NodeRun:
        """Start mapping."""
        return _Xmap(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields of all expressions, since any may fail, and those kept that are looked at.

        Whole records where some may be suspended: people correct them.
        """
        certain = all(never_fails(mapping.expression) for mapping in self.mappings)
        if self.policy.enabled and not certain:
            return None
        named = [record_fields(mapping.expression.fields) for mapping in self.mappings]
        if not self.keeps:
            return joined(*named)
        wanted = after(OUT)
        if wanted is not None:
            outgoing = self.outgoing
            wanted = frozenset(name for name in wanted if outgoing.kept(name))
        return joined(*named, wanted)

    def expects(self) -> Sequence[str]:
        """The fields that expressions count on; of a target that has several, any may fail."""
        times = Counter(mapping.target for mapping in self.mappings)
        sole = [mapping for mapping in self.mappings if times[mapping.target] == 1]
        return [path for mapping in sole for path in expected_fields(mapping.expression)]


def _read(reading: Reading) -> XmapParams | None:
    mappings: list[XmapMapping] = []
    for position, item in enumerate(reading.json_list("mappings", items_max=MAPPINGS_MAX)):
        inner = Reading(item, what="mapping")
        mapping = _read_mapping(inner)
        reading.problems += [fault.at(f"mappings[{position}]") for fault in inner.problems]
        if mapping is not None:
            mappings.append(mapping)
    keeps, dropped = _read_kept(reading)
    if not mappings and not keeps and not reading.problems:
        hint = "map at least one field, or enable keepFields, or nothing would leave"
        reading.fail("mappings", "is empty", hint)
    refuse_overlaps(reading, [mapping.target for mapping in mappings])
    policy = read_policy(reading)
    if reading.problems:
        return None
    return XmapParams(tuple(mappings), keeps, dropped, policy)


def _read_mapping(reading: Reading) -> XmapMapping | None:
    field = reading.text("field", required=True)
    target = None if field is None else read_target(field)
    if field is not None and target is None:
        reading.fail("field", f"is {shown(field)}", "name each level, as in a.b")
    message = reading.text("errorMessage", chars_max=ERROR_MESSAGE_CHARS_MAX)
    expression = read_expression(reading, "expression")
    if field is None or target is None or expression is None:
        return None
    return XmapMapping(field, target, expression, message)


def _read_kept(reading: Reading) -> tuple[bool, tuple[TargetPath, ...]]:
    body = reading.body.get("keepFields")
    if body is None:
        return False, ()
    inner = Reading(body)
    keeps = inner.boolean("enabled", default=False)
    dropped: list[TargetPath] = []
    for position, item in enumerate(inner.json_list("except", items_max=EXCEPT_MAX)):
        path = read_target(item) if isinstance(item, str) else None
        if path is None:
            inner.fail(f"except[{position}]", f"is {shown(item)}", "name a field, as in a or a.b")
        else:
            dropped.append(path)
    reading.problems += [problem.at("keepFields") for problem in inner.problems]
    return keeps, tuple(dropped)


TYPE = NodeType("transforms/xmap", frozenset({3}), _read)


class _Xmap(NodeRun):
    def __init__(self, params: XmapParams, site: NodeSite) -> None:
        self._mappings = params.mappings
        self._outgoing = params.outgoing
        self._guard = site.guard(params.policy)
        self._now = site.world.facts.at

    def take(self, batch: UsageBatch) -> Outputs:
        made, bad = self._columns(batch) if batch.columnar else self._rows(batch)
        self._guard.screen(batch, bad)
        return {OUT: made}

    def _columns(self, batch: UsageBatch) -> tuple[UsageBatch, list[Bad]]:
        evaluation = BatchEvaluation(batch, now=self._now)
        values = []
        faults: dict[int, str] = {}
        for mapping in self._mappings:
            computed = evaluation.compute(mapping.expression)
            values.append(computed.column)
            for position, error in computed.faults:
                if position not in faults:
                    faults[position] = mapping.fault(error)
        columns = self._outgoing.columns(batch.columns(), values, length=len(batch))
        bad = _bad(faults)
        return without(batch.with_columns(columns), [position for position, _, _ in bad]), bad

    def _rows(self, batch: UsageBatch) -> tuple[UsageBatch, list[Bad]]:
        faults: dict[int, str] = {}
        records: list[Record] = []
        for position, record in enumerate(batch.rows()):
            try:
                values = self._values(record)
            except _Failed as failed:
                faults[position] = str(failed)
                continue
            records.append(self._outgoing.row(record, values))
        origins = batch.origins()
        kept = [origin for position, origin in enumerate(origins) if position not in faults]
        return UsageBatch.from_rows(records, kept), _bad(faults)

    def _values(self, record: Record) -> Sequence[JsonValue]:
        values = []
        for mapping in self._mappings:
            try:
                values.append(value_of(mapping.expression, record, now=self._now))
            except ExpressionError as error:
                raise _Failed(mapping.fault(error)) from None
        return values


class _Failed(Exception):
    """A record cannot be mapped."""


def value_of(expression: Expression, record: Mapping[str, JsonValue], *, now: Instant) -> JsonValue:
    """Compute an expression for a record; of the whole record, what is missing is left out."""
    if expression.fields is None:
        record = {name: value for name, value in record.items() if value is not None}
    return evaluate(expression, record, now=now)


def _bad(faults: Mapping[int, str]) -> list[Bad]:
    return [(place, Reason.SCRIPT_ERROR, detail) for place, detail in sorted(faults.items())]
