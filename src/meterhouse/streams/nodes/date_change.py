"""What ``transforms/date`` does with one date: read it, set or shift its parts, write it.

Parts are changed from the largest to the smallest. Days and longer parts go by the calendar of the
zone; a day that a month does not have becomes its last.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from zoneinfo import ZoneInfo

from meterhouse.core.date_arithmetic import Unit, shifted
from meterhouse.core.instant import Instant, instant_text, read_timestamp
from meterhouse.core.moment_format import MomentFormat
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.core.timezone import first_instant, local_time, zone

MODIFY = "modify"
DEFAULT_ZONE = "Etc/UTC"
_SET, _ADD, _SUBTRACT = "set", "add", "subtract"
_MODES = (_SET, _ADD, _SUBTRACT)
#: Parts from the largest to the smallest, with what they may be set to; ``None``: only shifted.
_BOUNDS: dict[Unit, tuple[int, int] | None] = {
    Unit.YEAR: (1, MAXYEAR),
    Unit.MONTH: (1, 12),
    Unit.WEEK: None,
    Unit.DAY: (1, 31),
    Unit.HOUR: (0, 23),
    Unit.MINUTE: (0, 59),
    Unit.SECOND: (0, 59),
    Unit.MILLISECOND: (0, 999),
}
_AMOUNT_MAX = 10**15


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a date that is set (``amount`` is its value) or shifted by ``amount``."""

    unit: Unit
    amount: int
    sets: bool


@dataclass(frozen=True, slots=True)
class DateChange:
    """How a date is read, changed and written. Without a format it is a timestamp of usage."""

    read_as: MomentFormat | None
    write_as: MomentFormat | None
    steps: tuple[Step, ...]
    zone: ZoneInfo

    def text(self, text: str) -> str:
        """Return the date of a text, changed and written. Raises ``ValueError`` saying why not."""
        instant = self._read(text)
        for step in self.steps:
            if step.sets:
                instant = _set(instant, step, self.zone)
            else:
                instant = shifted(instant, step.amount, step.unit, zone=self.zone)
        if self.write_as is None:
            return instant_text(instant)
        return self.write_as.write(instant, zone=self.zone)

    def _read(self, text: str) -> Instant:
        if self.read_as is not None:
            return self.read_as.read(text, zone=self.zone)
        instant = read_timestamp(text)
        if instant is None:
            raise ValueError(f"{text[:60]!r} is neither ISO 8601 nor Unix milliseconds")
        return instant


def _set(instant: Instant, step: Step, zone: ZoneInfo) -> Instant:
    try:
        wall = local_time(instant, zone).replace(tzinfo=None)
    except OverflowError:
        raise ValueError(f"{zone.key} shows no wall time at the end of the calendar") from None
    return first_instant(_with_part(wall, step), zone)


def _with_part(wall: datetime, step: Step) -> datetime:
    amount = step.amount
    match step.unit:
        case Unit.YEAR | Unit.MONTH:
            year = amount if step.unit is Unit.YEAR else wall.year
            month = amount if step.unit is Unit.MONTH else wall.month
            return wall.replace(year=year, month=month, day=_day(wall.day, year, month))
        case Unit.DAY:
            return wall.replace(day=_day(amount, wall.year, wall.month))
        case Unit.HOUR:
            return wall.replace(hour=amount)
        case Unit.MINUTE:
            return wall.replace(minute=amount)
        case Unit.SECOND:
            return wall.replace(second=amount)
        case _:
            return wall.replace(microsecond=amount * 1000)


def _day(day: int, year: int, month: int) -> int:
    return min(day, monthrange(year, month)[1])


# ---------------------------------------------------------------- parameters


def read_change(reading: Reading) -> DateChange | None:
    """Read an item of ``items``, noting problems."""
    mode = reading.body.get("mode", MODIFY)
    if mode != MODIFY:
        reading.fail("mode", f"is {shown(mode)}", f"{MODIFY} is the only mode")
    read_as = _read_format(reading, "inputFormat", reads=True)
    write_as = _read_format(reading, "outputFormat", reads=False)
    name = reading.timezone("timezone", default=DEFAULT_ZONE)
    steps = _read_steps(reading)
    if reading.problems:
        return None
    return DateChange(read_as, write_as, steps, zone(name))


def _read_format(reading: Reading, name: str, *, reads: bool) -> MomentFormat | None:
    text = reading.text(name)
    if text is None:
        return None
    try:
        made = MomentFormat.parse(text)
        if reads:
            made.check_readable()
    except ValueError as error:
        reading.fail(name, f"is {shown(text)}: {error}", "formats are like YYYY-MM-DD HH:mm:ss")
        return None
    return made


def _read_steps(reading: Reading) -> tuple[Step, ...]:
    operation = reading.json_object("operation")
    found: dict[Unit, Step] = {}
    for name, body in operation.items():
        unit = Unit.named(str(name))
        place = f"operation.{name}"
        if unit is None:
            known = ", ".join(unit.value for unit in _BOUNDS)
            reading.fail(place, "is not a part of a date", f"parts are {known}")
        elif unit in found:
            reading.fail(place, "is given a second time", "give each part once")
        else:
            inner = Reading(body, what="step")
            step = _read_step(inner, unit)
            reading.problems += [fault.at(place) for fault in inner.problems]
            if step is not None:
                found[unit] = step
    return tuple(found[unit] for unit in _BOUNDS if unit in found)


def _read_step(reading: Reading, unit: Unit) -> Step | None:
    mode = reading.body.get("mode")
    bounds = _BOUNDS[unit]
    if mode not in _MODES:
        reading.fail("mode", missing_or_shown(mode), f"use one of {', '.join(_MODES)}")
        return None
    if mode == _SET and bounds is None:
        reading.fail("mode", "is set", f"a {unit.value} can be added or subtracted")
        return None
    lowest, highest = bounds if mode == _SET and bounds else (-_AMOUNT_MAX, _AMOUNT_MAX)
    amount = _whole(reading.body, "value")
    if amount is None or not lowest <= amount <= highest:
        hint = f"use a whole number from {lowest} to {highest}"
        reading.fail("value", missing_or_shown(reading.body.get("value")), hint)
        return None
    return Step(unit, -amount if mode == _SUBTRACT else amount, mode == _SET)


def _whole(body: Mapping[str, object], name: str) -> int | None:
    value = body.get(name)
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii():
        return int(value[:20])
    return value if isinstance(value, int) and not isinstance(value, bool) else None
