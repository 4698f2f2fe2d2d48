"""The logs of components as files of this machine: ``<OB>/<groot|gateway|atria>/...``.

Decides what is a log and how it is packed (gzip or zip, by its content), and not what it says.
Hidden files, and those that are still being written (``.tmp``, ``.part``), are none.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from meterhouse.app.aura.ports import LOG_KINDS, LogFault, LogFile
from meterhouse.core.country import is_country

_UNFINISHED = (".tmp", ".part")
_READABLE = "see that it is whole, and that this user may read it"
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


class LogFiles:
    """Logs below a folder. See ``app.aura.ports.LogFolder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
        found = [
            self._log_file(ob, kind, path)
            for kind in LOG_KINDS
            for path in _walk(self._folder / ob / kind)
        ]
        return sorted(found, key=lambda file: file.name)

    def _log_file(self, ob: str, kind: str, path: Path) -> LogFile:
        try:
            stat = path.stat()
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

    @contextmanager
    def lines(self, name: str) -> Iterator[Iterator[str]]:
        """Open a file as lines; those of several packed files follow each other."""
        path = self._folder / name
        with ExitStack() as stack:
            try:
                handles = _unpacked(stack.enter_context(path.open("rb")), stack)
            except _BROKEN as error:
                raise _fault(path, error) from error
            yield _lines(path, handles)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and not name.endswith(_UNFINISHED):
                yield Path(place, name)


def _unpacked(handle: IO[bytes], stack: ExitStack) -> list[IO[bytes]]:
    begin = handle.read(4)
    handle.seek(0)
    if begin[:2] == _GZIP:
        unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=handle))
        return [stack.enter_context(unpacked)]
    if begin == _ZIP:
        archive = stack.enter_context(zipfile.ZipFile(handle))
        members = [one for one in archive.infolist() if not one.is_dir()]
        return [stack.enter_context(archive.open(member)) for member in members]
    return [handle]


def _lines(path: Path, handles: list[IO[bytes]]) -> Iterator[str]:
    """Yield lines with their ends; bytes that are no UTF-8 become half pairs."""
    try:
        for handle in handles:
            text = io.TextIOWrapper(handle, "utf-8", errors="surrogateescape", newline="")
            yield from text
            text.detach()
    except _BROKEN as error:
        raise _fault(path, error, hint="it may be cut short: put it there anew") from error


def _fault(path: Path, error: Exception, *, hint: str = _READABLE) -> LogFault:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return LogFault(f"{path} cannot be read: {reason}", hint=hint)
