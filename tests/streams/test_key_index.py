"""Rows of a table are found alike for texts as they are and for texts that are numbers."""

from random import Random

import polars as pl
import pytest

from meterhouse.engine.column import Coded, Column
from meterhouse.streams.key_index import KeyIndex, combinations

_MONTHS, _IDS = ["2026-09", "2026-10"], ["a", "b", "c", "d"]


def _table() -> KeyIndex:
    keys = [(month, id) for month in _MONTHS for id in _IDS if (month, id) != ("2026-10", "d")]
    return KeyIndex([Column.from_values(list(values)) for values in zip(*keys, strict=True)])


def _coded(texts: list[str | None], dictionary: list[str], random: Random) -> Column:
    """Texts as codes; a text that the dictionary has twice is any of the two."""
    places = [[n for n, known in enumerate(dictionary) if known == text] for text in texts]
    codes = [random.choice(among) if among else None for among in places]
    return Column.of_codes(Coded(pl.Series(codes, dtype=pl.UInt32), pl.Series(dictionary)))


@pytest.mark.parametrize("seed", range(5))
def test_combinations_of_codes_find_what_texts_find(seed: int):
    random = Random(seed)
    months = [random.choice([*_MONTHS, "2026-11", None]) for _ in range(2_000)]
    ids = [random.choice([*_IDS, "x", None]) for _ in range(2_000)]
    coded = [
        _coded(months, [*_MONTHS, "2026-11", "2026-09", "2027-01"], random),
        _coded(ids, ["x", *_IDS, "b", "never"], random),
    ]
    assert combinations(coded) is not None
    plain = [Column.from_values(list(months)), Column.from_values(list(ids))]
    assert combinations(plain) is None
    found = _table().rows(coded)
    assert found.to_list() == _table().rows(plain).to_list()
    assert set(found) == {None, *range(7)}


def test_many_combinations_are_not_made():
    texts = [str(n) for n in range(100)]
    column = _coded(texts * 10, texts, Random(0))
    assert combinations([column, column]) is None
