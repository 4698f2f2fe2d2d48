"""The functions of dates. Steps of one length are columns; what the calendar decides is looked up.

What a format, a part or the beginning of a unit shows of a date no finer than minutes is the same
for all instants of a minute: zones have stood whole minutes from UTC since 1973 and change on the
minute. So each minute is looked at once, where the evaluator of single records does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from meterhouse.core.date_arithmetic import Unit
from meterhouse.core.instant import DAY, EARLIEST, LATEST, MINUTE, SECOND
from meterhouse.core.moment_format import MomentFormat
from meterhouse.streams.expression_columns.conversion import as_moment
from meterhouse.streams.expression_columns.digits import Digits
from meterhouse.streams.expression_columns.text_functions import constant_text, constant_whole
from meterhouse.streams.expression_columns.vector import INSTANTS, LOST, Shape, Vector

Arguments = Sequence[Vector]

#: The beginning of 1973: from here on, all zones stand whole minutes from UTC.
_WHOLE_MINUTES = 3 * 365 * DAY + DAY
_UTC = frozenset({"Etc/UTC", "UTC"})
_FIXED = {
    Unit.MILLISECOND: SECOND // 1000,
    Unit.SECOND: SECOND,
    Unit.MINUTE: MINUTE,
    Unit.HOUR: 60 * MINUTE,
}
#: Of the same length in UTC.
_FIXED_IN_UTC = {Unit.DAY: DAY, Unit.WEEK: 7 * DAY}
_FINE_PARTS = frozenset({"second", "millisecond"})
_FINE_UNITS = frozenset({Unit.MILLISECOND, Unit.SECOND})
#: What Polars writes for a token in UTC, as Python does.
_WRITTEN = {"YYYY": "%Y", "MM": "%m", "DD": "%d", "HH": "%H", "mm": "%M", "ss": "%S", "SSS": "%3f"}


def minutes(function: str, operands: Arguments) -> Arguments:
    """Return the operands with dates as exact as the function looks at them."""
    if function not in _COARSE or operands[0].constant:
        return operands
    fixed = [constant_text(operand) for operand in operands[1:]]
    if not fixed or fixed[0] is None or not _COARSE[function](fixed[0]):
        return operands
    date = as_moment(operands[0])
    if date is None or date.shape is Shape.LOST:
        return operands
    floor = date.data // MINUTE * MINUTE
    coarse = pl.select(
        pl.when(date.data >= _WHOLE_MINUTES).then(floor).otherwise(date.data)
    ).to_series()
    return [replace(date, data=coarse), *operands[1:]]


def _coarse_format(text: str) -> bool:
    try:
        tokens = MomentFormat.parse(text).tokens
    except ValueError:
        return False
    return not any(isinstance(token, str) and token[0] in "sSXx" for token in tokens)


def _coarse_unit(name: str) -> bool:
    unit = Unit.named(name)
    return unit is not None and unit not in _FINE_UNITS


_COARSE: dict[str, Callable[[str], bool]] = {
    "formatDate": _coarse_format,
    "datePart": lambda name: name not in _FINE_PARTS,
    "dateTruncate": _coarse_unit,
}


def _fixed(unit: Vector, zone: Sequence[Vector]) -> int | None:
    """Return how long a unit is, where all are of one length."""
    name = constant_text(unit)
    named = None if name is None else Unit.named(name)
    if named is None:
        return None
    where = constant_text(zone[0]) if zone else "Etc/UTC"
    if where not in _UTC:
        return None
    return _FIXED.get(named) or _FIXED_IN_UTC.get(named)


def _date(arguments: Arguments) -> Vector | None:
    return as_moment(arguments[0]) if len(arguments) == 1 else None


def _add(arguments: Arguments) -> Vector | None:
    start, amount = as_moment(arguments[0]), constant_whole(arguments[1])
    length = _fixed(arguments[2], arguments[3:])
    if start is None or amount is None or length is None:
        return None
    step = amount * length
    if start.shape is Shape.LOST or abs(step) > LATEST - EARLIEST:
        return LOST
    micros = start.data + step
    outside = ~micros.is_between(EARLIEST, LATEST)
    made = Vector(Shape.MOMENT, micros, start.unsure, start.constant)
    return made.with_unsure(outside.fill_null(value=False) if outside.any() else None)


def _between(arguments: Arguments) -> Vector | None:
    start, end = as_moment(arguments[0]), as_moment(arguments[1])
    length = _fixed(arguments[2], arguments[3:])
    if start is None or end is None or length is None:
        return None
    if Shape.LOST in (start.shape, end.shape):
        return LOST
    micros = end.data - start.data
    units = micros.abs() // length
    units = pl.select(pl.when(micros < 0).then(-units).otherwise(units)).to_series()
    made = Digits(units, 0, (LATEST - EARLIEST) // length)
    constant = start.constant and end.constant
    return Vector(Shape.NUMBER, made, constant=constant).with_unsure(start.unsure, end.unsure)


def _unix_millis(arguments: Arguments) -> Vector | None:
    date = as_moment(arguments[0])
    if date is None or date.shape is Shape.LOST:
        return date
    made = Digits(date.data // 1000, 0, max(LATEST, -EARLIEST) // 1000 + 1)
    return Vector(Shape.NUMBER, made, date.unsure, date.constant)


def _format(arguments: Arguments) -> Vector | None:
    """Write dates with seconds in UTC; coarser formats repeat, and need no column of texts."""
    pattern = constant_text(arguments[1])
    zone = constant_text(arguments[2]) if len(arguments) > 2 else "Etc/UTC"
    if pattern is None or zone not in _UTC or _coarse_format(pattern):
        return None
    written = _pattern(pattern)
    date = as_moment(arguments[0])
    if written is None or date is None or date.shape is Shape.LOST or date.constant:
        return None
    return Vector(Shape.TEXT, date.data.cast(INSTANTS).dt.to_string(written), date.unsure)


def _pattern(text: str) -> str | None:
    try:
        tokens = MomentFormat.parse(text).tokens
    except ValueError:
        return None
    parts = [
        token[0].replace("%", "%%") if isinstance(token, tuple) else _WRITTEN.get(token)
        for token in tokens
    ]
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None


#: By name of the function. ``None`` as a result: ask for each distinct value.
DATE_FUNCTIONS: dict[str, Callable[[Arguments], Vector | None]] = {
    "date": _date,
    "dateAdd": _add,
    "dateDiff": _between,
    "formatDate": _format,
    "unixMillis": _unix_millis,
}
