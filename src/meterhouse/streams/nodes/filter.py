"""``transforms/filter``: records for which a condition holds go on, others are let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.core.expression import (
    Expression,
    ExpressionError,
    always_decides,
    expected_fields,
)
from meterhouse.core.expression.value import shown_value
from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import Reading
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.expression_columns import BatchEvaluation
from meterhouse.streams.mask import marked, uniform
from meterhouse.streams.nodes.node import (
    OUT,
    Needed,
    NodeParams,
    NodeRun,
    NodeSite,
    NodeType,
    Outputs,
    Ports,
    joined,
    record_fields,
)
from meterhouse.streams.nodes.xmap import value_of
from meterhouse.streams.parameters import fixed_outputs, read_expression
from meterhouse.streams.suspension import Bad, SuspensePolicy, read_policy

FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class FilterParams(NodeParams):
    """``condition``, ``suspenseManagement``, and the ids of the outputs.

    With an output ``filtered``, the records that the condition lets go leave there.
    """

    condition: Expression
    policy: SuspensePolicy
    outputs: tuple[tuple[str, str], ...]

    @property
    def passes_filtered(self) -> bool:
        """Whether the records that are let go leave by a port."""
        return FILTERED in dict(self.outputs).values()

    def ports(self) -> Ports:
        """``out``, and ``filtered`` where the document has it."""
        names = (OUT, FILTERED) if self.passes_filtered else (OUT,)
        return Ports(names, OUT, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start filtering."""
        return _Filter(self, site)

    def needs(self, after: Callable[[str], Needed]) -> Needed:
        """The fields of the condition, and what is needed after it.

        Whole records where some may be suspended: people correct them.
        """
        if self.policy.enabled and not always_decides(self.condition):
            return None
        ports = [after(port) for port in self.ports().names]
        return joined(record_fields(self.condition.fields), *ports)

    def expects(self) -> Sequence[str]:
        """The fields that the condition counts on."""
        return expected_fields(self.condition)


def _read(reading: Reading) -> FilterParams | None:
    condition = read_expression(reading, "condition")
    outputs = fixed_outputs(reading)
    for name in outputs.values():
        if name not in (OUT, FILTERED):
            hint = f"the outputs are {OUT} and {FILTERED}"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    policy = read_policy(reading)
    if condition is None or reading.problems:
        return None
    return FilterParams(condition, policy, tuple(outputs.items()))


TYPE = NodeType("transforms/filter", frozenset({1}), _read)


class _Filter(NodeRun):
    def __init__(self, params: FilterParams, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        self._now = site.world.facts.at

    def take(self, batch: UsageBatch) -> Outputs:
        held, bad = self._columns(batch) if batch.columnar else self._rows(batch)
        self._guard.screen(batch, bad)
        outputs = {OUT: batch.filter(held)}
        wrong = pl.Series([position for position, _, _ in bad], dtype=pl.UInt32)
        let_go = ~held if not bad else ~held & ~marked(wrong, length=len(batch))
        if self._params.passes_filtered:
            outputs[FILTERED] = batch.filter(let_go)
        else:
            self._site.count.filtered += int(let_go.sum())
        return outputs

    def _columns(self, batch: UsageBatch) -> tuple[pl.Series, list[Bad]]:
        computed = BatchEvaluation(batch, now=self._now).compute(self._params.condition)
        bad = {position: str(error) for position, error in computed.faults}
        column = computed.column
        if column.kind is ColumnKind.BOOLEAN:
            return column.values.fill_null(value=False), _bad(bad)
        bad |= _no_conditions(column)
        held = uniform(len(batch), value=False)
        if column.kind is ColumnKind.JSON:
            held = (column.values == "true").fill_null(value=False)
        return held, _bad(bad)

    def _rows(self, batch: UsageBatch) -> tuple[pl.Series, list[Bad]]:
        held: list[bool] = []
        bad: dict[int, str] = {}
        for position, record in enumerate(batch.rows()):
            try:
                value = value_of(self._params.condition, record, now=self._now)
                if value is not None and not isinstance(value, bool):
                    bad[position] = _no_condition(value)
            except ExpressionError as error:
                value, bad[position] = None, str(error)
            held.append(value is True)
        return pl.Series(held, dtype=pl.Boolean), _bad(bad)


def _no_conditions(column: Column) -> dict[int, str]:
    """Say of each value that is neither true nor false what it is."""
    present = column.is_present()
    if column.kind is ColumnKind.JSON:
        present &= ~column.values.is_in(["true", "false"])
    places = present.fill_null(value=False).arg_true()
    values = column.gather(places).to_values()
    return {place: _no_condition(value) for place, value in zip(places, values, strict=True)}


def _no_condition(value: JsonValue) -> str:
    given = shown_value(value)
    return f"the condition gives {given}, neither true nor false; compare it, as in a > 0"


def _bad(faults: dict[int, str]) -> list[Bad]:
    return [(place, Reason.SCRIPT_ERROR, detail) for place, detail in sorted(faults.items())]
