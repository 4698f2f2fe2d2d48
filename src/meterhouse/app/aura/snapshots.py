"""Snapshots of dimensions, put into common storage: one an hour of each."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from meterhouse.app.aura.ports import UploadMeans
from meterhouse.app.aura.upload_plans import HOUR
from meterhouse.app.datasets.ports import DatasetStorageConflict
from meterhouse.core.country import alpha_3
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.core.problem import MeterhouseError, Problem
from meterhouse.datasets.audit import Names
from meterhouse.datasets.dimension import (
    MODULES,
    Dimension,
    channel_ids,
    component_names,
    dimension_of,
)
from meterhouse.datasets.naming import PROCESSED, DimensionFile, EntityFile
from meterhouse.datasets.schema import BUILT_IN


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file that was put, and how many rows it has."""

    path: str
    rows: int

    def to_json(self) -> dict[str, str | int]:
        """Return it as JSON."""
        return {"path": self.path, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The dimensions of an OB: what is new, what cannot be a row, and what names stand for."""

    files: tuple[MadeFile, ...]
    problems: tuple[Problem, ...]
    names: Names


def country_of_ob(ob: str) -> str:
    """Return the three letters of an OB's country. Raises where there is no such country."""
    country = alpha_3(ob)
    if country is None or len(ob) == len(country):
        hint = "name OBs by the two letters of ISO 3166-1, such as ES"
        raise MeterhouseError(f'There is no OB "{ob}"', hint=hint, code="ob_unknown")
    return country


def put_snapshots(means: UploadMeans, ob: str, *, at: Instant) -> Snapshots:
    """Put a snapshot of each dimension, unless there is one of this hour already."""
    country = country_of_ob(ob)
    hour = at - at % HOUR
    taken: dict[str, Dimension] = {}
    for module in MODULES:
        answer = means.configuration.module(ob, module)
        taken[module] = dimension_of(module, answer, country=country, extracted_at=at)
    files = []
    for made in taken.values():
        file = DimensionFile(ob, made.dataset, hour)
        with suppress(DatasetStorageConflict):  # Another uploader was first in this hour.
            if made.rows and (put := put_file(means, file, made.rows)) is not None:
                files.append(put)
    problems = tuple(problem for made in taken.values() for problem in made.problems)
    names = Names(channel_ids(taken["channels"]), component_names(taken["components"]))
    return Snapshots(tuple(files), problems, names)


def put_file(
    means: UploadMeans, file: DimensionFile | EntityFile, rows: Iterable[Record]
) -> MadeFile | None:
    """Put a file of rows; ``None`` where it is there, or was imported from there, already."""
    schema = BUILT_IN[file.dataset]
    path = file.common_path(schema.version)
    imported = file.common_path(schema.version, root=PROCESSED)
    if means.storage.find(path) is not None or means.storage.find(imported) is not None:
        return None
    content = means.scratch / file.name
    try:
        count = means.containers.write(content, schema=schema.document, rows=rows)
        means.storage.put(path, content)
    finally:
        content.unlink(missing_ok=True)
    return MadeFile(path, count)
