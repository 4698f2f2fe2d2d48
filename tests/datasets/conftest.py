from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.app.datasets.publishing import publish
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.datasets.schema import BUILT_IN
from meterhouse.store import open_ledger
from tests.datasets.catalogue import AT, Catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue in a folder, with all schemas of the package published."""
    ledger = open_ledger(tmp_path / "data")
    try:
        for schema in BUILT_IN.values():
            publish(ledger, schema, at=AT)
        yield Catalogue(ledger, FolderStorage(tmp_path / "catalogue"), tmp_path)
    finally:
        ledger.close()
