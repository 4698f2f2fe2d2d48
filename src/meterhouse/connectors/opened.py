"""Opening an input file: it must be what was listed, and stay so while it is read.

Everything that the operating system can say about a file becomes one ``InputError`` here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from meterhouse.streams.ports import InputError, InputFile

_REMEDIES: dict[type[OSError], str] = {
    FileNotFoundError: "put it back, or run again without it",
    PermissionError: "give this user the right to read it",
    IsADirectoryError: "name the files in it, such as folder/*.ndjson",
}


class CutOff(Exception):
    """An input seems to end before its time: what its end holds is no record."""

    def __init__(self, detail: str, *, hint: str) -> None:
        super().__init__(detail)
        self.hint = hint


def unreadable(file: InputFile, detail: str, *, hint: str) -> InputError:
    """Return the error of a file that cannot be read as a whole."""
    return InputError(f"{file.path} cannot be read: {detail}", hint=hint)


def os_refusal(file: InputFile, error: OSError) -> InputError:
    """Return the error of a file that the operating system does not hand out."""
    hint = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "")
    detail = error.strerror or str(error) or type(error).__name__
    return unreadable(file, detail, hint=hint or "mend the storage it lies on and run again")


@contextmanager
def opened(file: InputFile) -> Iterator[FileIO]:
    """Open a file for reading; raise ``InputError`` if it is not, or no longer, as listed."""
    try:
        handle = FileIO(file.path, "r")
    except OSError as error:
        raise os_refusal(file, error) from error
    with handle:
        _check(file, os.fstat(handle.fileno()), when="since it was listed")
        yield handle
        try:
            now = Path(file.path).stat()
        except OSError as error:
            raise os_refusal(file, error) from error
        _check(file, now, when="while it was read")


def _check(file: InputFile, now: os.stat_result, *, when: str) -> None:
    if now.st_size == file.size and now.st_mtime_ns == file.modified_ns:
        return
    detail = f"it changed {when} ({file.size:,} bytes then, {now.st_size:,} now)"
    hint = "wait until its writer is done, or let it write elsewhere and move the file in whole"
    raise unreadable(file, detail, hint=hint)
