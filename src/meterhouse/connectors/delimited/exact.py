"""The exact reading of CSV, record by record, after RFC 4180 or as a dialect says.

A quote within an unquoted cell is a character like any other. A line that opens a quote which
is never closed, or goes on after a closing quote, is unreadable; reading resumes on the next.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from meterhouse.connectors.lines import LINE_BYTES_MAX, raw_text
from meterhouse.core.json_text import Record
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.file_options import CsvDialect
from meterhouse.streams.ports import ReadChunk, Unreadable

#: A record over several lines may have so many bytes; beyond, its quote counts as not closed.
RECORD_BYTES_MAX = 1 << 20

PLAIN = CsvDialect()
#: A number with a decimal comma; points could be of thousands, so nothing is taken with one.
_WITH_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]+)")

NEVER_CLOSED = "a quote is opened and never closed"

# The limit of lines is the limit here; the module's own (131,072 characters) is for the process.
csv.field_size_limit(LINE_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The cells of a record and the lines it takes; ``fault`` says why it has no cells."""

    first_line: int
    line_count: int
    cells: Sequence[str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """What the cells of a record are: their names, and those that have a decimal comma."""

    names: Sequence[str]
    dialect: CsvDialect = PLAIN
    numbers: Set[str] = field(default_factory=frozenset)

    def record(self, cells: Sequence[str]) -> Record:
        """Name cells; empty ones are missing fields. Raises ``ValueError``."""
        found = {name: cell for name, cell in zip(self.names, cells, strict=True) if cell}
        for name in self.numbers & found.keys():
            found[name] = _with_point(name, found[name])
        return found


def _with_point(name: str, cell: str) -> str:
    if "." in cell:
        raise ValueError(f"field {name!r} is {cell!r}, no number with a decimal comma")
    found = _WITH_COMMA.fullmatch(cell)
    return cell if found is None else f"{found[1]}.{found[2]}"


def raw_records(
    lines: Sequence[bytes], *, at_end: bool, dialect: CsvDialect = PLAIN
) -> tuple[list[RawRecord], int]:
    """Return the records of lines (each with its newline) and how many lines they take.

    Blank lines are no records. Without ``at_end`` an open record at the end stays out: it needs
    more lines.
    """
    found: list[RawRecord] = []
    at = 0
    while at < len(lines):
        for record in _sound_records(lines, at, dialect):
            if record.cells:
                found.append(record)
            at = record.first_line + record.line_count
        if at >= len(lines):
            break
        fault = _fault(lines, at, dialect)
        if fault is None:
            if not at_end and sum(map(len, lines[at:])) <= RECORD_BYTES_MAX:
                break
            fault = NEVER_CLOSED
        found.append(RawRecord(at, 1, (), fault))
        at += 1
    return found, at


def first_record(
    lines: Sequence[bytes], *, at: int = 0, dialect: CsvDialect = PLAIN
) -> RawRecord | None:
    """Return the first record from line ``at`` on, if it can be read."""
    return next((record for record in _sound_records(lines, at, dialect) if record.cells), None)


def record_text(lines: Sequence[bytes], record: RawRecord) -> str:
    """Return a record as it is written."""
    end = record.first_line + record.line_count
    return raw_text(b"".join(lines[record.first_line : end]).rstrip(b"\r\n"))


def _text(line: bytes) -> str:
    """Bytes that are no UTF-8 become surrogates, which mark their record."""
    return line.decode("utf-8", errors="surrogateescape")


def _rows(lines: Sequence[bytes], first: int, dialect: CsvDialect) -> Any:
    return csv.reader(
        (_text(lines[n]) for n in range(first, len(lines))),
        strict=True,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )


def _sound_records(lines: Sequence[bytes], first: int, dialect: CsvDialect) -> Iterator[RawRecord]:
    """Yield records until one cannot be read."""
    reader = _rows(lines, first, dialect)
    at = first
    try:
        for cells in reader:
            end = first + reader.line_num
            yield RawRecord(at, end - at, cells, _encoding_fault(cells))
            at = end
    except csv.Error:
        return


def _encoding_fault(cells: Sequence[str]) -> str:
    return "" if all(map(_is_sound, cells)) else "not UTF-8"


def _is_sound(cell: str) -> bool:
    if cell.isascii():
        return True
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(lines: Sequence[bytes], at: int, dialect: CsvDialect) -> str | None:
    """Say what is wrong with the record at a line; ``None`` if only its end is missing."""
    reader = _rows(lines, at, dialect)
    try:
        next(reader)
    except csv.Error as error:
        if str(error) != "unexpected end of data":
            return f"not CSV: {error}"
    return None


def exact_chunk(
    lines: Sequence[bytes],
    records: Sequence[RawRecord],
    *,
    cells: Cells,
    source: int,
    first_line: int,
) -> ReadChunk:
    """Make records of cells."""
    rows: list[Record] = []
    origins: list[tuple[int, int]] = []
    bad: list[Unreadable] = []
    for record in records:
        offset = first_line + record.first_line
        fault = record.fault or cell_fault(len(record.cells), len(cells.names))
        row: Record = {}
        try:
            row = row if fault else cells.record(record.cells)
        except ValueError as error:
            fault = str(error)
        if fault:
            bad.append(Unreadable(offset, record_text(lines, record), fault))
        else:
            rows.append(row)
            origins.append((source, offset))
    return ReadChunk(UsageBatch.from_rows(rows, origins), bad)


def cell_fault(cells: int, names: int) -> str:
    """Say what is wrong with a record of so many cells; empty if nothing is."""
    return "" if cells == names else f"has {cells} cells, the header has {names}"
