"""Records that know days, cut where prices change: by the breakdown with the field ``day``.

Theory of operation. A breakdown with the day is cut by it. One without is cut by what it shares
with one that has it: where a combination of shared fields is in one entry only, that entry's usage
is of the days that the other says of the combination; where it is in several, all of them are of
one version if the combination is. Sums must agree. What cannot be cut so is left out where prices
need nothing that a breakdown with the day does not have; else nobody knows the parts of the record.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import reduce

from meterhouse.app.billing.day_windows import DAY, day_of
from meterhouse.core.charge import GroupedValue, MeteredUsage
from meterhouse.core.quantity import EXACT, ZERO

_Names = tuple[str, ...]
_Entries = tuple[GroupedValue, ...]
#: The entries of each version.
_Cut = Sequence[_Entries]


def knows_days(usage: MeteredUsage) -> bool:
    """Whether a breakdown of a record has the day."""
    return any(DAY in names for names in usage.breakdowns)


def cut_at_days(
    usage: MeteredUsage, first_days: Sequence[date], *, asked: frozenset[str]
) -> list[MeteredUsage | None] | None:
    """Return the part of each version; ``None`` where nobody knows them.

    ``first_days`` are those of all versions but the first; ``asked`` are the fields that may say
    where some of this usage goes.
    """
    cuts: dict[_Names, _Cut] = {}
    for names, entries in usage.breakdowns.items():
        if DAY in names:
            found = _dated(entries, first_days)
            if found is None or _sum(one.value for one in entries) != usage.value:
                return None
            cuts[names] = found
    if not cuts:
        return None
    dated = dict(cuts)
    for names, entries in usage.breakdowns.items():
        if DAY not in names:
            undated = _undated(names, entries, dated)
            if undated is not None:
                cuts[names] = undated
            elif not any(asked.intersection(names) <= set(one) for one in dated):
                return None
    return _parts(usage, cuts, next(iter(dated.values())))


def _parts(
    usage: MeteredUsage, cuts: Mapping[_Names, _Cut], by_day: _Cut
) -> list[MeteredUsage | None]:
    return [
        replace(
            usage,
            value=_sum(one.value for one in of_version),
            breakdowns={names: cuts[names][place] for names in usage.breakdowns if names in cuts},
            meter="",
        )
        if of_version
        else None
        for place, of_version in enumerate(by_day)
    ]


def _dated(entries: _Entries, first_days: Sequence[date]) -> _Cut | None:
    """Return the entries of each version; ``None`` where a day cannot be read."""
    some: list[list[GroupedValue]] = [[] for _ in (None, *first_days)]
    days: dict[str, date | None] = {}
    for entry in entries:
        text = entry.fields[DAY]
        day = days[text] if text in days else days.setdefault(text, day_of(text))
        if day is None:
            return None
        some[bisect_right(first_days, day)].append(entry)
    return [tuple(one) for one in some]


def _undated(names: _Names, entries: _Entries, dated: Mapping[_Names, _Cut]) -> _Cut | None:
    """Cut entries by those of a breakdown with the day: by the one that shares most fields."""
    shared = {one: tuple(name for name in names if name in one) for one in dated}
    for one in sorted(dated, key=lambda one: (-len(shared[one]), len(one), one)):
        found = _cut_by(dated[one], entries, shared=shared[one])
        if found is not None:
            return found
    return None


def _cut_by(source: _Cut, entries: _Entries, *, shared: _Names) -> _Cut | None:
    """Cut entries by the days of others; ``None`` where those do not say them.

    What is of no usage at all in the source, as it was when it has none, is of the first version.
    """
    sums: dict[_Names, dict[int, Decimal]] = {}
    for place, some in enumerate(source):
        for entry in some:
            of_versions = sums.setdefault(_values(entry, shared), {})
            of_versions[place] = EXACT.add(of_versions.get(place, ZERO), entry.value)
    alike: dict[_Names, list[GroupedValue]] = {}
    for entry in entries:
        alike.setdefault(_values(entry, shared), []).append(entry)
    if any(key not in alike for key in sums):
        return None
    made: list[list[GroupedValue]] = [[] for _ in source]
    for key, some in alike.items():
        of_versions = sums.get(key, {0: ZERO})
        if _sum(of_versions.values()) != _sum(one.value for one in some):
            return None
        if len(of_versions) == 1:
            [place] = of_versions
            made[place] += some
        elif len(some) == 1:
            for place, value in of_versions.items():
                made[place].append(replace(some[0], value=value, events=None))
        else:
            return None
    return [tuple(one) for one in made]


def _values(entry: GroupedValue, names: _Names) -> _Names:
    return tuple(entry.fields[name] for name in names)


def _sum(values: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, values, ZERO)
