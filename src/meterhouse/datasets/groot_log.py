"""Groot Message 5.0.0: the log of aura-groot, one row a message that comes in or goes out.

Only what billing needs is read; users, telephone numbers and texts stay in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterhouse.core.instant import Instant
from meterhouse.datasets.cleaning import (
    Rejected,
    cleaned_rows,
    country_of,
    instant_of,
    needed,
    text_of,
)
from meterhouse.datasets.log_rows import Layout, LogRow

COLUMNS = (
    "USER_ID",
    "MSG_DT",
    "MSG_ID",
    "ACTION_CD",
    "AURA_ID",
    "PHONE_ID",
    "CHANNEL_CD",
    "DOMAIN_CD",
    "CATEGORY_CD",
    "COUNTRY_CD",
    "CORR_ID",
    "IS_CACHED",
    "STATUS_CD",
    "REASON",
    "VERSION_ID",
    "LANG_CD",
    "TZ_CD",
    "DURATION_NU",
    "MESSAGE",
    "CHANNEL_CONVERSATION_CD",
)
#: Rows have at least what comes before the version; the tail of a row may hold more.
LAYOUT = Layout(COLUMNS, needed=COLUMNS.index("VERSION_ID"), mark="CORR_ID")


@dataclass(frozen=True, slots=True)
class GrootRow:
    """A cleaned row of Groot Message."""

    place: str
    at: Instant
    message_id: str
    correlation_id: str
    action: str
    channel: str | None
    country: str
    version: str | None


def read_groot_log(lines: Iterable[str], *, country: str) -> Iterator[GrootRow | Rejected]:
    """Read a log of the OB of a country (alpha-3): each record becomes a row or is rejected.

    >>> line = '{"MSG_DT": "2026-10-03T09:15:02Z", "MSG_ID": "m", "CORR_ID": "c", '
    >>> line += '"ACTION_CD": "receive", "COUNTRY_CD": "ES"}'
    >>> [row.action for row in read_groot_log([line], country="ESP")]
    ['receive']
    """
    return cleaned_rows(lines, LAYOUT, lambda row: _cleaned(row, country))


def _cleaned(row: LogRow, country: str) -> GrootRow:
    channel = text_of(row, "CHANNEL_CD")
    return GrootRow(
        row.place,
        instant_of(row, "MSG_DT"),
        needed(row, "MSG_ID"),
        needed(row, "CORR_ID"),
        needed(row, "ACTION_CD").lower(),
        None if channel is None else channel.lower(),
        country_of(row, "COUNTRY_CD", of_ob=country),
        text_of(row, "VERSION_ID"),
    )
