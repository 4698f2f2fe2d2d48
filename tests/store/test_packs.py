"""Breakdowns in packs: columns leave in a ledger what rows leave, and no pack is left over."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse.core.instant import Instant
from meterhouse.engine.changes import StateChanges
from meterhouse.engine.columns import encoding
from meterhouse.store import SqliteLedger, open_ledger
from tests.engine.cases import Case, generate, play
from tests.golden.keeping import InSqlite

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
    case = _named(generate(seed))
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


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(100))
def test_columns_leave_what_rows_leave_in_many_more_ledgers(tmp_path, monkeypatch, block):
    monkeypatch.setattr(encoding, "PACK_ROWS", 1 + block % 7)
    for seed in range(1_000 + block * 20, 1_020 + block * 20):
        _agree(seed, tmp_path)


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
