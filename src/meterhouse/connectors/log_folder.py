"""The logs of components as files of this machine: ``<OB>/<groot|gateway|atria>/...``.

Decides what is a log and how it is packed (gzip or zip, by its content), and not what it says.
Hidden files, and those that are still being written (``.tmp``, ``.part``), are none. What a file
becomes when it is unpacked is bounded, and so is what of it is in memory at a time.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from meterhouse.app.aura.ports import LOG_KINDS, IgnoredPlace, LogFault, LogFile, LogPutOff
from meterhouse.connectors.ignored_logs import ignored_places
from meterhouse.core.country import is_country
from meterhouse.datasets.log_rows import LINE_MAX

_UNFINISHED = (".tmp", ".part")
_READABLE = "see that this user may read it: the next upload tries again"
_WHOLE = "it may be cut short: put it there anew"
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


#: So many bytes a log may have when it is unpacked, unless it is said otherwise.
UNPACKED_MAX = 1 << 30
_BLOCK = 1 << 18


class LogFiles:
    """Logs below a folder. See ``app.aura.ports.LogFolder``."""

    def __init__(self, folder: Path, *, unpacked_max: int = UNPACKED_MAX) -> None:
        self._folder, self._unpacked_max = folder, unpacked_max

    def obs(self) -> Sequence[str]:
        """Return the OBs that have a folder: their code in capitals, as names of files have it."""
        try:
            found = [path.name for path in self._folder.iterdir() if path.is_dir()]
        except OSError as error:
            hint = "make it, or name another: it has a folder for each OB, such as ES"
            raise _fault(self._folder, error, hint=hint) from error
        return sorted(name for name in found if is_country(name))

    def files(self, ob: str) -> Sequence[LogFile]:
        """Return the files of an OB by name."""
        found = (
            self._log_file(ob, kind, path)
            for kind in LOG_KINDS
            for path in _walk(self._folder / ob / kind)
        )
        return sorted((file for file in found if file is not None), key=lambda file: file.name)

    def kinds(self, ob: str) -> Sequence[str]:
        """Return the kinds of logs that an OB has a folder for."""
        return [kind for kind in LOG_KINDS if (self._folder / ob / kind).is_dir()]

    def ignored(self, obs: Sequence[str] = ()) -> Sequence[IgnoredPlace]:
        """Return what lies there and is no log, of some OBs or of all."""
        return list(ignored_places(self._folder, obs))

    def _log_file(self, ob: str, kind: str, path: Path) -> LogFile | None:
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(path, error) from error
        name = path.relative_to(self._folder).as_posix()
        return LogFile(ob, kind, name, stat.st_size, stat.st_mtime_ns // 1_000_000 * 1_000)

    def sha256(self, name: str) -> str | None:
        """Return the hash of a file's content; ``None`` where it is gone."""
        path = self._folder / name
        try:
            with path.open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(path, error) from error

    def unpacked_size(self, name: str) -> int:
        """Return how many bytes a file has when it is unpacked, of a broken one so far as it goes.

        ``LogPutOff`` where it has more than are read.
        """
        size = 0
        try:
            with self._blocks(name) as handles:
                for handle in handles:
                    while block := handle.read1(_BLOCK):
                        size += len(block)
        except LogPutOff:
            raise
        except LogFault:
            pass  # It is told when it is uploaded.
        return size

    @contextmanager
    def lines(self, name: str) -> Iterator[Iterator[str]]:
        """Open a file as lines; those of several packed files follow each other."""
        with self._blocks(name) as handles:
            yield _lines(handles)

    @contextmanager
    def _blocks(self, name: str) -> Iterator[Iterator[_Bounded]]:
        """Open what is in a file, packed or not, one after the other."""
        path = self._folder / name
        with ExitStack() as stack:
            try:
                handles = _unpacked(stack.enter_context(path.open("rb")), stack)
            except _BROKEN as error:
                raise _fault(path, error) from error
            room = _Room(path, self._unpacked_max)
            yield (_Bounded(opened, room) for opened in _opened(path, handles))


@dataclass(slots=True)
class _Room:
    """How many bytes of a file may still be read."""

    path: Path
    most: int
    taken: int = 0

    def take(self, count: int) -> None:
        self.taken += count
        if self.taken > self.most:
            shown = f"{self.path} has more than {self.most:,} bytes when it is unpacked"
            hint = "split it into several files, or allow more by --log-limit"
            raise LogPutOff(shown, hint=hint)


class _Bounded(io.BufferedIOBase):
    """What is in a file as bytes, no more of them than there is room for."""

    def __init__(self, handle: IO[bytes], room: _Room) -> None:
        self._handle, self._room = cast("io.BufferedIOBase", handle), room

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read1(self, size: int = -1, /) -> bytes:
        """Read the next bytes, a block at most."""
        try:
            block = self._handle.read1(min(size, _BLOCK) if size > 0 else _BLOCK)
        except _BROKEN as error:
            raise _fault(self._room.path, error) from error
        self._room.take(len(block))
        return block

    read = read1


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.endswith(_UNFINISHED):
                yield Path(place, name)


def _unpacked(handle: IO[bytes], stack: ExitStack) -> Iterator[IO[bytes]]:
    begin = handle.read(4)
    handle.seek(0)
    if begin[:2] == _GZIP:
        return iter([cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=handle)))])
    if begin == _ZIP:
        archive = stack.enter_context(zipfile.ZipFile(handle))
        return _members(archive)
    return iter([handle])


def _members(archive: zipfile.ZipFile) -> Iterator[IO[bytes]]:
    """Open the files of an archive, one after the other: it may have very many."""
    for member in archive.infolist():
        if not member.is_dir():
            with archive.open(member) as handle:
                yield handle


def _opened(path: Path, handles: Iterator[IO[bytes]]) -> Iterator[IO[bytes]]:
    try:
        yield from handles
    except _BROKEN as error:
        raise _fault(path, error) from error


def _lines(handles: Iterable[_Bounded]) -> Iterator[str]:
    """Yield lines with their ends, long ones in pieces; what is no UTF-8 becomes half pairs."""
    for handle in handles:
        text = io.TextIOWrapper(
            cast("IO[bytes]", handle), "utf-8", errors="surrogateescape", newline=""
        )
        while line := text.readline(LINE_MAX):
            yield line
        text.detach()


def _fault(path: Path, error: Exception, *, hint: str | None = None) -> LogFault:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    message = f"{path} cannot be read: {reason}"
    # Broken gzip is an OSError too, but one of the content: it has no number.
    if isinstance(error, OSError) and error.errno is not None:
        return LogPutOff(message, hint=hint or _READABLE)
    return LogFault(message, hint=hint or _WHOLE)
