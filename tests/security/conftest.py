"""Fixtures: a ledger, an envelope with one wallet key, an authority, client secrets."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from meterhouse.security import Authority, ClientSecrets, Envelope, Pepper
from meterhouse.store import SqliteLedger, open_ledger
from tests.security.house import URLS, a_key, an_envelope, chance, new_id


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = open_ledger(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def envelope() -> Envelope:
    return an_envelope(a_key(1))


@pytest.fixture
def authority(ledger: SqliteLedger, envelope: Envelope) -> Authority:
    return Authority(lambda: nullcontext(ledger), envelope, public_urls=URLS, new_id=new_id)


@pytest.fixture
def client_secrets(ledger: SqliteLedger, envelope: Envelope) -> ClientSecrets:
    return ClientSecrets(Pepper(lambda: nullcontext(ledger), envelope, chance), chance)
