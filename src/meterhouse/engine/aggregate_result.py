"""Groups that were folded: as records that leave, and as texts that are kept until the next run.

Averages are the exact sum divided by the count, rounded half to even at 18 digits after the point.
Sums are exact whatever their size: they may need more digits than one quantity may have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import polars as pl

from meterhouse.core.json_text import JsonValue, Record, json_text, parse_json
from meterhouse.core.quantity import FRACTION_DIGITS_MAX
from meterhouse.engine.aggregate import Aggregate, AggregatePlan, Operation
from meterhouse.engine.aggregate_fold import SCALE, SOURCE, cell_types, empty
from meterhouse.engine.column import Column

#: A group in a frame: its key as one JSON text, and its row there.
Keyed = tuple[str, int]


def key_texts(frame: pl.DataFrame, plan: AggregatePlan) -> list[str]:
    """Return the JSON text of the list of group values, for each group."""
    names = [f"k{place}" for place in range(len(plan.keys))]
    inner = pl.concat_str(names, separator=",")
    return frame.select(pl.concat_str(pl.lit("["), inner, pl.lit("]")).alias("k"))["k"].to_list()


def result_columns(frame: pl.DataFrame, plan: AggregatePlan) -> dict[str, Column]:
    """Return what leaves: group values, then the results, null where there is none."""
    found: dict[str, list[JsonValue]] = {}
    for place, key in enumerate(plan.keys):
        found[key.name] = [_value(text) for text in frame[f"k{place}"]]
    for place, aggregate in enumerate(plan.aggregates):
        found[aggregate.name] = _results(frame, place, aggregate)
    return {name: Column.from_values(values) for name, values in found.items()}


def result_records(frame: pl.DataFrame, plan: AggregatePlan) -> list[Record]:
    """Return what leaves as records, without the fields that have no value."""
    columns = {name: c.to_values() for name, c in result_columns(frame, plan).items()}
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]


def _results(frame: pl.DataFrame, place: int, aggregate: Aggregate) -> list[JsonValue]:
    match aggregate.operation:
        case Operation.SUM:
            return [number(h * SCALE + low) for h, low in _sums(frame, place)]
        case Operation.AVERAGE:
            counts = frame[f"n{place}"]
            pairs = zip(_sums(frame, place), counts, strict=True)
            return [number(_half_even(h * SCALE + low, n)) if n else None for (h, low), n in pairs]
        case Operation.MIN | Operation.MAX:
            return [None if units is None else number(units) for units in frame[f"v{place}"]]
        case Operation.COUNT:
            return frame[f"n{place}"].to_list()
        case Operation.CARRY_FIRST | Operation.CARRY_LAST:
            return [None if text is None else _value(text) for text in frame[f"c{place}"]]


def _sums(frame: pl.DataFrame, place: int) -> Iterable[tuple[int, int]]:
    return zip(frame[f"h{place}"].to_list(), frame[f"l{place}"].to_list(), strict=True)


def _half_even(units: int, count: int) -> int:
    whole, rest = divmod(units, count)
    return whole + (2 * rest > count or (2 * rest == count and whole % 2 == 1))


def number(units: int) -> int | Decimal:
    """Return a number that is given in units of 10**-18: whole ones as ``int``.

    >>> number(1_500_000_000_000_000_000), number(2_000_000_000_000_000_000)
    (Decimal('1.5'), 2)
    """
    whole, fraction = divmod(abs(units), SCALE)
    if not fraction:
        return -whole if units < 0 else whole
    digits = f"{fraction:0{FRACTION_DIGITS_MAX}}".rstrip("0")
    return Decimal(f"{'-' if units < 0 else ''}{whole}.{digits}")


def _value(text: str) -> JsonValue:
    if text[0] == '"' and "\\" not in text:
        return text[1:-1]
    return None if text == "null" else parse_json(text)


# ---------------------------------------------------------------- kept until the next run


def kept_states(frame: pl.DataFrame, plan: AggregatePlan) -> list[str]:
    """Return the partial results of each group as JSON: operation and field to cells.

    Whole numbers beyond 64 bits are texts.
    """
    labels = [_label(aggregate) for aggregate in plan.aggregates]
    widths = [len(cell_types(i, a.operation)) for i, a in enumerate(plan.aggregates)]
    names = [n for i, a in enumerate(plan.aggregates) for n in cell_types(i, a.operation)]
    states = []
    for row in frame.select(names).iter_rows() if names else ((),) * frame.height:
        cells = iter([str(cell) if isinstance(cell, int) else cell for cell in row])
        parts = [[next(cells) for _ in range(width)] for width in widths]
        states.append(json_text(dict(zip(labels, parts, strict=True))))
    return states


def frame_of_kept(kept: Sequence[tuple[str, str]], plan: AggregatePlan) -> pl.DataFrame:
    """Return kept groups (key, state) as a frame; an operation that is new begins with nothing."""
    rows = []
    for key, state in kept:
        cells = parse_json(state)
        row: list[object] = [0, *(json_text(value) for value in parse_json(key))]
        for place, aggregate in enumerate(plan.aggregates):
            types = cell_types(place, aggregate.operation)
            found = cells.get(_label(aggregate)) or [_nothing(name) for name in types]
            row += [_cell(name, cell) for name, cell in zip(types, found, strict=True)]
        rows.append(row)
    return pl.DataFrame(rows, schema=empty(plan).schema, orient="row")


def _label(aggregate: Aggregate) -> str:
    return f"{aggregate.operation.value} {aggregate.field}"


def _nothing(name: str) -> str | None:
    return None if name[0] in "vc" else "0"


def _cell(name: str, cell: str | None) -> int | str | None:
    return cell if cell is None or name[0] == "c" else int(cell)


def of_one_source(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same groups as if all had come from one source."""
    return frame.with_columns(pl.lit(0, dtype=pl.Int64).alias(SOURCE))
