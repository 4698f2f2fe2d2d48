"""Fields whose columns are of unusual kinds: columns give what rows give of the same batch."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, Condition, GuidingRule, Operation
from meterhouse.core.instant import DAY, parse_instant
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Coded, Column, ColumnKind
from meterhouse.engine.metering import Metering
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.source import State

_START = parse_instant("2026-10-01T00:00:00Z")
_INSTANTS = [datetime(2026, 10, 1, 9, tzinfo=UTC), None, datetime(2026, 10, 1, 9, 0, 0, 7, UTC)]
_FAR = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), None]
_USERS = ("ann", "true", "3", "2026-10-01T09:00:00.000Z", "2.5")


def _timestamps(values: list[datetime | None]) -> Column:
    return Column(ColumnKind.TIMESTAMP, pl.Series(values, dtype=pl.Datetime("us", "UTC")))


def _coded(codes: list[int | None], texts: list[str]) -> Column:
    return Column.of_codes(Coded(pl.Series(codes, dtype=pl.Int32), pl.Series(texts)))


def _numbers(texts: list[str | None], scale: int) -> Column:
    series = pl.Series(texts, dtype=pl.String).cast(pl.Decimal(38, scale))
    return Column(ColumnKind.NUMBER, series)


_ODD = {
    "instants": _timestamps(_INSTANTS),
    "far instants": _timestamps(_FAR),
    "truths": Column.from_values([True, None, False]),
    "whole": Column.from_values([3, None, 1_790_845_200_000]),
    "decimals": Column.from_values([Decimal("2.5"), None, Decimal("1790845200000.5")]),
    "short decimals": _numbers(["3", None, "2.5"], 1),
    "wide whole": _numbers(["3", None, "18446744073709551615"], 0),
    "mixed": Column.from_values([3, "", {"a": [1]}]),
    "mixed truths": Column.from_values([True, "3", "\\"]),
    "coded": _coded([0, None, 1], ["ann", "3"]),
    "coded, empty": _coded([0, 2, 1], ["ann", "3", ""]),
    "coded twice": _coded([9, None, 0], ["3"] * 9 + ["ann"]),
    "texts": Column.from_values(["ann", None, 'a"b']),
    "empty": Column.from_values(["", "3", None]),
    "absent": Column.from_values([None, None, None]),
}


def _plan(value: object) -> MeterPlan:
    carried = (Operation("odd", Carry.FIRST), Operation("odd", Carry.LAST))
    rules = (
        GuidingRule("first", "a", (Condition("odd", value),), "and", (("odd",),), carried),
        GuidingRule("other", "a", (), "and", (("plain", "odd"),), carried[:1]),
    )
    return MeterPlan("key", rules)


def _state() -> State:
    return State.from_meters(
        Meter(
            no,
            f"00000000-0000-4000-8000-{no:012}",
            user,
            "key",
            "type",
            "Calls",
            "a",
            Aggregation.SUM,
            "call",
            ResetSchedule(),
            "Etc/UTC",
            _START,
            active_from=_START - DAY,
        )
        for no, user in enumerate(_USERS)
    )


def _told(columns: dict[str, Column], plan: MeterPlan, rows_max: int) -> list[object]:
    batch = UsageBatch.from_columns(columns, length=3)
    metering = Metering(plan, _state(), at=_START + DAY, rows_max=rows_max)
    outcome = metering.meter(batch)
    golden = [record.text for record in metering.flush_all()]
    return [outcome.metered, outcome.suspended, *golden]


def _assert_agree(columns: dict[str, Column], plan: MeterPlan) -> None:
    assert _told(columns, plan, 10**9) == _told(columns, plan, -1)


def _usual() -> dict[str, Column]:
    return {
        "userId": Column.from_values(["ann", "3", "ann"]),
        "value": Column.from_values([1, 2, 3]),
        "plain": Column.from_values(["p", "q", "p"]),
    }


@pytest.mark.parametrize("kind", _ODD)
@pytest.mark.parametrize("field", ["userId", "value", "timestamp"])
def test_a_field_that_every_record_needs_may_be_odd(field: str, kind: str) -> None:
    _assert_agree(_usual() | {field: _ODD[kind]}, _plan("p"))


@pytest.mark.parametrize("kind", _ODD)
@pytest.mark.parametrize(
    "value",
    [
        *("ann", "3", 3, Decimal("2.5"), Decimal("1e30"), Decimal("1e-30"), True, "", 2**63),
        *(2**64 - 1, "2026-10-01T09:00:00.000Z", "2026-10-01T09:00:00.000007Z"),
    ],
)
def test_rules_look_at_odd_fields_group_by_them_and_carry_them(value: object, kind: str) -> None:
    _assert_agree(_usual() | {"odd": _ODD[kind]}, _plan(value))
