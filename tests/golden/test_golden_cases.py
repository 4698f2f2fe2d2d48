"""Every golden case holds on both executors, wherever the meters are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.keeping import InMemory, InSqlite
from tests.golden.notation import parse_case, play_case

_CASES = sorted(Path(__file__).parent.glob("*.case"))


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("rows_max", [10**9, -1], ids=["rows", "columns"])
@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_case_holds(path: Path, rows_max: int, store: str, tmp_path: Path) -> None:
    case = parse_case(path.read_text())
    kept = InMemory(case.meters) if store == "memory" else InSqlite(case.meters, tmp_path)
    expected, actual = play_case(case, kept, rows_max=rows_max)
    assert expected == actual
