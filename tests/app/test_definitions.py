"""Definition files: what is one item, and what its place is called."""

from decimal import Decimal

import pytest

from meterhouse.app.definitions import read_items, read_one
from meterhouse.core.problem import DefinitionError


def places_and_bodies(text: str) -> list[tuple[str, object]]:
    return [(item.place, item.body) for item in read_items(text)]


def problems(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read_items(text)
    return [str(problem) for problem in caught.value.problems]


def test_one_object_has_no_place():
    assert places_and_bodies('{\n  "a": 1\n}') == [("", {"a": 1})]


def test_a_list_numbers_its_items():
    assert places_and_bodies('[{"a": 1}, 7]') == [("item 1", {"a": 1}), ("item 2", 7)]


def test_lines_keep_their_numbers_over_blank_ones():
    text = '{"a": 1}\n\n  \r\n{"a": 2}\r\n'
    assert places_and_bodies(text) == [("line 1", {"a": 1}), ("line 4", {"a": 2})]


def test_numbers_are_taken_as_written():
    [item] = read_items('{"capacity": 0.1, "big": 123456789012345678901234567890.5}')
    assert item.body == {
        "capacity": Decimal("0.1"),
        "big": Decimal("123456789012345678901234567890.5"),
    }


def test_a_byte_order_mark_is_no_content():
    assert places_and_bodies('\ufeff{"a": 1}') == [("", {"a": 1})]


def test_a_line_separator_inside_a_text_ends_no_line():
    [first, second] = read_items('{"a": "x\u2028y"}\n{"a": 2}')
    assert (first.body, second.place) == ({"a": "x\u2028y"}, "line 2")


def test_every_bad_line_is_listed():
    found = problems('{"a": 1}\n{"a": \nnonsense\n{"a": NaN}')
    assert [text.split(":")[0] for text in found] == ["line 2", "line 3", "line 4"]


def test_a_broken_document_names_line_and_column():
    [found] = problems('{\n  "a": 1,\n  oops\n}')
    assert found.startswith("line 3, column 3: is not JSON")


@pytest.mark.parametrize("text", ["", " \n", "\ufeff"])
def test_an_empty_file_says_what_to_give(text: str):
    [found] = problems(text)
    assert (
        found == "holds nothing (give one JSON object, a list of objects, or one object per line)"
    )


@pytest.mark.parametrize("text", ['{"a": 1e999999999999999999999}', "[" * 200 + "]" * 200])
def test_what_no_reader_should_take_is_refused(text: str):
    assert len(problems(text)) == 1


def test_a_patch_is_one_object():
    with pytest.raises(DefinitionError, match="holds 2 objects"):
        read_one('[{"a": 1}, {"a": 2}]', what="The merge patch")
