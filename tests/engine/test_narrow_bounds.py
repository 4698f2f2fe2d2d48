"""Columns whose inner bounds are narrow: what only happens in huge runs happens in small ones.

The bounds are when carried values are let go, when partials are merged, how many bits a key has,
how many texts are made at a time, when crossings are searched in slices. None may change a result.
"""

from __future__ import annotations

import pytest

from meterhouse.engine.columns import buckets, carry, crossing, encoding, guide, table
from tests.engine.cases import Case, generate, play, with_changed_rules, with_more_steps

_ROWS_ONLY = 10**9
_COLUMNS_ONLY = -1
#: Two blocks every time, the others at night.
_BLOCKS = [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 200))]
_CASES_PER_BLOCK = 20
_EVERY_BATCH = (1,)


def _seeds(block: int) -> range:
    return range(10_000 + block * _CASES_PER_BLOCK, 10_000 + (block + 1) * _CASES_PER_BLOCK)


def _assert_agree(seed: int, case: Case) -> None:
    expected = play(case, rows_max=_ROWS_ONLY, whole=True)
    actual = play(case, rows_max=_COLUMNS_ONLY, windows=_EVERY_BATCH)
    assert expected == actual, f"seed {seed}: executors differ"


@pytest.mark.parametrize("block", _BLOCKS)
def test_letting_carried_values_go_changes_nothing(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_CARRIED_BYTES_MAX", 1)
    monkeypatch.setattr(carry, "_INLINE_BYTES", 0)
    # Joined before, or thinned out piece by piece.
    monkeypatch.setattr(carry, "_PIECES_MAX", (0, 100)[block % 2])
    for seed in _seeds(block):
        _assert_agree(seed, with_more_steps(generate(seed), seed))


@pytest.mark.parametrize("block", _BLOCKS)
def test_merging_early_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PARTIAL_ROWS_MAX", 3)
    monkeypatch.setattr(encoding, "PART_ROWS", 2)
    for seed in _seeds(block):
        _assert_agree(seed, with_more_steps(generate(seed), seed))


@pytest.mark.parametrize("block", _BLOCKS)
def test_keys_that_become_too_narrow_are_widened(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_KEY_BITS", table.MOMENT_BITS + 3 + block % 2)
    monkeypatch.setattr(buckets, "_CARRIED_BYTES_MAX", 2_000)
    for seed in _seeds(block):
        _assert_agree(seed, with_more_steps(generate(seed), seed))


@pytest.mark.parametrize("block", _BLOCKS)
def test_sums_go_beyond_whole_numbers_when_they_have_to(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "_WHOLE_MAX", 10)
    monkeypatch.setattr(crossing, "_SLICED_MIN", 0)
    monkeypatch.setattr(crossing, "_SLICES", 3)
    monkeypatch.setattr(guide, "_PLACES_MAX", 0)
    for seed in _seeds(block):
        _assert_agree(seed, with_more_steps(generate(seed), seed))


@pytest.mark.parametrize("block", _BLOCKS)
def test_what_older_rules_gathered_is_kept(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_CARRIED_BYTES_MAX", 1_000)
    for seed in _seeds(block):
        _assert_agree(seed, with_changed_rules(with_more_steps(generate(seed), seed), seed))
