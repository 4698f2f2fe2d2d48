from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from meterhouse.connectors.archive_store import FolderArchive
from meterhouse.security import LinkKey, LinkTokens
from meterhouse.store import SqliteLedger, open_ledger
from tests.security.house import a_key, an_envelope, chance


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> FolderArchive:
    return FolderArchive(tmp_path / "archive")


@pytest.fixture
def signer(ledger: SqliteLedger) -> LinkTokens:
    return LinkTokens(LinkKey(lambda: nullcontext(ledger), an_envelope(a_key(1)), chance))
