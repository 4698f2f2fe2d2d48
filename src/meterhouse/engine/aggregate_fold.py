"""Folding records into groups, in columns: partial results that are merged late.

A frame of partial results has one row a group, in the order in which groups first came:
``source`` (0 where all sources are one), ``k0`` ... (canonical JSON texts of the group's values),
and for the aggregate in place i

- sum, average: ``h<i>``, ``l<i>`` (whole and fraction part of the sum, the latter in units of
  10**-18) and ``n<i>`` (how many numbers). No sum of quantities leaves the range of Int128.
- minimum, maximum: ``v<i>``, in units of 10**-18
- count: ``n<i>``
- carries: ``c<i>``, canonical JSON text

So folding all records at once, or batch by batch, gives the same numbers to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.core.date_part import DatePart
from meterhouse.core.suspense import Reason
from meterhouse.engine.aggregate import Aggregate, AggregatePlan, GroupKey, Operation
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import QUANTITY, Column, ColumnKind
from meterhouse.engine.columns.check import REASONS, code, quantities, read_instants

#: Quantities are whole numbers of this part.
SCALE = 10**18
SOURCE = "source"
#: Partial results are merged when they have so many rows more than the last merge left.
_ROWS_MAX = 2_000_000
_PART_FORMATS = {
    DatePart.YEAR: "%Y",
    DatePart.MONTH: "%Y-%m",
    DatePart.WEEK: "%G-W%V",
    DatePart.DAY: "%Y-%m-%d",
    DatePart.HOUR: "%Y-%m-%dT%H",
    DatePart.MINUTE: "%Y-%m-%dT%H:%M",
    DatePart.SECOND: "%Y-%m-%dT%H:%M:%S",
}
_NULL = "null"


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that cannot be aggregated: its position, why, and the field that is at fault."""

    position: int
    reason: Reason
    field: str


class AggregateFold:
    """Folds batches, in order of arrival; ``by_source`` keeps what each source brought apart."""

    def __init__(self, plan: AggregatePlan, *, by_source: bool) -> None:
        self._plan = plan
        self._by_source = by_source
        self._parts: list[pl.DataFrame] = []
        self._rows = self._merged_rows = 0

    def take(self, batch: UsageBatch) -> list[Refused]:
        """Fold a batch; return the records that cannot be, by position."""
        if not len(batch):
            return []
        frame, fault, field = _prepared(batch, self._plan)
        if self._by_source:
            frame = frame.with_columns(batch.origin_frame()[SOURCE].alias(SOURCE))
        bad = (fault > 0).arg_true()
        if len(bad):
            frame = frame.filter(fault == 0)
        self._add(_folded(frame, self._plan))
        return [
            Refused(position, REASONS[number - 1], self._plan.fields[place])
            for position, number, place in zip(
                bad, fault.gather(bad), field.gather(bad), strict=True
            )
        ]

    def totals(self) -> pl.DataFrame:
        """Return the groups of all records so far."""
        return merged(self._parts, self._plan)

    def _add(self, part: pl.DataFrame) -> None:
        self._parts.append(part)
        self._rows += part.height
        if self._rows > self._merged_rows * 2 + _ROWS_MAX:
            self._parts = [self.totals()]
            self._rows = self._merged_rows = self._parts[0].height


def merged(parts: Sequence[pl.DataFrame], plan: AggregatePlan) -> pl.DataFrame:
    """Merge partial results; of what came first and last, the order of the parts decides."""
    if not parts:
        return empty(plan)
    if len(parts) == 1:
        return parts[0]
    names = _key_names(plan)
    grouped = pl.concat(parts).group_by(names, maintain_order=True)
    return grouped.agg([e for i, a in enumerate(plan.aggregates) for e in _merging(i, a.operation)])


def empty(plan: AggregatePlan) -> pl.DataFrame:
    """Return a frame of partial results without rows."""
    schema: dict[str, pl.DataType] = {SOURCE: pl.Int64()}
    schema |= {f"k{place}": pl.String() for place in range(len(plan.keys))}
    for place, aggregate in enumerate(plan.aggregates):
        schema |= cell_types(place, aggregate.operation)
    return pl.DataFrame(schema=schema)


def cell_types(place: int, operation: Operation) -> dict[str, pl.DataType]:
    """Return the columns that an aggregate has in a frame of partial results."""
    match operation:
        case Operation.SUM | Operation.AVERAGE:
            return {f"h{place}": pl.Int128(), f"l{place}": pl.Int128(), f"n{place}": pl.Int64()}
        case Operation.MIN | Operation.MAX:
            return {f"v{place}": pl.Int128()}
        case Operation.COUNT:
            return {f"n{place}": pl.Int64()}
        case Operation.CARRY_FIRST | Operation.CARRY_LAST:
            return {f"c{place}": pl.String()}


def _key_names(plan: AggregatePlan) -> list[str]:
    return [SOURCE, *(f"k{place}" for place in range(len(plan.keys)))]


# ---------------------------------------------------------------- from a batch


def _prepared(batch: UsageBatch, plan: AggregatePlan) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Return the columns to fold, the fault of each record, and the place of its field."""
    length = len(batch)
    faults = _Faults(length)
    columns = [pl.repeat(0, length, dtype=pl.Int64, eager=True).alias(SOURCE)]
    fields = plan.fields
    seen: dict[str, Column] = {field: batch.column(field) for field in fields}
    numbers: dict[str, pl.Series] = {}
    for place, aggregate in enumerate(plan.aggregates):
        column, field = seen[aggregate.field], aggregate.field
        if aggregate.operation.numeric:
            if field not in numbers:
                values, fault = quantities(column)
                faults.note(_without_missing(fault), fields.index(field))
                numbers[field] = values
            columns += _number_cells(place, aggregate.operation, numbers[field])
        elif aggregate.operation is Operation.COUNT:
            columns.append(column.is_present().alias(f"n{place}"))
        else:
            columns.append(column.canonical().alias(f"c{place}"))
    for place, key in enumerate(plan.keys):
        texts, fault = _key_texts(seen[key.field], key)
        if fault is not None:
            faults.note(fault, fields.index(key.field))
        columns.append(texts.alias(f"k{place}"))
    return pl.DataFrame(columns), faults.code, faults.field


class _Faults:
    """The first fault of each record, in precedence of the reasons and then of the fields."""

    def __init__(self, length: int) -> None:
        self.code = pl.repeat(0, length, dtype=pl.UInt8, eager=True)
        self.field = pl.repeat(0, length, dtype=pl.Int64, eager=True)

    def note(self, fault: pl.Series, place: int) -> None:
        worse = (fault > 0) & ((self.code == 0) | (fault < self.code))
        if worse.any():
            self.code = fault.zip_with(worse, self.code)
            self.field = self.field.set(worse, place)


def _without_missing(fault: pl.Series) -> pl.Series:
    missing = fault == code(Reason.VALUE_MISSING)
    return fault.set(missing, 0) if missing.any() else fault


def _number_cells(place: int, operation: Operation, values: pl.Series) -> list[pl.Series]:
    if operation in (Operation.MIN, Operation.MAX):
        return [_units(values).alias(f"v{place}")]
    present = values.is_not_null().alias(f"n{place}")
    if values.dtype == pl.Int64:
        none = pl.repeat(0, len(values), dtype=pl.Int128, eager=True)
        return [values.cast(pl.Int128).alias(f"h{place}"), none.alias(f"l{place}"), present]
    units, scale = pl.col("u"), pl.lit(SCALE, dtype=pl.Int128)
    split = _units(values).alias("u").to_frame()
    cells = split.select((units // scale).alias(f"h{place}"), (units % scale).alias(f"l{place}"))
    return [*cells.get_columns(), present]


def _units(values: pl.Series) -> pl.Series:
    """Quantities as whole numbers of their smallest part."""
    return values.cast(QUANTITY).to_physical()


def _key_texts(column: Column, key: GroupKey) -> tuple[pl.Series, pl.Series | None]:
    """Canonical texts of a group key, and the faults where it is part of a date."""
    if key.part is None:
        return column.canonical().fill_null(_NULL), None
    instants = read_instants(column)
    there = column.is_present()
    if column.kind in (ColumnKind.TEXT, ColumnKind.JSON):
        # An empty text is no date at all, as in a timestamp of usage.
        blank = '""' if column.kind is ColumnKind.JSON else ""
        there &= (column.values != blank).fill_null(value=False)
    invalid = there & instants.is_null()
    fault = pl.repeat(0, len(column), dtype=pl.UInt8, eager=True)
    if invalid.any():
        fault = fault.set(invalid, code(Reason.TIMESTAMP_INVALID))
    return _part_texts(instants, key.part), fault


def _part_texts(instants: pl.Series, part: DatePart) -> pl.Series:
    moment = pl.col("t").cast(pl.Datetime("us"))
    if part is DatePart.QUARTER:
        text = pl.format("{}-Q{}", moment.dt.to_string("%Y"), moment.dt.quarter())
    else:
        text = moment.dt.to_string(_PART_FORMATS[part])
    quoted = pl.format('"{}"', text).fill_null(_NULL)
    return instants.alias("t").to_frame().select(quoted.alias("t"))["t"]


# ---------------------------------------------------------------- folding


def _folded(frame: pl.DataFrame, plan: AggregatePlan) -> pl.DataFrame:
    grouped = frame.group_by(_key_names(plan), maintain_order=True)
    return grouped.agg([e for i, a in enumerate(plan.aggregates) for e in _folding(i, a, frame)])


def _folding(place: int, aggregate: Aggregate, frame: pl.DataFrame) -> list[pl.Expr]:
    match aggregate.operation:
        case Operation.SUM | Operation.AVERAGE:
            count = pl.col(f"n{place}").sum().cast(pl.Int64)
            return [pl.col(f"h{place}").sum(), pl.col(f"l{place}").sum(), count]
        case Operation.COUNT:
            return [pl.col(f"n{place}").sum().cast(pl.Int64)]
        case Operation.CARRY_FIRST | Operation.CARRY_LAST if not frame[f"c{place}"].null_count():
            carried = pl.col(f"c{place}")
            first = aggregate.operation is Operation.CARRY_FIRST
            return [carried.first() if first else carried.last()]
        case _:
            return _merging(place, aggregate.operation)


def _merging(place: int, operation: Operation) -> list[pl.Expr]:
    match operation:
        case Operation.SUM | Operation.AVERAGE:
            return [pl.col(f"h{place}").sum(), pl.col(f"l{place}").sum(), pl.col(f"n{place}").sum()]
        case Operation.COUNT:
            return [pl.col(f"n{place}").sum()]
        case Operation.MIN:
            return [pl.col(f"v{place}").min()]
        case Operation.MAX:
            return [pl.col(f"v{place}").max()]
        case Operation.CARRY_FIRST:
            return [pl.col(f"c{place}").drop_nulls().first()]
        case Operation.CARRY_LAST:
            return [pl.col(f"c{place}").drop_nulls().last()]
