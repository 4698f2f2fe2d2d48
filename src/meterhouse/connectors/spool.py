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
from meterhouse.streams.file_columns import FileColumn
from meterhouse.streams.ports import OutputError

SPOOL = "spool"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_BUFFER_BYTES = 1 << 20
#: All that the files of one spool may be called.
_SUFFIXES = (
    *("ndjson.part", "part", "plain.part"),
    *("ndjson", "ndjson.gz", "csv", "csv.gz", "parquet", "avro"),
)


class SpoolFolder:
    """The spools under one data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def open(self, run_id: str, node_id: str, *, part: int | None = None) -> FileSpool:
        """Return an empty spool for one writer of one run, or for one of its many files."""
        stem = f"{SPOOL}/{safe_name(run_id)}/{safe_name(node_id)}"
        # A safe name has no dot: no other node has a spool of that name.
        return FileSpool(self._data, stem if part is None else f"{stem}.{part}", many=bool(part))

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
    """Output of one file writer of one run; of ``many``, none is held open between two writes."""

    def __init__(self, data: Path, stem: str, *, many: bool = False) -> None:
        self._data = data
        self._stem = stem
        self._many = many
        self._part = data / f"{stem}.ndjson.part"
        with writing(self._part):
            make_folder(self._part.parent)
            self._file: BinaryIO = self._part.open("wb", buffering=_BUFFER_BYTES)
            self._rest()

    def _rest(self) -> None:
        if self._many:
            self._file.close()

    def _wake(self) -> None:
        if self._file.closed:
            self._file = self._part.open("ab", buffering=_BUFFER_BYTES)

    def write(self, records: Sequence[Record]) -> None:
        """Append records."""
        with writing(self._part):
            self._wake()
            self._file.writelines(json_text(record).encode() + b"\n" for record in records)
            self._rest()

    def finish(
        self,
        *,
        format: str,
        gzip: bool = False,
        formula_safe: bool = False,
        bytes_max: int | None = None,
        columns: Sequence[FileColumn] = (),
    ) -> str:
        """Bring the output into its format, make it durable and return its spool name.

        ``columns``: it has these, in this order. ``OutputError`` where it has more than
        ``bytes_max``.
        """
        name = f"{self._stem}.{format}{'.gz' if gzip else ''}"
        target = self._data / name
        with writing(target):
            self._wake()
            self._file.flush()
            if format == "ndjson" and not gzip:
                os.fsync(self._file.fileno())
                self._file.close()
                self._part.rename(target)
            else:
                self._file.close()
                self._convert(target, format, gzip=gzip, formula_safe=formula_safe, columns=columns)
                self._part.unlink()
            sync_folder(target.parent)
            _check_size(name, target.stat().st_size, bytes_max)
        return name

    def discard(self) -> None:
        """Forget the output: the run failed."""
        with writing(self._part):
            try:
                self._file.close()
            except OSError:
                pass  # a full disk refuses the last bytes, which nobody wants any more
            for suffix in _SUFFIXES:
                (self._data / f"{self._stem}.{suffix}").unlink(missing_ok=True)
            remove_if_empty(self._part.parent)

    def _convert(
        self,
        target: Path,
        format: str,
        *,
        gzip: bool,
        formula_safe: bool,
        columns: Sequence[FileColumn],
    ) -> None:
        from meterhouse.connectors.export import EXPORTS, packed, to_csv

        if format not in EXPORTS:
            *others, last = EXPORTS
            hint = f"use {', '.join(others)} or {last}"
            raise OutputError(f"there is no output format {format!r}", hint=hint)
        part = self._data / f"{self._stem}.part"
        plain = self._data / f"{self._stem}.plain.part" if gzip else part
        if columns:
            from meterhouse.connectors.column_export import export_columns

            export_columns(
                self._part, plain, format=format, columns=columns, formula_safe=formula_safe
            )
        elif format == "csv":
            to_csv(self._part, plain, formula_safe=formula_safe)
        else:
            EXPORTS[format](self._part, plain)
        if gzip:
            packed(plain, part)
            plain.unlink()
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(target)


def _check_size(name: str, size: int, bytes_max: int | None) -> None:
    if bytes_max is not None and size > bytes_max:
        raise OutputError(
            f"{name} has {size:,} bytes, and its destination takes files of up to {bytes_max:,}",
            hint="name a field in the path of the writer, as {payload.region}, so that each of its "
            "values has a file of its own; or let the writer pack it (.gz, .parquet)",
        )


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
