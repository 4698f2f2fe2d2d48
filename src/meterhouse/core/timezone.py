"""Time zones: the IANA zones of the ``tzdata`` package, and where wall times lie in them.

The tables of the operating system are never asked: they differ from machine to machine, and the
end of a period must not. Schedules and meters are unknown here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterhouse.core.instant import DAY, SECOND, Instant

_EPOCH_WALL = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


@cache
def zone_names() -> frozenset[str]:
    """The names of all zones."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def zone(name: str) -> ZoneInfo:
    """Return the zone of that name. Raises ``ZoneInfoNotFoundError``, a ``KeyError``.

    >>> zone("Europe/Berlin").key
    'Europe/Berlin'
    """
    if name not in zone_names():
        raise ZoneInfoNotFoundError(f"no time zone is named {name!r}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as table:
        return ZoneInfo.from_file(table, key=name)


@cache
def _epoch(zone: ZoneInfo) -> datetime:
    return datetime(1970, 1, 1, tzinfo=zone)


def local_time(instant: Instant, zone: ZoneInfo) -> datetime:
    """Return an instant as the clocks of a zone show it.

    >>> str(local_time(0, zone("Asia/Tokyo")))
    '1970-01-01 09:00:00+09:00'
    """
    return zone.fromutc(_epoch(zone) + instant * _MICROSECOND)


def instant_at(wall: datetime, offset: timedelta) -> Instant:
    """Return the instant that clocks ahead of UTC by ``offset`` show as ``wall``."""
    return (wall - _EPOCH_WALL - offset) // _MICROSECOND


def first_instant(wall: datetime, zone: ZoneInfo) -> Instant:
    """Return the first instant that shows a wall time, or the first one after its gap.

    >>> from meterhouse.core.instant import instant_text
    >>> instant_text(first_instant(datetime(2026, 3, 29, 2, 30), zone("Europe/Berlin")))
    '2026-03-29T01:00:00.000Z'
    """
    # Where the clocks are changed, a wall time without a fold is read as before the change: in
    # a fold as its first showing, in a gap as an instant after the gap.
    before = _known(zone.utcoffset(wall))
    instant = instant_at(wall, before)
    after = offset_of(instant, zone)
    if before == after:
        return instant
    return _change(instant_at(wall, after), instant, zone)


def first_change(low: Instant, high: Instant, zone: ZoneInfo) -> Instant | None:
    """Return when the clocks were first put forward or back in ``(low, high]``, if they were.

    No zone has changed its clocks and changed them back within a day, hence the steps.
    """
    offset = offset_of(low, zone)
    while low < high:
        probe = min(low + DAY, high)
        if offset_of(probe, zone) != offset:
            return _change(low, probe, zone)
        low = probe
    return None


def offset_of(instant: Instant, zone: ZoneInfo) -> timedelta:
    """Return how far the clocks of a zone are ahead of UTC at an instant."""
    return _known(local_time(instant, zone).utcoffset())


def _known(offset: timedelta | None) -> timedelta:
    assert offset is not None
    return offset


def _change(low: Instant, high: Instant, zone: ZoneInfo) -> Instant:
    """The first instant in (low, high] with the offset that ``high`` has: a whole second."""
    offset = offset_of(high, zone)
    low, high = low // SECOND, high // SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if offset_of(middle * SECOND, zone) == offset:
            high = middle
        else:
            low = middle
    return high * SECOND
