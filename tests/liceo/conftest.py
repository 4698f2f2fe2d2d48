"""Fixtures: a data directory of each test's own."""

from pathlib import Path

import pytest

from tests.cli.command import Meterhouse


@pytest.fixture
def meterhouse(tmp_path: Path) -> Meterhouse:
    """The command line on an empty data directory."""
    return Meterhouse(tmp_path / "data")
