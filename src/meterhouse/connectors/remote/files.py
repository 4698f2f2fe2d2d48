"""Usage files that lie elsewhere: listed by a glob, read as listed, released; outputs put there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.remote.opening import RemotePlaces
from meterhouse.connectors.remote.place import ContentChanged, PlaceFault, RemoteFile, RemotePlace
from meterhouse.streams.file_options import AfterReading
from meterhouse.streams.name_pattern import fixed_prefix, has_magic, matches
from meterhouse.streams.ports import InputError, InputFile, OutputError
from meterhouse.streams.storage import Location, Storage, location

_BLOCK_BYTES = 1 << 20
_TOKEN_CHARS = 16


def listed(places: RemotePlaces | None, pattern: str, storage: Storage) -> list[InputFile]:
    """Return the files that a glob names, sorted by URI. Raises ``InputError``."""
    where = _location(pattern)
    try:
        with _given(places).open(where, storage) as place:
            exact = place.find(where.key) if where.key and not where.key.endswith("/") else None
            if exact is not None or not has_magic(where.key):
                found = [] if exact is None else [exact]
            else:
                every = place.list(fixed_prefix(where.key))
                found = [file for file in every if matches(where.key, file.key)]
    except PlaceFault as error:
        raise InputError(error.args[0], hint=error.hint) from error
    files = [
        InputFile(where.at(file.key).uri, file.size, file.modified_ns, file.etag) for file in found
    ]
    return sorted(files, key=lambda file: file.path)


@contextmanager
def content(
    places: RemotePlaces | None, file: InputFile, storage: Storage
) -> Iterator[Iterator[bytes]]:
    """Give the content of a file as it was listed. Raises ``InputError``."""
    where = _location(file.path)
    try:
        with _given(places).open(where, storage) as place:
            yield _content(place, file, where)
    except PlaceFault as error:
        raise InputError(error.args[0], hint=error.hint) from error


def _content(place: RemotePlace, file: InputFile, where: Location) -> Iterator[bytes]:
    try:
        count = 0
        for block in place.read(_remote(file, where)):
            count += len(block)
            yield block
    except ContentChanged as error:
        hint = "wait until its writer is done, or let it write elsewhere and move the file in whole"
        raise unreadable(file, "it changed since it was listed", hint=hint) from error
    if count != file.size:
        hint = "run again"
        raise unreadable(file, f"{count:,} of its {file.size:,} bytes came", hint=hint)


def release(
    places: RemotePlaces | None,
    file: InputFile,
    action: AfterReading,
    *,
    target: str | None,
    storage: Storage,
) -> None:
    """Move or delete a file; one that is gone is done with. Raises ``OutputError``."""
    where = _location(file.path)
    try:
        with _given(places).open(where, storage) as place:
            now = place.find(where.key)
            if now is None:
                return
            if not now.same(_remote(file, where)):
                hint = "give new records a file of their own"
                raise OutputError(f"{file.path} has changed since it was read", hint=hint)
            if action is AfterReading.MOVE:
                assert target is not None
                _copy(place, now, _location(target))
                left = place.find(where.key)
                # A rename leaves nothing; what a producer has put there since was not read.
                if left is None or not left.same(now):
                    return
            place.delete(where.key)
    except PlaceFault as error:
        raise OutputError(error.args[0], hint=error.hint) from error


def _copy(place: RemotePlace, file: RemoteFile, target: Location) -> None:
    if place.copy(file, target.key, token=_token(target.uri)):
        return
    there = place.find(target.key)
    if there is None or not _equal(place.read(there), place.read(file)):
        hint = "move it away; the next run moves the file that was read"
        raise OutputError(f"{target.uri} is there already, with other content", hint=hint)


def put(places: RemotePlaces | None, source: Path, destination: str, storage: Storage) -> None:
    """Put a file where there is none. Equal content that is there counts as put.

    Raises ``OutputError``, also for other content that is there.
    """
    where = _location(destination)
    try:
        with _given(places).open(where, storage) as place:
            if place.create(where.key, source, token=_token(str(source))):
                return
            there = place.find(where.key)
            if there is None:
                message = f"{destination} was there and is gone again"
                raise OutputError(message, hint="deliver again")
            size = source.stat().st_size
            if there.size != size or not _equal(place.read(there), _blocks(source)):
                hint = "move it away, or put {run} in the path of the writer"
                message = f"{destination} exists already and is not the output of this run"
                raise OutputError(message, hint=hint)
    except PlaceFault as error:
        raise OutputError(error.args[0], hint=error.hint) from error


def exists(places: RemotePlaces | None, destination: str, storage: Storage) -> bool:
    """Whether something is there. Raises ``OutputError``."""
    where = _location(destination)
    try:
        with _given(places).open(where, storage) as place:
            return place.find(where.key) is not None
    except PlaceFault as error:
        raise OutputError(error.args[0], hint=error.hint) from error


def _equal(left: Iterator[bytes], right: Iterator[bytes]) -> bool:
    """Whether two contents are equal, however they are cut."""
    one, other = hashlib.sha256(), hashlib.sha256()
    for a, b in zip_longest(left, right, fillvalue=b""):
        one.update(a)
        other.update(b)
    return one.digest() == other.digest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            yield block


def _remote(file: InputFile, where: Location) -> RemoteFile:
    return RemoteFile(where.key, file.size, file.modified_ns, file.etag)


def _token(text: str) -> str:
    return f"meterhouse-{hashlib.sha256(text.encode()).hexdigest()[:_TOKEN_CHARS]}"


def _location(uri: str) -> Location:
    where = location(uri)
    assert where is not None
    return where


def _given(places: RemotePlaces | None) -> RemotePlaces:
    if places is None:
        raise PlaceFault(
            "only files of this machine can be reached here", hint="run it as a stream"
        )
    return places
