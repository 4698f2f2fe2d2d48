"""Functions of dates."""

from __future__ import annotations

from meterhouse.core.expression import dates
from meterhouse.core.expression.signature import Maker, function

#: In the order of the reference.
DATES: tuple[Maker, ...] = (
    function(
        "now",
        "The clock of the run; in Data Correction, the time of the action.",
        None,
        ("now()", "2026-02-01T00:00:00.000Z"),
    ),
    function(
        "date value:a format:t? zone:t?",
        "A text as a date, by a format; without one, ISO 8601 or Unix milliseconds. A wall "
        "time is in the zone given, else in UTC.",
        dates.read,
        ('date("31.01.2026 14:30", "DD.MM.YYYY HH:mm")', "2026-01-31T14:30:00.000Z"),
        (
            'date("2026-07-01", "YYYY-MM-DD", "Europe/Berlin")',
            "2026-06-30T22:00:00.000Z",
        ),
    ),
    function(
        "formatDate date:d format:t zone:t?",
        "A date as text, by a format.",
        dates.write,
        ('formatDate("2026-01-31T23:30:00Z", "YYYY-MM-DD", "Europe/Berlin")', "2026-02-01"),
        ('formatDate("2026-01-31", "[Q]Q YYYY, ddd D MMM")', "Q1 2026, Sat 31 Jan"),
    ),
    function(
        "dateAdd date:d amount:w unit:t zone:t?",
        "A date so many units later. Days and longer units keep the wall time of the zone; a "
        "day that a month does not have becomes its last.",
        dates.add,
        ('dateAdd("2026-01-31", 1, "month")', "2026-02-28T00:00:00.000Z"),
        ('dateAdd("2026-01-01", -90, "minutes")', "2025-12-31T22:30:00.000Z"),
    ),
    function(
        "dateDiff from:d to:d unit:t zone:t?",
        "How many whole units lie between two dates; negative where the second is earlier.",
        dates.between,
        ('dateDiff("2026-01-31", "2026-03-01", "months")', 1),
        ('dateDiff("2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z", "hour")', 1),
    ),
    function(
        "dateTruncate date:d unit:t zone:t?",
        "The beginning of the unit in which a date lies; weeks begin on Monday.",
        dates.truncate,
        ('dateTruncate("2026-01-31T14:30:00Z", "month")', "2026-01-01T00:00:00.000Z"),
        (
            'dateTruncate("2026-07-01T12:00:00Z", "day", "Europe/Berlin")',
            "2026-06-30T22:00:00.000Z",
        ),
    ),
    function(
        "datePart date:d part:t zone:t?",
        "A part of a date as a number: `year`, `quarter`, `month`, `week` (of ISO 8601), `day`, "
        "`dayOfYear`, `weekday` (Monday is 1), `hour`, `minute`, `second` or `millisecond`.",
        dates.part,
        ('datePart("2026-01-31", "quarter")', 1),
        ('datePart("2026-01-31", "weekday")', 6),
    ),
    function(
        "unixMillis date:d",
        "The milliseconds from 1970 to a date.",
        dates.unix_millis,
        ('unixMillis("1970-01-01T00:00:01Z")', 1000),
    ),
)
