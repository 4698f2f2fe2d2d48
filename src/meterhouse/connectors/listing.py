"""Which files a glob names."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path

from meterhouse.connectors.folders import ALL_FOLDERS, AllowedFolders
from meterhouse.streams.ports import InputFile


def listed_files(
    pattern: str, *, home: Path | None = None, folders: AllowedFolders = ALL_FOLDERS
) -> list[InputFile]:
    """Return the regular files that a glob names, by absolute path, sorted.

    ``**`` stands for any folders, ``~/`` for ``home``; hidden files must be named with their
    dot. A name that exists as it is written is that file, whatever brackets it has. Raises
    ``FileRefused`` where the glob, or a file that it finds, leads out of the allowed folders.
    """
    folders.check_pattern(pattern)
    if home is not None and (pattern == "~" or pattern.startswith("~/")):
        pattern = str(home) + pattern[1:]
    # Path.glob would also return hidden files: those that others are still writing.
    names = [pattern] if os.path.lexists(pattern) else glob.glob(pattern, recursive=True)  # noqa: PTH207
    paths = {os.path.abspath(name) for name in names}  # noqa: PTH100 (drops "..", keeps links)
    files = {path: file for path in sorted(paths) if (file := _listed(path)) is not None}
    return [files[path] for path in folders.found(files)]


def _listed(path: str) -> InputFile | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None  # gone since, or a link to nowhere
    if not stat.S_ISREG(found.st_mode):
        return None
    return InputFile(path, found.st_size, found.st_mtime_ns)
