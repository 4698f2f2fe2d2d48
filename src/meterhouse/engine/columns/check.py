"""Checks of a batch, in columns: user, quantity and instant of each record, or its first fault.

Equal, record by record, to the checks of ``engine.rows``. Whatever is not of the common shape is
judged by the very functions of core, once for each distinct text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.instant import EARLIEST, LATEST, Instant, read_timestamp
from meterhouse.core.json_text import JsonValue, parse_json
from meterhouse.core.quantity import number_text, quantity
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import (
    QUANTITY,
    Column,
    ColumnKind,
    absent_column,
    number_texts,
    timestamp_texts,
)
from meterhouse.engine.plan import TIMESTAMP, USER_ID, VALUE, MeterPlan
from meterhouse.engine.rows import user_id_text

#: Reasons as small numbers in order of precedence; 0 means no fault.
REASONS = list(Reason)
_CODES = {reason: number for number, reason in enumerate(REASONS, start=1)}
_ISO_MILLISECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?Z$"
_ISO_FORMAT = "%Y-%m-%dT%H:%M:%S%.fZ"


def code(reason: Reason) -> int:
    """The small number of a reason."""
    return _CODES[reason]


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after the checks. ``instant`` is ``None`` where no record has a timestamp.

    ``user`` is a column of texts. ``fault`` is 0 or the code of a reason (UInt8); ``value`` is
    Int64 or ``QUANTITY``.
    """

    user: Column
    value: pl.Series
    instant: pl.Series | None
    fault: pl.Series


def check(batch: UsageBatch, *, plan: MeterPlan, at: Instant) -> Checked:
    """Check every record of a batch against the clock ``at``."""
    user = _users(batch.column(USER_ID))
    value, value_fault = quantities(batch.column(VALUE))
    instant, instant_fault = _instants(batch.column(TIMESTAMP), latest=at + plan.future_tolerance)
    there = user.is_present().alias("u")
    frame = pl.DataFrame([there, value_fault.alias("v"), instant_fault.alias("t")])
    fault = frame.select(
        pl.when(~pl.col("u"))
        .then(pl.lit(code(Reason.USER_ID_MISSING), dtype=pl.UInt8))
        .when(pl.col("v") > 0)
        .then(pl.col("v"))
        .otherwise(pl.col("t"))
        .alias("fault")
    )["fault"]
    return Checked(user, value, instant, fault)


def _users(column: Column) -> Column:
    """The users as texts, absent where there is none."""
    if column.coded is not None and not (column.coded.texts == "").any():
        return column
    match column.kind:
        case ColumnKind.TEXT:
            texts = column.values
        case ColumnKind.TIMESTAMP:
            texts = timestamp_texts(column.values)
        case ColumnKind.NUMBER:
            texts = number_texts(column.values)
        case ColumnKind.BOOLEAN:
            return absent_column(len(column))
        case ColumnKind.JSON:
            texts = _through_distinct(
                column.values, lambda text: user_id_text(parse_json(text)), pl.String()
            )
    empty = (texts == "").fill_null(value=False)
    return Column(ColumnKind.TEXT, texts.set(empty, None) if empty.any() else texts)


def quantities(column: Column) -> tuple[pl.Series, pl.Series]:
    """Return the quantities of a column (null where faulty) and the faults, 0 or a code."""
    missing = code(Reason.VALUE_MISSING)
    if column.kind is ColumnKind.NUMBER:
        values = column.values
        if values.dtype != pl.Int64 and values.dtype != QUANTITY:
            values = values.cast(QUANTITY)
        return values, _codes(values.is_null(), missing)
    if column.kind is ColumnKind.TEXT:
        judged = _judge_values(column.values, _text_value)
    elif column.kind is ColumnKind.JSON:
        judged = _judge_values(column.values, lambda text: _text_value(parse_json(text)))
    else:
        judged = _judge_values(column.values.cast(pl.String), lambda _: Reason.VALUE_NOT_NUMERIC)
    fault = judged["fault"].set(column.values.is_null(), missing)
    return judged["value"], fault


def _text_value(value: JsonValue) -> Decimal | Reason:
    return Reason.VALUE_MISSING if value == "" else quantity(value)


def _judge_values(
    texts: pl.Series, judge: Callable[[str], Decimal | Reason]
) -> dict[str, pl.Series]:
    distinct = texts.drop_nulls().unique()
    verdicts = [judge(text) for text in distinct]
    table = pl.DataFrame(
        {
            "text": distinct,
            "value": pl.Series(
                [None if isinstance(v, Reason) else number_text(v) for v in verdicts],
                dtype=pl.String,
            ).cast(QUANTITY),
            "fault": pl.Series(
                [code(v) if isinstance(v, Reason) else 0 for v in verdicts], dtype=pl.UInt8
            ),
        }
    )
    joined = _look_up(texts, table)
    return {"value": joined["value"], "fault": joined["fault"]}


def _instants(column: Column, *, latest: Instant) -> tuple[pl.Series | None, pl.Series]:
    values = column.values
    if values.null_count() == len(values):
        return None, pl.repeat(0, len(values), dtype=pl.UInt8, eager=True)
    instants = read_instants(column)
    invalid = values.is_not_null() & instants.is_null()
    if column.kind in (ColumnKind.TEXT, ColumnKind.JSON):
        empty = '""' if column.kind is ColumnKind.JSON else ""
        invalid &= values != empty
    fault = _codes(invalid.fill_null(value=False), code(Reason.TIMESTAMP_INVALID))
    future = (instants > latest).fill_null(value=False)
    if future.any():
        fault = fault.set(future, code(Reason.TIMESTAMP_IN_FUTURE))
    return instants, fault


def read_instants(column: Column) -> pl.Series:
    """Return the timestamps of a column as instants (Int64); null where there is none."""
    if column.coded is not None:
        texts = column.coded.texts
        return _text_instants(texts).gather(column.coded.codes)
    values = column.values
    match column.kind:
        case ColumnKind.TIMESTAMP:
            return _on_calendar(values.cast(pl.Int64))
        case ColumnKind.NUMBER if values.dtype == pl.Int64:
            inside = values.is_between(EARLIEST // 1000, LATEST // 1000)
            return values.set(~inside, None) * 1000
        case ColumnKind.NUMBER:
            texts = number_texts(values)
            return _through_distinct(texts, lambda t: read_timestamp(Decimal(t)), pl.Int64())
        case ColumnKind.TEXT:
            return column.once("instant", lambda: _text_instants(values))
        case ColumnKind.BOOLEAN:
            return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(values))
        case ColumnKind.JSON:
            return _through_distinct(
                values, lambda text: read_timestamp(parse_json(text)), pl.Int64()
            )


def _text_instants(texts: pl.Series) -> pl.Series:
    """Texts of the usual shape are parsed by Polars, all others by core."""
    usual = texts.str.contains(_ISO_MILLISECONDS)
    if usual.all() and (quick := _by_arrow(texts)) is not None:
        return _on_calendar(quick)
    parsed = texts.str.to_datetime(_ISO_FORMAT, strict=False, time_unit="us", exact=True)
    instants = _on_calendar(parsed.cast(pl.Int64))
    others = (~usual | instants.is_null()).fill_null(value=False)
    if not others.any():
        return instants
    odd = texts.set(~others, None)
    return _through_distinct(odd, read_timestamp, pl.Int64()).zip_with(others, instants)


def _by_arrow(texts: pl.Series) -> pl.Series | None:
    """Parse texts of the usual shape, many times as fast; ``None`` where one is no instant."""
    import pyarrow as pa

    try:
        cast = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return None
    return pl.Series(pl.from_arrow(cast)).cast(pl.Int64)


def _on_calendar(instants: pl.Series) -> pl.Series:
    """Instants of the years 1 to 9999; null beyond them."""
    beyond = ~instants.is_between(EARLIEST, LATEST).fill_null(value=True)
    return instants.set(beyond, None) if beyond.any() else instants


def _through_distinct(
    texts: pl.Series, judge: Callable[[str], object], dtype: pl.DataType
) -> pl.Series:
    """Apply a Python function to texts, once for each distinct one."""
    distinct = texts.drop_nulls().unique()
    results = pl.Series([judge(text) for text in distinct], dtype=dtype)
    return _look_up(texts, pl.DataFrame({"text": distinct, "value": results}))["value"]


def _look_up(texts: pl.Series, table: pl.DataFrame) -> pl.DataFrame:
    return texts.alias("text").to_frame().join(table, on="text", how="left", maintain_order="left")


def _codes(mask: pl.Series, number: int) -> pl.Series:
    zeros = pl.repeat(0, len(mask), dtype=pl.UInt8, eager=True)
    return zeros.set(mask, number) if mask.any() else zeros
