"""Blocks of whole lines, cut from a stream of bytes.

Lines end with a newline; a byte order mark at the start is no part of the first one. A line
longer than ``LINE_BYTES_MAX`` is handed on as such, without being kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from typing import Protocol

import polars as pl

from meterhouse.connectors.opened import CutOff
from meterhouse.connectors.unpacking import unpacked
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import InputFile, ReadChunk, Unreadable

#: A longer line is not a record, whatever it holds.
LINE_BYTES_MAX = 16 << 20
#: How much of an unreadable record is kept.
RAW_BYTES_MAX = 64 << 10

_FIRST_BYTES = 1 << 20
_BLOCK_BYTES = 8 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of an input; every one, the last too, ends with a newline."""

    data: memoryview
    first_line: int
    line_count: int
    #: Whether the block is the whole input.
    whole: bool = False
    #: Whether the last line had no newline of its own, so that it may have been cut off.
    open_end: bool = False


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line beyond the limit: its number, from 0, and how it begins."""

    number: int
    head: bytes
    #: Whether the input ends before the line does.
    open_end: bool = False


class ByteSource(Protocol):
    """What blocks are cut from."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to ``size`` bytes; none at the end."""
        ...


def text_source(handle: FileIO, *, file: InputFile) -> ByteSource:
    """Return the bytes of a text file, unpacked where it is packed."""
    return unpacked(handle, file=file) or handle


def recoded(source: ByteSource, encoding: str) -> ByteSource:
    """Return a text in UTF-8; a byte order mark is none of its characters in any case."""
    return _Recoded(source) if encoding == "latin-1" else source


class _Recoded:
    """Latin-1 as UTF-8; newlines stay where they are."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if len(self._rest) < size:
            fresh = self._source.read(size - len(self._rest)) or b""
            self._rest += fresh.decode("latin-1").encode()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def blocks(source: ByteSource, *, block_bytes: int | None = None) -> Iterator[Block | LongLine]:
    """Cut a stream into blocks. The first is small, so that small inputs are one block."""
    first_bytes = max(block_bytes or _FIRST_BYTES, len(_BYTE_ORDER_MARK))
    block_bytes = block_bytes or _BLOCK_BYTES
    rest = source.read(first_bytes) or b""
    at_end = len(rest) < first_bytes
    rest = rest.removeprefix(_BYTE_ORDER_MARK)
    line = 0
    first = True
    while True:
        if at_end and not rest:
            return
        open_end = at_end and not rest.endswith(b"\n")
        if open_end:
            rest += b"\n"
        cut = rest.rfind(b"\n") + 1
        if cut:
            data = memoryview(rest)[:cut]
            count = newline_count(data)
            yield Block(data, line, count, whole=first and at_end, open_end=open_end)
            line += count
            rest = rest[cut:]
        elif len(rest) > LINE_BYTES_MAX:
            head = rest[:RAW_BYTES_MAX]
            after = _after_line(source)
            yield LongLine(line, head, open_end=after is None)
            line += 1
            rest = after or b""
        if at_end:
            return
        first = False
        fresh = source.read(block_bytes)
        at_end = not fresh
        rest += fresh or b""


def _after_line(source: ByteSource) -> bytes | None:
    """Skip to the next newline and return what was read beyond it; ``None`` if there is none."""
    while fresh := source.read(_BLOCK_BYTES):
        _, newline, rest = fresh.partition(b"\n")
        if newline:
            return rest
    return None


def byte_series(data: memoryview) -> pl.Series:
    """View bytes as a column, without copying, so that they can be searched whole."""
    import pyarrow as pa

    array = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def places(mask: pl.Series) -> pl.Series:
    """Return where a mask is true; ``arg_true`` is ten times slower where much is."""
    return _counting(len(mask)).filter(mask)


@lru_cache(maxsize=4)
def _count_to(length: int) -> pl.Series:
    return pl.int_range(length, dtype=pl.UInt32, eager=True)


def _counting(length: int) -> pl.Series:
    # Rounded up, so that blocks of about one size share the numbers.
    return _count_to(-(-length // _BLOCK_BYTES) * _BLOCK_BYTES).slice(0, length)


def is_utf8(data: memoryview) -> bool:
    """Whether bytes are UTF-8."""
    highest = byte_series(data).max()
    if isinstance(highest, int) and highest < 0x80:
        return True
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def lines_of(data: memoryview) -> list[bytes]:
    """Return whole lines, each with its newline."""
    return [line + b"\n" for line in bytes(data).split(b"\n")[:-1]]


def newline_count(data: memoryview) -> int:
    """Return how many newlines there are."""
    if len(data) <= _FIRST_BYTES:
        return bytes(data).count(b"\n")
    return int((byte_series(data) == ord("\n")).sum())


def raw_text(line: bytes) -> str:
    """Return a record's bytes as text to show: capped, what is no UTF-8 replaced."""
    return line.rstrip(b"\r\n")[:RAW_BYTES_MAX].decode("utf-8", errors="replace")


def long_line_chunk(line: LongLine) -> ReadChunk:
    """Return a line beyond the limit as the unreadable record that it is."""
    if line.open_end:
        raise last_line_cut(line.number, f"longer than {LINE_BYTES_MAX >> 20} MiB")
    bad = Unreadable(line.number, raw_text(line.head), f"longer than {LINE_BYTES_MAX >> 20} MiB")
    return ReadChunk(UsageBatch.from_rows([]), [bad])


def last_line_cut(offset: int, detail: str) -> CutOff:
    """Return what is to be raised for a last line that has no newline and is no record."""
    return CutOff(
        f"its last line, {offset + 1}, has no newline and is no record: {detail}",
        hint="it was cut off on its way: fetch it again, "
        "or end that line with a newline if it is complete",
    )


def refuse_cut_end(chunk: ReadChunk) -> None:
    """Raise ``CutOff`` where the last of some records, which no newline ends, is unreadable."""
    if not chunk.unreadable:
        return
    last = chunk.unreadable[-1]
    if last.offset > last_offset(chunk.batch):
        raise last_line_cut(last.offset, last.detail)


def last_offset(batch: UsageBatch) -> int:
    """Return the offset of the last record, -1 where there is none."""
    return batch.slice(len(batch) - 1, 1).origins()[0][1] if len(batch) else -1
