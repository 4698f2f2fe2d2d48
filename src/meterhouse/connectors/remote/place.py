"""What every place that holds files elsewhere can do, and the one error that it raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from meterhouse.core.problem import MeterhouseError


class PlaceFault(MeterhouseError):
    """A place refused something, or could not be reached; it names what and where."""

    code = "storage_failed"


class ContentChanged(PlaceFault):
    """A file is no longer what was listed."""

    code = "storage_changed"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a place lists it. ``etag`` is a mark of its content, where the place has one."""

    key: str
    size: int
    modified_ns: int
    etag: str | None = None

    def same(self, other: RemoteFile) -> bool:
        """Whether both are one content, as far as a place tells."""
        if self.etag is not None and other.etag is not None:
            return (self.size, self.etag) == (other.size, other.etag)
        return (self.size, self.modified_ns) == (other.size, other.modified_ns)


class RemotePlace(Protocol):
    """A bucket, a container or a server. Every method raises ``PlaceFault`` and nothing else."""

    def list(self, prefix: str) -> Iterator[RemoteFile]:
        """Yield the files in a folder and in all folders within it; none where there is none."""
        ...

    def find(self, key: str) -> RemoteFile | None:
        """Return one file."""
        ...

    def read(self, file: RemoteFile) -> Iterator[bytes]:
        """Yield the content of the file as it was listed; else ``ContentChanged``."""
        ...

    def create(self, key: str, content: Path, *, token: str) -> bool:
        """Make a file of local content, whole or not at all; ``False`` where there is one already.

        ``token`` names what is being made: what a killed attempt of it left is replaced.
        """
        ...

    def copy(self, file: RemoteFile, key: str, *, token: str) -> bool:
        """Copy a file within the place; ``False`` where there is one of that name."""
        ...

    def delete(self, key: str) -> None:
        """Remove a file; one that is gone is fine."""
        ...
