"""Carries in columns: which record of a bucket each carried field comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from meterhouse.core.guiding_rule import Carry, Operation
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column
from meterhouse.engine.plan import MeterPlan


@dataclass(frozen=True, slots=True)
class _Carried:
    """One carried field of a batch; ``where`` names the column of positions that it looks at."""

    name: str
    column: Column
    carry: Carry
    where: str
    plain: bool


class Carrier:
    """The carries of one batch.

    Positions (``q``) ascend in order of arrival, so the first and the last record of a bucket are
    the least and the greatest position; fields that no record lacks share one pair of columns.
    """

    def __init__(self, plan: MeterPlan, batch: UsageBatch) -> None:
        self._carried: list[_Carried] = []
        fields = dict.fromkeys((*plan.carried_first, *plan.carried_last))
        self._columns = {name: batch.column(name) for name in fields}
        self._plain = {name: column.is_plain() for name, column in self._columns.items()}
        #: columns to add to the assignments before folding
        self.columns: list[pl.Expr] = []
        for prefix, carry, names in (
            ("f", Carry.FIRST, plan.carried_first),
            ("l", Carry.LAST, plan.carried_last),
        ):
            for place, field in enumerate(names):
                self._add(plan, Operation(field, carry), f"{prefix}{place}")

    def _add(self, plan: MeterPlan, operation: Operation, name: str) -> None:
        column = self._columns[operation.field]
        rules = [i for i, rule in enumerate(plan.rules) if operation in rule.operations]
        everywhere = len(rules) == len(plan.rules)
        where = "q"
        if not everywhere or column.values.null_count():
            where = f"q_{name}"
            wanted = pl.lit(value=True) if everywhere else pl.col("rule").is_in(rules)
            if column.values.null_count():
                there = pl.lit(column.values.is_not_null()).gather(pl.col("q"))
                wanted = wanted & there
            self.columns.append(pl.when(wanted).then(pl.col("q")).alias(where))
        plain = self._plain[operation.field]
        self._carried.append(_Carried(name, column, operation.carry, where, plain))

    def folds(self) -> list[pl.Expr]:
        """The positions to find for each bucket."""
        folds = {}
        for carried in self._carried:
            if carried.carry is Carry.FIRST:
                folds[f"a_{carried.where}"] = pl.col(carried.where).min()
            else:
                folds[f"z_{carried.where}"] = pl.col(carried.where).max()
        return [fold.alias(name) for name, fold in folds.items()]

    def gather(self, folded: pl.DataFrame, kept: Sequence[str]) -> pl.DataFrame:
        """Replace positions by the canonical texts of the carried fields."""
        columns = [folded[name] for name in kept]
        for carried in self._carried:
            side = "a" if carried.carry is Carry.FIRST else "z"
            positions = folded[f"{side}_{carried.where}"]
            values = carried.column.values.gather(positions)
            text = Column(carried.column.kind, values).canonical(plain=carried.plain)
            columns.append(text.alias(carried.name))
        return pl.DataFrame(columns)
