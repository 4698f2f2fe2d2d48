"""``transforms/validate``: records that break a JSON Schema are set aside or leave by a port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.core.json_text import Record
from meterhouse.core.reading import Reading
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.engine.column import Column
from meterhouse.streams.json_schema import SchemaCheck, SchemaError
from meterhouse.streams.mask import marked
from meterhouse.streams.nodes.node import NodeParams, NodeRun, NodeSite, NodeType, Outputs, Ports
from meterhouse.streams.parameters import fixed_outputs
from meterhouse.streams.schema_mask import SchemaMask, schema_mask
from meterhouse.streams.suspension import Bad, SuspensePolicy, read_policy

VALID = "valid"
INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class ValidateParams(NodeParams):
    """``schema``, ``suspenseManagement``, and the ids of the outputs.

    With an output ``invalid``, bad records leave there; they are set aside as well where
    ``suspenseManagement.enabled`` is given as true. Unless that block says otherwise, 10,000
    consecutive records set aside end the run.
    """

    check: SchemaCheck
    mask: SchemaMask | None
    policy: SuspensePolicy
    outputs: tuple[tuple[str, str], ...]

    @property
    def passes_invalid(self) -> bool:
        """Whether bad records leave by a port."""
        return INVALID in dict(self.outputs).values()

    def ports(self) -> Ports:
        """``valid``, and ``invalid`` where the document has it."""
        names = (VALID, INVALID) if self.passes_invalid else (VALID,)
        return Ports(names, VALID, dict(self.outputs))

    def open(self, site: NodeSite) -> NodeRun:
        """Start checking."""
        return _Validate(self, site)


def _read(reading: Reading) -> ValidateParams | None:
    outputs = fixed_outputs(reading)
    for name in outputs.values():
        if name not in (VALID, INVALID):
            hint = f"the outputs are {VALID} and {INVALID}"
            reading.fail(f"multiOutput.fixed.{name}", "is not known", hint)
    policy = read_policy(reading)
    if INVALID in outputs.values() and reading.body.get("suspenseManagement") is None:
        policy = SuspensePolicy(enabled=False)
    if reading.body.get("schema") is None:
        reading.fail("schema", "is missing", "give a JSON Schema")
    schema = reading.json_object("schema")
    try:
        check = SchemaCheck(schema)
    except SchemaError as error:
        reading.fail("schema", f"is no JSON Schema: {error}", "mend it")
        return None
    if reading.problems:
        return None
    return ValidateParams(check, schema_mask(schema), policy, tuple(outputs.items()))


TYPE = NodeType("transforms/validate", frozenset({1}), _read)


@dataclass(slots=True)
class _Checked:
    """What checking records one by one gave, by position."""

    records: list[Record]
    positions: list[int]
    bad: list[Bad]
    changed: bool


class _Validate(NodeRun):
    def __init__(self, params: ValidateParams, site: NodeSite) -> None:
        self._params = params
        self._guard = site.guard(params.policy)
        self._keeps = params.policy.enabled or not params.passes_invalid

    def take(self, batch: UsageBatch) -> Outputs:
        if batch.columnar and self._params.mask is not None:
            sure, converted = self._params.mask.apply(batch)
            left = (~sure).arg_true()
            checked = self._check(batch.take(left).rows() if len(left) else [], left)
            valid = _valid_columns(batch, sure, converted, checked)
        else:
            rows = batch.rows()
            checked = self._check(rows, range(len(rows)))
            valid = _valid_rows(batch, checked)
        if self._keeps:
            counted = not self._params.passes_invalid
            self._guard.screen(batch, checked.bad, counted=counted)
        outputs = {VALID: valid}
        if self._params.passes_invalid and checked.bad:
            outputs[INVALID] = batch.take(_positions([bad[0] for bad in checked.bad]))
        return outputs

    def _check(self, rows: Sequence[Record], positions: Sequence[int] | pl.Series) -> _Checked:
        checked = _Checked([], [], [], changed=False)
        check = self._params.check.check
        for record, position in zip(rows, positions, strict=True):
            kept, detail = check(record)
            if detail is not None:
                checked.bad.append((position, Reason.SCHEMA_INVALID, detail))
                continue
            checked.records.append(kept)
            checked.positions.append(position)
            checked.changed = checked.changed or kept is not record
        return checked


def _positions(numbers: list[int]) -> pl.Series:
    return pl.Series(numbers, dtype=pl.UInt32)


def _valid_rows(batch: UsageBatch, checked: _Checked) -> UsageBatch:
    if not checked.bad and not checked.changed:
        return batch
    origins = batch.origins()
    return UsageBatch.from_rows(checked.records, [origins[place] for place in checked.positions])


def _valid_columns(
    batch: UsageBatch, sure: pl.Series, converted: dict[str, Column], checked: _Checked
) -> UsageBatch:
    """The surely valid records in columns, and those that were checked one by one among them."""
    if not converted and not checked.changed:
        if not checked.bad:
            return batch
        bad = _positions([bad[0] for bad in checked.bad])
        return batch.filter(~marked(bad, length=len(batch)))
    fast = batch.with_columns(batch.columns() | converted).filter(sure)
    if not checked.records:
        return fast
    all_origins = batch.take(_positions(checked.positions)).origins()
    slow = UsageBatch.from_rows(checked.records, all_origins)
    if not len(fast):
        return slow
    positions = pl.concat([sure.arg_true().cast(pl.UInt32), _positions(checked.positions)])
    return concat_batches([fast, slow]).take(positions.arg_sort())
