from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meterhouse.connectors import UsageFiles
from meterhouse.core.json_text import canonical_text
from meterhouse.streams.ports import InputFile, ReadChunk


@dataclass(frozen=True)
class Seen:
    """What a reading gave: canonical records and details of unreadable ones, by offset."""

    records: dict[int, str]
    bad: dict[int, str]
    chunks: tuple[ReadChunk, ...]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [row for chunk in self.chunks for row in chunk.batch.rows()]

    @classmethod
    def of(cls, chunks: Any) -> Seen:
        chunks = tuple(chunks)
        records = {
            offset: canonical_text(row)
            for chunk in chunks
            for (_, offset), row in zip(chunk.batch.origins(), chunk.batch.rows(), strict=True)
        }
        bad = {item.offset: item.detail for chunk in chunks for item in chunk.unreadable}
        order = [o for c in chunks for _, o in c.batch.origins()]
        assert order == sorted(set(order)), "records in order, each once"
        assert not set(records) & set(bad)
        return cls(records, bad, chunks)


def described(path: Path) -> InputFile:
    found = path.stat()
    return InputFile(str(path), found.st_size, found.st_mtime_ns)


@pytest.fixture
def read() -> Callable[..., Seen]:
    """Read one file as a stream does."""

    def read(path: Path, **options: Any) -> Seen:
        options = {"format": None, "fields": {}, "records_max": 1000, **options}
        return Seen.of(UsageFiles().read(described(path), source=3, **options))

    return read


@pytest.fixture
def describe() -> Callable[[Path], InputFile]:
    return described


@pytest.fixture
def seen() -> Callable[[Any], Seen]:
    return Seen.of


@pytest.fixture(scope="session")
def test_data() -> Path:
    folder = os.environ.get("METERHOUSE_TEST_DATA")
    if not folder:
        pytest.skip("METERHOUSE_TEST_DATA is not set")
    return Path(folder)
