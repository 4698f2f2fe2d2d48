"""NDJSON inputs: rows for small ones, columns out of parallel blocks for the others."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import ROWS_MAX
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.lines import (
    Block,
    ByteSource,
    LongLine,
    blocks,
    lines_of,
    long_line_chunk,
    raw_text,
    refuse_cut_end,
)
from meterhouse.connectors.ndjson.exact import exact_chunk, read_record
from meterhouse.connectors.ordered import ordered_map
from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import ReadChunk

_BLANKS = b" \t\r\n"
_HEAD_BYTES = 4 << 10


def read_ndjson(
    stream: ByteSource, asked: Asked, *, block_bytes: int | None = None
) -> Iterator[ReadChunk]:
    """Yield the records of an NDJSON input in parts of any size. Offsets are line numbers - 1."""
    pieces = blocks(stream, block_bytes=block_bytes)
    first = next(pieces, None)
    if first is None:
        return
    if isinstance(first, Block) and first.whole and first.line_count < ROWS_MAX:
        lines = lines_of(first.data)
        chunk = exact_chunk(lines, range(first.line_count), source=asked.source)
        yield _typed(chunk, first, asked)
        return
    from meterhouse.connectors.ndjson.block import read_block
    from meterhouse.connectors.ndjson.shape import Shape

    shape = Shape()

    def read(piece: Block | LongLine) -> ReadChunk:
        if isinstance(piece, LongLine):
            return long_line_chunk(piece)
        if _is_blank(piece.data):
            return ReadChunk(UsageBatch.from_rows([]))  # Blank lines cost nothing.
        return _typed(read_block(piece, asked, shape=shape), piece, asked)

    yield from ordered_map(read, chain([first], pieces))


def _is_blank(data: memoryview) -> bool:
    """Whether there are blanks only: what is no such block is seen by how it begins."""
    begins = not bytes(data[:_HEAD_BYTES]).strip(_BLANKS)
    return begins and not bytes(data).strip(_BLANKS)


def _typed(chunk: ReadChunk, block: Block, asked: Asked) -> ReadChunk:
    if block.open_end:
        refuse_cut_end(chunk)
    lines: list[bytes] = []

    def written(offset: int) -> tuple[str, Record]:
        if not lines:
            lines.extend(lines_of(block.data))
        line = lines[offset - block.first_line]
        return raw_text(line), read_record(line)

    return typed_chunk(chunk, asked.declared, written=written)
