"""Documents of price books: YAML as JSON would say it, and errors with line and column."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from meterhouse.connectors.price_book_files import plain_value, read_documents
from meterhouse.core.json_text import json_text
from meterhouse.core.price_book_reading import read_price_book
from meterhouse.core.price_book_text import book_hash
from meterhouse.core.problem import DefinitionError

EXAMPLES = Path(__file__).parents[2] / "examples" / "billing"


def bodies(text: str, what: str = "f.yaml") -> list[object]:
    return [document.body for document in read_documents(text, what=what)]


def fault(text: str, what: str = "f.yaml") -> str:
    with pytest.raises(DefinitionError) as caught:
        read_documents(text, what=what)
    [problem] = caught.value.problems
    return str(problem)


BOOKS = sorted(path for path in EXAMPLES.glob("*.yaml") if "\nprices:" in path.read_text("utf-8"))


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_a_book_has_one_hash_in_yaml_and_in_json(path):
    for document in read_documents(path.read_text("utf-8"), what=path.name):
        book = read_price_book(document.body)
        as_json = json_text(plain(document.body))
        [other] = read_documents(as_json, what="book.json")

        assert read_price_book(other.body) == book
        assert book_hash(other.body) == book.hash


def plain(value: object) -> object:
    """Return a document with days as texts and its keys in the opposite order."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in reversed(value.items())}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("5", 5),
        ("-5", -5),
        ("0.10", Decimal("0.10")),
        ("1e-7", Decimal("1e-7")),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        (".5", ".5"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-10-01", date(2026, 10, 1)),
        ("2026-10-01.1", "2026-10-01.1"),
        ("1" * 200, Decimal("1" * 200)),
    ],
)
def test_plain_texts_are_what_they_would_be_in_json(text, value):
    found = plain_value(text)

    assert (found, type(found)) == (value, type(value))


def test_what_stands_between_quotes_is_text():
    assert bodies("""a: ["5", '2026-10-01', "true", 5, !!str 7]\nb: |\n  8\n""") == [
        {"a": ["5", "2026-10-01", "true", 5, "7"], "b": "8\n"}
    ]


def test_keys_are_texts_as_written():
    assert bodies("{1.50: a, null: b, NO: c, 2026-10-01: d}") == [
        {"1.50": "a", "null": "b", "NO": "c", "2026-10-01": "d"}
    ]


def test_a_file_of_several_documents():
    text = "# one\na: 1\n---\n# two\na: 2\n...\n---\na: 3\n"
    found = read_documents(text, what="f.yaml")

    assert [document.body for document in found] == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [document.place for document in found] == ["document 1", "document 2", "document 3"]
    assert [document.format for document in found] == ["yaml"] * 3
    assert found[0].text == "# one\na: 1\n"
    assert "".join(document.text for document in found) == text


def test_a_list_of_documents():
    found = read_documents("- {b: 1, a: 2026-10-01}\n- {a: 2}\n", what="f.yaml")

    assert [(one.place, one.text, one.format) for one in found] == [
        ("item 1", '{"a":"2026-10-01","b":1}', "json"),
        ("item 2", '{"a":2}', "json"),
    ]


def test_json_is_kept_as_written():
    text = '{"b": 0.10,\n "a": "\\ud83d\\ude00"}'
    [found] = read_documents(text, what="standard input")

    assert (found.text, found.format) == (text, "json")
    assert found.body == {"b": Decimal("0.10"), "a": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", 'line 2, column 1: the key "a" stands twice (keep one of them)'),
        ("a: &x 1\nb: *x\n", "line 2, column 4: *x is an alias (write the value itself)"),
        ("a: !!python/object:os.system x", "line 1, column 4: has the tag"),
        ("a: !!int '5'", "line 1, column 4: has the tag"),
        ("a: [1, 2\nb: 3", "line 2, column 2: "),
        ("a: b: c", "line 1, column 5: mapping values are not allowed in this context"),
        ("? [a]\n: 1", "line 1, column 3: is a key and no text (keys are texts)"),
        ("a: 2026-02-30", 'line 1, column 4: "2026-02-30" is no day (write a text between'),
        ("a:\n\t- 1", "line 2, column 1: found character that cannot start any token"),
        ("", "holds nothing (write a price book"),
        ("# only a comment", "holds nothing"),
        ("a: \x01", "is no YAML: "),
        ("[" * 101 + "]" * 101, "line 1, column 101: nests deeper than 100 levels"),
        ("{" * 50_000, "line 1, column 2: "),
        ("a: " + "[" * 50_000, "line 1, column 103: nests deeper than 100 levels"),
    ],
)
def test_a_fault_is_told_with_its_place(text, problem):
    assert fault(text).startswith(problem)


def test_few_lines_do_not_stand_for_gigabytes():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)]

    assert "*a0 is an alias" in fault("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,}', "line 1, column 9: "),
        ('{"a": 1, "a": 2}', 'the key "a" stands twice in one object: keep one of them'),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[" * 200 + "]" * 200, "nests deeper than 100 levels"),
        ("", "line 1, column 1: Expecting value"),
    ],
)
def test_a_fault_of_json_is_told(text, problem):
    assert fault(text, "f.json").startswith(problem)


def test_a_huge_file_is_refused():
    assert "at most 16,000,000 are read" in fault("a" * 16_000_001)
