"""A CSV file whose cells are separated by another character than the reader was told."""

from pathlib import Path
from typing import Any

import pytest

from meterhouse.connectors import SpoolFolder, UsageFiles
from meterhouse.streams.world import Services
from tests.streams.documents import chain, node, noop, run


def warnings(folder: Path, text: str, *after: dict, **params: Any) -> list[str]:
    path = folder / "usage.csv"
    path.write_text(text, "utf-8")
    services = Services(UsageFiles(), SpoolFolder(folder / "data"))
    first = node("in", "readers/file", path=str(path), **params)
    result = run(chain(first, *after, noop()), services=services)
    return [text.removeprefix(f"{path}: ") for _, level, text in result.log if level == "warning"]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("lines", [3, 40_000])
def test_a_header_with_another_delimiter_is_warned_of_once(tmp_path: Path, mark: str, lines: int):
    text = f"userId{mark}value\n" + f"ann{mark}1,5\n" * lines
    shown = '"\\t"' if mark == "\t" else f'"{mark}"'
    [said] = warnings(tmp_path, text.replace("1,5", "5"))
    assert said.startswith("its header has one column, ")
    assert said.endswith(f'give the reader "delimiter": {shown}')


def test_it_is_warned_of_where_nothing_looks_at_the_column(tmp_path: Path):
    mapped = node("m", "transforms/filter", condition="isNull(userId)")
    assert len(warnings(tmp_path, "userId;value\nann;5\n", mapped)) == 1


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("userId;value\nann;5\n", {"delimiter": ";"}),
        ("userId\nann;5\n", {}),
        ("a;b,c\n1,2\n", {}),
        ("ann;5\n", {"columns": ["line"]}),
    ],
)
def test_other_headers_are_not_warned_of(tmp_path: Path, text: str, params: dict):
    assert warnings(tmp_path, text, **params) == []
