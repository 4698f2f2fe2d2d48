"""Catalogues of datasets for runs: that of this installation, and those that Kernel serves.

A file is read only if its length and SHA-256 are those of the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import date
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from typing import Any

from meterhouse.app.datasets.ports import DatasetFile, Datasets, DatasetStorage, DatasetStorageFault
from meterhouse.app.datasets.publishing import newest
from meterhouse.app.listing import take
from meterhouse.app.page import Page
from meterhouse.connectors.asked import Asked
from meterhouse.connectors.avro.reader import read_avro
from meterhouse.connectors.chunking import gathered
from meterhouse.connectors.http import Guard, HttpClient, Limits
from meterhouse.connectors.kernel.client import (
    KernelClient,
    KernelFault,
    KernelFile,
    KernelMeans,
)
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.secret import Credentials, SecretType
from meterhouse.datasets.naming import parse_file_name
from meterhouse.datasets.version import Version
from meterhouse.streams.dataset_ports import (
    DatasetCatalogue,
    DatasetInput,
    InputForbidden,
    KernelPlace,
    WantedFiles,
)
from meterhouse.streams.ports import InputError, InputFile, OAuth2Auth, ReadChunk

#: A file of Kernel may take so long to come, and a list of files may be so long.
_DOWNLOAD_SECONDS, _LISTING_BYTES = 3_600, 256 * 2**20
_FIELDS = tuple(field.name for field in fields(DatasetInput))


@dataclass(frozen=True, slots=True)
class CatalogueKinds:
    """Opens catalogues. ``lend`` gives a thread its ledger, ``kernel`` makes clients of Kernel."""

    lend: Callable[[], AbstractContextManager[Datasets]]
    storage: Callable[[], DatasetStorage]
    kernel: Callable[[str, OAuth2Auth], KernelClient]

    def open(self, place: KernelPlace | None, credentials: Credentials | None) -> DatasetCatalogue:
        """Return a catalogue; nothing is asked yet."""
        if place is None:
            return OwnCatalogue(self.lend, self.storage())
        assert credentials is not None, "the node has checked that there is a secret"
        oauth = credentials.type is SecretType.OAUTH2
        names = ("clientId", "clientSecret") if oauth else ("username", "password")
        client_id, client_secret = (credentials[name] for name in names)
        auth = OAuth2Auth(place.token_url, client_id, client_secret, in_body=False)
        return KernelCatalogue(self.kernel(place.url, auth))


def catalogues(
    lend: Callable[[], AbstractContextManager[Datasets]],
    *,
    storage: Callable[[], DatasetStorage],
    guard: Guard,
    clients: KernelMeans,
) -> CatalogueKinds:
    """Return what opens catalogues; ``guard`` judges the addresses of Kernel."""

    def kernel(url: str, auth: OAuth2Auth) -> KernelClient:
        limits = Limits(whole_seconds=_DOWNLOAD_SECONDS, answer_bytes=_LISTING_BYTES)
        return KernelClient(HttpClient(guard, limits=limits), auth, url=url, means=clients)

    return CatalogueKinds(lend, storage, kernel)


class OwnCatalogue:
    """The catalogue of this installation."""

    def __init__(
        self, lend: Callable[[], AbstractContextManager[Datasets]], storage: DatasetStorage
    ) -> None:
        self._lend = lend
        self._storage = storage
        self._paths: dict[str, str] = {}

    def majors(self, dataset: str) -> Sequence[int]:
        """Return the major versions that were published."""
        with self._lend() as ledger:
            return sorted({version.major for version in ledger.dataset_versions(dataset)})

    def schema(self, dataset: str, *, major: int) -> Mapping[str, Any]:
        """Return the newest published schema of a major version."""
        try:
            with self._lend() as ledger:
                return _document(parse_json(newest(ledger, dataset, major=major).text))
        except NotFoundError as error:
            raise InputError(error.args[0], hint=error.hint) from error

    def files(self, wanted: WantedFiles) -> Sequence[DatasetInput]:
        """Return files, by day and then by name."""
        since, until = _date(wanted.since), _date(wanted.until)
        with self._lend() as ledger:

            def page_of(*, limit: int, after: str | None) -> Page[DatasetFile]:
                return ledger.dataset_files(
                    wanted.dataset,
                    major=wanted.major,
                    since=since,
                    until=until,
                    limit=limit,
                    after=after,
                )

            found = list(take(page_of, limit=None))
        return _ordered([self._input(file) for file in found], ob=wanted.ob)

    def snapshot(self, dataset: str, *, ob: str | None, until: Instant) -> DatasetInput | None:
        """Return the last snapshot by an instant, or the oldest; the ledger finds it."""
        with self._lend() as ledger:
            found = ledger.newest_snapshot(dataset, ob=ob, until=until)
            found = found or ledger.oldest_snapshot(dataset, ob=ob)
        return None if found is None else self._input(found)

    def _input(self, file: DatasetFile) -> DatasetInput:
        day = None if file.day is None else file.day.isoformat()
        self._paths[file.id] = file.path
        return DatasetInput(
            *(file.id, file.dataset, file.major, file.ob, day),
            *(file.name, file.rows, file.size, file.sha256),
        )

    @contextmanager
    def local(self, file: DatasetInput) -> Iterator[Path]:
        """Give a file for a while."""
        try:
            with self._storage.local(self._paths[file.id]) as path:
                _check(file, path)
                yield path
        except (DatasetStorageFault, NotFoundError, ConflictError) as error:
            raise InputError(f"{file.uri}: {error.args[0]}", hint=error.hint) from error

    def read(self, file: DatasetInput, **asked: Any) -> Iterator[ReadChunk]:
        """Yield the records of a file."""
        with self.local(file) as path:
            yield from _chunks(file, path, **asked)

    def close(self) -> None:
        """Nothing is open."""


class KernelCatalogue:
    """A catalogue that Kernel serves."""

    def __init__(self, client: KernelClient) -> None:
        self._client = client
        self._files: dict[str, KernelFile] = {}
        self._snapshots: dict[str, Sequence[DatasetInput]] = {}

    def majors(self, dataset: str) -> Sequence[int]:
        """Return the major versions that were published."""
        return sorted({version.major for version, _ in self._versions(dataset)})

    def schema(self, dataset: str, *, major: int) -> Mapping[str, Any]:
        """Return the newest published schema of a major version."""
        known = [pair for pair in self._versions(dataset) if pair[0].major == major]
        if not known:
            hint = "its newest major may be another one: meterhouse dataset list"
            raise InputError(f"Kernel has no version {major} of {dataset}", hint=hint)
        return _document(max(known, key=lambda pair: pair[0])[1])

    def files(self, wanted: WantedFiles) -> Sequence[DatasetInput]:
        """Return files, by day and then by name."""
        with _as_input():
            found = self._client.files(
                wanted.dataset, major=wanted.major, since=wanted.since, until=wanted.until
            )
        inputs: list[DatasetInput] = []
        for file in found:
            if (file.dataset, file.major) != (wanted.dataset, wanted.major):
                message = f"Kernel lists {file.name!r} of {file.dataset} {file.major}, unasked"
                raise InputError(message, hint="tell who runs Kernel")
            self._files[file.id] = file
            inputs.append(DatasetInput(**{name: getattr(file, name) for name in _FIELDS}))
        return _ordered(inputs, ob=wanted.ob)

    def snapshot(self, dataset: str, *, ob: str | None, until: Instant) -> DatasetInput | None:
        """Return the last snapshot by an instant, or the oldest; they are listed once."""
        if dataset not in self._snapshots:
            listed = [
                file
                for major in self.majors(dataset)
                for file in self.files(WantedFiles(dataset, major))
                if file.day is None
            ]
            self._snapshots[dataset] = sorted(listed, key=_taken)
        known = [file for file in self._snapshots[dataset] if file.ob in (ob, None)]
        before = [file for file in known if _taken(file)[0] <= until]
        return before[-1] if before else next(iter(known), None)

    @contextmanager
    def local(self, file: DatasetInput) -> Iterator[Path]:
        """Give a file for a while."""
        with _as_input(), self._client.downloaded(self._files[file.id]) as path:
            yield path

    def read(self, file: DatasetInput, **asked: Any) -> Iterator[ReadChunk]:
        """Yield the records of a file."""
        with self.local(file) as path:
            yield from _chunks(file, path, **asked)

    def _versions(self, dataset: str) -> list[tuple[Version, Any]]:
        """Return versions with their schemas; none where Kernel does not know the dataset."""
        try:
            items = self._client.versions(dataset)
        except KernelFault as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return []
            raise _input_error(error) from error
        versions = [(Version.read(item.get("version")), item.get("schema")) for item in items]
        return [(version, schema) for version, schema in versions if version is not None]

    def close(self) -> None:
        """Let connections go."""
        self._client.close()


@contextmanager
def _as_input() -> Iterator[None]:
    try:
        yield
    except KernelFault as error:
        raise _input_error(error) from error


def _input_error(fault: KernelFault) -> InputError:
    kind = InputForbidden if fault.status == HTTPStatus.FORBIDDEN else InputError
    return kind(fault.args[0], hint=fault.hint)


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _ordered(files: list[DatasetInput], *, ob: str | None) -> list[DatasetInput]:
    wanted = (file for file in files if ob is None or file.ob in (ob, None))
    return sorted(wanted, key=lambda file: (file.day or "", file.name))


def _taken(file: DatasetInput) -> tuple[Instant, int, str]:
    """Order snapshots by when they were taken, as their names say."""
    return parse_file_name(file.name).hour, file.major, file.name


def _document(schema: Any) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        raise InputError("The catalogue has no schema that can be read", hint="publish it anew")
    return schema


def _check(file: DatasetInput, path: Path) -> None:
    """Refuse a file that is not what the list says."""
    with FileIO(path, "r") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != file.sha256:
        hint = "somebody changed it: put back what was added"
        raise InputError(f"{file.uri} has another SHA-256 than the catalogue says", hint=hint)


def _chunks(
    file: DatasetInput,
    path: Path,
    *,
    source: int,
    fields: Mapping[str, str],
    records_max: int,
    needed: frozenset[str] | None,
    schema: Mapping[str, Any],
) -> Iterator[ReadChunk]:
    asked = Asked(source, fields, needed)
    named = InputFile(file.uri, file.size, 0, file.etag)
    with FileIO(path, "r") as handle:
        parts = read_avro(handle, asked, file=named, schema=schema, raw=True)
        yield from gathered(map(asked.pruned, parts), records_max=records_max)
