"""Making files durable, and the one wording of what can go wrong while writing them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meterhouse.streams.ports import OutputError

_REMEDIES = {
    errno.ENOSPC: "free some space on that disk; nothing is lost",
    errno.EDQUOT: "free some space or raise the quota; nothing is lost",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f); nothing is lost",
    errno.EACCES: "give this user the right to write there",
    errno.EPERM: "give this user the right to write there",
    errno.EROFS: "the disk is read-only: mount it for writing or use another path",
    errno.ENOTDIR: "a part of the path is a file: use another path",
    errno.EEXIST: "a part of the path is a file: use another path",
    errno.EISDIR: "it is a folder: add a file name to the path",
    errno.ENAMETOOLONG: "use a shorter name",
}


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Turn what the operating system refuses while ``path`` is written into ``OutputError``."""
    try:
        yield
    except OSError as error:
        detail = error.strerror or str(error)
        hint = _REMEDIES.get(error.errno or 0, "mend the storage and deliver again")
        raise OutputError(f"{path} cannot be written: {detail}", hint=hint) from error


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, durably."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
