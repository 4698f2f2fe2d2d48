"""What ``readers/dataset`` needs from the world: a catalogue, and the files that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from meterhouse.core.instant import Instant
from meterhouse.core.secret import Credentials
from meterhouse.streams.ports import InputError, ReadChunk

#: What a run remembers files of catalogues by begins so.
DATASET_URI = "dataset://"


class InputForbidden(InputError):
    """A dataset that is not for whoever asks; others may have it."""


@dataclass(frozen=True, slots=True)
class KernelPlace:
    """Where another installation's catalogue is; ``token_url``, if it is not below ``url``."""

    url: str
    token_url: str


@dataclass(frozen=True, slots=True)
class WantedFiles:
    """Which files: of a major version, of some days (both included), of one OB or of all."""

    dataset: str
    major: int
    since: str | None = None
    until: str | None = None
    ob: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A file of a catalogue. ``day`` is ``None`` for a snapshot, ``ob`` for a file of all OBs."""

    id: str
    dataset: str
    major: int
    ob: str | None
    day: str | None
    name: str
    rows: int
    size: int
    sha256: str

    @property
    def uri(self) -> str:
        """What a run remembers it by, wherever it was read.

        >>> DatasetInput("1", "Aura_Audit", 6, "ES", "2026-10-03", "x.avro", 1, 9, "ab").uri
        'dataset://Aura_Audit/6/DAY_DT=2026-10-03/x.avro'
        """
        return f"{DATASET_URI}{self.path}"

    @property
    def path(self) -> str:
        """Where the catalogue has it."""
        folder = "" if self.day is None else f"DAY_DT={self.day}/"
        return f"{self.dataset}/{self.major}/{folder}{self.name}"

    @property
    def etag(self) -> str:
        """The mark of its content."""
        return f"sha256:{self.sha256}"


class DatasetCatalogue(Protocol):
    """A catalogue of datasets. Raises ``InputError`` for what cannot be had of it."""

    def majors(self, dataset: str) -> Sequence[int]:
        """Return the major versions that were published; none where there is no such dataset."""
        ...

    def schema(self, dataset: str, *, major: int) -> Mapping[str, Any]:
        """Return the newest published schema of a major version."""
        ...

    def files(self, wanted: WantedFiles) -> Sequence[DatasetInput]:
        """Return files, by day and then by name."""
        ...

    def snapshot(self, dataset: str, *, ob: str | None, until: Instant) -> DatasetInput | None:
        """Return the last snapshot of a dimension that was taken before an instant, or at it.

        With an ``ob``, of that one or of all, without one of all only. Where none is that old, the
        oldest; where there is none at all, ``None``.
        """
        ...

    def local(self, file: DatasetInput) -> AbstractContextManager[Path]:
        """Give a file as one of this machine for a while: it is what the catalogue says."""
        ...

    def read(
        self,
        file: DatasetInput,
        *,
        source: int,
        fields: Mapping[str, str],
        records_max: int,
        needed: frozenset[str] | None,
        schema: Mapping[str, Any],
    ) -> Iterator[ReadChunk]:
        """Yield the records of a file; one that is not what the catalogue says is refused."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class DatasetCatalogues(Protocol):
    """Opens catalogues."""

    def open(self, place: KernelPlace | None, credentials: Credentials | None) -> DatasetCatalogue:
        """Return a catalogue: without a place, that of this installation. Nothing is asked yet."""
        ...
