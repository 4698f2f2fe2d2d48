"""Files of datasets in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meterhouse.app.datasets.ports import DatasetStorageFault, StoredFile
from meterhouse.connectors.dataset_storage.content import (
    blocks,
    checked,
    differs,
    digest,
    missing,
)
from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.connectors.put_if_absent import PART, put_if_absent
from meterhouse.streams.ports import OutputError
from meterhouse.streams.storage import LOCAL, Storage


class FolderStorage:
    """Files below a folder. See ``DatasetStorage``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def storage(self) -> Storage:
        """How ``location`` is reached: as files of this machine are."""
        return LOCAL

    def put(self, name: str, content: Path) -> bool:
        """Keep a file, whole or not at all; ``False`` where the same one is there."""
        target = self._at(name)
        with _faults():
            made = put_if_absent(target, lambda: blocks(content))
        if not made and digest(blocks(target)) != digest(blocks(content)):
            raise differs(str(target))
        return made

    def location(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._at(name))

    def find(self, name: str) -> StoredFile | None:
        """Return a file as it would be listed."""
        path = self._at(name)
        with _reading(path):
            return _stored(name, path) if path.is_file() else None

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file."""
        return blocks(self._at(name))

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give the file itself."""
        path = self._at(name)
        if not path.is_file():
            raise missing(str(path))
        yield path

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the files below a folder by name."""
        top = self._at(prefix.rstrip("/")) if prefix else self._folder
        with _reading(top):
            found = sorted(path for path in top.rglob("*") if path.is_file())
        for path in found:
            if path.name.startswith(".") and path.name.endswith(PART):
                continue
            name = path.relative_to(self._folder).as_posix()
            with _reading(path):
                yield _stored(name, path)

    def move(self, name: str, to: str) -> None:
        """Give a file another name; a second time changes nothing."""
        source, target = self._at(name), self._at(to)
        if not source.is_file():
            if target.is_file():
                return
            raise missing(str(source))
        with _faults(), writing(target):
            make_folder(target.parent)
            try:
                os.link(source, target)
            except FileExistsError:
                if digest(blocks(source)) != digest(blocks(target)):
                    raise differs(str(target)) from None
            sync_folder(target.parent)
            source.unlink(missing_ok=True)
            sync_folder(source.parent)

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone is fine."""
        path = self._at(name)
        with _faults(), writing(path):
            path.unlink(missing_ok=True)

    def _at(self, name: str) -> Path:
        return self._folder / checked(name)


def _stored(name: str, path: Path) -> StoredFile:
    stat = path.stat()
    return StoredFile(name, stat.st_size, stat.st_mtime_ns // 1000)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise DatasetStorageFault(error.args[0], hint=error.hint) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "look whether it is there, and may be read"
        detail = error.strerror or str(error)
        raise DatasetStorageFault(f"{path} cannot be read: {detail}", hint=hint) from error
