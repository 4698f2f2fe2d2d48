"""The text in which the ledger keeps what a meter's period has gathered.

Seven cells joined by FS (0x1C), in the order of ``EncodedState``: value, count, volume, carry
first, carry last, reached, groups; an empty cell means "none". All of them are numbers or
canonical JSON and marks from 0x1D on, so neither FS nor a line break is ever inside a cell.
A period that is untouched has no text at all. Where the breakdowns are in a pack, which
``engine.columns.breakdowns`` describes, the last cell is empty.
"""

from __future__ import annotations

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.meter_state import MeterState, Period
from meterhouse.core.quantity import number_text
from meterhouse.engine.bucket import EncodedState, decode_state, encode_state
from meterhouse.engine.source import METER_SCHEMA

MARK = "\x1c"
_CELLS = ("value", "count", "volume", "carry_first", "carry_last", "reached", "groups")
_SCHEMA = {name: METER_SCHEMA[name] for name in ("no", *_CELLS, "pack")}


def contents_text(state: MeterState, *, aggregation: Aggregation) -> str | None:
    """Return the text of a state; ``None`` where it is untouched."""
    encoded = encode_state(state)
    gathered = (encoded.volume, encoded.carry_first, encoded.carry_last, encoded.reached)
    untouched = not encoded.count and not any(gathered) and not encoded.groups
    if untouched and encoded.value == initial_text(aggregation):
        return None
    cells = (getattr(encoded, name) for name in _CELLS)
    return MARK.join("" if cell is None else str(cell) for cell in cells)


def state_from_contents(
    contents: str | None,
    *,
    period: Period,
    timezone: str,
    updated_at: int,
    aggregation: Aggregation,
) -> MeterState:
    """Return the state that a text describes."""
    if contents is None:
        return MeterState(period, timezone, updated_at, value=aggregation.initial)
    cells = [cell or None for cell in contents.split(MARK)]
    value, count, volume, carry_first, carry_last, reached, groups = cells
    assert count is not None
    encoded = EncodedState(value, int(count), volume, carry_first, carry_last, reached, groups)
    return decode_state(
        encoded, period=period, timezone=timezone, updated_at=updated_at, aggregation=aggregation
    )


def initial_text(aggregation: Aggregation) -> str | None:
    """Return the value of an untouched meter as stored."""
    initial = aggregation.initial
    return None if initial is None else number_text(initial)


def contents_column(frame: pl.DataFrame) -> pl.Series:
    """Return the texts of a frame of contents."""
    cells = frame.select(_CELLS).cast(pl.String).fill_null("")
    return cells.select(contents=pl.concat_str(pl.all(), separator=MARK)).to_series()


def contents_frame(lines: bytes) -> pl.DataFrame:
    """Read lines of number, contents (cells again) and pack into columns.

    The CSV reader is the fastest splitter there is; with these marks nothing is quoted.
    """
    return pl.read_csv(
        lines, separator=MARK, eol_char="\n", quote_char=None, has_header=False, schema=_SCHEMA
    )


def empty_contents() -> pl.DataFrame:
    """Return no contents, as columns."""
    return pl.DataFrame(schema=_SCHEMA)
