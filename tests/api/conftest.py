from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.world import House, running


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A server on an empty data directory."""
    with running(tmp_path / "data") as house:
        yield house
