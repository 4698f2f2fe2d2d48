"""Guiding in columns: which rule takes each record, and which meters it then updates.

One look-up by user in a *wide* table (a user's meters as columns, by category and slot) and one
ordered when/then over the rules; no join per rule. A slot is the place of a meter among the
meters that one user has in one category, in order of ``Meter.no``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.guiding_rule import Condition, GuidingRule
from meterhouse.core.instant import Instant
from meterhouse.core.quantity import number_text
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import QUANTITY, Column, ColumnKind, fits_quantity, timestamp_texts
from meterhouse.engine.columns.check import Checked, code
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.source import Profile


@dataclass(frozen=True, slots=True)
class Guided:
    """The outcome for each record of a batch.

    ``rule`` is the position of the rule that took it, null if none did; ``meters`` holds, slot
    by slot, the meter (its row in the meter table) to update, null if none. ``user`` is the
    user's number. ``fault`` completes the checks' faults.
    """

    rule: pl.Series
    meters: Sequence[pl.Series]
    user: pl.Series
    fault: pl.Series


@dataclass(frozen=True, slots=True)
class _Slot:
    """Columns of the wide table for one place of a category."""

    meter: str
    active_from: str | None
    active_to: str | None


class Guide:
    """Guides records to the meters of one meter key."""

    def __init__(self, plan: MeterPlan, *, meters: pl.DataFrame, profiles: Sequence[Profile]):
        """``meters`` has ``user_id`` and ``profile``; a meter is known by its row there."""
        self._plan = plan
        # Users become small integers through a dictionary of their own; known users come first.
        self._users = pl.Categorical(pl.Categories.random())
        # A dictionary lives as long as some series of its type does.
        self._keeper = pl.Series([], dtype=self._users)
        names = {
            category: i for i, category in enumerate(dict.fromkeys(r.category for r in plan.rules))
        }
        table = _placed(meters, profiles, names, self._users)
        self.user_count = 0 if meters.is_empty() else _greatest(table["user"]) + 1
        self._slots: dict[str, list[_Slot]] = {}
        self._wide = self._build_wide(table, names, profiles)

    def _build_wide(
        self, table: pl.DataFrame, names: dict[str, int], profiles: Sequence[Profile]
    ) -> pl.DataFrame:
        wide = pl.DataFrame({"user": pl.int_range(self.user_count, dtype=pl.UInt32, eager=True)})
        for category, number in names.items():
            mine = table.filter(pl.col("category") == number)
            windowed = any(
                p.category == category and (p.active_from is not None or p.active_to is not None)
                for p in profiles
            )
            count = _greatest(mine["slot"]) + 1 if mine.height else 0
            self._slots[category] = []
            for place in range(count):
                prefix = f"{number}_{place}_"
                kept = {"row": f"{prefix}m"}
                if windowed:
                    kept |= {"active_from": f"{prefix}f", "active_to": f"{prefix}t"}
                part = mine.filter(pl.col("slot") == place).select("user", *kept)
                part = part.rename(kept)
                wide = wide.join(part, on="user", how="left", maintain_order="left")
                window = (f"{prefix}f", f"{prefix}t") if windowed else (None, None)
                self._slots[category].append(_Slot(f"{prefix}m", *window))
        return wide.drop("user")

    def number_users(self, user: pl.Series) -> pl.Series:
        """Return the users' numbers (UInt32); null for missing and unknown users."""
        codes = user.cast(self._users).to_physical()
        known = (codes < self.user_count).fill_null(value=False)
        return codes if known.all() else codes.set(~known, None)

    def guide(self, batch: UsageBatch, *, checked: Checked, at: Instant) -> Guided:
        """Find the rule and the meters of each record."""
        user = self.number_users(checked.user)
        columns = list(self._wide.select(pl.all().gather(user))) if self._wide.width else []
        if checked.instant is None:
            columns.append(pl.repeat(at, len(user), dtype=pl.Int64, eager=True).alias("at"))
        else:
            columns.append(checked.instant.fill_null(at).alias("at"))
        columns.append(checked.fault.alias("fault"))
        fields: dict[str, tuple[str, Column]] = {}
        for condition in (c for rule in self._plan.rules for c in rule.conditions):
            if condition.field not in fields:
                name = f"c{len(fields)}"
                column = batch.column(condition.field)
                if column.kind is ColumnKind.TIMESTAMP:
                    column = Column(ColumnKind.TEXT, timestamp_texts(column.values))
                fields[condition.field] = name, column
                columns.append(column.values.alias(name))
        return self._decide(pl.DataFrame(columns), fields, user)

    def _decide(
        self, frame: pl.DataFrame, fields: dict[str, tuple[str, Column]], user: pl.Series
    ) -> Guided:
        sound = pl.col("fault") == 0
        holds = [sound & _holds(rule, fields) for rule in self._plan.rules]
        active = [self._any(rule, active=True) for rule in self._plan.rules]
        taken = pl.lit(None, dtype=pl.UInt8)
        for number in reversed(range(len(holds))):
            taken = (
                pl.when(holds[number] & active[number])
                .then(pl.lit(number, dtype=pl.UInt8))
                .otherwise(taken)
            )
        decided = frame.with_columns(taken.alias("rule"))
        rule = decided["rule"]
        lost = decided.select(sound & pl.col("rule").is_null())["fault"]
        fault = decided["fault"]
        if lost.any():
            fault = self._explain(decided.filter(lost), holds, fault, lost)
        return Guided(rule, self._meters(decided), user, fault)

    def _explain(
        self, frame: pl.DataFrame, holds: list[pl.Expr], fault: pl.Series, lost: pl.Series
    ) -> pl.Series:
        """Tell records whose meters are all inactive from those that have none."""
        inactive = pl.any_horizontal(
            held & self._any(rule, active=False)
            for held, rule in zip(holds, self._plan.rules, strict=True)
        )
        reasons = frame.select(
            pl.when(inactive)
            .then(pl.lit(code(Reason.OUTSIDE_ACTIVE_PERIOD), dtype=pl.UInt8))
            .otherwise(pl.lit(code(Reason.NO_METER_FOUND), dtype=pl.UInt8))
            .alias("reason")
        )["reason"]
        return fault.scatter(lost.arg_true(), reasons)

    def _any(self, rule: GuidingRule, *, active: bool) -> pl.Expr:
        slots = self._slots[rule.category]
        if not slots:
            return pl.lit(value=False)
        if not active:
            return pl.any_horizontal(pl.col(slot.meter).is_not_null() for slot in slots)
        return pl.any_horizontal(_active(slot) for slot in slots)

    def _meters(self, decided: pl.DataFrame) -> list[pl.Series]:
        """For each slot: the meter that a taken record updates there."""
        width = max((len(slots) for slots in self._slots.values()), default=0)
        expressions = []
        for place in range(width):
            chosen = pl.lit(None, dtype=pl.Int32)
            for number, rule in enumerate(self._plan.rules):
                slots = self._slots[rule.category]
                if place < len(slots):
                    slot = slots[place]
                    value = pl.col(slot.meter)
                    if slot.active_from is not None:
                        value = pl.when(_active(slot)).then(value)
                    chosen = pl.when(pl.col("rule") == number).then(value).otherwise(chosen)
            expressions.append(chosen.alias(f"slot{place}"))
        return list(decided.select(expressions)) if expressions else []


def _placed(
    meters: pl.DataFrame, profiles: Sequence[Profile], names: dict[str, int], users: pl.DataType
) -> pl.DataFrame:
    """The meters that the rules can reach: row, user number, category, slot, active window."""
    traits = pl.DataFrame(
        {
            "profile": pl.int_range(len(profiles), dtype=pl.Int32, eager=True),
            "category": pl.Series([names.get(p.category) for p in profiles], dtype=pl.Int32),
            "active_from": pl.Series([p.active_from for p in profiles], dtype=pl.Int64),
            "active_to": pl.Series([p.active_to for p in profiles], dtype=pl.Int64),
        }
    )
    table = meters.select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("row"),
        pl.col("user_id").cast(users).to_physical().alias("user"),
        "profile",
    ).join(traits, on="profile", how="left", maintain_order="left")
    table = table.filter(pl.col("category").is_not_null())
    slot = pl.int_range(pl.len(), dtype=pl.Int32).over("user", "category")
    return table.with_columns(slot.alias("slot"))


def _greatest(numbers: pl.Series) -> int:
    greatest = numbers.max()
    return greatest if isinstance(greatest, int) else 0


def _active(slot: _Slot) -> pl.Expr:
    there = pl.col(slot.meter).is_not_null()
    if slot.active_from is None or slot.active_to is None:
        return there
    started = pl.col(slot.active_from).is_null() | (pl.col(slot.active_from) <= pl.col("at"))
    ended = pl.col(slot.active_to).is_not_null() & (pl.col(slot.active_to) <= pl.col("at"))
    return there & started & ~ended


def _holds(rule: GuidingRule, fields: dict[str, tuple[str, Column]]) -> pl.Expr:
    if not rule.conditions:
        return pl.lit(value=True)
    parts = [_equals(condition, *fields[condition.field]) for condition in rule.conditions]
    combine = pl.all_horizontal if rule.relation == "and" else pl.any_horizontal
    return combine(parts)


def _equals(condition: Condition, name: str, column: Column) -> pl.Expr:
    """Whether a field equals the condition's value, of the same JSON type."""
    value, never = condition.value, pl.lit(value=False)
    equal = never
    match column.kind:
        case ColumnKind.TEXT if isinstance(value, str):
            equal = pl.col(name) == value
        case ColumnKind.BOOLEAN if isinstance(value, bool):
            equal = pl.col(name) == value
        case ColumnKind.NUMBER if not isinstance(value, str | bool):
            equal = _equals_number(pl.col(name), column.values.dtype, Decimal(value))
        case ColumnKind.JSON:
            equal = pl.col(name) == condition.expected
    return equal.fill_null(value=False)


def _equals_number(field: pl.Expr, dtype: pl.DataType, value: Decimal) -> pl.Expr:
    if not fits_quantity(value):
        return pl.lit(value=False)
    if dtype == pl.Int64:
        whole = value == value.to_integral_value() and abs(value) < 2**63
        return field == int(value) if whole else pl.lit(value=False)
    expected = pl.lit(number_text(value), dtype=pl.String).cast(QUANTITY)
    return field.cast(QUANTITY) == expected
