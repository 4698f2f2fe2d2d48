from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.store import SqliteLedger, open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    yield opened
    opened.close()
