"""Ledgers for threads: who writes waits for a turn, and not for longer than it may."""

from pathlib import Path
from threading import Event, Thread

import pytest

from meterhouse.core.application import Application
from meterhouse.store import LedgerPool
from meterhouse.store.connection import CACHE_KIB, StoreError
from meterhouse.store.ledger import open_ledger

NONE: frozenset[str] = frozenset()


def add(pool: LedgerPool, name: str) -> None:
    with pool.ledger() as ledger:
        ledger.add_application(Application(name, name, name, NONE, 0, 0), b"")


def test_who_writes_waits_until_the_other_one_has_written(tmp_path: Path):
    pool = LedgerPool(tmp_path, busy_seconds=60)
    begun, gone_on = Event(), Event()

    def slow() -> None:
        with pool.ledger_of_run() as ledger, ledger._database.write():
            begun.set()
            gone_on.wait(60)
            ledger.add_application(Application("a", "a", "a", NONE, 0, 0), b"")

    first = Thread(target=slow)
    first.start()
    assert begun.wait(60)
    second = Thread(target=add, args=(pool, "b"))
    second.start()
    with pool.ledger() as ledger:
        assert not ledger.applications().items, "a read waits for nobody"
    gone_on.set()
    first.join()
    second.join()
    with pool.ledger() as ledger:
        assert [a.name for a in ledger.applications().items] == ["a", "b"]
    pool.close()


def test_who_waits_too_long_is_told_to_come_again(tmp_path: Path):
    pool = LedgerPool(tmp_path, busy_seconds=0.02)
    told = pytest.raises(StoreError, match="is being written")
    with pool.ledger() as ledger, ledger._database.write(), told as caught:
        add(pool, "b")
    assert caught.value.code == "ledger_busy"
    add(pool, "b")
    pool.close()


def test_a_write_that_fails_gives_its_turn_back(tmp_path: Path):
    pool = LedgerPool(tmp_path, busy_seconds=0.02)
    with pool.ledger() as ledger, pytest.raises(ZeroDivisionError), ledger._database.write():
        raise ZeroDivisionError
    add(pool, "b")
    pool.close()


def test_the_large_cache_of_a_large_write_is_given_back(tmp_path: Path):
    database = open_ledger(tmp_path, cache_kib=1000)._database
    with database.roomy():
        assert database.value("PRAGMA cache_size") == -CACHE_KIB
    assert database.value("PRAGMA cache_size") == -1000
    database.close()
