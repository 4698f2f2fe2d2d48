"""Date formats in moment style: ``YYYY-MM-DD HH:mm:ss.SSS ZZ``, text between ``[`` and ``]``.

Decides what each token writes and what it reads. Names of months and days are English.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from meterhouse.core.instant import EARLIEST, LATEST, MINUTE, SECOND, Instant
from meterhouse.core.timezone import first_instant, instant_at, local_time

FORMAT_CHARS_MAX = 200
_MONTHS = "January February March April May June July August September October November December"
MONTHS = tuple(_MONTHS.split())
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT = 3

_TOKEN = re.compile(
    r"\[([^\]]*)\]|(YYYY|YY|GGGG|M{1,4}|DDDD|DDD|DD|D|dddd|ddd|d|E|Q|WW|W"
    r"|HH?|hh?|A|a|mm?|ss?|S{1,9}|ZZ?|X|x)|(T)|([A-Za-z]+)|(.)",
    re.DOTALL,
)


def _names(names: tuple[str, ...]) -> str:
    return "|".join(names)


#: What a token may look like in a text that is read; other tokens are only written.
_READ: dict[str, str] = {
    "YYYY": r"\d{4}",
    "YY": r"\d{2}",
    "MMMM": _names(MONTHS),
    "MMM": _names(tuple(name[:_SHORT] for name in MONTHS)),
    "dddd": _names(DAYS),
    "ddd": _names(tuple(name[:_SHORT] for name in DAYS)),
    **dict.fromkeys(("MM", "DD", "HH", "hh", "mm", "ss"), r"\d{2}"),
    **dict.fromkeys(("M", "D", "H", "h", "m", "s"), r"\d{1,2}"),
    **{"S" * count: rf"\d{{{count}}}" for count in range(1, 10)},
    **dict.fromkeys("Aa", "[AaPp][Mm]"),
    **dict.fromkeys(("Z", "ZZ"), r"Z|[+-]\d{2}:?\d{2}"),
    "X": r"-?\d{1,12}(?:\.\d{1,6})?",
    "x": r"-?\d{1,15}",
}


@dataclass(frozen=True)
class MomentFormat:
    """A format that was read: tokens, and texts that stand as they are (those are pairs)."""

    text: str
    tokens: tuple[str | tuple[str], ...]

    @classmethod
    def parse(cls, text: str) -> MomentFormat:
        """Read a format. Raises ``ValueError`` saying what is wrong.

        >>> MomentFormat.parse("DD.MM.YY").write(0, zone=ZoneInfo("UTC"))
        '01.01.70'
        """
        if not text or len(text) > FORMAT_CHARS_MAX:
            raise ValueError(f"a format has 1 to {FORMAT_CHARS_MAX} characters")
        tokens: list[str | tuple[str]] = []
        for found in _TOKEN.finditer(text):
            quoted, token, t, letters, char = found.groups()
            if letters:
                raise ValueError(
                    f"{letters!r} in {text!r} is no part of a date: write [{letters}] for the "
                    "text itself; YYYY-MM-DD HH:mm:ss.SSS ZZ are parts"
                )
            plain = next((p for p in (quoted, t, char) if p is not None), "")
            tokens.append(token or (plain,))
        return cls(text, tuple(tokens))

    def write(self, instant: Instant, *, zone: ZoneInfo) -> str:
        """Write an instant as clocks of the zone show it. Raises ``ValueError``.

        >>> MomentFormat.parse("YYYY-MM-DD[T]HH:mm:ss.SSSZ").write(0, zone=ZoneInfo("UTC"))
        '1970-01-01T00:00:00.000+00:00'
        """
        try:
            local = local_time(instant, zone)
        except OverflowError:
            raise ValueError(f"{zone.key} shows no wall time at the end of the calendar") from None
        return "".join(
            token[0] if isinstance(token, tuple) else _written(token, local, instant)
            for token in self.tokens
        )

    def read(self, text: str, *, zone: ZoneInfo) -> Instant:
        """Read a text; a wall time is one of the zone. Raises ``ValueError``.

        >>> MomentFormat.parse("D MMM YYYY").read("2 Jan 1970", zone=ZoneInfo("UTC"))
        86400000000
        """
        found = self._pattern.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:60]!r} is not written as {self.text!r}")
        values = dict(zip(self._read_tokens, found.groups(), strict=True))
        try:
            instant = _instant(values, zone)
        except (ValueError, OverflowError):
            raise ValueError(f"{text[:60]!r} is no date of the calendar") from None
        if not EARLIEST <= instant <= LATEST:
            raise ValueError(f"{text[:60]!r} is no date of the calendar")
        return instant

    def check_readable(self) -> None:
        """Raise ``ValueError`` where texts can be written in this format and not read.

        >>> MomentFormat.parse("YYYY-MM-DD").check_readable()
        """
        _ = self._pattern
        tokens = set(self._read_tokens)
        if not tokens & {"YYYY", "YY", "X", "x"}:
            raise ValueError(f"{self.text!r} has no year")

    @property
    def _read_tokens(self) -> list[str]:
        return [token for token in self.tokens if isinstance(token, str)]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        tokens = self._read_tokens
        for token in tokens:
            if token not in _READ:
                raise ValueError(f"{token} in {self.text!r} can be written and not read")
            if tokens.count(token) > 1:
                raise ValueError(f"{token} stands twice in {self.text!r}")
        parts = (
            re.escape(token[0]) if isinstance(token, tuple) else f"({_READ[token]})"
            for token in self.tokens
        )
        return re.compile("".join(parts), re.ASCII | re.IGNORECASE)


# ---------------------------------------------------------------- writing


def _hour12(local: datetime) -> int:
    return local.hour % 12 or 12


def _offset_minutes(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    # Before 1900, zones were a few seconds off the minute.
    return round_minutes(offset)


def round_minutes(offset: timedelta) -> int:
    """Return an offset in whole minutes, towards zero.

    >>> round_minutes(timedelta(seconds=-90))
    -1
    """
    seconds = offset.days * 86_400 + offset.seconds
    return -(-seconds // 60) if seconds < 0 else seconds // 60


def _zone_text(local: datetime, colon: str) -> str:
    minutes = _offset_minutes(local)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{colon}{rest:02}"


_WRITE: dict[str, Callable[[datetime], str]] = {
    "YYYY": lambda local: f"{local.year:04}",
    "YY": lambda local: f"{local.year % 100:02}",
    "GGGG": lambda local: f"{local.isocalendar().year:04}",
    "Q": lambda local: str((local.month + 2) // 3),
    "MMMM": lambda local: MONTHS[local.month - 1],
    "MMM": lambda local: MONTHS[local.month - 1][:_SHORT],
    "MM": lambda local: f"{local.month:02}",
    "M": lambda local: str(local.month),
    "DDDD": lambda local: f"{local.timetuple().tm_yday:03}",
    "DDD": lambda local: str(local.timetuple().tm_yday),
    "DD": lambda local: f"{local.day:02}",
    "D": lambda local: str(local.day),
    "dddd": lambda local: DAYS[local.weekday()],
    "ddd": lambda local: DAYS[local.weekday()][:_SHORT],
    "d": lambda local: str(local.isoweekday() % 7),
    "E": lambda local: str(local.isoweekday()),
    "WW": lambda local: f"{local.isocalendar().week:02}",
    "W": lambda local: str(local.isocalendar().week),
    "HH": lambda local: f"{local.hour:02}",
    "H": lambda local: str(local.hour),
    "hh": lambda local: f"{_hour12(local):02}",
    "h": lambda local: str(_hour12(local)),
    "A": lambda local: "AM" if local.hour < 12 else "PM",
    "a": lambda local: "am" if local.hour < 12 else "pm",
    "mm": lambda local: f"{local.minute:02}",
    "m": lambda local: str(local.minute),
    "ss": lambda local: f"{local.second:02}",
    "s": lambda local: str(local.second),
    "Z": lambda local: _zone_text(local, ":"),
    "ZZ": lambda local: _zone_text(local, ""),
}


_UNIX = {"X": SECOND, "x": SECOND // 1000}


def _written(token: str, local: datetime, instant: Instant) -> str:
    if token[0] == "S":
        return f"{local.microsecond:06}000"[: len(token)]
    if token in _UNIX:
        return str(instant // _UNIX[token])
    return _WRITE[token](local)


# ---------------------------------------------------------------- reading


def _instant(values: dict[str, str], zone: ZoneInfo) -> Instant:
    if "x" in values:
        return int(values["x"]) * (SECOND // 1000)
    if "X" in values:
        whole, _, fraction = values["X"].partition(".")
        micros = int(f"{fraction:0<6}")
        return int(whole) * SECOND + (-micros if whole.startswith("-") else micros)
    wall = datetime(_year(values), _month(values), _first(values, "DD", "D", default=1))
    wall += timedelta(hours=_hour(values), minutes=_first(values, "mm", "m"))
    wall += timedelta(seconds=_first(values, "ss", "s"), microseconds=_micros(values))
    _check(values, wall)
    offset = next((values[token] for token in ("Z", "ZZ") if token in values), None)
    return first_instant(wall, zone) if offset is None else instant_at(wall, _offset(offset))


def _first(values: dict[str, str], *tokens: str, default: int = 0) -> int:
    return next((int(values[token]) for token in tokens if token in values), default)


def _year(values: dict[str, str]) -> int:
    if "YYYY" in values:
        return int(values["YYYY"])
    if "YY" in values:
        short = int(values["YY"])
        return short + (1900 if short > 68 else 2000)
    raise ValueError("no year")


def _month(values: dict[str, str]) -> int:
    for token in ("MMMM", "MMM"):
        if token in values:
            begins = values[token][:_SHORT].title()
            return next(n for n, name in enumerate(MONTHS, start=1) if name.startswith(begins))
    return _first(values, "MM", "M", default=1)


def _hour(values: dict[str, str]) -> int:
    hour = _first(values, "HH", "H", "hh", "h")
    half = next((values[token].lower() for token in "Aa" if token in values), None)
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("no hour of half a day")
    return hour % 12 + (12 if half == "pm" else 0)


def _micros(values: dict[str, str]) -> int:
    digits = next((value for token, value in values.items() if token[0] == "S"), "")
    return int(f"{digits:0<6}"[:6])


def _check(values: dict[str, str], wall: datetime) -> None:
    """Refuse a time of day beyond the clock, and a day of the week that the date is not."""
    hour, minute = _hour(values), _first(values, "mm", "m")
    if hour > 23 or minute > 59 or _first(values, "ss", "s") > 59:
        raise ValueError("no time of day")
    for token in ("dddd", "ddd"):
        if token in values and DAYS[wall.weekday()][:_SHORT] != values[token][:_SHORT].title():
            raise ValueError("another day of the week")


def _offset(text: str) -> timedelta:
    if text in "Zz":
        return timedelta(0)
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError("no offset")
    offset = timedelta(microseconds=(hours * 60 + minutes) * MINUTE)
    return -offset if text[0] == "-" else offset
