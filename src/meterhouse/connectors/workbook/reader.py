"""XLSX inputs: the rows of one sheet; the first that is not empty names the fields.

Offsets are row numbers from 0, as the spreadsheet counts them less one. Numbers are the shortest
decimal texts of the doubles that the file has, dates and times ISO texts. A row with an error, such
as ``#REF!``, or with a formula whose result was not stored is no record.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import msgspec

from meterhouse.connectors.archive import Archive
from meterhouse.connectors.asked import Asked
from meterhouse.connectors.chunking import ROWS_MAX
from meterhouse.connectors.declared import typed_chunk
from meterhouse.connectors.layout import in_columns
from meterhouse.connectors.opened import unreadable
from meterhouse.connectors.workbook.child import NO_SHEET, REFUSED
from meterhouse.core.json_text import JsonValue, Record, json_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.streams.ports import InputFile, ReadChunk, Unreadable

#: What parsing one workbook may take.
MEMORY_BYTES = 512 << 20
_CPU_SECONDS_MIN = 2
#: Beyond the least, a second for so many bytes of the unpacked workbook.
_BYTES_PER_SECOND = 4 << 20
#: No larger workbook is parsed: what its sheets take in memory is several times as much.
_UNPACKED_BYTES_MAX = 160 << 20
_GROUP_ROWS = 20_000
_CHILD = Path(__file__).with_name("child.py")
_HINT = "save it anew, or export the sheet as CSV"
_SHEET_HINT = "name one that it has as `sheet`; without one, the first is read"
_ROW = msgspec.json.Decoder(list, float_hook=Decimal)


def read_workbook(
    path: Path, asked: Asked, *, file: InputFile, sheet: str | None
) -> Iterator[ReadChunk]:
    """Yield the records of one sheet, the first unless it is named."""
    if find_spec("python_calamine") is None:
        hint = "pip install 'meterhouse[xlsx]'"
        raise unreadable(file, "spreadsheets need a library that is not installed", hint=hint)
    with path.open("rb") as handle:
        size = Archive(handle, file, size_max=_UNPACKED_BYTES_MAX).measured()
    seconds = _CPU_SECONDS_MIN + size // _BYTES_PER_SECOND
    command = [sys.executable, "-I", str(_CHILD), str(MEMORY_BYTES), str(seconds), str(path)]
    with tempfile.TemporaryFile() as complaint:
        with subprocess.Popen(
            [*command, *([] if sheet is None else [sheet])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaint,
        ) as child:
            assert child.stdout is not None
            try:
                yield from _chunks(child.stdout, asked, file)
            finally:
                # It may be read no further, and must not be waited for then.
                if sys.exc_info()[0] is not None:
                    child.kill()
        complaint.seek(0)
        if child.returncode:
            hint = _SHEET_HINT if child.returncode == NO_SHEET else _HINT
            raise unreadable(file, _reason(child.returncode, complaint.read()), hint=hint)


def _reason(code: int, complaint: bytes) -> str:
    if code in {REFUSED, NO_SHEET}:
        return f"XLSX: {complaint.decode('utf-8', 'replace')}"
    if code == -signal.SIGXCPU:
        return "XLSX: it takes more time than a workbook may"
    if code < 0:
        return "XLSX: it takes more memory than a workbook may, or breaks its parser"
    return "XLSX: its parser broke down"


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields by column; an empty name is a column without one."""

    names: Sequence[str]

    def record(self, cells: Sequence[JsonValue], *, number: int) -> Record | str:
        """Return the record of a row, counted from 0, or what is wrong with it."""
        for place, cell in enumerate(cells):
            if isinstance(cell, dict):
                return f"holds {cell['broken']} in cell {column_letters(place)}{number + 1}"
            if cell is not None and not (place < len(self.names) and self.names[place]):
                return f"has a cell in column {place + 1}, which the header does not name"
        pairs = zip(self.names, cells, strict=False)
        return {name: cell for name, cell in pairs if cell is not None}


def _chunks(rows: IO[bytes], asked: Asked, file: InputFile) -> Iterator[ReadChunk]:
    header: _Header | None = None
    group: list[tuple[int, list[JsonValue]]] = []
    first = True
    for number, line in enumerate(rows):
        cells = _ROW.decode(line)
        if all(cell is None for cell in cells):
            continue
        if header is None:
            header = _header(cells, file)
            continue
        group.append((number, cells))
        if len(group) >= _GROUP_ROWS:
            yield _chunk(group, header, asked, small=False)
            group, first = [], False
    if group and header is not None:
        yield _chunk(group, header, asked, small=first and len(group) < ROWS_MAX)


def column_letters(place: int) -> str:
    """Return how a spreadsheet names a column, counted from 0.

    >>> column_letters(0), column_letters(25), column_letters(26)
    ('A', 'Z', 'AA')
    """
    letters = ""
    while place >= 0:
        place, last = divmod(place, 26)
        letters = chr(ord("A") + last) + letters
        place -= 1
    return letters


def _raw(cells: Sequence[JsonValue]) -> str:
    return json_text([cell["broken"] if isinstance(cell, dict) else cell for cell in cells])


def _header(cells: Sequence[JsonValue], file: InputFile) -> _Header:
    for place, cell in enumerate(cells):
        if isinstance(cell, dict):
            detail = f"its header holds {cell['broken']} in column {column_letters(place)}"
            raise unreadable(file, detail, hint="write the name of the column into that cell")
    names = [
        "" if cell is None else cell if isinstance(cell, str) else json_text(cell) for cell in cells
    ]
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        detail = f"its header names the column {twice[0]!r} twice"
        raise unreadable(file, detail, hint="give each column a name of its own")
    return _Header(names)


def _chunk(
    group: Sequence[tuple[int, list[JsonValue]]], header: _Header, asked: Asked, *, small: bool
) -> ReadChunk:
    rows: list[Record] = []
    origins: list[tuple[int, int]] = []
    bad: list[Unreadable] = []
    for number, cells in group:
        record = header.record(cells, number=number)
        if isinstance(record, str):
            bad.append(Unreadable(number, _raw(cells), record))
        else:
            rows.append(record)
            origins.append((asked.source, number))
    chunk = ReadChunk(UsageBatch.from_rows(rows, origins), bad)
    written = dict(group)

    def as_written(offset: int) -> tuple[str, Record]:
        record = header.record(written[offset], number=offset)
        assert isinstance(record, dict)
        return json_text(written[offset]), record

    return typed_chunk(chunk if small else in_columns(chunk), asked.declared, written=as_written)
