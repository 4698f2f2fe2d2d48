"""The quick reading of CSV: surveyed records at once, by Arrow, into text columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
from pyarrow import csv as pa_csv

from meterhouse.connectors.asked import Asked
from meterhouse.connectors.delimited.exact import cell_fault
from meterhouse.connectors.delimited.survey import Survey, is_plain, surveyed
from meterhouse.connectors.lines import is_utf8, raw_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.ports import ReadChunk, Unreadable


def quick_chunk(
    data: memoryview,
    asked: Asked,
    *,
    header: Sequence[str],
    first_line: int,
    line_count: int,
    survey: Survey | None = None,
) -> ReadChunk | None:
    """Read whole records; ``None`` if the exact reading must. ``survey`` may be known already."""
    plain = is_plain(data)
    if survey is None and not plain:
        survey = surveyed(data)
    if not is_utf8(data) or (survey is None and not plain):
        return None
    ragged: list[tuple[int, int]] = []
    table = _table(data, _kept(header, asked), ragged, width=len(header))
    if table is None:
        return None
    if survey is None and (ragged or table.num_rows != line_count):
        survey = surveyed(data)  # not every line is a record
    if survey is None:
        lines = pl.int_range(line_count, eager=True)
    elif table.num_rows + len(ragged) == len(survey.lines) and survey.cut == len(data):
        lines = survey.lines
    else:
        return None
    bad = [_unreadable(data, survey, item, len(header), first_line) for item in ragged]
    if ragged:
        whole = pl.repeat(True, len(lines), dtype=pl.Boolean, eager=True)
        lines = lines.filter(whole.scatter([place for place, _ in ragged], False))
    batch = UsageBatch.from_columns(
        _columns(table, header), length=len(lines), source=asked.source, offsets=lines + first_line
    )
    return ReadChunk(batch, bad)


def _columns(table: pa.Table, header: Sequence[str]) -> dict[str, Column]:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return {
        header[int(values.name)]: Column(ColumnKind.TEXT, values)
        for values in frame.get_columns()
        if values.null_count() < len(values)
    }


def _kept(header: Sequence[str], asked: Asked) -> list[str]:
    """Return the positions of the columns to read, as names: at least one, to count records."""
    return [str(place) for place, name in enumerate(header) if asked.keeps(name)] or ["0"]


def _table(
    data: memoryview, kept: Sequence[str], ragged: list[tuple[int, int]], *, width: int
) -> pa.Table | None:

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.actual_columns))
        return "skip"

    try:
        return pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,
                column_names=list(map(str, range(width))),
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(kept, pa.string()),
                include_columns=list(kept),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid:  # no records at all
        return None


def _unreadable(
    data: memoryview, survey: Survey | None, ragged: tuple[int, int], width: int, first_line: int
) -> Unreadable:
    assert survey is not None
    place, cells = ragged
    raw = bytes(data[survey.starts[place] : survey.ends[place]])
    return Unreadable(first_line + survey.lines[place], raw_text(raw), cell_fault(cells, width))
