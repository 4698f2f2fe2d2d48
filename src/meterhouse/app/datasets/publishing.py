"""Publishing schemas of datasets, and finding the newest version of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meterhouse.app.datasets.ports import Datasets, DatasetVersion
from meterhouse.core.instant import Instant
from meterhouse.datasets.schema import DatasetSchema


@dataclass(frozen=True, slots=True)
class Published:
    """A version in the catalogue; ``new`` unless it was there already, as it is."""

    version: DatasetVersion
    new: bool

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        return self.version.to_api() | {"new": self.new}


def publish(ledger: Datasets, schema: DatasetSchema, *, at: Instant) -> Published:
    """Publish a version of a dataset.

    Raises ``DefinitionError`` where it may not follow the newest version of its major, and
    ``ConflictError`` where that version has another schema.
    """
    raise NotImplementedError


def newest(ledger: Datasets, name: str, *, major: int | None = None) -> DatasetVersion:
    """Return the newest version of a dataset, or of one major. Raises ``NotFoundError``."""
    raise NotImplementedError
