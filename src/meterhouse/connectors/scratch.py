"""Temporary files under the data directory: they go when they are done with, whatever happens.

Each is locked while its process lives; what is not locked was left by one that was killed, and the
next that opens a file here removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from meterhouse.connectors.durable import writing
from meterhouse.streams.ports import OutputError

SCRATCH = "scratch"
_FOLDER = ".folder"
#: So much room is left on the disk for the ledger.
_FREE_BYTES_MIN = 64 << 20


class TooLong(Exception):
    """More came than was announced."""


class Scratch:
    """The temporary files of a data directory; without one, they lie where the system has them."""

    def __init__(self, data: Path | None) -> None:
        self._folder = None if data is None else data / SCRATCH

    @contextmanager
    def filled(self, content: Iterable[bytes], *, size_max: int, size: int = 0) -> Iterator[FileIO]:
        """Hold some content in a file that is open for reading, and is gone afterwards.

        ``size`` is what is known to come. Raises ``TooLong`` beyond ``size_max`` bytes, and
        ``OutputError`` where the disk has no room.
        """
        folder = self._folder or Path(tempfile.gettempdir())
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        if free < size + _FREE_BYTES_MIN:
            hint = "free some space on that disk; nothing is lost"
            raise OutputError(f"{folder} has no room for {size:,} more bytes", hint=hint)
        if self._folder is not None:
            sweep(self._folder)
        handle, name = _locked_file(folder)
        path = Path(name)
        try:
            _write(handle, content, path, size_max)
            with FileIO(path, "r") as reading:
                yield reading
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a folder for files that are being made; it goes afterwards, with all in it."""
        top = self._folder or Path(tempfile.gettempdir())
        with writing(top):
            top.mkdir(parents=True, exist_ok=True)
        if self._folder is not None:
            sweep(self._folder)
        # The folder lives as long as its locked file.
        handle, name = _locked_file(top)
        path = Path(name).with_suffix(_FOLDER)
        try:
            with writing(path):
                path.mkdir()
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            Path(name).unlink(missing_ok=True)
            os.close(handle)


def _locked_file(folder: Path) -> tuple[int, str]:
    while True:
        handle, name = tempfile.mkstemp(prefix="meterhouse-", suffix=".part", dir=folder)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A sweep may have come between making and locking it.
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)


def _write(handle: int, content: Iterable[bytes], path: Path, size_max: int) -> None:
    written = 0
    for block in content:
        written += len(block)
        if written > size_max:
            raise TooLong
        with writing(path):
            view = memoryview(block)
            while view:
                view = view[os.write(handle, view) :]


def sweep(folder: Path) -> None:
    """Remove what killed processes left."""
    for path in folder.glob("*.part"):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(_FOLDER), ignore_errors=True)
            path.unlink(missing_ok=True)
        except OSError:
            pass  # It is in use.
        finally:
            os.close(handle)
