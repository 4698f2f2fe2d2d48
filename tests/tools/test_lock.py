from pathlib import Path

import pytest

from tools.lock import LOCKS, foreign_lines

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url an-address",
        "--find-links /some/wheels",
        "polars @ file:///tmp/polars.whl",
        "# via meterhouse",
        "polars==2.1.0",
    ],
)
def test_a_lock_holds_pinned_names_and_hashes_only(line):
    assert foreign_lines([line]) == [line]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_files_hold_nothing_else(name):
    lines = (REQUIREMENTS / name).read_text().splitlines()

    assert lines
    assert foreign_lines(lines) == []


@pytest.mark.parametrize("name", ["dev.txt", "bench.txt"])
def test_the_larger_locks_keep_the_versions_of_the_runtime(name):
    def pinned(file):
        lines = (REQUIREMENTS / file).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line}

    assert pinned("runtime.txt") <= pinned(name)
