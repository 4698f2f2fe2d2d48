"""Wiring the places where files are kept, and the guard of whatever is called.

A part of ``bootstrap``: where the archive of invoices is, and the storages of datasets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse.config import (
    ARCHIVE_VARIABLE,
    COMMON_STORAGE_VARIABLE,
    DATASETS_VARIABLE,
    HTTP_ALLOW_VARIABLE,
    home_directory,
    http_allowed,
    storage_access,
    storage_place,
)

if TYPE_CHECKING:
    from meterhouse.app.billing.archive_ports import ArchiveStore
    from meterhouse.app.datasets.ports import Containers, DatasetStorage
    from meterhouse.connectors.http import Guard
    from meterhouse.connectors.remote import RemotePlaces
    from meterhouse.core.secret import Credentials
    from meterhouse.streams.storage import Location, Storage

#: The folder of the data directory that has the archive of invoices, unless another is named.
ARCHIVE_FOLDER = "archive"
#: Those that have datasets, unless others are named.
DATASETS_FOLDER, COMMON_STORAGE_FOLDER = "datasets", "common-storage"


def guard(*, own_urls: Sequence[str] = ()) -> Guard:
    """Return what judges the servers that streams connect to."""
    from meterhouse.connectors.http import AllowList, Guard

    allowed = AllowList.parse(http_allowed(), what=HTTP_ALLOW_VARIABLE)
    return Guard(allowed.with_servers(own_urls))


def archive_of(directory: Path, *, credentials: Callable[[str], Credentials]) -> ArchiveStore:
    """Return the archive of invoices: as configured, else a folder of the data directory."""
    from meterhouse.connectors.archive_store import FolderArchive, RemoteArchive

    found = _place_of(ARCHIVE_VARIABLE, directory / ARCHIVE_FOLDER, what="archive")
    if isinstance(found, Path):
        return FolderArchive(found)
    return RemoteArchive(_remote_places(credentials), *found)


def dataset_storage_of(
    directory: Path, *, credentials: Callable[[str], Credentials], common: bool = False
) -> DatasetStorage:
    """Return where files of datasets are: those of the catalogue, or what uploaders share."""
    from meterhouse.connectors.dataset_storage import FolderStorage, RemoteStorage
    from meterhouse.connectors.scratch import Scratch

    variable = COMMON_STORAGE_VARIABLE if common else DATASETS_VARIABLE
    folder = directory / (COMMON_STORAGE_FOLDER if common else DATASETS_FOLDER)
    found = _place_of(variable, folder, what="common storage" if common else "datasets")
    if isinstance(found, Path):
        return FolderStorage(found)
    return RemoteStorage(_remote_places(credentials), *found, scratch=Scratch(directory))


def containers() -> Containers:
    """Return what reads and writes Avro containers."""
    from meterhouse.connectors.avro.containers import AvroContainers

    return AvroContainers()


def _place_of(variable: str, folder: Path, *, what: str) -> Path | tuple[Location, Storage]:
    """Return where a variable says that something is, and how that is reached."""
    from meterhouse.core.problem import DefinitionError
    from meterhouse.core.reading import Reading
    from meterhouse.streams.storage import STORAGE_FIELDS, is_remote, read_location, read_storage

    place = storage_place(variable)
    if place is None:
        return folder
    reading = Reading(storage_access(variable), known=STORAGE_FIELDS, what=what)
    where = read_location(reading, variable, place)
    storage = read_storage(reading, place, where)
    if reading.problems:
        raise DefinitionError(reading.problems, what=f"The {what} ({variable})")
    if where is None:
        assert not is_remote(place)
        return Path(place)
    return where, storage


def _remote_places(credentials: Callable[[str], Credentials]) -> RemotePlaces:
    from meterhouse.connectors.remote import RemotePlaces

    return RemotePlaces(guard(), credentials=credentials, home=home_directory())
