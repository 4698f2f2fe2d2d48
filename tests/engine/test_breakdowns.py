"""Breakdowns in columns come back from their packs as they were, whatever they hold."""

from decimal import Decimal
from random import Random

import polars as pl
import pytest

from meterhouse.core.json_text import json_text
from meterhouse.core.meter_state import GroupState
from meterhouse.engine.column import QUANTITY
from meterhouse.engine.columns import breakdowns
from meterhouse.engine.columns.breakdowns import Breakdowns, SectionColumns, coded_texts

_STRINGS = ["a", "ü", 'q"', "\\", "null", "1", "x" * 40, "\u2028", "😀", "line\nbreak", ""]
_VALUES = ["0", "-1.5", "99999999999999999999.999999999999999999", "0.000000000000000001", None]


def _cells(random: Random, rows: int, *, kinds: int) -> tuple[pl.DataFrame, dict]:
    """Groups of two fields with a first and two last carries; what they are as objects."""
    expected: dict = {}
    table: list[tuple] = []
    for n in range(rows):
        no = 2**48 + n // 5
        key = (json_text(f"k{n % kinds}"), random.choice(["null", "5", '{"a":[1]}', json_text(n)]))
        value = random.choice(_VALUES)
        first = random.choice([None, *map(json_text, _STRINGS)])
        last = random.choice([None, first, *map(json_text, _STRINGS)])
        other = random.choice([None, "1.5", "true"])
        table.append((no, *key, value, first, last, other))
        expected.setdefault(no, {})[key] = GroupState(
            None if value is None else Decimal(value),
            {"s": first} if first else {},
            {name: text for name, text in (("s", last), ("t", other)) if text},
        )
    names = ["no", *(f"c{place}" for place in range(6))]
    schema = {"no": pl.Int64} | dict.fromkeys(names[1:], pl.String)
    return pl.DataFrame(table, schema=schema, orient="row"), expected


@pytest.fixture(params=[0, 10**9], ids=["as objects", "as columns"])
def looked_up(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few meters, or any, be looked up one by one."""
    monkeypatch.setattr(breakdowns, "_FEW_METERS", request.param)


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize("seed", range(20))
def test_a_pack_gives_back_what_went_in(seed: int) -> None:
    random = Random(seed)
    cells, expected = _cells(random, random.randint(1, 300), kinds=random.choice([1, 3, 10**6]))
    section = SectionColumns.of_cells(("a", "b"), ["s"], ["s", "t"], cells=cells)
    whole = Breakdowns([section, section.slice(0, 0)])
    wanted = random.sample(sorted(expected), random.randint(1, len(expected)))
    groups = {no: {("a", "b"): expected[no]} for no in wanted}
    assert whole.groups(wanted) == groups
    packed = Breakdowns.of_content(whole.content())
    assert packed.groups(wanted) == whole.groups(wanted) == groups
    assert packed.groups([1]) == {}


@pytest.mark.usefixtures("looked_up")
def test_plain_strings_and_repeated_first_values_become_the_same_texts() -> None:
    frame = pl.DataFrame(
        {
            "no": [7] * len(_STRINGS),
            "g0": [json_text(n) for n in range(len(_STRINGS))],
            "value": pl.Series([1] * len(_STRINGS), dtype=QUANTITY),
            "f0": _STRINGS,
            "l0": ["z" if n % 2 else None for n in range(len(_STRINGS))],
            "s0": [n % 2 == 0 for n in range(len(_STRINGS))],
        }
    )
    section = SectionColumns(("a",), ["s"], ["s"], frame, frozenset({"f0", "l0"}))
    ((no, groups),) = Breakdowns.of_content(Breakdowns([section]).content()).groups([7]).items()
    assert no == 7
    for n, text in enumerate(_STRINGS):
        state = groups["a",][json_text(n),]
        last = '"z"' if n % 2 else json_text(text)
        assert (state.carry_first, state.carry_last) == ({"s": json_text(text)}, {"s": last})


@pytest.mark.parametrize("texts", [["a", "b"], [f"{n}" for n in range(100)], ["a", "a", "b"]])
def test_texts_that_come_often_are_numbers(texts: list[str]) -> None:
    random = Random(len(texts))
    numbers = [random.choice([None, *range(len(texts))]) for _ in range(60)]
    found = coded_texts(pl.Series(numbers, dtype=pl.UInt32), pl.Series(texts))
    assert found.to_list() == [None if n is None else texts[n] for n in numbers]
    assert (found.dtype == pl.String) == (len(texts) == 100)
