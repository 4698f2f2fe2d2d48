"""A catalogue to test with, and rows for its files."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterhouse.app.aura.catalogue import OperationCatalogue
from meterhouse.app.datasets.files import add_file
from meterhouse.app.datasets.ports import DatasetFile, DatasetStorage
from meterhouse.connectors.avro.containers import AvroContainers
from meterhouse.connectors.dataset_reading import OwnCatalogue
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.store import SqliteLedger

#: 2026-11-03T00:00:00Z
AT = 1_793_664_000_000_000
AUDIT = "Aura_Audit"
NAME = "ES_Aura_Audit_20261003T100000Z.avro"
CONTAINERS = AvroContainers()


def a_row(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a row of Aura_Audit."""
    return {
        "INTERACTION_ID": f"interaction-{number}",
        "AURA_TM": "2026-10-03T09:15:02.114Z",
        "AURA_CHANNEL_ID": None,
        "AURA_APP_ID": "8832550f-f03c-4e18-bdbe-7c6fc7adf5ff",
        "COUNTRY_3_ALPHA_CD": "ESP",
        "AURA_SERVICE_NAME_CD": "ai",
        "AURA_PRESET_NAME": "atria-rag-gpt-4",
        "AURA_COMPONENT_ID": "aura-gateway-api",
        "AURA_VERSION_ID": None,
        "DAY_DT": "2026-10-03",
    } | changed


def document_of(name: str = AUDIT, version: str | None = None) -> dict[str, Any]:
    """Return a schema of the package, to be changed."""
    document = copy.deepcopy(dict(BUILT_IN[name].document))
    return document if version is None else document | {"x-fp-version": version}


@dataclass
class Catalogue:
    """A ledger, a storage, and a folder for files that are to be added."""

    ledger: SqliteLedger
    storage: DatasetStorage
    folder: Path

    def written(
        self,
        rows: Iterable[dict[str, Any]],
        *,
        schema: dict[str, Any] | None = None,
        dataset: str = AUDIT,
    ) -> Path:
        path = self.folder / "content.avro"
        CONTAINERS.write(path, schema=schema or document_of(dataset), rows=rows)
        return path

    def add(
        self,
        content: Path,
        *,
        name: str = NAME,
        dataset: str = AUDIT,
        at: int = AT,
        ob: str | None = None,
    ) -> tuple[DatasetFile, ...]:
        return add_file(
            *(self.ledger, self.storage, content),
            dataset=dataset,
            name=name,
            at=at,
            ob=ob,
            containers=CONTAINERS,
        )

    def asked(self) -> OperationCatalogue:
        """The same as the billing operation asks it: as it is by now."""
        own = OwnCatalogue(lambda: nullcontext(self.ledger), self.storage)
        return OperationCatalogue(own, CONTAINERS)

    def names(self) -> list[str]:
        return [file.name for file in self.storage.list("")]
