"""What becomes of local files that were read: moved or deleted, never what nobody has read."""

from __future__ import annotations

import filecmp
import os
import secrets
from pathlib import Path

from meterhouse.connectors.delivery import publish
from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.spool import copy_bytes
from meterhouse.streams.file_options import AfterReading
from meterhouse.streams.name_pattern import fixed_prefix, matches
from meterhouse.streams.ports import InputFile, OutputError
from meterhouse.streams.storage import location


def moved_path(file: InputFile, *, pattern: str, move_to: str, home: Path | None = None) -> str:
    """Return where a file is moved to: the same place below ``move_to`` as below the glob's folder.

    >>> file = InputFile("/data/in/2026/a.csv", 1, 1)
    >>> moved_path(file, pattern="/data/in/**/*.csv", move_to="/data/done")
    '/data/done/2026/a.csv'
    """
    where = location(file.path)
    if where is None:
        glob, folder = _absolute(pattern, home), _absolute(move_to, home)
        name = file.path.removeprefix(fixed_prefix(glob))
        target = f"{folder}/{name}"
    else:
        place, there = location(pattern), location(move_to)
        assert place is not None
        glob, folder = place.key, (move_to if there is None else there.key).strip("/")
        target = f"{folder}/{where.key.removeprefix(fixed_prefix(glob))}"
    if matches(glob, target):
        hint = "move files to a folder that path does not name"
        raise unreadable(file, f"it would be moved to {target}, and read again there", hint=hint)
    return target if where is None else where.at(target).uri


def _absolute(path: str, home: Path | None) -> str:
    if home is not None and path.startswith("~/"):
        path = f"{home}/{path[2:]}"
    return os.path.abspath(path)  # noqa: PTH100 (drops "..", keeps links)


def release_local(file: InputFile, action: AfterReading, *, target: str | None) -> None:
    """Move or delete a file; one that is gone is done with. Raises ``OutputError``."""
    source = Path(file.path)
    with writing(source):
        try:
            now = source.stat()
        except FileNotFoundError:
            return
        if (now.st_size, now.st_mtime_ns) != (file.size, file.modified_ns):
            hint = "give new records a file of their own"
            raise OutputError(f"{source} has changed since it was read, and stays", hint=hint)
        if action is AfterReading.MOVE:
            assert target is not None
            _copy(source, Path(target))
        source.unlink()
        sync_folder(source.parent)


def _copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it to another file system; its times stay."""
    with writing(target):
        make_folder(target.parent)
        try:
            os.link(source, target)
        except FileExistsError:
            _expect_same(source, target)
        except OSError:
            token = secrets.token_hex(8)  # house: allow clock (names a temporary file, soon gone)
            part = target.with_name(f".meterhouse-{token}.part")
            try:
                copy_bytes(source, part)
                publish(part, target)
            except FileExistsError:
                _expect_same(source, target)
            finally:
                part.unlink(missing_ok=True)
        sync_folder(target.parent)


def _expect_same(source: Path, target: Path) -> None:
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        hint = "move it away; the next run moves the file that was read"
        raise OutputError(f"{target} is there already, with other content", hint=hint)
