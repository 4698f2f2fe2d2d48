"""The Avro object container: its header and its blocks, checked before anyone decodes them.

The decoders trust what a file says about itself. So the sizes and counts are checked here, and
blocks are unpacked under a cap; what leaves is a small container of unpacked blocks.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
#: A header is a schema and a few words.
_HEADER_BYTES_MAX = 16 << 20
#: No block may be larger. (Some writers make one block of a whole file.)
BLOCK_BYTES_MAX = 1 << 30
#: A packed block may grow to this size in any case, and by this factor: no usage packs better.
_UNPACKED_BYTES = 64 << 20
_UNPACKED_FACTOR = 20
#: Records may take no bytes at all (if all their fields are null); then so many fit in a block.
_EMPTY_RECORDS_MAX = 10_000
_GROUP_BYTES = 1 << 20


class AvroFault(Exception):
    """What is wrong with a container."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a container says."""

    schema: Any
    codec: str
    sync: bytes


@dataclass(frozen=True, slots=True)
class PackedBlock:
    """A block as it lies in the file: how many records, and their bytes."""

    count: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BlockGroup:
    """Some blocks to be decoded together; the first record's number is ``first``."""

    first: int
    blocks: tuple[PackedBlock, ...]

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(block.count for block in self.blocks)


def read_header(stream: BinaryIO) -> Header:
    """Read the header; the stream then stands at the first block."""
    if stream.read(len(MAGIC)) != MAGIC:
        raise AvroFault("it is not an Avro object container")
    meta: dict[bytes, bytes] = {}
    size = 0
    while count := _long(stream):
        if count < 0:
            count, _ = -count, _long(stream)
        for _ in range(count):
            name, value = _sized(stream), _sized(stream)
            size += len(name) + len(value) + 1
            if size > _HEADER_BYTES_MAX:
                raise AvroFault("its header is larger than 16 MiB")
            meta[name] = value
    sync = _exactly(stream, _SYNC_BYTES)
    try:
        schema = json.loads(meta[b"avro.schema"])
        codec = meta.get(b"avro.codec", b"null").decode()
    except (KeyError, ValueError, RecursionError) as error:
        raise AvroFault("its header holds no readable schema") from error
    if codec not in _UNPACKERS:
        raise AvroFault(f"it is packed with {codec!r}; known are {', '.join(_UNPACKERS)}")
    return Header(schema, codec, sync)


def block_groups(stream: BinaryIO, header: Header) -> Iterator[BlockGroup]:
    """Yield the blocks, several small ones together."""
    first = count = size = 0
    held: list[PackedBlock] = []
    while (block := _block(stream, header)) is not None:
        held.append(block)
        count += block.count
        size += len(block.data)
        if size >= _GROUP_BYTES:
            yield BlockGroup(first, tuple(held))
            first, count, size, held = first + count, 0, 0, []
    if held:
        yield BlockGroup(first, tuple(held))


def _block(stream: BinaryIO, header: Header) -> PackedBlock | None:
    start = stream.read(1)
    if not start:
        return None
    count, size = _long(stream, start), _long(stream)
    if count < 0 or not 0 <= size <= BLOCK_BYTES_MAX:
        raise AvroFault(f"a block says that it has {count:,} records in {size:,} bytes")
    data = _exactly(stream, size)
    if _exactly(stream, _SYNC_BYTES) != header.sync:
        raise AvroFault("a block does not end with the sync marker")
    return PackedBlock(count, data)


def unpacked(header: Header, group: BlockGroup) -> bytes:
    """Return a container of the group's blocks, none of them packed."""
    schema = json.dumps(header.schema).encode()
    meta = packed_long(1) + packed_sized(b"avro.schema") + packed_sized(schema) + b"\x00"
    parts = [MAGIC, meta, header.sync]
    for block in group.blocks:
        data = _unpacked_block(header, block)
        parts += [packed_long(block.count), packed_sized(data), header.sync]
    return b"".join(parts)


def _unpacked_block(header: Header, block: PackedBlock) -> bytes:
    limit = min(max(_UNPACKED_BYTES, _UNPACKED_FACTOR * len(block.data)), BLOCK_BYTES_MAX)
    try:
        data = _UNPACKERS[header.codec](block.data, limit + 1)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise AvroFault(f"a block is damaged ({error})") from error
    if len(data) > limit:
        raise AvroFault(f"a block of {len(block.data):,} bytes grows beyond {limit:,} unpacked")
    if block.count > max(len(data), _EMPTY_RECORDS_MAX):
        raise AvroFault(f"a block of {len(data):,} bytes says it has {block.count:,} records")
    return data


def _plain(data: bytes, size_max: int) -> bytes:
    del size_max
    return data


def _inflate(data: bytes, size_max: int) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(data, size_max)


def _bunzip(data: bytes, size_max: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, size_max)


def _unxz(data: bytes, size_max: int) -> bytes:
    return lzma.LZMADecompressor().decompress(data, size_max)


def _unsnap(data: bytes, size_max: int) -> bytes:
    import pyarrow as pa

    body, checksum = data[:-4], data[-4:]
    size = _varint(io.BytesIO(body), b"")
    if len(data) < 5 or size >= size_max:
        raise ValueError(f"it grows to {size:,} bytes unpacked")
    plain = pa.decompress(body, decompressed_size=size, codec="snappy", asbytes=True)
    if zlib.crc32(plain) != int.from_bytes(checksum, "big"):
        raise ValueError("wrong checksum")
    return plain


def _unzstd(data: bytes, size_max: int) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return stream.read(size_max)


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": _plain,
    "deflate": _inflate,
    "snappy": _unsnap,
    "zstandard": _unzstd,
    "bzip2": _bunzip,
    "xz": _unxz,
}


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise AvroFault("it ends in the middle of a block")
    return data


def _sized(stream: BinaryIO) -> bytes:
    size = _long(stream)
    if not 0 <= size <= _HEADER_BYTES_MAX:
        raise AvroFault("its header is damaged")
    return _exactly(stream, size)


def _long(stream: BinaryIO, start: bytes = b"") -> int:
    """Read a zigzag number, whose first byte may have been read already."""
    value = _varint(stream, start)
    return (value >> 1) ^ -(value & 1)


def _varint(stream: BinaryIO, start: bytes) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = (start or _exactly(stream, 1))[0]
        start = b""
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise AvroFault("a number in it is longer than 64 bits")


def packed_long(number: int) -> bytes:
    """Return a number as Avro writes it."""
    value = (number << 1) ^ (number >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def packed_sized(data: bytes) -> bytes:
    """Return bytes as Avro writes them: their number first."""
    return packed_long(len(data)) + data
