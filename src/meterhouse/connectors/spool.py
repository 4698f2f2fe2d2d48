"""The spool: what file writers wrote, kept under the data directory until it is delivered.

Records are appended as NDJSON while the run computes; ``finish`` brings them into the format
that was asked for and makes them durable, before the run commits.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.core.json_text import Record, json_text
from meterhouse.streams.ports import OutputError

SPOOL = "spool"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_BUFFER_BYTES = 1 << 20


class SpoolFolder:
    """The spools under one data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def open(self, run_id: str, node_id: str) -> FileSpool:
        """Return an empty spool for one writer of one run."""
        return FileSpool(self._data, f"{SPOOL}/{safe_name(run_id)}/{safe_name(node_id)}")

    def names(self) -> list[str]:
        """Return the names of all files that are there, finished or not."""
        paths = (self._data / SPOOL).glob("*/*")
        return sorted(path.relative_to(self._data).as_posix() for path in paths)

    def sweep(
        self,
        known_names: Collection[str],
        *,
        live_runs: Collection[str] = (),
        among: Collection[str] | None = None,
    ) -> list[str]:
        """Remove the files that no outbox row names and no live run is writing.

        ``among`` are the names that were there before anybody looked what is known and live: a
        run that began since then is not touched. Returns the names of what was removed.
        """
        live = {safe_name(run) for run in live_runs}
        removed = []
        for name in self.names() if among is None else among:
            path = self._data / name
            if name in known_names or path.parent.name in live:
                continue
            with writing(path):
                path.unlink(missing_ok=True)
            remove_if_empty(path.parent)
            removed.append(name)
        return removed


def safe_name(name: str) -> str:
    """Return a name that is one part of a path, whatever an imported stream calls its nodes.

    >>> safe_name("node-1"), len(safe_name("../node"))
    ('node-1', 32)
    """
    if _NAME.fullmatch(name):
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class FileSpool:
    """Output of one file writer of one run."""

    def __init__(self, data: Path, stem: str) -> None:
        self._data = data
        self._stem = stem
        self._part = data / f"{stem}.ndjson.part"
        with writing(self._part):
            make_folder(self._part.parent)
            self._file: BinaryIO = self._part.open("wb", buffering=_BUFFER_BYTES)

    def write(self, records: Sequence[Record]) -> None:
        """Append records."""
        with writing(self._part):
            self._file.writelines(json_text(record).encode() + b"\n" for record in records)

    def finish(self, *, format: str) -> str:
        """Bring the output into its format, make it durable and return its spool name."""
        name = f"{self._stem}.{format}"
        target = self._data / name
        with writing(target):
            self._file.flush()
            if format == "ndjson":
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.rename(target)
            else:
                self._file.close()
                self._convert(target, format)
                self._part.unlink()
            sync_folder(target.parent)
        return name

    def discard(self) -> None:
        """Forget the output: the run failed."""
        with writing(self._part):
            try:
                self._file.close()
            except OSError:
                pass  # a full disk refuses the last bytes, which nobody wants any more
            for suffix in ("ndjson.part", "ndjson", "csv", "parquet", "part"):
                (self._data / f"{self._stem}.{suffix}").unlink(missing_ok=True)
            remove_if_empty(self._part.parent)

    def _convert(self, target: Path, format: str) -> None:
        from meterhouse.connectors.export import EXPORTS

        if format not in EXPORTS:
            hint = f"use ndjson, {' or '.join(EXPORTS)}"
            raise OutputError(f"there is no output format {format!r}", hint=hint)
        part = target.with_suffix(".part")
        EXPORTS[format](self._part, part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder unless there is something in it."""
    try:
        folder.rmdir()
    except OSError:
        pass


def copy_bytes(source: Path, target: Path) -> None:
    """Copy a file's content into a new file and make it durable."""
    with source.open("rb") as reading, target.open("xb") as written:
        shutil.copyfileobj(reading, written, _BUFFER_BYTES)
        written.flush()
        os.fsync(written.fileno())
