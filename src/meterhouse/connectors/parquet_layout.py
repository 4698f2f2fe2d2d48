"""What a Parquet file says about itself, checked before anyone believes it.

The decoder sets aside memory for as many values and bytes as the file announces, and ends the whole
process where there is not so much. So the footer and the head of every page are read here, in the
compact encoding that they have (Thrift's), and must fit the file and one another. Nothing of the
data is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FOOTER_BYTES = 8
_FOOTER_BYTES_MAX = 256 << 20
_HEAD_BYTES = 1 << 10
_HEAD_BYTES_MAX = 1 << 20
_DEEP_MAX = 32
#: A page may become so large, and a file have so many values, in any case; beyond that, so many
#: times what they take in the file. Usage packs well, but not like that.
_PAGE_BYTES = 64 << 20
_PAGE_FACTOR = 200
_VALUES = 10_000_000
_VALUES_FACTOR = 1_000
_VALUES_MAX = 2**31 - 1
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3


class ParquetFault(Exception):
    """What is wrong with the layout of a file."""


def check_layout(handle: int, size: int) -> None:
    """Check the footer and the pages of a file that is open. Raises ``ParquetFault``."""
    end = _checked_footer(handle, size)
    try:
        footer = _Compact(os.pread(handle, size - _FOOTER_BYTES - end, end)).struct()
        groups = _structs(footer, 4)
        rows = [_number(group, 3) for group in groups]
        if sum(rows) != _number(footer, 3):
            raise ParquetFault("its row groups have not as many records as it says")
        for group, count in zip(groups, rows, strict=True):
            for column in _structs(group, 1):
                _check_chunk(handle, _chunk(column, end), count)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ParquetFault("its footer or a page is damaged") from error


def _checked_footer(handle: int, size: int) -> int:
    """Return where the footer begins."""
    length = int.from_bytes(os.pread(handle, 4, size - _FOOTER_BYTES), "little")
    end = size - _FOOTER_BYTES - length
    if length > _FOOTER_BYTES_MAX or end < 4:
        raise ParquetFault(f"its footer says that it has {length:,} bytes")
    return end


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A column of a row group: where its pages are, and how many values they have."""

    start: int
    end: int
    values: int
    nested: bool


def _chunk(column: Mapping[int, Any], end: int) -> _Chunk:
    meta = column[3]
    starts = [_number(meta, 9)]
    # Some writers say 0 where there is no dictionary.
    if meta.get(11):
        starts.append(_number(meta, 11))
    start, length, values = min(starts), _number(meta, 7), _number(meta, 5)
    if start < 4 or start + length > end:
        raise ParquetFault("a column lies outside of the file")
    if values > min(_VALUES + _VALUES_FACTOR * length, _VALUES_MAX):
        raise ParquetFault(f"a column of {length:,} bytes says that it has {values:,} values")
    return _Chunk(start, start + length, values, nested=len(meta[3]) > 1)


def _check_chunk(handle: int, chunk: _Chunk, rows: int) -> None:
    if chunk.values != rows and not chunk.nested:
        raise ParquetFault("a column has not as many values as there are records")
    at, left = chunk.start, chunk.values
    while left > 0:
        if at >= chunk.end:
            raise ParquetFault("a column has fewer values than it says")
        head, size = _page_head(handle, at)
        packed, plain = _number(head, 3), _number(head, 2)
        at += size + packed
        if at > chunk.end:
            raise ParquetFault("a page lies outside of its column")
        if plain > max(_PAGE_BYTES, _PAGE_FACTOR * packed):
            raise ParquetFault(f"a page of {packed:,} bytes grows to {plain:,}")
        left -= _values(head, plain, left)


def _values(head: Mapping[int, Any], plain: int, left: int) -> int:
    """Return how many values of the column a page has."""
    kind = head[1]
    if kind == _DICTIONARY:
        # Each entry takes a byte at least, but for the one of an empty value without a length.
        if _number(head[7], 1) > plain + 1:
            raise ParquetFault("a dictionary has more entries than bytes")
        return 0
    if kind not in (_DATA, _DATA_V2):
        return 0
    data = head[5 if kind == _DATA else 8]
    count = _number(data, 1)
    if count > left:
        raise ParquetFault("a page has more values than its column")
    if kind == _DATA_V2:
        levels = _number(data, 5) + _number(data, 6)
        if levels > plain or _number(data, 2) > count or _number(data, 3) > count:
            raise ParquetFault("the head of a page contradicts itself")
    return count


def _page_head(handle: int, at: int) -> tuple[Mapping[int, Any], int]:
    """Return the head of a page, and its size; it has no length of its own."""
    size = _HEAD_BYTES
    while True:
        data = os.pread(handle, size, at)
        compact = _Compact(data)
        try:
            return compact.struct(), compact.at
        except IndexError:
            if len(data) < size or size >= _HEAD_BYTES_MAX:
                raise
            size *= 8


def _number(fields: Mapping[int, Any], place: int) -> int:
    value = fields[place]
    if type(value) is not int or value < 0:
        raise ParquetFault(f"a number in it is {value!r}")
    return value


def _structs(fields: Mapping[int, Any], place: int) -> list[dict[int, Any]]:
    found = fields[place]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ParquetFault("its footer is damaged")
    return found


class _Compact:
    """Reads Thrift's compact encoding into numbers, bytes, lists, and fields by their ids."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, deep: int = 0) -> dict[int, Any]:
        """Read a struct. Raises ``IndexError`` where data ends, ``ValueError`` for damage."""
        if deep > _DEEP_MAX:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        last = 0
        while head := self._byte():
            step, kind = head >> 4, head & 0x0F
            last = last + step if step else self._zigzag()
            fields[last] = kind == 1 if kind in (1, 2) else self._value(kind, deep)
        return fields

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 63:
                raise ValueError("a number beyond 64 bits")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _bytes(self, size: int) -> bytes:
        data = self._data[self.at : self.at + size]
        if len(data) < size:
            raise IndexError("cut off")
        self.at += size
        return data

    def _value(self, kind: int, deep: int) -> Any:
        match kind:
            case 1 | 2:
                return self._byte() == 1  # within a list
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:
                return self._list(deep)
            case 12:
                return self.struct(deep + 1)
        raise ValueError(f"no type {kind}")

    def _list(self, deep: int) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 0x0F
        count = self._varint() if count == 15 else count
        # Each item takes a byte at least.
        if count > len(self._data) - self.at:
            raise IndexError("cut off")
        return [self._value(kind, deep + 1) for _ in range(count)]
