"""What the billing operation says it did: each stream, and each operating business of each month.

No business is left out: whoever is on the list of the operation is in the report, with a status,
and so is whoever has rows in the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from meterhouse.app.aura.completeness import Metering
from meterhouse.app.aura.upload_plans import put_text
from meterhouse.app.datasets.ports import DatasetStorage, DatasetStorageConflict
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import Problem

REPORTS = "reports"
#: What the name of every report of the operation begins with.
BILLING_REPORT = "aura-billing-report"


class BusinessStatus(Enum):
    """How an operating business stands in a month."""

    ISSUED = "issued"
    DRAFTED = "drafted"
    #: an invoice that was taken back; somebody has to draft or issue another one
    CORRECTED = "corrected"
    #: a draft that something keeps from being issued
    BLOCKED = "blocked"
    #: the catalogue has no row of it
    MISSING = "missing"
    #: no draft could be made, of it or of anybody
    FAILED = "failed"
    #: the catalogue has rows of it, and the operation does not list it
    UNLISTED = "unlisted"
    #: the same, and the operation says that nobody is billed for it
    NOT_BILLED = "not billed"


#: What leaves an operation incomplete.
FAULTS = frozenset(
    {
        BusinessStatus.BLOCKED,
        BusinessStatus.MISSING,
        BusinessStatus.FAILED,
        BusinessStatus.UNLISTED,
    }
)


@dataclass(frozen=True, slots=True)
class BusinessReport:
    """What became of an operating business in a month.

    ``rows`` are those of the catalogue, duplicates too; ``None`` where it was not asked or did not
    answer. ``invoice`` is the id of the draft or invoice; ``total`` its amount as text with its
    currency.
    """

    code: str
    country: str
    customer: str
    status: BusinessStatus
    rows: int | None
    invoice: str | None = None
    number: str | None = None
    total: str | None = None
    problems: Sequence[Problem] = ()
    #: a sentence about what somebody should look at, though it stops nothing
    warnings: Sequence[str] = ()
    #: what became of its rows, where the streams ran
    metering: Metering | None = None

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "business": self.code,
            "country": self.country,
            "customer": self.customer,
            "status": self.status.value,
            "rows": self.rows,
            **_metering(self.metering),
            "invoice": self.invoice,
            "number": self.number,
            "total": self.total,
            "problems": [
                {"place": one.place, "message": one.message, "hint": one.hint}
                for one in self.problems
            ],
            "warnings": list(self.warnings),
        }


def _metering(metering: Metering | None) -> dict[str, Any]:
    counts = None if metering is None else (metering.metered, metering.duplicates)
    tokens = None if metering is None else metering.tokens
    return {
        "metered": None if counts is None else int(counts[0]),
        "duplicates": None if counts is None else int(counts[1]),
        "suspended": None if metering is None else metering.suspended,
        "rejectedRows": None if metering is None else dict(metering.rejected),
        "withoutTokens": None if tokens is None else int(tokens.without),
    }


@dataclass(frozen=True, slots=True)
class MonthReport:
    """All operating businesses in a month."""

    period: str
    businesses: Sequence[BusinessReport]

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"period": self.period, "businesses": [one.to_api() for one in self.businesses]}


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What became of a stream: its run, and how many records it read."""

    stream: str
    run: str | None
    records: int = 0
    error: str | None = None

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "stream": self.stream,
            "run": self.run,
            "records": self.records,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class OperationReport:
    """What the operation did at an instant."""

    operation: str
    at: Instant
    streams: Sequence[StreamReport]
    months: Sequence[MonthReport]
    #: files of invoices that are issued, but could not be made or archived yet
    undone: Sequence[str] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every stream ran and every business has what is due."""
        every = [one for month in self.months for one in month.businesses]
        stopped = any(one.error is not None for one in self.streams)
        return not stopped and not self.undone and not any(one.status in FAULTS for one in every)

    def to_api(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "operation": self.operation,
            "at": instant_text(self.at),
            "complete": self.is_complete,
            "streams": [one.to_api() for one in self.streams],
            "months": [one.to_api() for one in self.months],
            "undone": list(self.undone),
        }


def put_operation_report(storage: DatasetStorage, report: OperationReport, *, scratch: Path) -> str:
    """Put a report; returns its name. One that says the same is the same file."""
    text = json_text(report.to_api()) + "\n"
    moment = instant_text(report.at).replace(":", "")
    number = 1
    while True:
        end = "" if number == 1 else f"-{number}"
        name = f"{REPORTS}/{BILLING_REPORT}-{moment}{end}.json"
        try:
            put_text(storage, name, text, scratch=scratch)
        except DatasetStorageConflict:
            number += 1
        else:
            return name
