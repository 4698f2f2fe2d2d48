"""Breakdowns in packs: columns leave in a ledger what rows leave, and no pack is left over."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.guiding_rule import Carry, GuidingRule, Operation
from meterhouse.core.instant import Instant
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule
from meterhouse.engine.changes import StateChanges
from meterhouse.engine.columns import breakdowns, encoding, executor
from meterhouse.engine.plan import Flush, MeterPlan
from meterhouse.store import SqliteLedger, open_ledger
from tests.engine.cases import Case, Step, generate, generate_going_on, play, with_more_steps
from tests.golden.keeping import InSqlite
from tests.store.factories import AT, KEY, new_id

_BASE = int(os.environ.get("METERHOUSE_SEED", "0"))


class _Watched(InSqlite):
    """A ledger whose packs are counted after each run."""

    def __init__(self, meters, folder: Path) -> None:
        super().__init__(meters, folder)
        self.folder = folder
        self.most = 0

    def keep(self, changes: StateChanges, records, *, at: Instant) -> None:
        super().keep(changes, records, at=at)
        with closing(open_ledger(self.folder)) as ledger:
            self.most = max(self.most, packs_are_in_order(ledger))


def packs_are_in_order(ledger: SqliteLedger) -> int:
    """Check that every pack is there as long as a meter needs it; returns how many there are."""
    database = ledger._database
    needed = dict(
        database.rows(
            "SELECT pack_no, count(*) FROM meter_contents WHERE pack_no IS NOT NULL GROUP BY 1"
        )
    )
    assert dict(database.rows("SELECT no, meters FROM group_pack")) == needed
    stored = {no for (no,) in database.rows("SELECT pack_no FROM group_pack_content")}
    assert stored == set(needed)
    return len(needed)


def _by_event_time(case: Case) -> bool:
    return any(meter.by_event_time for meter in case.meters)


def _named(case: Case) -> Case:
    """In a ledger, names of meter types differ."""
    meters = [replace(meter, meter_type_name=f"Type {meter.no}") for meter in case.meters]
    return replace(case, meters=meters)


def _agree(seed: int, folder: Path) -> int:
    case = _named(with_more_steps(generate(seed), seed))
    if _by_event_time(case):
        return 0
    columns = _Watched(case.meters, folder / f"columns {seed}")
    expected = play(case, rows_max=10**9, keeping=InSqlite(case.meters, folder / f"rows {seed}"))
    assert play(case, rows_max=-1, keeping=columns) == expected, f"seed {seed}"
    return columns.most


@pytest.mark.parametrize("block", range(2))
def test_columns_leave_in_a_ledger_what_rows_leave(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encoding, "PACK_ROWS", 1 + block * 3)
    monkeypatch.setattr(encoding, "PART_ROWS", 2 + block * 30)
    first = _BASE + block * 15
    assert max(_agree(seed, tmp_path) for seed in range(first, first + 15)) > 1 - block


def _go_on(seed: int, folder: Path) -> int:
    case = _named(generate_going_on(seed))
    # What a ledger makes of them, so that memory is the oracle.
    meters = [
        replace(meter, meter_key=KEY, meter_type_id=meter.id, custom_fields={})
        for meter in case.meters
    ]
    case = replace(case, meters=meters)
    columns = _Watched(case.meters, folder / f"going on {seed}")
    # In every third case, small batches go by rows: both read what the other has left.
    rows_max = -1 if seed % 3 else 12
    assert play(case, rows_max=rows_max, keeping=columns) == play(case, rows_max=10**9, whole=True)
    return columns.most


@pytest.mark.parametrize("size", [3, 10_000])
def test_runs_go_on_with_the_packs_of_others(tmp_path, monkeypatch, size):
    monkeypatch.setattr(encoding, "PACK_ROWS", size)
    # As in runs of many records: made ahead, some of them, and looked up one by one.
    monkeypatch.setattr(executor, "_AHEAD_METERS", 0)
    monkeypatch.setattr(encoding, "_AHEAD_BYTES", size * 100)
    monkeypatch.setattr(breakdowns, "_FEW_METERS", 0)
    first = _BASE + 15
    assert max(_go_on(seed, tmp_path) for seed in range(first, first + 12)) > 1


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(100))
def test_runs_go_on_with_the_packs_of_others_in_many_more_cases(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encoding, "PACK_ROWS", (1, 20, 10_000)[block % 3])
    if block % 2:
        monkeypatch.setattr(executor, "_AHEAD_METERS", 0)
        monkeypatch.setattr(breakdowns, "_FEW_METERS", 0)
    for seed in range(100_000 + block * 20, 100_020 + block * 20):
        _go_on(seed, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(100))
def test_columns_leave_what_rows_leave_in_many_more_ledgers(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encoding, "PACK_ROWS", 1 + block % 7)
    for seed in range(1_000 + block * 20, 1_020 + block * 20):
        _agree(seed, tmp_path)


def _of_two(records: list[tuple[str, int, str]], minute: int) -> Step:
    """A run of records: user, value, and the text that is grouped by and carried."""
    rule = GuidingRule(
        "all",
        "a",
        (),
        "and",
        (("x",),),
        (Operation("x", Carry.FIRST), Operation("x", Carry.LAST)),
    )
    rows = [{"userId": user, "value": value, "x": text} for user, value, text in records]
    at = AT + minute * 60_000_000
    return Step(at, MeterPlan("key", (rule,), Flush.PERIOD_END), rows, [0, len(rows)])


def test_what_an_older_pack_still_has_of_a_meter_is_not_read(tmp_path):
    """A pack stays for one meter: what it has of another, which has gone on, counts no more."""
    meters = [
        Meter(
            no=no,
            id=new_id(),
            user_id=user,
            meter_key="key",
            meter_type_id="type",
            meter_type_name=f"Type {no}",
            category="a",
            aggregation=Aggregation.SUM,
            unit="call",
            reset_schedule=ResetSchedule(),
            timezone="Etc/UTC",
            created_at=AT,
        )
        for no, user in ((1, "ann"), (2, "bob"))
    ]
    steps = [
        _of_two([("ann", 1, "p"), ("bob", 2, "p")], 1),
        _of_two([("ann", 10, "q")], 2),
        _of_two([("ann", 100, "p"), ("bob", 200, "q")], 3),
    ]
    case = Case(meters, steps[0].plan, steps)
    rows, columns = (InSqlite(meters, tmp_path / name) for name in ("rows", "columns"))
    expected = play(case, rows_max=10**9, keeping=rows)
    assert play(case, rows_max=-1, keeping=columns) == expected


def test_a_pack_goes_with_the_last_meter_that_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "PACK_ROWS", 1)
    for seed in range(30):
        case = _named(generate(seed))
        play(case, rows_max=-1, keeping=InSqlite(case.meters, tmp_path / str(seed)))
        with closing(open_ledger(tmp_path / str(seed))) as ledger:
            left = packs_are_in_order(ledger)
            for bucket in ledger.meters(limit=100).items:
                ledger.delete_meter(bucket.meter.id)
                packs_are_in_order(ledger)
            assert packs_are_in_order(ledger) == 0
        if left > 1:
            return
    pytest.fail("no case has left several packs")
