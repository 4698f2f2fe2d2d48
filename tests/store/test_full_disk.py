from pathlib import Path

import pytest

from meterhouse.store import SqliteLedger, StoreError, open_ledger
from meterhouse.streams.record import RunResult
from tests.store.factories import (
    AT,
    a_meter_type,
    a_run,
    a_stream,
    a_suspended,
    add_meters,
    an_emitted,
    start,
)


def full(ledger: SqliteLedger) -> None:
    """Let the file not grow any more."""
    pages = ledger._database.value("PRAGMA page_count")
    ledger._database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_fails_a_commit_and_leaves_all_as_it_was(ledger: SqliteLedger):
    ledger.add_stream(a_stream())
    run = start(ledger, a_run())
    full(ledger)
    large = RunResult(
        suspended=[a_suspended(n, detail="x" * 500) for n in range(2000)],
        records=[an_emitted("y" * 500) for _ in range(100)],
        log=[("n", "info", "line")],
    )
    with pytest.raises(StoreError, match=r"is full. Make room on the disk.*nothing was changed"):
        ledger.commit_run(run, large)
    assert ledger.run(run.id) == run
    assert ledger.lease_of(run.stream_id) is not None
    assert ledger.suspense().items == ledger.records().items == ledger.run_log(run.id) == []
    ledger._database.execute("PRAGMA max_page_count = 1000000")
    ledger.commit_run(run, large)
    assert len(ledger.records(limit=1000).items) == 100


def test_a_full_disk_creates_no_meter(ledger: SqliteLedger):
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    full(ledger)
    with pytest.raises(StoreError, match="Make room"):
        add_meters(ledger, [f"user {n}" for n in range(5000)], meter_type=meter_type)
    assert ledger.meters().items == []


def test_a_ledger_that_is_torn_is_reported(tmp_path: Path):
    ledger = open_ledger(tmp_path)
    meter_type = a_meter_type()
    ledger.add_meter_types([meter_type])
    add_meters(ledger, [f"user {n}" for n in range(2000)], meter_type=meter_type, at=AT)
    ledger.close()
    file = tmp_path / "ledger.sqlite"
    content = file.read_bytes()
    half = len(content) // 2
    file.write_bytes(content[:half] + b"\xff" * (len(content) - half))
    # Which page is read first decides whether it shows at the opening or later.
    with pytest.raises(StoreError, match="Put the ledger back from a backup"):
        open_ledger(tmp_path).meters(limit=2000)
