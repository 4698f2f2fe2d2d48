"""The process that parses one workbook: ``child.py MEMORY_BYTES CPU_SECONDS PATH [SHEET]``.

It writes each row of a sheet as one JSON array, and knows nothing of the program around it.
Whatever a crafted file makes of the parser happens here: the limits are set before it is loaded.

The parser gives an error, such as ``#REF!``, and a formula whose result was never stored, as an
empty cell. So these are looked for in the XML of the sheet, and written as ``{"broken": what}``.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from xml.etree import ElementTree
from xml.parsers import expat

#: How this process says that a file is no workbook, and that it has no such sheet.
REFUSED = 3
NO_SHEET = 4
#: What a sheet without broken cells does not have: an error, or a formula.
_MAY_BREAK = re.compile(rb"""\bt\s*=\s*["']e["']|<(?:\w+:)?f[\s/>]""")
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ROWS_MAX, _COLUMNS_MAX = 1 << 20, 1 << 14
_BLOCK_BYTES = 1 << 20
_OVERLAP_BYTES = 64
#: Broken cells by row and column, both from 0.
_Broken = dict[int, dict[int, str]]


def _cell(value: object) -> str:
    """Return a cell as JSON: numbers as their shortest decimal text, dates as ISO texts."""
    if value is None or value == "":
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):  # house: allow floats (what the file has is a double)
        return _number(value)
    if isinstance(value, timedelta):
        return json.dumps(f"PT{_number(value.total_seconds())}S")
    if isinstance(value, (date, datetime, time)):
        return json.dumps(value.isoformat())
    return json.dumps(str(value))


def _number(value: float) -> str:
    text = f"{Decimal(repr(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _BrokenCells:
    """Finds the broken cells while the XML of a sheet goes by."""

    def __init__(self) -> None:
        self.found: _Broken = {}
        self._row = self._column = -1
        self._kind: str | None = None
        self._formula = False
        self._value: str | None = None
        self._within = ""
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.buffer_text = True

    def feed(self, data: bytes, *, last: bool = False) -> None:
        self._parser.Parse(data, last)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition("}")[2]
        if tag == "row":
            written = attributes.get("r", "")
            self._row = int(written) - 1 if written.isdecimal() else self._row + 1
            self._column = -1
        elif tag == "c":
            place = _PLACE.fullmatch(attributes.get("r", ""))
            self._column = _column(place[1]) if place else self._column + 1
            self._kind, self._formula, self._value = attributes.get("t"), False, None
        elif tag == "f":
            self._formula = True
        elif tag == "v":
            self._within, self._value = "v", ""

    def _text(self, text: str) -> None:
        if self._within == "v" and self._value is not None:
            self._value += text

    def _end(self, name: str) -> None:
        tag = name.rpartition("}")[2]
        if tag == "v":
            self._within = ""
        elif tag == "c" and self._row < _ROWS_MAX and self._column < _COLUMNS_MAX:
            broken = self._broken()
            if broken:
                self.found.setdefault(self._row, {})[self._column] = broken

    def _broken(self) -> str | None:
        if self._kind == "e":
            return self._value or "an error"
        # The result of a formula may be an empty text, which is one that was stored.
        stored = self._value or (self._kind == "str" and self._value is not None)
        return "a formula without a stored value" if self._formula and not stored else None


def _column(letters: str) -> int:
    """Return the number of a column from 0: A, B, ... Z, AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _broken_cells(path: str, sheet: str) -> _Broken:
    """Return the broken cells of a sheet; of a workbook that is not XML, none are known."""
    with zipfile.ZipFile(path) as book:
        member = _member(book, sheet)
        if member is None or not _may_break(book, member):
            return {}
        cells = _BrokenCells()
        for block in _content(book, member):
            cells.feed(block)
        cells.feed(b"", last=True)
        return cells.found


def _member(book: zipfile.ZipFile, sheet: str) -> str | None:
    names = set(book.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    listed = _tree(book, "xl/workbook.xml")
    ids = [
        value
        for element in listed.iter()
        if element.tag.endswith("}sheet") and element.get("name") == sheet
        for name, value in element.items()
        if name.endswith("}id")
    ]
    for relation in _tree(book, "xl/_rels/workbook.xml.rels"):
        if relation.get("Id") in ids:
            target = relation.get("Target", "")
            member = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return member if member in names else None
    return None


def _tree(book: zipfile.ZipFile, member: str) -> ElementTree.Element:
    # What a crafted file costs here, the limits of this process end.
    return ElementTree.fromstring(book.read(member))  # noqa: S314


def _content(book: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    with book.open(member) as content:
        while block := content.read(_BLOCK_BYTES):
            yield block


def _may_break(book: zipfile.ZipFile, member: str) -> bool:
    tail = b""
    for block in _content(book, member):
        if _MAY_BREAK.search(tail + block):
            return True
        tail = block[-_OVERLAP_BYTES:]
    return False


def _rows(rows: Sequence[Sequence[object]], broken: _Broken) -> Iterator[str]:
    """Yield the rows as JSON, and those below them that have broken cells only."""
    for number in range(max(len(rows), 1 + max(broken, default=-1))):
        cells = list(map(_cell, rows[number])) if number < len(rows) else []
        for column, what in broken.get(number, {}).items():
            cells += ["null"] * (column + 1 - len(cells))
            cells[column] = json.dumps({"broken": what})
        yield f"[{','.join(cells)}]\n"


def main(arguments: list[str]) -> int:
    """Parse and write; return the exit code."""
    memory, seconds, path, *sheets = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import python_calamine

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib is not worth its memory here)
            book = python_calamine.load_workbook(file)
            names = book.sheet_names
            if not names or (sheets and sheets[0] not in names):
                known = ", ".join(map(repr, names)) or "none at all"
                asked = f"sheet {sheets[0]!r}" if sheets else "sheet"
                sys.stderr.write(f"it has no {asked}; it has {known}")
                return NO_SHEET
            sheet = book.get_sheet_by_name(sheets[0] if sheets else names[0])
            broken = _broken_cells(path, sheet.name)
            sys.stdout.writelines(_rows(sheet.to_python(skip_empty_area=False), broken))
            sys.stdout.flush()
    except MemoryError:
        sys.stderr.write("it takes more memory than a workbook may")
        return REFUSED
    except Exception as error:  # whatever the parser says of a bad file
        sys.stderr.write(str(error)[:300] or type(error).__name__)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
