from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse.app.billing.invoice_history import archive_history, entries, verify_history
from meterhouse.connectors.archive_store import FolderArchive
from meterhouse.core.invoice_history import NOTHING_BEFORE, HistoryEvent
from meterhouse.store import SqliteLedger, open_ledger
from tests.archive.filing import AT

#: Appends entries beside others that do.
WRITER = """
import sys
from pathlib import Path
from meterhouse.core.invoice_history import HistoryEvent
from meterhouse.store import open_ledger

ledger = open_ledger(Path(sys.argv[1]))
for number in range(25):
    ledger.add_history(HistoryEvent(number, sys.argv[2], "issued", f"i-{number}"))
ledger.close()
"""


def add(ledger: SqliteLedger, count: int, *, invoice: str = "i-1") -> None:
    for number in range(count):
        detail = {"number": f"A-{number}", "odd": "\ud800 é"}
        ledger.add_history(HistoryEvent(AT + number, "ann", "issued", invoice, detail))


def spoil(path: Path, sql: str, *values: object) -> None:
    """Change the history behind the ledger's back, as somebody who has the file can."""
    with sqlite3.connect(path) as database:
        for trigger in ("invoice_history_stays", "invoice_history_is_kept"):
            database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        database.execute(sql, values)
    database.close()


def test_entries_follow_each_other(ledger: SqliteLedger) -> None:
    add(ledger, 3)
    found = list(entries(ledger))
    assert [entry.sequence for entry in found] == [1, 2, 3]
    assert [entry.previous for entry in found] == [NOTHING_BEFORE, found[0].hash, found[1].hash]
    assert found[1].event.at == AT + 1
    assert verify_history(ledger).faults == ()


def test_the_history_of_one_invoice(ledger: SqliteLedger) -> None:
    add(ledger, 2)
    add(ledger, 1, invoice="i-2")
    assert [entry.sequence for entry in entries(ledger, invoice="i-2")] == [3]
    assert [entry.sequence for entry in entries(ledger, invoice="i-1", limit=1)] == [1]


def test_an_entry_is_part_of_the_transaction_that_it_is_added_in(ledger: SqliteLedger) -> None:
    add(ledger, 1)

    def fail() -> None:
        with ledger._database.write():
            add(ledger, 2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [entry.sequence for entry in entries(ledger)] == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE invoice_history SET actor = 'bob'",
        "DELETE FROM invoice_history WHERE no = 2",
        "INSERT OR REPLACE INTO invoice_history VALUES (1, 1, 'a', 'b', 'c', '{}', 'd', 'e')",
    ],
)
def test_the_ledger_changes_no_entry(ledger: SqliteLedger, sql: str) -> None:
    add(ledger, 2)
    before = list(entries(ledger))

    def change() -> None:
        with ledger._database.write():
            ledger._database.execute(sql)

    with pytest.raises(AssertionError, match="a rule of the ledger is broken"):
        change()
    assert list(entries(ledger)) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE invoice_history SET actor = 'bob' WHERE no = 2", "entry 2 was changed"),
        ("UPDATE invoice_history SET at = at + 1 WHERE no = 2", "entry 2 was changed"),
        ("UPDATE invoice_history SET action = 'voided' WHERE no = 1", "entry 1 was changed"),
        ("UPDATE invoice_history SET invoice = 'i' WHERE no = 3", "entry 3 was changed"),
        ("UPDATE invoice_history SET detail = '{}' WHERE no = 3", "entry 3 was changed"),
        ("UPDATE invoice_history SET hash = 'x' WHERE no = 2", "entry 3 does not follow"),
        ("DELETE FROM invoice_history WHERE no = 2", "entry 2 is missing"),
        ("DELETE FROM invoice_history WHERE no = 1", "entry 1 is missing"),
    ],
)
def test_what_somebody_changed_is_found(
    ledger: SqliteLedger, tmp_path: Path, sql: str, said: str
) -> None:
    add(ledger, 4)
    spoil(tmp_path / "data" / "ledger.sqlite", sql)
    assert any(said in fault for fault in verify_history(ledger).faults)


def test_the_archive_has_a_copy_in_segments(ledger: SqliteLedger, store: FolderArchive) -> None:
    assert archive_history(ledger, store, at=AT) == []
    add(ledger, 3)
    assert archive_history(ledger, store, at=AT) == ["history/0000000001-0000000003.jsonl"]
    add(ledger, 1)
    assert archive_history(ledger, store, at=AT) == ["history/0000000004-0000000004.jsonl"]
    assert archive_history(ledger, store, at=AT) == []
    text = b"".join(store.get(one.name) or b"" for one in ledger.history_segments())
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3, 4]
    assert lines == [json.loads(entry.line) for entry in entries(ledger)]
    assert verify_history(ledger, store).segments == 2
    assert verify_history(ledger, store).faults == ()


def test_the_copy_tells_what_the_chain_cannot(
    ledger: SqliteLedger, store: FolderArchive, tmp_path: Path
) -> None:
    add(ledger, 3)
    archive_history(ledger, store, at=AT)
    spoil(tmp_path / "data" / "ledger.sqlite", "DELETE FROM invoice_history WHERE no = 3")
    assert verify_history(ledger).faults == ()
    [fault] = verify_history(ledger, store).faults
    assert "0000000003.jsonl in the archive is not what the ledger has" in fault
    (tmp_path / "archive" / "history" / "0000000001-0000000003.jsonl").unlink()
    [fault] = verify_history(ledger, store).faults
    assert "is not in the archive" in fault


def test_a_copy_that_was_not_noted_is_made_again(
    ledger: SqliteLedger, store: FolderArchive
) -> None:
    add(ledger, 2)
    ledger.claim_history_segment()
    [segment] = ledger.history_segments()
    add(ledger, 1)
    made = archive_history(ledger, store, at=AT)
    assert made == [segment.name, "history/0000000003-0000000003.jsonl"]
    assert all(one.archived_at == AT for one in ledger.history_segments())


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)])
        for number in range(4)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    ledger = open_ledger(tmp_path)
    assert verify_history(ledger).entries == 100
    assert verify_history(ledger).faults == ()
    ledger.close()
