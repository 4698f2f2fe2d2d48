"""Checking a dataset: whether its files are what the ledger says, and whom they refer to.

Changes nothing. Ids that no dimension knows are told and never refused: a dimension may come later
than the facts, and an id that nobody knows is billed by its own name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from meterhouse.app.datasets.ports import Containers, DatasetFile, Datasets, DatasetStorage
from meterhouse.app.datasets.publishing import newest
from meterhouse.app.listing import take
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.problem import Problem
from meterhouse.datasets.schema import Reference

#: So many unknown ids of a field are shown, those of most rows first.
SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files to check; ``whole`` reads each, and compares it with its SHA-256."""

    major: int | None = None
    ob: str | None = None
    since: date | None = None
    until: date | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """What a field refers to that the newest snapshots of its dimension do not know.

    ``unknown`` are ids with their numbers of rows, most first. ``snapshots`` is how many were
    looked at: none means that the dimension has no file, and that nothing is known of the ids.
    """

    field: str
    reference: Reference
    snapshots: int
    ids: int
    unknown: tuple[tuple[str, int], ...]

    @property
    def rows(self) -> int:
        """How many rows have an id that is not known."""
        return sum(count for _, count in self.unknown)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            "field": self.field,
            "reference": str(self.reference),
            "snapshots": self.snapshots,
            "ids": self.ids,
            "unknownIds": len(self.unknown),
            "unknownRows": self.rows,
            "unknown": [{"id": id, "rows": rows} for id, rows in self.unknown[:SHOWN_MAX]],
        }


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """What was found of a dataset. ``newest_at`` is when its last file was added."""

    dataset: str
    version: str
    files: int
    rows: int
    newest_at: Instant | None
    faults: tuple[Problem, ...]
    references: tuple[ReferenceCheck, ...]

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "files": self.files,
            "rows": self.rows,
            "newestFileAt": None if self.newest_at is None else instant_text(self.newest_at),
            "faults": [
                {"place": fault.place, "message": fault.message, "hint": fault.hint}
                for fault in self.faults
            ],
            "references": [reference.to_api() for reference in self.references],
        }


def check_dataset(
    ledger: Datasets,
    storage: DatasetStorage,
    name: str,
    *,
    wanted: Wanted,
    containers: Containers,
) -> DatasetCheck:
    """Check the files of a dataset. Raises ``NotFoundError`` where it was never published."""
    version = newest(ledger, name, major=wanted.major)
    page = partial(
        ledger.dataset_files,
        name,
        major=wanted.major,
        ob=wanted.ob,
        since=wanted.since,
        until=wanted.until,
    )
    files = list(take(page, limit=None))
    faults = {file.id: fault for file in files if (fault := _fault(storage, file, wanted=wanted))}
    sound = [file for file in files if file.id not in faults]
    references = version.schema().references
    seen = _seen(storage, sound, list(references), containers=containers)
    checks = [
        _checked(ledger, storage, field, reference, seen[field], containers=containers)
        for field, reference in references.items()
    ]
    return DatasetCheck(
        name,
        str(version.version),
        len(files),
        sum(file.rows for file in files),
        max((file.added_at for file in files), default=None),
        tuple(faults.values()),
        tuple(checks),
    )


def _fault(storage: DatasetStorage, file: DatasetFile, *, wanted: Wanted) -> Problem | None:
    """Say what is wrong with a file of the storage."""
    hint = "add the file again; the ledger knows it by its SHA-256"
    stored = storage.find(file.path)
    if stored is None:
        return Problem(file.path, "is not in the storage", hint)
    if stored.size != file.size:
        said = f"has {stored.size:,} bytes, and had {file.size:,}"
        return Problem(file.path, said, "move it away, and add the file again")
    if not wanted.whole:
        return None
    made = hashlib.sha256()
    for block in storage.read(file.path):
        made.update(block)
    if made.hexdigest() == file.sha256:
        return None
    return Problem(file.path, "has another content", "move it away, and add the file again")


#: Of a field: ids by OB, and how many rows have each.
_Seen = dict[str, dict[str | None, Counter[str]]]


def _seen(
    storage: DatasetStorage,
    files: Sequence[DatasetFile],
    names: Sequence[str],
    *,
    containers: Containers,
) -> _Seen:
    seen: _Seen = {name: {} for name in names}
    if not names:
        return seen
    for file in files:
        with storage.local(file.path) as path:
            for frame in containers.texts(path, names):
                for name in names:
                    counts = seen[name].setdefault(file.ob, Counter())
                    found = dict(frame[name].drop_nulls().value_counts().iter_rows())
                    counts.update(found)
    return seen


def _checked(
    ledger: Datasets,
    storage: DatasetStorage,
    field: str,
    reference: Reference,
    seen: dict[str | None, Counter[str]],
    *,
    containers: Containers,
) -> ReferenceCheck:
    """Compare the ids of each OB with the newest snapshot that is its own or of all."""
    unknown: Counter[str] = Counter()
    snapshots = set()
    for ob, counts in seen.items():
        snapshot = ledger.newest_snapshot(reference.dataset, ob=ob)
        known: set[str] = set()
        if snapshot is not None:
            snapshots.add(snapshot.id)
            with storage.local(snapshot.path) as path:
                for frame in containers.texts(path, [reference.field]):
                    known.update(frame[reference.field].drop_nulls())
        unknown.update({id: rows for id, rows in counts.items() if id not in known})
    ids = len({id for counts in seen.values() for id in counts})
    ordered = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
    return ReferenceCheck(field, reference, len(snapshots), ids, tuple(ordered))
