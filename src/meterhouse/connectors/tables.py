"""The rows of look-up tables: Parquet files under the data directory, one for each version.

A version is written and made durable under a name of its own, and gets its place inside of the
transaction that makes it known. Uploads under way hold a lock, so that others can tell what a
killed one has left.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars import selectors

from meterhouse.app.table_ports import TableFile, TablePlace
from meterhouse.connectors.durable import make_folder, sync_folder, writing
from meterhouse.connectors.files import UsageFiles
from meterhouse.connectors.spool import remove_if_empty
from meterhouse.connectors.table_upload import digest, read_table
from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.ports import InputError

TABLES = "tables"
_UPLOAD = "upload-"
_HINT = "restore the data directory from its backup, or upload the table anew"


class TableFolder:
    """The tables under one data directory; ``home`` is what ``~`` stands for."""

    def __init__(self, data: Path, *, home: Path | None = None) -> None:
        self._folder = data / TABLES
        self._files = UsageFiles(home=home)

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a file."""
        return digest(path, hashlib.sha256)

    def read_upload(
        self, path: Path, *, format: str | None, fields: Mapping[str, str]
    ) -> TableFile:
        """Read a file that was uploaded."""
        return read_table(self._files, path, format=format, fields=fields)

    def columns(
        self, version: TableVersion, names: frozenset[str] | None = None
    ) -> Mapping[str, Column]:
        """Return columns of a version by name."""
        kinds = {name: k for name, k in version.columns if names is None or name in names}
        return _columns(self._scan(version), kinds)

    def rows(self, version: TableVersion, *, first: int, count: int) -> list[Record]:
        """Return some rows of a version as records."""
        columns = _columns(self._scan(version).slice(first, count), dict(version.columns))
        length = max(min(count, version.rows - first), 0)
        return UsageBatch.from_columns(columns, length=length).rows()

    def _scan(self, version: TableVersion) -> pl.LazyFrame:
        path = self._path((version.table_id, version.number))
        if not path.is_file():
            what = f"The rows of look-up table {version.table_name!r}, version {version.number},"
            raise InputError(f"{what} are missing: there is no {path}", hint=_HINT)
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    def _path(self, place: TablePlace) -> Path:
        table_id, number = place
        return self._folder / table_id / f"{number}.parquet"

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Return an empty file for an upload; it goes with the block."""
        with self._upload() as folder:
            yield folder / "file"

    @contextmanager
    def keep(self, columns: Mapping[str, Column]) -> Iterator[KeptFile]:
        """Write rows and make them durable; what is not published goes with the block."""
        with self._upload() as folder:
            part = folder / "rows.parquet"
            with writing(part):
                frame = pl.DataFrame(
                    [column.values.alias(name) for name, column in columns.items()]
                )
                frame.write_parquet(part, compression="zstd")
                with part.open("rb") as written:
                    os.fsync(written.fileno())
            yield KeptFile(self, part)

    def place(self, part: Path, place: TablePlace) -> None:
        """Give rows their place; what a killed upload has left there is replaced."""
        target = self._path(place)
        with writing(target):
            make_folder(target.parent)
            part.replace(target)
            sync_folder(target.parent)

    @contextmanager
    def _upload(self) -> Iterator[Path]:
        """Make a folder that is ours as long as the block lasts."""
        with ExitStack() as held:
            with writing(self._folder):
                make_folder(self._folder)
            with writing(self._folder), _held(self._folder, fcntl.LOCK_SH):
                # Nobody sweeps until it has its lock.
                folder = Path(tempfile.mkdtemp(prefix=_UPLOAD, dir=self._folder))
                held.enter_context(_held(folder, fcntl.LOCK_EX))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder

    def sweep(self, known: frozenset[TablePlace]) -> None:
        """Remove what is no known version, and what killed uploads have left."""
        paths = {self._path(place) for place in known}
        if not self._folder.is_dir():
            return
        with _held(self._folder, fcntl.LOCK_EX):
            for folder in self._folder.iterdir():
                if folder.name.startswith(_UPLOAD):
                    _remove_abandoned(folder)
                    continue
                for path in folder.iterdir():
                    if path not in paths:
                        path.unlink(missing_ok=True)
                remove_if_empty(folder)


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Rows that are durable, and have no place yet."""

    _folder: TableFolder
    _part: Path

    def publish(self, place: TablePlace) -> None:
        """Give them their place."""
        self._folder.place(self._part, place)


def _columns(scan: pl.LazyFrame, kinds: Mapping[str, ColumnKind]) -> dict[str, Column]:
    frame = scan.select(selectors.by_name(*kinds)).collect()
    return {name: Column(kind, frame.get_column(name)) for name, kind in kinds.items()}


def _remove_abandoned(folder: Path) -> None:
    """Remove the folder of an upload, unless it is under way."""
    try:
        with _held(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        pass  # It is under way, or has ended meanwhile.


@contextmanager
def _held(folder: Path, lock: int) -> Iterator[None]:
    """Hold the lock of a folder; it ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, lock)
        yield
    finally:
        os.close(handle)
