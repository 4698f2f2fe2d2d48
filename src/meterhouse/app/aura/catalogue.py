"""What the operation asks of a catalogue: rows of a month, and snapshots of dimensions.

The catalogue is that of this installation or one that Kernel serves. Each list is asked for once:
an operation sees the catalogue as it was when it asked first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from meterhouse.app.aura.operation import Month
from meterhouse.app.datasets.ports import Containers
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import Record
from meterhouse.streams.dataset_ports import DatasetCatalogue, DatasetInput, WantedFiles

#: The dataset that is billed.
AUDIT = "Aura_Audit"


class OperationCatalogue:
    """A catalogue as the operation asks it. Raises ``InputError`` for what cannot be had of it."""

    def __init__(self, catalogue: DatasetCatalogue, containers: Containers) -> None:
        self._catalogue = catalogue
        self._containers = containers
        self._months: dict[tuple[str, str], Sequence[DatasetInput]] = {}
        self._snapshots: dict[tuple[str, str | None, Instant], DatasetInput | None] = {}
        self._schemas: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._rows: dict[str, list[Record]] = {}

    def rows(self, ob: str, month: Month) -> int:
        """Return how many rows there are to be billed of an OB in a month, duplicates too."""
        return sum(file.rows for file in self.files(AUDIT, month, ob=ob))

    def files(self, dataset: str, month: Month, *, ob: str) -> list[DatasetInput]:
        """Return the files of an OB and the days of a month, of every major version."""
        return [file for file in self._of_month(dataset, month) if file.ob == ob]

    def others(self, listed: Collection[str], month: Month) -> dict[str, int]:
        """Return the OBs that are not listed, with how many rows there are of each in a month."""
        found: dict[str, int] = {}
        for file in self._of_month(AUDIT, month):
            if file.ob is not None and file.ob not in listed:
                found[file.ob] = found.get(file.ob, 0) + file.rows
        return dict(sorted(found.items()))

    def _of_month(self, dataset: str, month: Month) -> Sequence[DatasetInput]:
        key = (dataset, month.text)
        if key not in self._months:
            since, until = month.days.first.isoformat(), month.last_day.isoformat()
            self._months[key] = [
                file
                for major in self._catalogue.majors(dataset)
                for file in self._catalogue.files(WantedFiles(dataset, major, since, until))
            ]
        return self._months[key]

    def snapshot(self, dataset: str, *, ob: str | None, until: Instant) -> DatasetInput | None:
        """Return the last snapshot of a dimension that was taken before an instant, or at it.

        With an ``ob``, of that one or of all, without one of all only. Where none is that old, the
        oldest; where there is none at all, ``None``.
        """
        key = (dataset, ob, until)
        if key not in self._snapshots:
            self._snapshots[key] = self._catalogue.snapshot(dataset, ob=ob, until=until)
        return self._snapshots[key]

    def snapshot_rows(self, file: DatasetInput) -> list[Record]:
        """Return the rows of a snapshot, as the newest published schema of its major has them."""
        found = self._rows.get(file.uri)
        if found is None:
            schema = self._schema(file)
            with self._catalogue.local(file) as path:
                found = self._rows[file.uri] = list(self._containers.rows(path, schema))
        return found

    def close(self) -> None:
        """Let go of connections."""
        self._catalogue.close()

    def _schema(self, file: DatasetInput) -> Mapping[str, Any]:
        which = (file.dataset, file.major)
        if which not in self._schemas:
            self._schemas[which] = self._catalogue.schema(file.dataset, major=file.major)
        return self._schemas[which]
