"""Chunks of a wanted size out of the smaller parts that the formats give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.streams.ports import ReadChunk

#: Inputs with fewer records stay rows: cheaper than columns, and without loading Arrow.
ROWS_MAX = 2_000
#: A chunk with so many unreadable records is closed: their texts are kept, so memory is theirs.
UNREADABLE_MAX = 10_000


def chunk_size(chunk: ReadChunk) -> int:
    """Return how many records of the input a chunk accounts for."""
    return len(chunk.batch) + len(chunk.unreadable)


def gathered(parts: Iterable[ReadChunk], *, records_max: int) -> Iterator[ReadChunk]:
    """Join parts, in order, to chunks of at most ``records_max`` records."""
    assert records_max > 0
    held: list[ReadChunk] = []
    count = bad = 0
    for part in parts:
        for piece in _pieces(part, records_max):
            if held and (
                count + chunk_size(piece) > records_max or _differ(held[-1].batch, piece.batch)
            ):
                yield joined(held)
                held, count, bad = [], 0, 0
            held.append(piece)
            count += chunk_size(piece)
            bad += len(piece.unreadable)
            if bad >= UNREADABLE_MAX:
                yield joined(held)
                held, count, bad = [], 0, 0
    if held:
        yield joined(held)


def _differ(left: UsageBatch, right: UsageBatch) -> bool:
    """Parts that stayed rows have their reason (a thousand fields): never join the two forms."""
    return left.columnar is not right.columnar and bool(len(left)) and bool(len(right))


def joined(parts: Sequence[ReadChunk]) -> ReadChunk:
    """Join parts to one; in columns, unless one of them had to stay rows."""
    if len(parts) == 1:
        return parts[0]
    bad = [item for part in parts for item in part.unreadable]
    batches = [part.batch for part in parts if len(part.batch)]
    if all(batch.columnar for batch in batches) and batches:
        return ReadChunk(concat_batches(batches), bad)
    rows = [row for batch in batches for row in batch.rows()]
    origins = [origin for batch in batches for origin in batch.origins()]
    return ReadChunk(UsageBatch.from_rows(rows, origins), bad)


def _pieces(part: ReadChunk, size_max: int) -> Iterator[ReadChunk]:
    while chunk_size(part) > size_max:
        head, part = _split(part, size_max)
        yield head
    if chunk_size(part):
        yield part


def _split(part: ReadChunk, size: int) -> tuple[ReadChunk, ReadChunk]:
    """Cut after ``size`` records, readable or not, in order of their offsets."""
    if not part.unreadable:
        cut, bad = size, 0
    else:
        offsets = part.batch.origin_frame()["offset"]
        places = sorted([*offsets.to_list(), *(item.offset for item in part.unreadable)])
        bad = sum(item.offset < places[size] for item in part.unreadable)
        cut = size - bad
    batch = part.batch
    head = ReadChunk(batch.slice(0, cut), part.unreadable[:bad])
    return head, ReadChunk(batch.slice(cut, len(batch) - cut), part.unreadable[bad:])
