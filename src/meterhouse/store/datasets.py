"""Datasets: versions of their schemas, and the files of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from meterhouse.app.datasets.ports import DatasetFile, DatasetSummary, DatasetVersion
from meterhouse.app.page import Page
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError
from meterhouse.datasets.version import Version
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import number_after, page_of, text_after, text_cursor_of
from meterhouse.store.sql_text import queries

_SQL = queries("datasets")
_KIND = "dataset"
#: Between the day and the name of a file in a cursor; neither has it.
_MARK = "/"


class DatasetTable(Recorder):
    """The part of the ledger that keeps datasets."""

    _database: Database

    def add_dataset_version(
        self, version: DatasetVersion, check: Callable[[Sequence[DatasetVersion]], bool]
    ) -> bool:
        """Add a version unless ``check`` of those that there are says that it is one."""
        name, number = version.name, version.version
        with self._recorded("publish", _KIND, name, version=str(number)) as note:
            if check(self.dataset_versions(name)):
                note.void = True
                return False
            values = {
                "name": name,
                **_numbers(number),
                "sha256": version.sha256,
                "text": version.text,
                "at": version.published_at,
            }
            self._database.execute(_SQL["insert_version"], values)
        return True

    def dataset_versions(self, name: str, *, major: int | None = None) -> Sequence[DatasetVersion]:
        """Return the versions of a dataset, oldest first; none where there is no such dataset."""
        with self._database.read():
            return self._versions_of(name, major=major)

    def datasets(
        self, *, ob: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[DatasetSummary]:
        """List datasets, in the order of their first publication."""
        values = {"after": number_after(after), "limit": limit + 1}
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
            return page_of(rows, partial(self._dataset_summaries, ob=ob), limit=limit)

    def add_dataset_files(self, files: Sequence[DatasetFile]) -> Sequence[DatasetFile]:
        """Add all or none; returns what is stored. One that is there already is not added again."""
        with self._database.write():
            return [self._add_dataset_file(file) for file in files]

    def dataset_files_called(self, name: str) -> Sequence[DatasetFile]:
        """Return the files of a name."""
        with self._database.read():
            return [_file(row) for row in self._database.rows(_SQL["files_called"], (name,))]

    def dataset_file(self, id: str) -> DatasetFile | None:
        """Find a file by its id."""
        with self._database.read():
            row = self._database.row(_SQL["file"], {"id": id})
        return None if row is None else _file(row)

    def dataset_files(
        self,
        name: str,
        *,
        major: int | None = None,
        ob: str | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[DatasetFile]:
        """List files by day and name; ``since`` and ``until`` (both included) are days."""
        text, number = text_after(after)
        day, _, file_name = text.partition(_MARK)
        values = {
            "dataset": name,
            "major": major,
            "ob": ob,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "after_day": day,
            "after_name": file_name,
            "after_no": number,
            "limit": limit + 1,
        }
        with self._database.read():
            rows = self._database.rows(_SQL["files"], values)
        files = [_file(row[:-1]) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(files)
        last = files[-1]
        day = "" if last.day is None else last.day.isoformat()
        return Page(files, text_cursor_of(f"{day}{_MARK}{last.name}", rows[limit - 1][-1]))

    def newest_snapshot(
        self, name: str, *, ob: str | None = None, until: Instant | None = None
    ) -> DatasetFile | None:
        """Return the last snapshot that was taken before an instant, or at it, if any."""
        values = {"dataset": name, "ob": ob, "until": until}
        with self._database.read():
            row = self._database.row(_SQL["snapshot"], values)
        return None if row is None else _file(row)

    def oldest_snapshot(self, name: str, *, ob: str | None = None) -> DatasetFile | None:
        """Return the first snapshot that was taken, if any."""
        with self._database.read():
            row = self._database.row(_SQL["oldest_snapshot"], {"dataset": name, "ob": ob})
        return None if row is None else _file(row)

    def _versions_of(self, name: str, *, major: int | None = None) -> list[DatasetVersion]:
        rows = self._database.rows(_SQL["versions"], {"name": name, "major": major})
        return [_version(row) for row in rows]

    def _dataset_summaries(self, rows: Sequence[Row], *, ob: str | None) -> list[DatasetSummary]:
        return [self._dataset_summary(name, ob=ob) for name, _ in rows]

    def _dataset_summary(self, name: str, *, ob: str | None) -> DatasetSummary:
        versions = self._versions_of(name)
        files, count = self._database.only_row(_SQL["totals"], {"name": name, "ob": ob})
        return DatasetSummary(versions[-1], len(versions), files, count)

    def _add_dataset_file(self, file: DatasetFile) -> DatasetFile:
        detail = {"file": file.path, "rows": file.rows, "sha256": file.sha256}
        with self._recorded("add_file", _KIND, file.dataset, **detail) as note:
            known = self.dataset_file(file.id)
            if known is not None:
                note.void = True
                _refuse_other(known, file)
                return known
            values = {
                "id": file.id,
                "dataset": file.dataset,
                **_numbers(file.version),
                "ob": file.ob or "",
                "day": "" if file.day is None else file.day.isoformat(),
                "name": file.name,
                "hour": file.hour,
                "rows": file.rows,
                "size": file.size,
                "sha256": file.sha256,
                "added_at": file.added_at,
            }
            self._database.execute(_SQL["insert_file"], values)
        return file


def _refuse_other(known: DatasetFile, file: DatasetFile) -> None:
    if known.sha256 != file.sha256:
        message = f"The catalogue has {known.path} already, with another content"
        hint = "files of datasets never change: give the new one an hour of its own"
        raise ConflictError(message, hint=hint, code="dataset_file_differs")


def _numbers(version: Version) -> dict[str, int]:
    return {"major": version.major, "minor": version.minor, "patch": version.patch}


def _version(row: Row) -> DatasetVersion:
    name, major, minor, patch, text, sha256, at = row
    return DatasetVersion(name, Version(major, minor, patch), text, sha256, at)


def _file(row: Row) -> DatasetFile:
    id, dataset, major, minor, patch, ob, day, *rest = row
    parsed = date.fromisoformat(day) if day else None
    return DatasetFile(id, dataset, Version(major, minor, patch), ob or None, parsed, *rest)
