"""Files of datasets: adding them, the days that there are, finding one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from meterhouse.app.datasets.countries import country_of
from meterhouse.app.datasets.ports import (
    Containers,
    DatasetFile,
    DatasetRefused,
    Datasets,
    DatasetStorage,
    DatasetVersion,
    DatasetVersionDiffers,
    Partition,
)
from meterhouse.app.listing import take
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, NotFoundError, Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.evolution import evolution_problems
from meterhouse.datasets.naming import (
    GLOBAL,
    DimensionFile,
    EntityFile,
    dimension_token,
    is_global,
    parse_file_name,
)
from meterhouse.datasets.schema import VERSION, DatasetSchema, read_schema
from meterhouse.datasets.version import Version

if TYPE_CHECKING:
    from meterhouse.app.datasets.row_checks import RowChecks

#: Ids of files are made of their places, so that adding one again gives the same id.
_IDS = UUID("5d0e5a0c-6b0f-5a43-8f5c-2f1f6f0f9c57")
#: A file has at most so many days: it is of an hour.
DAYS_MAX = 400
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Judged:
    """A file that may be added: its name, what its header says, and what its rows are."""

    file: EntityFile | DimensionFile
    schema: DatasetSchema
    checks: RowChecks


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
    version: Version | None = None,
    major: int | None = None,
) -> tuple[DatasetFile, ...]:
    """Add a file of this machine to the catalogue: one for each day that it has rows of.

    It is checked whole before anything is kept. Raises ``DatasetRefused`` with the place of what
    is wrong, ``DefinitionError`` for its name, ``NotFoundError`` where its dataset was never
    published, ``ConflictError`` where another file has its place. With an ``ob``, files of others
    are refused; with a ``version``, or a ``major``, those whose header says another. Adding it
    again changes nothing.
    """
    parsed = parse_file_name(name)
    _check_name(parsed, dataset=dataset, name=name, ob=ob)
    versions = ledger.dataset_versions(dataset)
    if not versions:
        hint = "publish it first: `meterhouse dataset publish`"
        raise NotFoundError(f"There is no dataset {dataset!r}", hint=hint)
    _check_version(containers.schema(content), name=name, version=version, major=major)
    schema = _file_schema(content, versions, name=name, containers=containers)
    country = None
    if parsed.ob is not None and schema.country is not None:
        country = country_of(parsed.ob, ledger, storage, containers=containers)
    checks = _checked_rows(content, schema, country, name=name, ob=parsed.ob, containers=containers)
    judged = _Judged(parsed, schema, checks)
    with _parts(content, judged, containers=containers) as parts:
        files = [_file(judged, day, part, at=at) for day, part in parts]
        # First the storage, then the ledger: what the ledger has is there.
        for file, (_, part) in zip(files, parts, strict=True):
            storage.put(file.path, part)
    return tuple(ledger.add_dataset_files(files))


def _check_name(
    parsed: EntityFile | DimensionFile, *, dataset: str, name: str, ob: str | None
) -> None:
    problems = []
    if parsed.dataset != dataset:
        hint = f"add it to {parsed.dataset}, or name it by its dataset"
        problems.append(Problem("dataset", f"is {parsed.dataset}, not {dataset}", hint))
    if is_global(parsed.dataset) and parsed.ob is not None:
        hint = f"all OBs share it: write {GLOBAL}_DIM_{dimension_token(parsed.dataset)}_..."
        problems.append(Problem("OB", f"is {parsed.ob}", hint))
    if ob is not None and parsed.ob != ob:
        problems.append(Problem("OB", f"is {parsed.ob or 'all'}", f"only files of {ob} are taken"))
    if problems:
        raise DatasetRefused(problems, what=f"The file {name}")


def _check_version(
    schema: JsonValue, *, name: str, version: Version | None, major: int | None
) -> None:
    """Refuse a file whose header says another version than the place that it came to."""
    text = schema.get(VERSION) if isinstance(schema, Mapping) else None
    said = Version.read(text)
    if version is not None and said != version:
        place, hint = str(version), "move it to the folder of its own version"
    elif major is not None and (said is None or said.major != major):
        place, hint = str(major), "send it to its own version"
    else:
        return
    raise DatasetVersionDiffers(
        f"The file {name}: {VERSION} in its header is {shown(text)}, and its place says {place}",
        hint=hint,
    )


def _file_schema(
    content: Path, versions: Sequence[DatasetVersion], *, name: str, containers: Containers
) -> DatasetSchema:
    """Return the schema that a file has; it is published, or may stand among those that are."""
    what = f"The schema of {name}"
    try:
        schema = read_schema(containers.schema(content))
    except DefinitionError as error:
        raise DatasetRefused(error.problems, what=what) from error
    majors = sorted({version.major for version in versions})
    if schema.name == versions[0].name and schema.major not in majors:
        known = ", ".join(map(str, majors))
        hint = f"known major versions are {known}: publish its schema first"
        raise DatasetRefused([Problem("x-fp-version", f"is {schema.version}", hint)], what=what)
    if problems := _strangeness(schema, versions):
        raise DatasetRefused(problems, what=what)
    return schema


def _strangeness(schema: DatasetSchema, versions: Sequence[DatasetVersion]) -> list[Problem]:
    """Return what keeps a schema from standing where its number has it among the published ones."""
    name = versions[0].name
    if schema.name != name:
        hint = "add it to the dataset that its schema names"
        return [Problem("name", f"is {shown(schema.name)}, not {shown(name)}", hint)]
    below = [one for one in versions if one.version <= schema.version]
    above = [one for one in versions if one.version > schema.version]
    found: list[Problem] = []
    if below:
        before = below[-1].schema()
        if before.version != schema.version:
            found += evolution_problems(before, schema)
        elif not _same(before, schema):
            hint = "a version never changes: number the schema of the file anew"
            said = f"is {schema.version}, which is published with another schema"
            found.append(Problem("x-fp-version", said, hint))
    if above:
        found += evolution_problems(schema, above[0].schema())
    return found


def _same(one: DatasetSchema, other: DatasetSchema) -> bool:
    """Whether two schemas are one, however their documents are written."""
    return (one.type, one.keys, one.partition) == (other.type, other.keys, other.partition)


def _checked_rows(
    content: Path,
    schema: DatasetSchema,
    country: str | None,
    *,
    name: str,
    ob: str | None,
    containers: Containers,
) -> RowChecks:
    from meterhouse.app.datasets.row_checks import RowChecks

    checks = RowChecks(schema, country, ob)
    for frame in containers.texts(content, checks.names):
        checks.see(frame)
        if checks.full:
            break
    problems = list(checks.problems)
    if checks.full:
        hint = f"mend these {len(problems)} first"
        problems.append(Problem("the rest", "may have more problems: it was not checked", hint))
    if not checks.rows and not schema.is_dimension:
        problems.append(Problem("", "has no rows", "a file of facts is of a day: leave it out"))
    if len(checks.days) > DAYS_MAX:
        hint = f"at most {DAYS_MAX}: write a file each month"
        problems.append(Problem("", f"has rows of {len(checks.days)} days", hint))
    if problems:
        raise DatasetRefused(problems, what=f"The file {name}")
    return checks


@contextmanager
def _parts(
    content: Path, judged: _Judged, *, containers: Containers
) -> Iterator[Sequence[tuple[date | None, Path]]]:
    """Give what is to be put: the file as it is, or one for each of its days."""
    schema, days = judged.schema, sorted(judged.checks.days)
    if schema.partition is None:
        yield [(None, content)]
    elif len(days) == 1:
        yield [(date.fromisoformat(days[0]), content)]
    else:
        with TemporaryDirectory(prefix="meterhouse-dataset-") as folder:
            made: Mapping[str, Path] = containers.split(
                content, days, by=schema.partition, folder=Path(folder)
            )
            yield [(date.fromisoformat(day), made[day]) for day in days]


def _file(judged: _Judged, day: date | None, part: Path, *, at: Instant) -> DatasetFile:
    schema, checks, parsed = judged.schema, judged.checks, judged.file
    rows = checks.rows if day is None else checks.days[day.isoformat()]
    size, hash_ = _measured(part)
    made = DatasetFile(
        id="",
        dataset=schema.name,
        version=schema.version,
        ob=parsed.ob,
        day=day,
        name=parsed.name,
        rows=rows,
        size=size,
        sha256=hash_,
        added_at=at,
    )
    return replace(made, id=str(uuid5(_IDS, made.path)))


def _measured(path: Path) -> tuple[int, str]:
    size, made = 0, hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            size += len(block)
            made.update(block)
    return size, made.hexdigest()


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
    page = partial(ledger.dataset_files, name, major=major, ob=ob, since=since, until=until)
    files = [file for file in take(page, limit=None) if file.day is not None]
    by_day = groupby(files, key=lambda file: file.day)
    return [Partition(day, tuple(some)) for day, some in by_day if day is not None]


def find_file(ledger: Datasets, id: str) -> DatasetFile:
    """Return a file. Raises ``NotFoundError``."""
    found = ledger.dataset_file(id)
    if found is None:
        hint = "`meterhouse dataset files NAME` shows those that there are"
        raise NotFoundError(f"There is no file {id!r} in the catalogue", hint=hint)
    return found
