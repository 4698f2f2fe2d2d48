"""Packed inputs as plain bytes: gzip, bzip2, xz and Zstandard, each within bounds.

A file is unpacked as it is read, so its size costs nothing. One that grows beyond all that usage
ever packs to is refused before it costs time or memory.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Any

from meterhouse.connectors.opened import unreadable
from meterhouse.streams.ports import InputFile

#: So much may come out in any case, and beyond it so many times what went in.
PLAIN_BYTES = 16 << 20
PLAIN_FACTOR = 200
_PACKED_BLOCK_BYTES = 64 << 10
_XZ_MEMORY_BYTES = 128 << 20
#: What the end of the names of packed files is, and how their content begins.
SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\x00", "zstd": b"\x28\xb5\x2f\xfd"}
_MAGIC_BYTES = max(map(len, _MAGIC.values()))
_HINT = "it was cut off or damaged on its way: fetch it again"


def packing(head: bytes) -> str | None:
    r"""Return how bytes are packed that begin so.

    >>> packing(b"\x1f\x8b\x08"), packing(b'{"a":1}')
    ('gzip', None)
    """
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def unpacked(handle: FileIO, *, file: InputFile) -> Unpacked | None:
    """Return the plain bytes of a packed file; ``None`` for one that is not packed."""
    found = packing(handle.read(_MAGIC_BYTES))
    handle.seek(0)
    if found is not None:
        return Unpacked(handle, file, found)
    for suffix, name in SUFFIXES.items():
        if file.path.lower().endswith(suffix):
            hint = f"its name ends in {suffix}: write it anew, or rename it if it is not compressed"
            raise unreadable(file, f"it is not {name}", hint=hint)
    return None


class Unpacked:
    """The plain bytes of a packed file; a damaged or immoderate one is an ``InputError``."""

    def __init__(self, handle: FileIO, file: InputFile, packing: str) -> None:
        self._handle = handle
        self._file = file
        self._packing = packing
        self._stream: Any = _OPENERS[packing](handle)
        self._count = 0

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        try:
            data = self._stream.read(size)
        except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
            detail = f"its {self._packing} data is damaged ({error})"
            raise unreadable(self._file, detail, hint=_HINT) from error
        self._count += len(data)
        if self._count > PLAIN_BYTES + PLAIN_FACTOR * self._handle.tell():
            detail = f"its {self._packing} data grows more than {PLAIN_FACTOR} times"
            raise unreadable(self._file, detail, hint="unpack it yourself if that is right")
        return data


class _Stepwise:
    """Reads through a decompressor of the standard library, a bounded piece at a time."""

    def __init__(self, handle: FileIO, make: Callable[[], Any]) -> None:
        self._handle = handle
        self._make = make
        self._pieces = self._unpack()
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def _unpack(self) -> Iterator[bytes]:
        packed = self._handle.read(_PACKED_BLOCK_BYTES)
        while packed:
            machine = self._make()
            while not machine.eof:
                if machine.needs_input and not packed:
                    packed = self._handle.read(_PACKED_BLOCK_BYTES)
                    if not packed:
                        raise EOFError("it ends before its time")
                data, packed = machine.decompress(packed, 1 << 20), b""
                if data:
                    yield data
            # Several streams may stand one behind another.
            packed = machine.unused_data or self._handle.read(_PACKED_BLOCK_BYTES)
            packed = packed.lstrip(b"\0")


class _Lent:
    """A file that can be read, and stays open."""

    closed = False

    def __init__(self, handle: FileIO) -> None:
        self._handle = handle

    def read(self, size: int = -1) -> bytes:
        return self._handle.read(size) or b""

    def close(self) -> None:
        """Do nothing."""


class _Zstandard:
    """Reads through Arrow, which gives less than asked for at the ends of frames."""

    def __init__(self, handle: FileIO) -> None:
        import pyarrow as pa

        # Arrow closes what it reads from; the file is not ours to close.
        self._stream = pa.CompressedInputStream(pa.PythonFile(_Lent(handle), mode="r"), "zstd")

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing and (data := self._stream.read(missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)


_OPENERS: dict[str, Callable[[FileIO], Any]] = {
    "gzip": lambda handle: gzip.GzipFile(fileobj=handle, mode="rb"),
    "bzip2": lambda handle: _Stepwise(handle, bz2.BZ2Decompressor),
    "xz": lambda handle: _Stepwise(
        handle, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)
    ),
    "zstd": _Zstandard,
}
