"""An archive in a folder of this machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from meterhouse.app.billing.archive_ports import ArchiveConflict, ArchiveFault
from meterhouse.connectors.archive_store.name import checked
from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.streams.ports import OutputError

_PART = ".part"
_TRIES = 20


class FolderArchive:
    """Files below a folder. See ``ArchiveStore``.

    A file is written under a name of its own, made durable, and then linked to its real name,
    which fails where there is one: of many writers at once, one makes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> bool:
        """Keep a file; ``False`` where the same one is there already."""
        target = self._folder / checked(name)
        try:
            with writing(target):
                make_folder(target.parent)
                made = self._made(target, content)
                # Also of a file that another writer has just made, and may not have made durable.
                sync_folder(target.parent)
        except OutputError as error:
            raise ArchiveFault(error.args[0], hint=error.hint) from error
        if not made and self.get(name) != content:
            hint = "files of issued invoices never change: look who has put it there"
            raise ArchiveConflict(f"{target} is there already, with another content", hint=hint)
        return made

    def get(self, name: str) -> bytes | None:
        """Return the content of a file; ``None`` where there is none."""
        path = self._folder / checked(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            hint = "look whether the folder is there, and may be read"
            raise ArchiveFault(f"{path} cannot be read: {error.strerror}", hint=hint) from error

    def _made(self, target: Path, content: bytes) -> bool:
        for _ in range(_TRIES):
            _sweep(target)
            if os.path.lexists(target):
                return False
            # Before a writer has locked its part, another one may take it for a dead one's.
            with suppress(FileNotFoundError):
                return self._linked(target, content)
        raise ArchiveFault(f"{target} cannot be made: its folder changes", hint="try again")

    def _linked(self, target: Path, content: bytes) -> bool:
        prefix = f".{target.name}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=_PART, dir=target.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                # Says that somebody is writing it; a killed process holds no lock.
                fcntl.flock(out, fcntl.LOCK_EX)
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
                try:
                    os.link(part, target)
                except FileExistsError:
                    return False
        finally:
            part.unlink(missing_ok=True)
        return True


def _sweep(target: Path) -> None:
    """Remove what killed writers of a file have left."""
    for left in target.parent.iterdir():
        if not (left.name.startswith(f".{target.name}.") and left.name.endswith(_PART)):
            continue
        with suppress(OSError), left.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
