"""The checklist of the Aura module: each row names tests that there are, and bear its number."""

import re

import pytest

from tests.docs.test_documents import ROOT, section, text_of

PAGE = "docs/aura-conformance.md"
ROWS = range(1, 35)
_CELL = re.compile(r"\[[^\]]+\]\(\.\./(tests/[^)]+\.py)\)([^|\[]*)")
_NAME = re.compile(r"`(test_\w+)`")
_NUMBERS = re.compile(r"test_((?:c\d\d_)+)(?:to_c(\d\d)_)?")


def named_in(line: str) -> list[tuple[str, str]]:
    """The files and the names of the tests in a row."""
    return [(path, name) for path, names in _CELL.findall(line) for name in _NAME.findall(names)]


def rows_of(name: str) -> set[int]:
    """The rows that a test is named after: ``test_c28_to_c31_x`` is of four."""
    found = _NUMBERS.match(name)
    if found is None:
        return set()
    numbers = [int(one[1:]) for one in found[1].strip("_").split("_")]
    return {*numbers, *(range(numbers[0], int(found[2]) + 1) if found[2] else ())}


def lines(heading: str) -> list[str]:
    return [line for line in section(PAGE, heading).splitlines() if line.startswith("| ")][1:]


def test_every_row_is_there_once_and_in_order() -> None:
    shown = [line.split("|")[1].strip() for line in lines("## The checklist")]
    assert shown == [f"C{number}" for number in ROWS]


@pytest.mark.parametrize("number", ROWS)
def test_each_row_has_tests_that_are_named_after_it(number: int) -> None:
    [line] = [line for line in lines("## The checklist") if line.startswith(f"| C{number} |")]
    named = named_in(line)
    assert named
    assert [name for _, name in named if number not in rows_of(name)] == []


def test_each_test_that_is_named_exists() -> None:
    named = named_in(text_of(PAGE))
    # Nothing in the page that looks like a test stands outside of what was looked at.
    assert len(named) == len(_NAME.findall(text_of(PAGE))) > len(ROWS)
    missing = [f"{path}: {name}" for path, name in named if f"\ndef {name}(" not in text_of(path)]
    assert missing == []


def test_paths_of_the_page_are_files() -> None:
    paths = {path for path, _ in _CELL.findall(text_of(PAGE))}
    assert [path for path in paths if not (ROOT / path).is_file()] == []
