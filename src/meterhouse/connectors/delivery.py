"""Delivery: a spooled file appears at its destination whole, once, or not at all."""

from __future__ import annotations

import fcntl
import filecmp
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.connectors.folders import ALL_FOLDERS, AllowedFolders
from meterhouse.connectors.spool import SPOOL, SpoolFolder, copy_bytes
from meterhouse.streams.ports import OutputError
from meterhouse.streams.storage import LOCAL, Storage, is_remote

if TYPE_CHECKING:
    from meterhouse.connectors.remote import RemotePlaces

LOCK = ".delivery.lock"
#: How long to wait for another process that delivers, and how often to look.
_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.05


class FileDelivery:
    """Brings spooled files to where they belong; ``home`` is what ``~`` stands for.

    ``places`` opens what lies elsewhere.

    May be repeated after a crash at any point, and by two processes at the same time.
    """

    def __init__(
        self,
        data: Path,
        *,
        home: Path | None = None,
        folders: AllowedFolders = ALL_FOLDERS,
        places: RemotePlaces | None = None,
    ) -> None:
        self._data = data
        self._home = home
        self._folders = folders
        self._places = places

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other processes from delivering; ``False`` where one does and does not end."""
        path = self._data / SPOOL / LOCK
        with writing(path):
            make_folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Closing the file gives the lock back, also when the process is killed.
            yield _locked(handle)
        finally:
            os.close(handle)

    def spooled(self) -> list[str]:
        """Return the names of all spooled files."""
        return SpoolFolder(self._data).names()

    def sweep(
        self, spooled: Collection[str], *, known: Collection[str], live_runs: Collection[str]
    ) -> None:
        """Remove spooled files, except the known ones and those of live runs."""
        SpoolFolder(self._data).sweep(known, live_runs=live_runs, among=spooled)

    def deliver(self, spool_name: str, destination: str, *, storage: Storage = LOCAL) -> Path | str:
        """Put a spooled file at its destination and return the path, or the URI.

        It stays in the spool, so that this can be repeated until the ledger knows of it; then
        ``sweep`` removes it. A destination that has the same content already counts as delivered;
        one that has other content, or cannot be written, raises ``OutputError``, and one that
        streams may not write, ``FileRefused``.
        """
        if is_remote(destination):
            return self._deliver_elsewhere(spool_name, destination, storage)
        self._folders.check(destination)
        target = self._target(destination)
        source = self._source(spool_name)
        with writing(target):
            try:
                _place(source, target, spool_name)
            except FileNotFoundError:
                # It is gone: another process has delivered it, noted that and swept the spool.
                if source.exists():
                    raise
                if not target.exists():
                    raise _gone(source) from None
        return target

    def _deliver_elsewhere(self, spool_name: str, destination: str, storage: Storage) -> str:
        from meterhouse.connectors.remote.files import exists, put

        source = self._source(spool_name)
        if source.exists():
            with writing(source):
                put(self._places, source, destination, storage)
        elif not exists(self._places, destination, storage):
            raise _gone(source)
        return destination

    def _target(self, destination: str) -> Path:
        if self._home is not None and destination.startswith("~/"):
            return self._home / destination[2:]
        return Path(destination).absolute()

    def _source(self, spool_name: str) -> Path:
        parts = PurePosixPath(spool_name).parts
        if parts[:1] != (SPOOL,) or ".." in parts:
            raise OutputError(f"{spool_name!r} is not the name of a spooled file")
        return self._data.joinpath(*parts)


def _gone(source: Path) -> OutputError:
    hint = "the data directory was changed by hand: run the stream again"
    return OutputError(f"{source} is gone before it was delivered", hint=hint)


def _locked(handle: int) -> bool:
    """Lock a file; wait a little where another process has locked it."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_SECONDS)
        except OSError:
            # A file system without locks. Two deliveries at once do no harm: see `_place`.
            return True
        else:
            return True


def _place(source: Path, target: Path, spool_name: str) -> None:
    source.stat()  # Nothing is made at the destination for a file that is gone.
    if os.path.lexists(target):
        _expect_same(source, target)
        sync_folder(target.parent)
        return
    make_folder(target.parent)
    # What a crash left of this file goes. Its attempts have names of their own: one may be the
    # target already, and must never be opened again.
    token = hashlib.sha256(spool_name.encode()).hexdigest()[:16]
    for left in target.parent.glob(f".meterhouse-{token}-*.part"):
        left.unlink(missing_ok=True)
    token_now = secrets.token_hex(4)  # house: allow clock (names a temporary file, soon gone)
    unique = f"{os.getpid()}-{token_now}"
    part = target.with_name(f".meterhouse-{token}-{unique}.part")
    try:
        copy_bytes(source, part)
        publish(part, target)
    except FileExistsError:
        _expect_same(source, target)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)


def publish(part: Path, target: Path) -> None:
    """Give a complete file its name, unless another file has taken it meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the last look before is all there is
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        part.rename(target)


def _expect_same(source: Path, target: Path) -> None:
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    hint = "move it away, or put {run} in the path of the writer"
    raise OutputError(f"{target} exists already and is not the output of this run", hint=hint)
