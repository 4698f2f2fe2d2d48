from hashlib import blake2b

import polars as pl
import pytest

from meterhouse.core.instant import DAY
from meterhouse.store import SqliteLedger
from meterhouse.streams.record import DuplicateKeys, KeysOfDay, RunResult
from tests.store.factories import AT, a_stream, commit, snapshot


@pytest.fixture(autouse=True)
def stream(ledger: SqliteLedger):
    ledger.add_stream(a_stream())


def digests(*numbers: int) -> pl.Series:
    made = [blake2b(str(n).encode(), digest_size=16).digest() for n in numbers]
    return pl.Series("k", made, dtype=pl.Binary)


def remember(ledger: SqliteLedger, *numbers: int, node: str = "d", at=AT, expires_at=AT + DAY):
    keys = DuplicateKeys(node, digests(*numbers), expires_at)
    commit(ledger, RunResult(duplicate_keys=[keys]), at=at)


def seen(ledger: SqliteLedger, *numbers: int, node: str = "d", at=AT) -> list[bool]:
    with snapshot(ledger) as opened:
        found = opened.seen(node, digests(*numbers), at=at)
    assert found.dtype == pl.Boolean
    return found.to_list()


def test_a_node_without_keys_has_seen_nothing(ledger: SqliteLedger):
    assert seen(ledger, 1, 2) == [False, False]
    assert seen(ledger) == []
    remember(ledger)
    assert seen(ledger, 1) == [False]


def test_each_digest_is_answered_at_its_place(ledger: SqliteLedger):
    remember(ledger, 3, 1)
    assert seen(ledger, 1, 2, 3, 4, 1) == [True, False, True, False, True]
    assert seen(ledger) == []


def test_nodes_remember_apart(ledger: SqliteLedger):
    remember(ledger, 1, node="d")
    remember(ledger, 2, node="e")
    assert seen(ledger, 1, 2, node="e") == [False, True]


def test_keys_are_forgotten_when_they_expire_and_can_be_remembered_anew(ledger: SqliteLedger):
    remember(ledger, 1, 2)
    assert seen(ledger, 1, at=AT + DAY - 1) == [True]
    assert seen(ledger, 1, at=AT + DAY) == [False]
    remember(ledger, 1, at=AT + DAY, expires_at=AT + 3 * DAY)
    assert seen(ledger, 1, 2, at=AT + DAY) == [True, False]


def test_expired_keys_are_swept_in_portions_that_go_round(ledger: SqliteLedger, monkeypatch):
    monkeypatch.setattr("meterhouse.store.run_commit._SWEPT_MIN", 40)
    remember(ledger, *range(200))

    def stored() -> int:
        return ledger._database.value("SELECT count(*) FROM dedup_key")

    counts = []
    for n in range(8):
        remember(ledger, 1000 + n, at=AT + DAY, expires_at=AT + 9 * DAY)
        counts.append(stored())
    assert counts[0] == 200 - 40 + 1
    assert counts == sorted(counts, reverse=True) or counts[-1] == 8
    assert counts[-1] == 8
    assert seen(ledger, *range(1000, 1008), at=AT + DAY) == [True] * 8


def packs(ledger: SqliteLedger, day: int, *, node: str = "d", at=AT) -> list[bytes]:
    with snapshot(ledger) as opened:
        return list(opened.keys_of_day(node, day, at=at))


def test_keys_of_a_day_are_added_or_replaced_and_expire_with_the_day(ledger: SqliteLedger):
    def keep(*kept: KeysOfDay, at=AT):
        commit(ledger, RunResult(keys_of_days=list(kept)), at=at)

    keep(KeysOfDay("d", AT, [b"1", b"2"], AT + 2 * DAY), KeysOfDay("e", AT, [b"e"], AT + DAY))
    keep(KeysOfDay("d", AT, [b"3"], AT + 2 * DAY))
    assert packs(ledger, AT) == [b"1", b"2", b"3"]
    assert (packs(ledger, AT + DAY), packs(ledger, AT, node="f")) == ([], [])
    assert packs(ledger, AT, at=AT + 2 * DAY) == []
    keep(KeysOfDay("d", AT, [b"123"], AT + 2 * DAY, replaces=True))
    assert packs(ledger, AT) == [b"123"]
    keep(KeysOfDay("d", AT + DAY, [b"4"], AT + 3 * DAY), at=AT + 2 * DAY)
    left = ledger._database.value("SELECT count(*) FROM dedup_day")
    assert left == 2  # those of the other node, and the new ones


def test_many_keys_are_handled_in_parts(ledger: SqliteLedger, monkeypatch):
    monkeypatch.setattr("meterhouse.store.run_commit._KEYS_AT_ONCE", 7)
    monkeypatch.setattr("meterhouse.store.snapshot._KEYS_AT_ONCE", 11)
    remember(ledger, *range(0, 100, 2))
    assert seen(ledger, *range(100)) == [n % 2 == 0 for n in range(100)]


def test_a_digest_of_another_length_is_a_mistake_of_ours(ledger: SqliteLedger):
    keys = DuplicateKeys("d", pl.Series([b"short"]), AT)
    with pytest.raises(AssertionError, match="16 bytes"):
        commit(ledger, RunResult(duplicate_keys=[keys]))
