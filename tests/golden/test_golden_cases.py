"""Every golden case holds on both executors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.notation import parse_case, play_case

_CASES = sorted(Path(__file__).parent.glob("*.case"))


@pytest.mark.parametrize("rows_max", [10**9, -1], ids=["rows", "columns"])
@pytest.mark.parametrize("path", _CASES, ids=lambda path: path.stem)
def test_case_holds(path: Path, rows_max: int) -> None:
    expected, actual = play_case(parse_case(path.read_text()), rows_max=rows_max)
    assert expected == actual
