"""Whether the rows of a file are what its name and its schema say, checked in columns.

Knows nothing of files: it sees some rows at a time, and remembers which days they are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from meterhouse.core.instant import parse_instant, to_datetime
from meterhouse.core.problem import Problem
from meterhouse.core.reading import shown
from meterhouse.datasets.schema import DatasetSchema

#: So many faults are told of one file; more say nothing new.
FAULTS_MAX = 20
#: An instant whose first ten characters are its day in UTC.
_PLAIN = (
    r"^\d{4}-\d{2}-\d{2}[Tt]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?[Zz]$"  # no zone but UTC
)
_DAY_CHARS = 10


@dataclass(slots=True)
class RowChecks:
    """The checks of one file. ``country`` is what all rows must say, where the schema has it."""

    schema: DatasetSchema
    country: str | None
    #: what ``country`` is that of
    ob: str | None
    rows: int = 0
    days: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The fields that are looked at."""
        schema = self.schema
        wanted = [*schema.key, schema.partition, schema.timestamp, schema.country]
        return list(dict.fromkeys(name for name in wanted if name is not None))

    @property
    def full(self) -> bool:
        """Whether enough faults were found."""
        return len(self.problems) >= FAULTS_MAX

    def see(self, frame: pl.DataFrame) -> None:
        """Check some rows."""
        for name in self.schema.key:
            self._check_key(frame[name])
        if self.schema.partition is not None:
            self._check_days(frame, self.schema.partition)
        if self.schema.country is not None and self.country is not None:
            self._check_country(frame[self.schema.country])
        self.rows += frame.height

    def _fail(self, row: int, name: str, message: str, hint: str) -> None:
        if not self.full:
            self.problems.append(Problem(f"row {self.rows + row + 1}, {name}", message, hint))

    def _check_key(self, values: pl.Series) -> None:
        empty = values.is_null() | (values == "")
        for row in empty.fill_null(value=True).arg_true().head(FAULTS_MAX):
            self._fail(row, values.name, "is empty", "rows are told apart by it: give it a value")

    def _check_days(self, frame: pl.DataFrame, partition: str) -> None:
        days = frame[partition]
        counts = Counter(dict(days.value_counts().iter_rows()))
        bad = [day for day in counts if not _is_day(day)]
        for day in bad[:FAULTS_MAX]:
            row = (days.is_null() if day is None else days == day).arg_max() or 0
            self._fail(row, partition, f"is {shown(day)}", "write a day such as 2026-10-03")
        self.days.update({day: count for day, count in counts.items() if day is not None})
        if self.schema.timestamp is not None:
            self._check_instants(frame[self.schema.timestamp], days, bad=frozenset(bad))

    def _check_instants(
        self, instants: pl.Series, days: pl.Series, *, bad: Collection[str | None]
    ) -> None:
        """Most are in UTC and of that day, by their text alone; the others are read."""
        plain = instants.str.contains(_PLAIN) & (instants.str.head(_DAY_CHARS) == days)
        plain = plain & _is_calendar(instants)
        doubtful = plain.fill_null(value=False).not_().arg_true()
        known: dict[str, str | None] = {}
        for row in doubtful:
            if self.full:
                return
            text = instants[row]
            if text is None:
                continue  # The schema says whether it may be.
            if days[row] in bad and _utc_day(text) is not None:
                continue  # What is wrong with it was told.
            if text not in known:
                known[text] = _utc_day(text)
            if known[text] is None:
                hint = "write it as 2026-10-03T09:15:02.114Z"
                self._fail(row, instants.name, f"is {shown(text)}, which is no instant", hint)
            elif known[text] != days[row]:
                hint = f"the day of {shown(text)} in UTC is {known[text]}"
                self._fail(row, days.name, f"is {shown(days[row])}", hint)

    def _check_country(self, values: pl.Series) -> None:
        other = (values != self.country).fill_null(value=True)
        for row in other.arg_true().head(FAULTS_MAX):
            hint = f"the file is of {self.ob}, whose country is {self.country}"
            self._fail(row, values.name, f"is {shown(values[row])}", hint)


def _is_calendar(instants: pl.Series) -> pl.Series:
    """Whether the first ten characters are a day that there is."""
    return instants.str.head(_DAY_CHARS).str.to_date("%Y-%m-%d", strict=False).is_not_null()


def _is_day(text: str | None) -> bool:
    try:
        return text is not None and date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _utc_day(text: str) -> str | None:
    instant = parse_instant(text)
    return None if instant is None else to_datetime(instant).date().isoformat()
