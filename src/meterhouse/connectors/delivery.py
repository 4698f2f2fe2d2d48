"""Delivery: a spooled file appears at its destination whole, once, or not at all."""

from __future__ import annotations

import filecmp
import hashlib
import os
from pathlib import Path, PurePosixPath

from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.connectors.spool import SPOOL, copy_bytes, remove_if_empty
from meterhouse.streams.ports import OutputError


class FileDelivery:
    """Brings spooled files to where they belong; ``home`` is what ``~`` stands for.

    May be repeated after a crash at any point.
    """

    def __init__(self, data: Path, *, home: Path | None = None) -> None:
        self._data = data
        self._home = home

    def deliver(self, spool_name: str, destination: str) -> Path:
        """Put a spooled file at its destination, remove it from the spool; return the path.

        A destination that has the same content already counts as delivered; one that has other
        content, or cannot be written, raises ``OutputError``, and the spooled file stays.
        """
        target = self._target(destination)
        source = self._source(spool_name)
        with writing(target):
            if source.exists():
                _place(source, target, spool_name)
                source.unlink()
                remove_if_empty(source.parent)
            elif not target.exists():
                hint = "the data directory was changed by hand: run the stream again"
                raise OutputError(f"{source} is gone before it was delivered", hint=hint)
        return target

    def _target(self, destination: str) -> Path:
        if self._home is not None and destination.startswith("~/"):
            return self._home / destination[2:]
        return Path(destination).absolute()

    def _source(self, spool_name: str) -> Path:
        parts = PurePosixPath(spool_name).parts
        if parts[:1] != (SPOOL,) or ".." in parts:
            raise OutputError(f"{spool_name!r} is not the name of a spooled file")
        return self._data.joinpath(*parts)


def _place(source: Path, target: Path, spool_name: str) -> None:
    if os.path.lexists(target):
        _expect_same(source, target)
        return
    make_folder(target.parent)
    # Named after the spooled file, so that what a crash left is overwritten by the next attempt.
    token = hashlib.sha256(spool_name.encode()).hexdigest()[:16]
    part = target.with_name(f".meterhouse-{token}.part")
    try:
        copy_bytes(source, part)
        _publish(part, target)
    except FileExistsError:
        _expect_same(source, target)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)


def _publish(part: Path, target: Path) -> None:
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
