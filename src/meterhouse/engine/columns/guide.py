"""Guiding in columns: which rule takes each record, and which meters it then updates.

One look-up by user in a *wide* table (a user's meters as columns, by category and slot) and one
ordered when/then over the rules; no join per rule. A slot is the place of a meter among the
meters that one user has in one category, in order of ``Meter.no``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

#: Up to so many places of one text in a dictionary are compared one by one.
_PLACES_MAX = 8
#: Whole numbers of 32 bits end here.
_NARROW_END = 2**32


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


@dataclass(frozen=True, slots=True)
class _Choice:
    """The wide table where no user has two meters in one category and none has an active window.

    ``held`` has a bit for each rule whose category the user has a meter of; ``rows`` has the
    meter of every user and rule.
    """

    held: pl.Series
    rows: pl.Series

    @classmethod
    def of(
        cls,
        plan: MeterPlan,
        slots: Mapping[str, Sequence[_Slot]],
        wide: pl.DataFrame,
        *,
        users: int,
    ) -> _Choice:
        nobody = pl.repeat(None, users, dtype=pl.Int32, eager=True)
        columns = [
            (wide[slots[rule.category][0].meter] if slots[rule.category] else nobody).alias(f"r{n}")
            for n, rule in enumerate(plan.rules)
        ]
        held = pl.lit(0, dtype=pl.UInt16)
        for number, column in enumerate(columns):
            held = held + pl.col(column.name).is_not_null().cast(pl.UInt16) * 2**number
        frame = pl.DataFrame(columns).with_columns(held.cast(pl.UInt16).alias("held"))
        rows = frame.select(pl.concat_list(pl.exclude("held")).alias("rows"))["rows"].explode()
        return cls(frame["held"], rows)


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
        plain = all(
            len(s) <= 1 and all(x.active_from is None for x in s) for s in self._slots.values()
        )
        self._choice: _Choice | None = None
        if plain:
            self._choice = _Choice.of(plan, self._slots, self._wide, users=self.user_count)

    def _build_wide(
        self, table: pl.DataFrame, names: dict[str, int], profiles: Sequence[Profile]
    ) -> pl.DataFrame:
        columns: list[pl.Series] = []
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
                part = mine.filter(pl.col("slot") == place)
                columns += [self._by_user(part, name, alias) for name, alias in kept.items()]
                window = (f"{prefix}f", f"{prefix}t") if windowed else (None, None)
                self._slots[category].append(_Slot(f"{prefix}m", *window))
        return pl.DataFrame(columns)

    def _by_user(self, part: pl.DataFrame, name: str, alias: str) -> pl.Series:
        """A column of meters (one a user at most) by number of the user; null where none is."""
        values = part[name]
        nothing = pl.repeat(None, self.user_count, dtype=values.dtype, eager=True)
        return nothing.scatter(part["user"], values).alias(alias)

    def number_users(self, user: Column) -> pl.Series:
        """Return the users' numbers (UInt32); null for missing and unknown users."""
        if user.coded is not None:
            return self._numbers(user.coded.texts).gather(user.coded.codes)
        return self._numbers(user.values)

    def _numbers(self, texts: pl.Series) -> pl.Series:
        codes = texts.cast(self._users).to_physical()
        known = (codes < self.user_count).fill_null(value=False)
        return codes if known.all() else codes.set(~known, None)

    def guide(self, batch: UsageBatch, *, checked: Checked, at: Instant) -> Guided:
        """Find the rule and the meters of each record."""
        user = self.number_users(checked.user)
        columns = [user.alias("user"), checked.fault.alias("fault")]
        if self._choice is None:
            columns += list(self._wide.select(pl.all().gather(user)))
            instant = checked.instant
            if instant is None:
                instant = pl.repeat(at, len(user), dtype=pl.Int64, eager=True)
            columns.append(instant.fill_null(at).alias("at"))
        fields: dict[str, tuple[str, Column]] = {}
        for condition in (c for rule in self._plan.rules for c in rule.conditions):
            if condition.field not in fields:
                name = f"c{len(fields)}"
                column = batch.column(condition.field)
                if column.kind is ColumnKind.TIMESTAMP:
                    column = Column(ColumnKind.TEXT, timestamp_texts(column.values))
                fields[condition.field] = name, column
                values = column.values if column.coded is None else column.coded.codes
                columns.append(values.alias(name))
        frame = pl.DataFrame(columns)
        return self._decide(frame, fields) if self._choice is None else self._choose(frame, fields)

    def _choose(self, frame: pl.DataFrame, fields: dict[str, tuple[str, Column]]) -> Guided:
        """Decide with bits: of the rules that hold and can take the user, the first."""
        assert self._choice is not None
        bits = pl.lit(0, dtype=pl.UInt16)
        for number, rule in enumerate(self._plan.rules):
            holds = pl.lit(value=True) if not rule.conditions else _holds(rule, fields)
            bits = bits + holds.cast(pl.UInt16) * 2**number
        held = pl.lit(self._choice.held).gather(pl.col("user")).fill_null(0)
        able = pl.when(pl.col("fault") == 0).then(bits.cast(pl.UInt16) & held)
        decided = frame.select("user", "fault", able.alias("able"))
        rule = pl.when(pl.col("able") > 0).then(pl.col("able").bitwise_trailing_zeros())
        decided = decided.with_columns(rule.cast(pl.UInt8).alias("rule"))
        width = len(self._plan.rules)
        # Half as wide numbers are gathered by in less than half the time.
        narrow = self.user_count * width < _NARROW_END
        place = pl.col("user").cast(pl.UInt32 if narrow else pl.Int64) * width + pl.col("rule")
        meters = decided.select(pl.lit(self._choice.rows).gather(place).alias("slot0"))["slot0"]
        fault = decided["fault"]
        lost = (decided["able"] == 0).fill_null(value=False)
        if lost.any():
            fault = fault.set(lost, code(Reason.NO_METER_FOUND))
        return Guided(decided["rule"], [meters], frame["user"], fault)

    def _decide(self, frame: pl.DataFrame, fields: dict[str, tuple[str, Column]]) -> Guided:
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
        return Guided(rule, self._meters(decided), frame["user"], fault)

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
    traits = {
        "category": pl.Series([names.get(p.category) for p in profiles], dtype=pl.Int32),
        "active_from": pl.Series([p.active_from for p in profiles], dtype=pl.Int64),
        "active_to": pl.Series([p.active_to for p in profiles], dtype=pl.Int64),
    }
    table = meters.select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("row"),
        pl.col("user_id").cast(users).to_physical().alias("user"),
        *(pl.lit(trait).gather(pl.col("profile")).alias(name) for name, trait in traits.items()),
    )
    table = table.filter(pl.col("category").is_not_null())
    place = pl.col("user").cast(pl.Int64) * max(len(names), 1) + pl.col("category")
    if table.select(place.n_unique()).item() == table.height:
        return table.with_columns(slot=pl.lit(0, dtype=pl.Int32))  # the common case
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
        case ColumnKind.TEXT if isinstance(value, str) and column.coded is not None:
            equal = _equals_code(pl.col(name), column.coded.texts == value)
        case ColumnKind.TEXT if isinstance(value, str):
            equal = pl.col(name) == value
        case ColumnKind.BOOLEAN if isinstance(value, bool):
            equal = pl.col(name) == value
        case ColumnKind.NUMBER if not isinstance(value, str | bool):
            equal = _equals_number(pl.col(name), column.values.dtype, Decimal(value))
        case ColumnKind.JSON:
            equal = pl.col(name) == condition.expected
    return equal.fill_null(value=False)


def _equals_code(codes: pl.Expr, same: pl.Series) -> pl.Expr:
    """Whether codes are of a text; ``same`` tells which texts of the dictionary are equal to it."""
    places = same.arg_true().to_list()
    if len(places) > _PLACES_MAX:
        return pl.lit(same).gather(codes)
    return pl.any_horizontal(codes == place for place in places) if places else pl.lit(value=False)


def _equals_number(field: pl.Expr, dtype: pl.DataType, value: Decimal) -> pl.Expr:
    if not fits_quantity(value):
        return pl.lit(value=False)
    if dtype == pl.Int64:
        whole = value == value.to_integral_value() and value.copy_abs() < 2**63
        return field == int(value) if whole else pl.lit(value=False)
    expected = pl.lit(number_text(value), dtype=pl.String).cast(QUANTITY)
    return field.cast(QUANTITY) == expected
