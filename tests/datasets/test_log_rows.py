"""Logs as rows: formats known by their first character, and no record lost."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from meterhouse.datasets.log_rows import LINE_MAX, Layout, read_rows

LAYOUT = Layout(("ID", "TIME", "TEXT"), needed=2, mark="ID")
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


def rows_of(text):
    return list(read_rows(io.StringIO(text, newline=""), LAYOUT))


def fields_of(text):
    return [dict(row.fields) for row in rows_of(text)]


def test_a_header_names_the_columns_whatever_their_order_and_case():
    assert fields_of("time, id ,text\n1,a,x\n") == [{"TIME": "1", "ID": "a", "TEXT": "x"}]


def test_without_a_header_columns_are_known_by_position_and_the_tail_may_be_longer():
    assert fields_of("a,1,x,more,still\nb,2\n") == [
        {"ID": "a", "TIME": "1", "TEXT": "x"},
        {"ID": "b", "TIME": "2"},
    ]


def test_the_delimiter_is_the_one_of_the_first_line():
    assert fields_of("id;time;text\na;1;x,y\n") == [{"ID": "a", "TIME": "1", "TEXT": "x,y"}]


def test_a_byte_order_mark_and_empty_lines_are_no_rows():
    assert fields_of("\ufeff\n\nid,time,text\n\na,1,x\n  \n") == [
        {"ID": "a", "TIME": "1", "TEXT": "x"}
    ]


def test_json_lines_and_an_array_give_the_same_rows():
    rows = [{"ID": "a", "TIME": 1}, {"ID": "b", "TIME": None}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert fields_of(lines) == fields_of(json.dumps(rows)) == rows


def test_a_row_with_another_number_of_columns_than_the_header_says_so_with_its_place():
    last = rows_of("id,time,text\na,1,x\nb,2\n")[-1]
    assert (last.place, last.fault) == ("line 3", "it has 2 columns instead of 3")


def test_a_quote_that_is_never_closed_is_one_row_that_names_all_its_lines():
    last = rows_of('id,time,text\na,1,x\nb,2,"open\nc,3,y\n')[-1]
    assert last.place == "lines 3-4"
    assert last.fault is not None


def test_a_line_that_is_no_object_stands_among_the_others():
    faults = [row.fault for row in rows_of('{"ID": 1}\n[]\n{"ID": \n{"ID": 2}\n')]
    assert faults == [None, "it is no JSON object", "it is no JSON object", None]


def test_a_field_that_is_there_twice_in_other_cases_is_a_fault():
    assert rows_of('{"ID": 1, "id": 2}\n')[0].fault == "it has a field twice"


def test_an_array_that_is_cut_short_says_so_after_the_rows_that_are_there():
    whole, cut = rows_of('[{"ID": 1},\n')
    assert (whole.fault, whole.place, cut.place) == (None, "line 1", "line 2")
    assert cut.fault.startswith("what follows is no JSON array")
    [none] = rows_of("[nothing")
    assert none.fault.startswith("the file is no JSON array")


def test_an_array_of_any_length_is_read_value_by_value():
    """It takes no more memory than a value: the first rows come before the last are written."""
    taken = 0

    def pieces():
        nonlocal taken
        yield "["
        for number in range(100_000):
            taken += 1
            yield f'{{"ID": {number}, "TEXT": "],{{"}},'
        yield "7]"

    rows = read_rows(pieces(), LAYOUT)
    assert next(rows).fields == {"ID": 0, "TEXT": "],{"}
    assert taken < 20_000
    rest = list(rows)
    assert len(rest) == 100_000
    assert (rest[-1].fault, rest[-1].place) == ("it is no JSON object", "line 100001")


@given(st.lists(st.dictionaries(st.sampled_from("ABC"), CELLS, max_size=3)), st.integers(1, 9))
def test_an_array_is_the_same_however_it_is_cut(values, step):
    text = json.dumps(values, indent=1)
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    assert [dict(row.fields) for row in read_rows(pieces, LAYOUT)] == values


def test_a_line_that_is_too_long_is_one_row_with_a_fault_and_the_others_are_read():
    for first, last in (("id,time\n", "b,2\n"), ('{"ID": "a", "TIME": "1"}\n', '{"ID": "b"}\n')):
        pieces = [first, "x" * LINE_MAX, "y" * LINE_MAX, "z\n", last]
        *_, long, short = read_rows(pieces, LAYOUT)
        assert (long.place, "more than 1,048,576 characters" in long.fault) == ("line 2", True)
        assert (short.place, short.fields["ID"]) == ("line 3", "b")


@given(st.lists(st.tuples(st.sampled_from("abc"), CELLS, CELLS), max_size=8))
def test_whatever_csv_writes_comes_back_row_by_row(rows):
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([("ID", "TIME", "TEXT"), *rows])
    read = [tuple(row.fields.values()) for row in rows_of(out.getvalue())]
    assert read == [tuple(row) for row in rows]


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text):
    for row in rows_of(text):
        assert (row.fault is None) or not row.fields
