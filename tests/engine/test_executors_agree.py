"""The oracle: columns give what rows give, bit for bit, however the input is cut."""

from __future__ import annotations

import os

import pytest

from tests.engine.cases import generate, play

_CASES_PER_BLOCK = 100
_BLOCKS = range(50)
#: Where the seeds start; set it to replay a block of another run.
_BASE = int(os.environ.get("METERHOUSE_SEED", "0"))
_ROWS_ONLY = 10**9
_COLUMNS_ONLY = -1


def _assert_agree(seed: int) -> None:
    case = generate(seed)
    expected = play(case, rows_max=_ROWS_ONLY, whole=True)
    actual = play(case, rows_max=_COLUMNS_ONLY)
    assert expected == actual, f"seed {seed}: executors differ"


@pytest.mark.parametrize("block", _BLOCKS)
def test_columns_equal_rows_however_the_input_is_cut(block: int) -> None:
    first = _BASE + block * _CASES_PER_BLOCK
    for seed in range(first, first + _CASES_PER_BLOCK):
        _assert_agree(seed)


@pytest.mark.parametrize("block", range(10))
def test_rows_do_not_depend_on_cuts(block: int) -> None:
    for seed in range(_BASE + block * 100, _BASE + block * 100 + 100):
        case = generate(seed)
        assert play(case, rows_max=_ROWS_ONLY, whole=True) == play(case, rows_max=_ROWS_ONLY)


@pytest.mark.parametrize("seed", range(200))
def test_executors_may_change_in_the_middle_of_a_stream_of_runs(seed: int) -> None:
    case = generate(seed)
    expected = play(case, rows_max=_ROWS_ONLY, whole=True)
    # Small first batches go by rows, the first larger one moves the run to columns.
    assert expected == play(case, rows_max=5)


@pytest.mark.nightly
@pytest.mark.parametrize("block", range(2_000))
def test_columns_equal_rows_on_many_more_cases(block: int) -> None:
    first = 1_000_000 + block * _CASES_PER_BLOCK
    for seed in range(first, first + _CASES_PER_BLOCK):
        _assert_agree(seed)
