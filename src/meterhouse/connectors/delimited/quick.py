"""The quick reading of CSV: surveyed records at once, by Arrow, into text columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
from pyarrow import csv as pa_csv

from meterhouse.connectors.delimited.exact import cell_fault
from meterhouse.connectors.delimited.survey import Survey, surveyed
from meterhouse.connectors.lines import raw_text
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind
from meterhouse.streams.ports import ReadChunk, Unreadable


def quick_chunk(
    data: memoryview, *, header: Sequence[str], source: int, first_line: int
) -> ReadChunk | None:
    """Read whole records; ``None`` if the exact reading must."""
    survey = surveyed(data)
    if survey is None or survey.cut < len(data):
        return None
    ragged: list[tuple[int, int]] = []
    table = _table(data, len(header), ragged)
    if table is None or table.num_rows + len(ragged) != len(survey.lines):
        return None
    offsets = survey.lines + first_line
    bad = [_unreadable(data, survey, place, cells, len(header), offsets) for place, cells in ragged]
    if bad:
        whole = pl.repeat(True, len(offsets), dtype=pl.Boolean, eager=True)
        offsets = offsets.filter(whole.scatter([place for place, _ in ragged], False))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    columns = {
        name: Column(ColumnKind.TEXT, values)
        for name, values in zip(header, frame.get_columns(), strict=True)
        if values.null_count() < len(values)
    }
    batch = UsageBatch.from_columns(columns, length=frame.height, source=source, offsets=offsets)
    return ReadChunk(batch, bad)


def _table(data: memoryview, width: int, ragged: list[tuple[int, int]]) -> pa.Table | None:
    names = [f"c{n}" for n in range(width)]

    def note(row: pa_csv.InvalidRow) -> str:
        ragged.append((row.number - 1, row.actual_columns))
        return "skip"

    try:
        return pa_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=names
            ),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None


def _unreadable(
    data: memoryview, survey: Survey, place: int, cells: int, width: int, offsets: pl.Series
) -> Unreadable:
    raw = bytes(data[survey.starts[place] : survey.ends[place]]).rstrip(b"\r")
    return Unreadable(offsets[place], raw_text(raw), cell_fault(cells, width))
