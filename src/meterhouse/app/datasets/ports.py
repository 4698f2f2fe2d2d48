"""What the use cases of datasets ask of the ledger, of storage, and of whoever reads Avro.

Like ``app/ports``, of which this is the part about datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from meterhouse.app.page import Page
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue, Record, parse_json
from meterhouse.core.problem import ConflictError, DefinitionError, MeterhouseError
from meterhouse.datasets.naming import DimensionFile, EntityFile, parse_file_name
from meterhouse.datasets.schema import DatasetSchema, read_schema
from meterhouse.datasets.version import Version
from meterhouse.streams.storage import Storage

if TYPE_CHECKING:
    import polars as pl


class DatasetRefused(DefinitionError):
    """A file is not what its dataset says; it stays where it was."""

    code = "dataset_file_refused"


class DatasetVersionDiffers(MeterhouseError):
    """A file says that it is of another version than the place that it came to."""

    code = "dataset_version_differs"


class DatasetStorageFault(MeterhouseError):
    """The storage of datasets cannot be read or written."""

    code = "dataset_storage_failed"


class DatasetStorageConflict(ConflictError):
    """A file is there already, with another content."""

    code = "dataset_file_differs"


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """A published version. ``text`` is its schema as JSON."""

    name: str
    version: Version
    text: str
    sha256: str
    published_at: Instant

    @property
    def major(self) -> int:
        """The number of the version that readers ask for."""
        return self.version.major

    def schema(self) -> DatasetSchema:
        """Return what the schema says."""
        return read_schema(parse_json(self.text))

    def to_api(self) -> dict[str, Any]:
        """Return the API's object, without the schema."""
        return {
            "name": self.name,
            "version": str(self.version),
            "major": self.major,
            "sha256": self.sha256,
            "publishedAt": instant_text(self.published_at),
        }


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A file of the catalogue. ``day`` is ``None`` for a snapshot of a dimension.

    ``ob`` is ``None`` where the file is of all OBs. The id is made of where the file lies.
    """

    id: str
    dataset: str
    version: Version
    ob: str | None
    day: date | None
    name: str
    rows: int
    size: int
    sha256: str
    added_at: Instant

    @property
    def major(self) -> int:
        """The number of the version that readers ask for."""
        return self.version.major

    @property
    def parsed(self) -> EntityFile | DimensionFile:
        """What its name says."""
        return parse_file_name(self.name)

    @property
    def hour(self) -> Instant:
        """When it was written, by its name: of snapshots, when they were taken."""
        return self.parsed.hour

    @property
    def path(self) -> str:
        """Its name in the storage."""
        parsed = self.parsed
        if isinstance(parsed, DimensionFile):
            return parsed.catalogue_path(self.major)
        assert self.day is not None, "facts have a day"
        return parsed.catalogue_path(self.major, day=self.day)

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            "id": self.id,
            "dataset": self.dataset,
            "version": str(self.version),
            "ob": self.ob,
            "day": None if self.day is None else self.day.isoformat(),
            "name": self.name,
            "path": self.path,
            "rows": self.rows,
            "size": self.size,
            "sha256": self.sha256,
            "addedAt": instant_text(self.added_at),
        }


@dataclass(frozen=True, slots=True)
class Partition:
    """What the catalogue has of one day: files in the order of their names."""

    day: date
    files: tuple[DatasetFile, ...]


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset in a list: its newest version, and what there is of it."""

    newest: DatasetVersion
    versions: int
    files: int
    rows: int

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return {
            **self.newest.to_api(),
            "versions": self.versions,
            "files": self.files,
            "rows": self.rows,
        }


class Datasets(Protocol):
    """The ledger's part: published schemas, and the files of the catalogue."""

    def add_dataset_version(
        self, version: DatasetVersion, check: Callable[[Sequence[DatasetVersion]], bool]
    ) -> bool:
        """Add a version unless ``check`` of those that there are says that it is one; in one go."""
        ...

    def dataset_versions(self, name: str, *, major: int | None = None) -> Sequence[DatasetVersion]:
        """Return the versions of a dataset, oldest first; none where there is no such dataset."""
        ...

    def datasets(
        self, *, ob: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page[DatasetSummary]:
        """List datasets, in the order of their first publication.

        With an ``ob``, files and rows are those of that one and of all.
        """
        ...

    def add_dataset_files(self, files: Sequence[DatasetFile]) -> Sequence[DatasetFile]:
        """Add all or none; returns what is stored. One that is there already is not added again.

        ``ConflictError`` where another content has the same place.
        """
        ...

    def dataset_files_called(self, name: str) -> Sequence[DatasetFile]:
        """Return the files of a name, whichever dataset and day they are of."""
        ...

    def dataset_file(self, id: str) -> DatasetFile | None:
        """Find a file by its id."""
        ...

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
        ...

    def newest_snapshot(
        self, name: str, *, ob: str | None = None, until: Instant | None = None
    ) -> DatasetFile | None:
        """Return the last snapshot that was taken before an instant, or at it, if any.

        With an ``ob``, of that one or of all, without one of all only; of several majors, that of
        the last snapshot.
        """
        ...

    def oldest_snapshot(self, name: str, *, ob: str | None = None) -> DatasetFile | None:
        """Return the first snapshot that was taken, of the same ones."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as the storage lists it."""

    name: str
    size: int
    modified_at: Instant


class DatasetStorage(Protocol):
    """A folder or a place in object storage. Names are relative, with slashes.

    Every method raises ``DatasetStorageFault`` for what the world refuses.
    """

    @property
    def storage(self) -> Storage:
        """How ``location`` is reached, as readers of streams have it."""
        ...

    def put(self, name: str, content: Path) -> bool:
        """Keep a file, durably, whole or not at all; ``False`` where the same one is there.

        Raises ``DatasetStorageConflict`` where another content is there.
        """
        ...

    def location(self, name: str) -> str:
        """Return the path or URI of a file; ``readers/file`` can read it with ``storage``."""
        ...

    def find(self, name: str) -> StoredFile | None:
        """Return a file as it would be listed; ``None`` where there is none."""
        ...

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file; ``NotFoundError`` where there is none."""
        ...

    def local(self, name: str) -> AbstractContextManager[Path]:
        """Give a file as one of this machine for a while; it may not be changed."""
        ...

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the files below a folder by name; ``""`` is the whole storage."""
        ...

    def move(self, name: str, to: str) -> None:
        """Give a file another name; a second time changes nothing.

        Raises ``DatasetStorageConflict`` where another content has that name.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone is fine."""
        ...


class Containers(Protocol):
    """Reads and writes Avro containers. What cannot be read raises ``InputError``."""

    def schema(self, content: Path) -> JsonValue:
        """Return the schema in the header, with all its attributes."""
        ...

    def texts(self, content: Path, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield some top-level fields of all rows as columns of texts, some rows at a time.

        A field that is null, or that the schema does not have, is a null.
        """
        ...

    def rows(
        self, content: Path, schema: Mapping[str, JsonValue] | None = None
    ) -> Iterator[Record]:
        """Yield all rows, resolved to a schema if one is given. Numbers are exact."""
        ...

    def write(self, path: Path, *, schema: Mapping[str, JsonValue], rows: Iterable[Record]) -> int:
        """Write a container: the same bytes for the same rows. Returns how many rows it has."""
        ...

    def split(
        self, content: Path, days: Sequence[str], *, by: str, folder: Path
    ) -> Mapping[str, Path]:
        """Write the rows of each day to a container of its own, whose schema is the same."""
        ...
