"""The import: files of common storage are added to the catalogue, then moved to ``processed``.

A file is added first and moved then, and adding it again changes nothing: killed anywhere, the
next import comes to the same. A file that the catalogue refuses stays where it is, and the report
says why. It also says which files are gone that an upload has written: nothing else misses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from meterhouse.app.aura.upload_accounts import lost_files
from meterhouse.app.aura.upload_plans import put_text
from meterhouse.app.datasets.files import add_file
from meterhouse.app.datasets.ports import Containers, DatasetFile, Datasets, DatasetStorage
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import DefinitionError, MeterhouseError
from meterhouse.datasets.naming import AVRO, PROCESSED, UploadedFile, parse_common_path

REPORTS = "reports"
_SUFFIX = ".avro"
#: What the name of every report of an import begins with.
REPORT = "aura-avro-kpis-report"


class ReportMode(StrEnum):
    """When an import leaves a report: always, only with errors, or never."""

    ALL = "all"
    ERROR = "error"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ImportMeans:
    """What importing needs. ``correlator`` is the id of this import, which its report names."""

    ledger: Datasets
    common: DatasetStorage
    catalogue: DatasetStorage
    containers: Containers
    scratch: Path
    correlator: str


@dataclass(slots=True)
class _Counts:
    """The counters of the report, of all datasets or of one."""

    uploaded: int = 0
    moved: int = 0
    deleted: int = 0
    skipped: int = 0
    errors: int = 0

    def to_api(self) -> dict[str, JsonValue]:
        return {
            "num_files_kernel_uploaded": self.uploaded,
            "num_files_moved_to_processed": self.moved,
            "num_files_deleted": self.deleted,
            "num_files_skipped": self.skipped,
            "num_errors": self.errors,
        }


@dataclass(slots=True)
class DatasetImport:
    """What became of the files of one version of a dataset."""

    dataset: str
    kind: str
    version: str
    counts: _Counts = field(default_factory=_Counts)
    errors: list[dict[str, JsonValue]] = field(default_factory=list)

    @property
    def major(self) -> int:
        """The number by which the catalogue knows the version."""
        number = self.version.split(".", maxsplit=1)[0]
        return int(number) if number.isdecimal() else 0

    def to_api(self, correlator: str) -> dict[str, JsonValue]:
        """Return the entry of the report's summary."""
        head = {"dataset_id": self.dataset, "schema": self.kind, "version": self.version}
        execution = {"dataset_id": self.dataset, "version": self.major, "correlator": correlator}
        tail = {"errors": list(self.errors), "spark_executions": execution}
        return head | {"step": "FINISH"} | self.counts.to_api() | tail


@dataclass(slots=True)
class Imported:
    """The report of one import."""

    correlator: str
    datasets: dict[str, DatasetImport] = field(default_factory=dict)
    counts: _Counts = field(default_factory=_Counts)
    added: list[DatasetFile] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many files could not be imported."""
        return self.counts.errors

    def to_api(self) -> dict[str, JsonValue]:
        """Return the report as JSON."""
        summary = {name: one.to_api(self.correlator) for name, one in self.datasets.items()}
        return self.counts.to_api() | {"summary": summary}

    def of(self, path: str) -> DatasetImport:
        """Return the entry of the dataset that a path of common storage is of."""
        _, kind, dataset, version, *_ = [*path.split("/"), "", "", "", ""]
        name = dataset or path
        known = self.datasets.get(name)
        if known is not None and known.version != version:
            # Two versions of a dataset are two entries; the first has the plain name.
            name = f"{dataset}:{version}"
        if name not in self.datasets:
            self.datasets[name] = DatasetImport(dataset, kind, version)
        return self.datasets[name]


def import_files(means: ImportMeans, *, at: Instant) -> Imported:
    """Import all files of common storage, those of dimensions first."""
    report = Imported(means.correlator)
    names = [file.name for file in means.common.list(AVRO)]
    # "dimensional" is before "entity", and hours are in the order of their names.
    for name in sorted(names):
        entry = report.of(name)
        for counts in (report.counts, entry.counts):
            _count_skipped(counts, name)
        if name.endswith(_SUFFIX):
            _import_one(means, report, entry, name, at=at)
    _tell_lost(means, report, at=at)
    return report


def _tell_lost(means: ImportMeans, report: Imported, *, at: Instant) -> None:
    """Report files that were uploaded, and that are neither here nor in the catalogue."""

    def is_catalogued(name: str) -> bool:
        return bool(means.ledger.dataset_files_called(name))

    for lost in lost_files(means.common, at=at, catalogued=is_catalogued):
        entry = report.of(lost.path)
        entry.errors.append(lost.to_api())
        for counts in (report.counts, entry.counts):
            counts.errors += 1


def _count_skipped(counts: _Counts, name: str) -> None:
    counts.skipped += not name.endswith(_SUFFIX)


def _import_one(
    means: ImportMeans, report: Imported, entry: DatasetImport, name: str, *, at: Instant
) -> None:
    every = (report.counts, entry.counts)
    try:
        file = parse_common_path(name)
        added = _add(means, name, file, at=at)
        means.common.move(name, PROCESSED + name.removeprefix(AVRO))
    except MeterhouseError as error:
        entry.errors.append(_said(name, error))
        for counts in every:
            counts.errors += 1
        return
    new = [one for one in added if one.added_at == at]
    report.added += new
    for counts in every:
        counts.uploaded += bool(new)
        counts.skipped += not new
        counts.moved += 1
        counts.deleted += 1


def _add(
    means: ImportMeans, name: str, file: UploadedFile, *, at: Instant
) -> Sequence[DatasetFile]:
    with means.common.local(name) as content:
        return add_file(
            means.ledger,
            means.catalogue,
            content,
            dataset=file.file.dataset,
            name=file.file.name,
            at=at,
            containers=means.containers,
            version=file.version,
        )


def _said(name: str, error: MeterhouseError) -> dict[str, JsonValue]:
    problems = [str(one) for one in error.problems] if isinstance(error, DefinitionError) else []
    # The text lists the problems too: each is told once.
    text = str(error).partition("\n")[0] if problems else str(error)
    body: dict[str, JsonValue] = {"file": name, "code": error.code, "error": text}
    return body | ({"problems": problems} if problems else {})


def put_report(
    means: ImportMeans, imported: Imported, *, mode: ReportMode, at: Instant
) -> str | None:
    """Put the report of an import; returns its name, ``None`` where none is wanted.

    The first of a day is named by the day, any other by its instant: none takes another's place.
    """
    if mode is ReportMode.NONE or (mode is ReportMode.ERROR and not imported.errors):
        return None
    text = json_text(imported.to_api()) + "\n"
    day = f"{REPORTS}/{REPORT}-{instant_text(at)[:10]}.json"
    if means.common.find(day) is None:
        put_text(means.common, day, text, scratch=means.scratch)
        return day
    moment = instant_text(at).replace(":", "")
    name = f"{REPORTS}/{REPORT}-{moment}.json"
    put_text(means.common, name, text, scratch=means.scratch)
    return name
