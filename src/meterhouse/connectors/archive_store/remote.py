"""An archive in a container of object storage."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from meterhouse.app.billing.archive_ports import ArchiveConflict, ArchiveFault
from meterhouse.connectors.archive_store.name import checked
from meterhouse.connectors.remote.opening import RemotePlaces
from meterhouse.connectors.remote.place import PlaceFault, RemotePlace
from meterhouse.streams.storage import Location, Storage

_TOKEN_CHARS = 16


class RemoteArchive:
    """Objects below a prefix, put where there is none. See ``ArchiveStore``."""

    def __init__(self, places: RemotePlaces, where: Location, storage: Storage) -> None:
        self._places = places
        self._where = where
        self._storage = storage

    def put(self, name: str, content: bytes) -> bool:
        """Keep an object; ``False`` where the same one is there already."""
        where = self._at(name)
        try:
            with self._places.open(where, self._storage) as place:
                if _created(place, where.key, content):
                    return True
                there = _read(place, where.key)
        except PlaceFault as error:
            raise ArchiveFault(error.args[0], hint=error.hint) from error
        if there != content:
            hint = "files of issued invoices never change: look who has put it there"
            raise ArchiveConflict(f"{where.uri} is there already, with another content", hint=hint)
        return False

    def get(self, name: str) -> bytes | None:
        """Return the content of an object; ``None`` where there is none."""
        where = self._at(name)
        try:
            with self._places.open(where, self._storage) as place:
                return _read(place, where.key)
        except PlaceFault as error:
            raise ArchiveFault(error.args[0], hint=error.hint) from error

    def _at(self, name: str) -> Location:
        prefix = self._where.key.strip("/")
        return self._where.at(f"{prefix}/{checked(name)}" if prefix else checked(name))


def _created(place: RemotePlace, key: str, content: bytes) -> bool:
    token = hashlib.sha256(content).hexdigest()[:_TOKEN_CHARS]
    with TemporaryDirectory(prefix="meterhouse-archive-") as folder:
        source = Path(folder) / "content"
        source.write_bytes(content)
        return place.create(key, source, token=f"meterhouse-{token}")


def _read(place: RemotePlace, key: str) -> bytes | None:
    found = place.find(key)
    return None if found is None else b"".join(place.read(found))
