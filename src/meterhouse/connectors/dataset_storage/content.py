"""What both storages share: names, contents in blocks, and what is said of those that differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from meterhouse.app.datasets.ports import DatasetStorageConflict, DatasetStorageFault
from meterhouse.connectors.relative_name import NAME_HINT, is_relative_name
from meterhouse.core.problem import NotFoundError

_BLOCK_BYTES = 1 << 20


def checked(name: str) -> str:
    """Return a name that can be used as it is. Raises ``DatasetStorageFault`` for any other."""
    if not is_relative_name(name):
        raise DatasetStorageFault(f"{name!r} is no name of a file in a storage", hint=NAME_HINT)
    return name


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file. Raises ``DatasetStorageFault``."""
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK_BYTES):
                yield block
    except FileNotFoundError as error:
        raise missing(str(path)) from error
    except OSError as error:
        hint = "look whether it is there, and may be read"
        detail = error.strerror or str(error)
        raise DatasetStorageFault(f"{path} cannot be read: {detail}", hint=hint) from error


def digest(content: Iterable[bytes]) -> str:
    """Return the SHA-256 of a content."""
    made = hashlib.sha256()
    for block in content:
        made.update(block)
    return made.hexdigest()


def differs(place: str) -> DatasetStorageConflict:
    """Return the error of a file that is there, and is another one."""
    hint = "files of datasets never change: give the new one an hour of its own"
    return DatasetStorageConflict(f"{place} is there already, with another content", hint=hint)


def missing(place: str) -> NotFoundError:
    """Return the error of a file that is not there."""
    hint = "`meterhouse dataset files` shows those of the catalogue"
    return NotFoundError(f"There is no file {place}", hint=hint)
