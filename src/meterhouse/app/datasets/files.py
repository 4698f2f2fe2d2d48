"""Files of datasets: adding them, the days that there are, finding one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from meterhouse.app.datasets.ports import (
    Containers,
    DatasetFile,
    Datasets,
    DatasetStorage,
    Partition,
)
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record


def add_file(
    ledger: Datasets,
    storage: DatasetStorage,
    content: Path,
    *,
    dataset: str,
    name: str,
    at: Instant,
    containers: Containers,
    ob: str | None = None,
) -> tuple[DatasetFile, ...]:
    """Add a file of this machine to the catalogue: one for each day that it has rows of.

    It is checked whole before anything is kept. Raises ``DatasetRefused`` with the place of what
    is wrong, ``DefinitionError`` for its name, ``NotFoundError`` where its dataset or major was
    never published, ``ConflictError`` where another file has its place. With an ``ob``, files of
    others are refused. Adding it again changes nothing.
    """
    raise NotImplementedError


def partitions(
    ledger: Datasets,
    name: str,
    *,
    major: int,
    since: date | None = None,
    until: date | None = None,
    ob: str | None = None,
) -> list[Partition]:
    """Return what there is of a dataset, day by day; ``until`` is included."""
    raise NotImplementedError


def find_file(ledger: Datasets, id: str) -> DatasetFile:
    """Return a file. Raises ``NotFoundError``."""
    raise NotImplementedError


def dimension_rows(
    ledger: Datasets,
    storage: DatasetStorage,
    name: str,
    *,
    containers: Containers,
    ob: str | None = None,
    until: Instant | None = None,
) -> tuple[DatasetFile | None, list[Record]]:
    """Return the newest snapshot of a dimension and its rows; none where there is no snapshot.

    Of rows with fewer fields, those of the published schema are filled in with their defaults.
    """
    raise NotImplementedError
