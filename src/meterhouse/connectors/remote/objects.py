"""Object storage: S3 and what speaks like it, Azure Blob Storage, Google Cloud Storage.

One library speaks to all of them; how it is told which, and who asks, is in ``clouds``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions

from meterhouse.connectors.http.guard import Guard
from meterhouse.connectors.remote.azure import AzureContainer
from meterhouse.connectors.remote.clouds import cloud_store, container_url
from meterhouse.connectors.remote.place import ContentChanged, PlaceFault, RemoteFile
from meterhouse.core.secret import Credentials
from meterhouse.streams.storage import FILE_BYTES_MAX, Location, Storage

#: Larger files go up in parts, under another name first.
SINGLE_PUT_BYTES = 32 << 20
PART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4
_READ_BYTES = 4 << 20
_LIST_AT_ONCE = 1_000
#: A glob that names more than this names them by mistake.
LISTED_MAX = 1_000_000

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "look whether the bucket or container is there, and its name right"),
    (exceptions.PermissionDeniedError, "give the secret the right to read and write there"),
    (exceptions.UnauthenticatedError, "the secret does not open this place: choose another"),
)
#: What a message of the library may quote that is nobody's business: answers, signed queries.
_QUERY = re.compile(r"\?[^\s\"')]*")
_DETAIL_CHARS_MAX = 300


class ObjectPlace:
    """A bucket or container. See ``RemotePlace``."""

    def __init__(
        self,
        where: Location,
        storage: Storage,
        credentials: Credentials | None,
        *,
        guard: Guard,
        client: Mapping[str, Any],
    ) -> None:
        self._where = where
        self._container: AzureContainer | None = None
        with self._faults(where.uri):
            self._store: Any = cloud_store(where, storage, credentials, client=client)
            if where.scheme == "az":
                url, token = container_url(where, storage, credentials)
                self._container = AzureContainer(url, token, guard=guard)

    def list(self, prefix: str) -> Iterator[RemoteFile]:
        """Yield what lies under a prefix."""
        count = 0
        with self._faults(self._where.at(prefix).uri):
            for chunk in obstore.list(self._store, prefix or None, chunk_size=_LIST_AT_ONCE):
                for meta in chunk:
                    count += 1
                    if count > LISTED_MAX:
                        message = f"{self._where.at(prefix).uri} has more than {LISTED_MAX:,} files"
                        raise PlaceFault(message, hint="read a smaller folder")
                    # A name that ends with a slash stands for a folder.
                    if not meta["path"].endswith("/"):
                        yield _file(meta)

    def find(self, key: str) -> RemoteFile | None:
        """Return one object."""
        with self._faults(self._where.at(key).uri):
            try:
                return _file(obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """Yield the content of the version that was listed."""
        uri = self._where.at(file.key).uri
        with self._faults(uri):
            options: Any = {} if file.etag is None else {"if_match": f'"{file.etag}"'}
            try:
                answer = obstore.get(self._store, file.key, options=options)
            except (exceptions.PreconditionError, FileNotFoundError) as error:
                raise ContentChanged(f"{uri} changed since it was listed") from error
            if not _file(answer.meta).same(file):
                raise ContentChanged(f"{uri} changed since it was listed")
            for chunk in answer.stream(min_chunk_size=_READ_BYTES):
                yield bytes(chunk)

    def create(self, key: str, content: Path, *, token: str) -> bool:
        """Put an object unless there is one: one request, or parts under another name first."""
        with self._faults(self._where.at(key).uri):
            size = content.stat().st_size
            if size <= SINGLE_PUT_BYTES:
                return self._put(key, content.read_bytes())
            hint = "`meterhouse delivery drop` gives it up; let the writer write smaller files"
            self._check_size(key, size, hint=hint)
            if self.find(key) is not None:
                return False
            part = f"{key}.{token}.part"
            obstore.put(
                self._store,
                part,
                content,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
            try:
                return self._copy(part, key)
            finally:
                self.delete(part)

    def copy(self, file: RemoteFile, key: str, *, token: str) -> bool:
        """Copy an object unless there is one of that name."""
        hint = "let the reader leave files where they are, or delete them; this one was read"
        self._check_size(key, file.size, hint=hint)
        with self._faults(self._where.at(key).uri):
            return self._copy(file.key, key)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._faults(self._where.at(key).uri):
            if self._container is not None:
                self._container.delete(key)
                return
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                pass

    def _check_size(self, key: str, size: int, *, hint: str) -> None:
        bytes_max = FILE_BYTES_MAX.get(self._where.scheme)
        if bytes_max is not None and size > bytes_max:
            uri = self._where.at(key).uri
            message = f"{uri} would have {size:,} bytes, and {bytes_max:,} can be put there at once"
            raise PlaceFault(message, hint=hint)

    def _put(self, key: str, content: bytes) -> bool:
        try:
            obstore.put(self._store, key, content, mode="create", use_multipart=False)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return False
        return True

    def _copy(self, source: str, target: str) -> bool:
        try:
            obstore.copy(self._store, source, target, overwrite=False)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return False
        return True

    @contextmanager
    def _faults(self, uri: str) -> Iterator[None]:
        """Turn whatever the library raises into a ``PlaceFault`` without a secret in it."""
        try:
            yield
        except (exceptions.BaseError, OSError, ValueError) as error:
            hint = next((text for kind, text in _REMEDIES if isinstance(error, kind)), "")
            hint = hint or "look whether the place can be reached, and run again"
            raise PlaceFault(f"{uri}: {_detail(error)}", hint=hint) from None


def _file(meta: Any) -> RemoteFile:
    moment = meta["last_modified"]
    modified_ns = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
    # Some listings have it without its quotes.
    etag = (meta.get("e_tag") or "").removeprefix("W/").strip('"')
    return RemoteFile(meta["path"], meta["size"], modified_ns, etag or None)


def _detail(error: Exception) -> str:
    """Return the beginning of what the library says, without its debugging forms and queries."""
    text = str(error).split("\n\nDebug source:", maxsplit=1)[0]
    text = _QUERY.sub("", " ".join(text.split()))
    return text if len(text) <= _DETAIL_CHARS_MAX else text[:_DETAIL_CHARS_MAX] + "..."
