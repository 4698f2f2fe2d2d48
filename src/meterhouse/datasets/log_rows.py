"""Log files as rows: CSV with a header or by position, JSON lines, or one JSON array.

Decides what a row is and where it stands, and nothing about what it means. Every record of a file
becomes exactly one ``LogRow``: one that cannot be read says so, so that none is lost in silence.
No more of a file is held than one record, of which ``LINE_MAX`` characters are read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.datasets.json_array import BrokenArray, array_values

_DELIMITERS = ",;|\t"
#: A record has fewer characters than this. Longer lines come in pieces of so many.
LINE_MAX = 1 << 20
_TOO_LONG = f"it has more than {LINE_MAX:,} characters: write a record on a line of its own"
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a log without a header, in order; ``needed`` is how many a row must have.

    ``mark`` is a column that every header has, by which one is known.
    """

    columns: tuple[str, ...]
    needed: int
    mark: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """One record of a log: its place and its fields by upper-case name, or why it is none."""

    line: int
    last_line: int
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    fault: str | None = None

    @property
    def place(self) -> str:
        """Where it stands in its file.

        >>> LogRow(3, 3).place, LogRow(3, 7).place
        ('line 3', 'lines 3-7')
        """
        if self.last_line > self.line:
            return f"lines {self.line}-{self.last_line}"
        return f"line {self.line}"


def read_rows(lines: Iterable[str], layout: Layout) -> Iterator[LogRow]:
    r"""Read the records of a log file, whose format is known by its first character.

    >>> layout = Layout(("A", "B"), needed=2, mark="B")
    >>> [dict(row.fields) for row in read_rows(["1,2\n", "b,a\n"], layout)]
    [{'A': '1', 'B': '2'}, {'A': 'b', 'B': 'a'}]
    >>> [dict(row.fields) for row in read_rows(["b;a\n", "1;2\n"], layout)]
    [{'B': '1', 'A': '2'}]
    """
    rest = iter(lines)
    skipped: list[str] = []
    for line in rest:
        begun = line.removeprefix(_BYTE_ORDER_MARK) if not skipped else line
        if not begun.strip():
            skipped.append("\n")
            continue
        whole = chain(skipped, [begun], rest)
        first = begun.lstrip()[0]
        if first == "[":
            return _array_rows(whole)
        found = _Lines(whole)
        return _json_lines(found) if first == "{" else _delimited(found, begun, layout)
    return iter(())


class _LineTooLong(Exception):
    """A line was left out, as it is too long."""


class _Lines:
    """Lines with their numbers: one that came in pieces is left out as a whole, and told."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._pieces)
        self.number += 1
        if len(line) < LINE_MAX or _ends(line):
            return line
        for piece in self._pieces:
            if _ends(piece):
                break
        raise _LineTooLong


def _ends(line: str) -> bool:
    return line[-1] in "\r\n"


def _json_lines(lines: _Lines) -> Iterator[LogRow]:
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except _LineTooLong:
            yield LogRow(lines.number, lines.number, fault=_TOO_LONG)
            continue
        if line.strip():
            yield _object_row(lines.number, lines.number, _json_value(line))


def _array_rows(pieces: Iterable[str]) -> Iterator[LogRow]:
    """Read an array, value after value; rows are numbered, as they have no lines of their own."""
    number = 0
    try:
        for number, text in enumerate(array_values(pieces, longest=LINE_MAX), start=1):
            yield _object_row(number, number, _json_value(text))
    except BrokenArray:
        said = "what follows is" if number else "the file is"
        fault = f"{said} no JSON array, or a value has more than {LINE_MAX:,} characters"
        yield LogRow(number + 1, number + 1, fault=fault)


def _json_value(text: str) -> JsonValue:
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        return None


def _object_row(line: int, last_line: int, value: JsonValue) -> LogRow:
    if not isinstance(value, dict):
        return LogRow(line, last_line, fault="it is no JSON object")
    fields = {name.strip().upper(): one for name, one in value.items()}
    if len(fields) < len(value):
        return LogRow(line, last_line, fault="it has a field twice")
    return LogRow(line, last_line, fields)


def _delimited(lines: _Lines, first: str, layout: Layout) -> Iterator[LogRow]:
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    columns: Sequence[str] = layout.columns
    headed, begun = False, False
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _LineTooLong) as error:
            begun = True
            fault = f"it is no CSV: {error}" if isinstance(error, csv.Error) else _TOO_LONG
            yield LogRow(line, lines.number, fault=fault)
            continue
        if not any(cell.strip() for cell in cells):
            continue
        names = [cell.strip().upper() for cell in cells]
        if not begun and layout.mark in names:
            columns, headed, begun = names, True, True
            continue
        begun = True
        yield _cells_row(cells, columns, layout, headed, (line, lines.number))


def _cells_row(
    cells: list[str], columns: Sequence[str], layout: Layout, headed: bool, lines: tuple[int, int]
) -> LogRow:
    enough = len(cells) == len(columns) if headed else len(cells) >= layout.needed
    if not enough:
        wanted = len(columns) if headed else f"at least {layout.needed}"
        return LogRow(*lines, fault=f"it has {len(cells)} columns instead of {wanted}")
    return LogRow(*lines, dict(zip(columns, cells, strict=False)))
