"""An archive in a folder of this machine."""

from __future__ import annotations

from pathlib import Path

from meterhouse.app.billing.archive_ports import ArchiveConflict, ArchiveFault
from meterhouse.connectors.archive_store.name import checked
from meterhouse.connectors.put_if_absent import put_if_absent
from meterhouse.streams.ports import OutputError


class FolderArchive:
    """Files below a folder. See ``ArchiveStore``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> bool:
        """Keep a file; ``False`` where the same one is there already."""
        target = self._folder / checked(name)
        try:
            made = put_if_absent(target, lambda: [content])
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
