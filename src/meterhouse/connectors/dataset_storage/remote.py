"""Files of datasets in a container of object storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meterhouse.app.datasets.ports import DatasetStorageFault, StoredFile
from meterhouse.connectors.dataset_storage.content import (
    blocks,
    checked,
    differs,
    digest,
    missing,
)
from meterhouse.connectors.remote.opening import RemotePlaces
from meterhouse.connectors.remote.place import PlaceFault, RemoteFile, RemotePlace
from meterhouse.connectors.scratch import Scratch, TooLong
from meterhouse.streams.ports import OutputError
from meterhouse.streams.storage import Location, Storage

_TOKEN_CHARS = 16


class RemoteStorage:
    """Objects below a prefix, put where there is none. See ``DatasetStorage``."""

    def __init__(
        self, places: RemotePlaces, where: Location, storage: Storage, *, scratch: Scratch
    ) -> None:
        self._places = places
        self._where = where
        self._storage = storage
        self._scratch = scratch

    @property
    def storage(self) -> Storage:
        """How ``location`` is reached."""
        return self._storage

    def put(self, name: str, content: Path) -> bool:
        """Keep an object, whole or not at all; ``False`` where the same one is there."""
        where, hash_ = self._at(name), digest(blocks(content))
        with self._opened() as place:
            if place.create(where.key, content, token=f"meterhouse-{hash_[:_TOKEN_CHARS]}"):
                return True
            there = _found(place, where)
            if there.size != content.stat().st_size or digest(place.read(there)) != hash_:
                raise differs(where.uri)
        return False

    def location(self, name: str) -> str:
        """Return the URI of an object."""
        return self._at(name).uri

    def find(self, name: str) -> StoredFile | None:
        """Return an object as it would be listed."""
        with self._opened() as place:
            found = place.find(self._at(name).key)
        return None if found is None else _stored(name, found)

    def read(self, name: str) -> Iterator[bytes]:
        """Yield the content of an object."""
        where = self._at(name)
        with self._opened() as place:
            yield from place.read(_found(place, where))

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give a copy, which goes afterwards."""
        where = self._at(name)
        with self._opened() as place:
            found = _found(place, where)
            try:
                with self._scratch.filled(
                    place.read(found), size_max=found.size, size=found.size
                ) as copy:
                    yield Path(str(copy.name))
            except TooLong as error:
                message = f"{where.uri} changed while it was read"
                raise DatasetStorageFault(message, hint="try again") from error

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Yield the objects below a folder by name."""
        base = self._base()
        folder = base + (checked(prefix.rstrip("/")) + "/" if prefix else "")
        with self._opened() as place:
            found = sorted(place.list(folder), key=lambda file: file.key)
        for file in found:
            if not file.key.endswith(".part"):
                yield _stored(file.key.removeprefix(base), file)

    def move(self, name: str, to: str) -> None:
        """Give an object another name; a second time changes nothing."""
        source, target = self._at(name), self._at(to)
        with self._opened() as place:
            file = place.find(source.key)
            if file is None:
                _found(place, target)
                return
            token = f"meterhouse-{digest([target.uri.encode()])[:_TOKEN_CHARS]}"
            if not place.copy(file, target.key, token=token):
                there = _found(place, target)
                if digest(place.read(there)) != digest(place.read(file)):
                    raise differs(target.uri)
            place.delete(source.key)

    def delete(self, name: str) -> None:
        """Remove an object; one that is gone is fine."""
        with self._opened() as place:
            place.delete(self._at(name).key)

    def _base(self) -> str:
        prefix = self._where.key.strip("/")
        return f"{prefix}/" if prefix else ""

    def _at(self, name: str) -> Location:
        return self._where.at(self._base() + checked(name))

    @contextmanager
    def _opened(self) -> Iterator[RemotePlace]:
        try:
            with self._places.open(self._where, self._storage) as place:
                yield place
        except (PlaceFault, OutputError) as error:
            raise DatasetStorageFault(error.args[0], hint=error.hint) from error


def _found(place: RemotePlace, where: Location) -> RemoteFile:
    found = place.find(where.key)
    if found is None:
        raise missing(where.uri)
    return found


def _stored(name: str, file: RemoteFile) -> StoredFile:
    return StoredFile(name, file.size, file.modified_ns // 1000)
