"""Zip archives within limits: how many members they have, and how large these become.

What an archive says about itself is checked, and then every byte that comes out is counted: it may
say anything. A member whose checksum is wrong is damaged.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

from meterhouse.connectors.lines import last_offset
from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.unpacking import PLAIN_BYTES, PLAIN_FACTOR
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.name_pattern import matches
from meterhouse.streams.ports import InputFile, ReadChunk

MEMBERS_MAX = 10_000
#: So much may come out of one archive; what is larger is packed into several.
UNPACKED_BYTES_MAX = 64 << 30
_BLOCK_BYTES = 1 << 20
_ENCRYPTED = 0x1
_HINT = "it was cut off or damaged on its way: fetch it again"
#: What the library raises for archives that are damaged or crafted.
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
)


class Archive:
    """A zip archive that is open. Everything raises ``InputError`` for one that is damaged."""

    def __init__(
        self, handle: IO[bytes], file: InputFile, *, size_max: int = UNPACKED_BYTES_MAX
    ) -> None:
        self._file = file
        self._size = file.size
        with self._faults():
            self._zip = zipfile.ZipFile(handle)
            self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        if len(self._infos) > MEMBERS_MAX:
            detail = f"it has {len(self._infos):,} members, more than {MEMBERS_MAX:,}"
            raise unreadable(file, detail, hint="pack it into several archives")
        self._limit = min(PLAIN_BYTES + PLAIN_FACTOR * self._size, size_max)
        self._count = 0
        self._check(sum(info.file_size for info in self._infos))

    def names(self, pattern: str | None) -> list[str]:
        """Return the members that a glob names, in the order of their names; all without one."""
        names = [info.filename for info in self._infos]
        if len(set(names)) != len(names):
            raise unreadable(self._file, "two members have one name", hint="pack it anew")
        found = sorted(
            name for name in names if matches(pattern or "**", name) and not _is_foreign(name)
        )
        if not found:
            detail = "it has no member" + (f" that matches {pattern}" if pattern else "")
            raise unreadable(self._file, detail, hint=f"its members are {', '.join(names[:5])}")
        return found

    def content(self, name: str) -> Iterator[bytes]:
        """Yield the content of a member."""
        with self.open(name) as member:
            while block := member.read(_BLOCK_BYTES):
                yield block

    @contextmanager
    def open(self, name: str) -> Iterator[Member]:
        """Open a member to be read from its beginning to its end."""
        info = self._zip.getinfo(name)
        if info.flag_bits & _ENCRYPTED:
            raise unreadable(self._file, f"{name!r} is encrypted", hint="pack it anew, unencrypted")
        with self._faults():
            stream = self._zip.open(info)
        with stream:
            yield Member(self, stream)

    def measured(self) -> int:
        """Return how large all members are together, having read them."""
        return sum(len(block) for info in self._infos for block in self.content(info.filename))

    def take(self, stream: Any, size: int) -> bytes:
        """Read from a member, and count."""
        with self._faults():
            data: bytes = stream.read(size)
        self._count += len(data)
        self._check(self._count)
        return data

    def _check(self, unpacked: int) -> None:
        if unpacked > self._limit:
            detail = f"its {self._size:,} bytes grow beyond {self._limit:,} unpacked"
            raise unreadable(self._file, detail, hint="unpack it yourself if that is right")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            detail = f"its zip data is damaged ({str(error)[:200] or type(error).__name__})"
            raise unreadable(self._file, detail, hint=_HINT) from error


def _is_foreign(name: str) -> bool:
    """Whether a member is what some systems put beside the real ones."""
    return name.startswith("__MACOSX/")


class Placing:
    """Puts the records of members behind one another: each record has a place of its own."""

    def __init__(self) -> None:
        self._next = 0

    def placed(self, parts: Iterable[ReadChunk], name: str) -> Iterator[ReadChunk]:
        """Yield parts of one member with their places in the whole; what is bad names it."""
        first = self._next
        for part in parts:
            bad = [
                replace(item, offset=first + item.offset, detail=f"{name}: {item.detail}")
                for item in part.unreadable
            ]
            chunk = ReadChunk(_shifted(part.batch, first), bad)
            ends = [last_offset(chunk.batch), *(item.offset for item in bad[-1:])]
            self._next = max(self._next, 1 + max(ends))
            yield chunk


def _shifted(batch: UsageBatch, by: int) -> UsageBatch:
    if not by or not len(batch):
        return batch
    if not batch.columnar:
        origins = [(source, offset + by) for source, offset in batch.origins()]
        return UsageBatch.from_rows(batch.rows(), origins)
    frame = batch.origin_frame()
    return UsageBatch.from_columns(
        batch.columns(), length=len(batch), source=frame["source"][0], offsets=frame["offset"] + by
    )


class Member:
    """One member, as bytes."""

    def __init__(self, archive: Archive, stream: Any) -> None:
        self._archive = archive
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, fewer only at the end."""
        parts, missing = [], size
        while missing and (data := self._archive.take(self._stream, missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)
