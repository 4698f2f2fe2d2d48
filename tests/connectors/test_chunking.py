"""Parts of any size become chunks of a wanted one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.connectors.chunking import gathered, joined
from meterhouse.connectors.layout import FIELDS_MAX, in_columns
from meterhouse.connectors.ordered import ordered_map
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import ReadChunk, Unreadable


def part(first, flags, columnar=True):
    """Records from an offset on; a false flag is an unreadable one."""
    good = [first + n for n, flag in enumerate(flags) if flag]
    bad = [Unreadable(first + n, "", "") for n, flag in enumerate(flags) if not flag]
    batch = UsageBatch.from_rows([{"n": n} for n in good], [(0, n) for n in good])
    chunk = ReadChunk(batch, bad)
    return in_columns(chunk) if columnar else chunk


@settings(deadline=None)
@given(
    parts=st.lists(st.tuples(st.lists(st.booleans(), max_size=9), st.booleans()), max_size=6),
    size=st.integers(1, 8),
)
def test_chunks_are_bounded_ordered_and_complete(parts, size):
    first, given_parts = 0, []
    for flags, columnar in parts:
        given_parts.append(part(first, flags, columnar))
        first += len(flags)

    chunks = list(gathered(given_parts, records_max=size))

    offsets = []
    for chunk in chunks:
        good = [offset for _, offset in chunk.batch.origins()]
        bad = [item.offset for item in chunk.unreadable]
        assert 0 < len(good) + len(bad) <= size
        assert chunk.batch.rows() == [{"n": offset} for offset in good]
        offsets += sorted(good + bad)
    assert offsets == list(range(first))


def test_small_parts_are_joined():
    parts = [part(0, [True]), part(1, [True, False]), part(3, [True])]

    (chunk,) = gathered(parts, records_max=100)

    assert chunk.batch.columnar
    assert chunk.batch.rows() == [{"n": 0}, {"n": 1}, {"n": 3}]
    assert [bad.offset for bad in chunk.unreadable] == [2]


def test_rows_with_thousands_of_fields_are_never_laid_out_in_columns():
    wide = UsageBatch.from_rows([{f"f{n}": 1 for n in range(FIELDS_MAX + 1)}])
    chunk = in_columns(ReadChunk(wide))

    assert not chunk.batch.columnar
    assert not joined([part(0, [True]), chunk]).batch.columnar
    assert len(list(gathered([part(0, [True]), chunk], records_max=10))) == 2


def test_results_come_in_order_and_items_are_taken_little_ahead():
    taken = []

    def items():
        for n in range(1000):
            taken.append(n)
            yield n

    results = ordered_map(lambda n: n * n, items())

    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    assert len(taken) < 20
    results.close()


def test_a_failure_comes_where_its_item_stands():
    def inverse(n):
        return 1 / n

    results = ordered_map(inverse, [1, 0, 2])

    assert next(results) == 1
    try:
        next(results)
    except ZeroDivisionError:
        pass
    else:
        raise AssertionError


def test_many_unreadable_records_close_a_chunk(monkeypatch):
    monkeypatch.setattr("meterhouse.connectors.chunking.UNREADABLE_MAX", 3)
    parts = [ReadChunk(UsageBatch.from_rows([]), [Unreadable(n, "", "")]) for n in range(7)]

    sizes = [len(chunk.unreadable) for chunk in gathered(parts, records_max=100)]

    assert sizes == [3, 3, 1]
