"""Making a file of a folder where there is none: whole and durable, or not at all.

It is written under a name of its own, made durable, and then linked to its real name, which fails
where there is one: of many writers at once, one makes it. What killed writers leave goes with the
next that makes the same file.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.streams.ports import OutputError

#: How the names of parts end; they begin with a dot.
PART = ".part"
_TRIES = 20


def put_if_absent(target: Path, content: Callable[[], Iterable[bytes]]) -> bool:
    """Make a file; ``False`` where there is one. Raises ``OutputError``.

    ``content`` may be asked for more than once.
    """
    with writing(target):
        make_folder(target.parent)
        made = _made(target, content)
        # Also of a file that another writer has just made, and may not have made durable.
        sync_folder(target.parent)
    return made


def _made(target: Path, content: Callable[[], Iterable[bytes]]) -> bool:
    for _ in range(_TRIES):
        _sweep(target)
        if os.path.lexists(target):
            return False
        # Before a writer has locked its part, another one may take it for a dead one's.
        with suppress(FileNotFoundError):
            return _linked(target, content())
    raise OutputError(f"{target} cannot be made: its folder changes", hint="try again")


def _linked(target: Path, content: Iterable[bytes]) -> bool:
    prefix = f".{target.name}."
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=PART, dir=target.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            # Says that somebody is writing it; a killed process holds no lock.
            fcntl.flock(out, fcntl.LOCK_EX)
            for block in content:
                out.write(block)
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
        if not (left.name.startswith(f".{target.name}.") and left.name.endswith(PART)):
            continue
        with suppress(OSError), left.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
