"""How many requests components themselves have counted: Prometheus snapshots, or a CSV.

A snapshot is the text of ``/metrics`` at an instant: counters since the process began. What was
counted between two snapshots is the difference; a counter that has become less began anew. It is
of the day that the later snapshot ends, so snapshots are best taken at midnight in UTC.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from meterhouse.core.instant import Instant, parse_instant, to_datetime
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.quantity import EXACT, ZERO, number_from_text
from meterhouse.core.reading import shown

METRIC = "http_request_duration_seconds_count"
#: What usage without an application is billed under.
UNATTRIBUTED = "(unattributed)"
CSV_COLUMNS = ("day", "app", "preset", "status", "count")
_SAMPLE = re.compile(r"(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<rest>\S.*)")
_LABEL = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")
_STAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)?Z")
_PROBLEMS_MAX = 20

#: Day, application, preset.
Cell = tuple[date, str, str]
_Series = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Requests by day, application and preset; ``days`` are those of which anything is known."""

    cells: Mapping[Cell, Decimal]
    days: frozenset[date]


@dataclass(slots=True)
class _Sums:
    skipped: Sequence[str]
    cells: dict[Cell, Decimal] = field(default_factory=dict)
    days: set[date] = field(default_factory=set)

    def add(self, day: date, labels: Mapping[str, str], value: Decimal) -> None:
        self.days.add(day)
        if any(_is_status(labels.get("status", ""), one) for one in self.skipped):
            return
        cell = day, labels.get("app") or UNATTRIBUTED, labels.get("preset", "")
        self.cells[cell] = EXACT.add(self.cells.get(cell, ZERO), value)

    def made(self) -> RequestCounts:
        return RequestCounts(self.cells, frozenset(self.days))


def _is_status(status: str, wanted: str) -> bool:
    """Whether a status is one, or of a class of them such as ``5xx``."""
    return status == wanted or (wanted[1:] == "xx" and status[:1] == wanted[:1])


def csv_counts(lines: Iterable[str], *, name: str, skipped: Sequence[str] = ()) -> RequestCounts:
    """Read requests from a CSV with the columns day, app, preset, status and count.

    ``skipped`` are statuses that are not compared: ``503``, ``5xx``. Raises ``DefinitionError``.
    """
    rows = csv.DictReader(lines)
    if missing := [one for one in CSV_COLUMNS if one not in (rows.fieldnames or ())]:
        hint = f"its first line must name {', '.join(CSV_COLUMNS)}"
        raise DefinitionError([Problem("", f"has no column {missing[0]}", hint)], what=name)
    sums, problems = _Sums(skipped), list[Problem]()
    for place, row in enumerate(rows, 2):
        day, count = _day(row["day"] or ""), number_from_text(row["count"] or "")
        if day is None:
            hint = "write it as 2026-10-03"
            problems.append(Problem(f"line {place}", f"day is {shown(row['day'])}", hint))
        elif count is None or count < ZERO:
            hint = "write a number that is 0 or more"
            problems.append(Problem(f"line {place}", f"count is {shown(row['count'])}", hint))
        else:
            sums.add(day, {column: row[column] or "" for column in CSV_COLUMNS}, count)
    if problems:
        if (more := len(problems) - _PROBLEMS_MAX) > 0:
            problems[_PROBLEMS_MAX:] = [Problem("", f"has {more:,} more", "mend these first")]
        raise DefinitionError(problems, what=name)
    return sums.made()


def snapshot_counts(
    snapshots: Iterable[tuple[str, str]], *, metric: str = METRIC, skipped: Sequence[str] = ()
) -> RequestCounts:
    """Read requests from snapshots: names and texts. The first of all is where counting begins.

    When each was taken is said by its samples, else by its name, such as
    ``gateway-20261003T000000Z.prom``. Raises ``DefinitionError``.
    """
    taken: dict[Instant, dict[_Series, Decimal]] = {}
    for name, text in snapshots:
        for at, series, value in _samples(name, text, metric):
            taken.setdefault(at, {})[series] = value
    sums, last = _Sums(skipped), dict[_Series, Decimal]()
    for place, at in enumerate(sorted(taken)):
        day = to_datetime(at - 1).date()
        for series, value in taken[at].items():
            before = last.get(series, ZERO)
            # A counter that is less than it was began anew at zero.
            more = value if value < before else EXACT.subtract(value, before)
            last[series] = value
            if place:
                sums.add(day, _labels_of(series), more)
    return sums.made()


def _samples(name: str, text: str, metric: str) -> Iterator[tuple[Instant, _Series, Decimal]]:
    of_name = _instant_of(name)
    for place, line in enumerate(text.splitlines(), 1):
        found = None if line.startswith("#") or not line.strip() else _SAMPLE.match(line.strip())
        if found is None or found["name"] != metric:
            continue
        value, _, stamp = found["rest"].partition(" ")
        number = _number(value)
        at = int(stamp) * 1000 if stamp.strip().isdigit() else of_name
        if number is None:
            hint = "a counter is a number, at least 0"
            raise DefinitionError([Problem(f"line {place}", f"is {shown(line)}", hint)], what=name)
        if at is None:
            hint = "add the time to its name, such as gateway-20261003T000000Z.prom"
            fault = Problem("", "does not say when it was taken", hint)
            raise DefinitionError([fault], what=name)
        yield at, tuple(sorted(_labels(found["labels"] or "").items())), number


def _number(text: str) -> Decimal | None:
    """Read a counter: Prometheus writes large ones with an exponent."""
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    return number if number.is_finite() and number >= ZERO else None


def _labels(text: str) -> dict[str, str]:
    return {name: _ESCAPED.sub(_plain, value) for name, value in _LABEL.findall(text)}


def _plain(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


def _labels_of(series: _Series) -> dict[str, str]:
    labels = dict(series)
    status = labels.get("status_code", labels.get("status", ""))
    return {
        "app": labels.get("application", ""),
        "preset": labels.get("preset", ""),
        "status": status,
    }


def _instant_of(name: str) -> Instant | None:
    found = _STAMP.search(name)
    if found is None:
        return None
    year, month, day, hour, minute, second = found.groups()
    return parse_instant(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}Z")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
