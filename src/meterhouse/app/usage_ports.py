"""Single usage in the ledger: what event-time meters took, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from meterhouse.app.page import Page
from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.meter_state import Section
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.retained import RetainedRecord


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """A record that an event-time meter took. ``fields`` are those that its rule folds.

    A void one has ``voided_at``; one that was amended has the ``replacement`` too: timestamp and
    value.
    """

    identity: str
    timestamp: Instant
    value: Decimal
    fields: Mapping[str, JsonValue]
    period_start: Instant
    metered_at: Instant
    voided_at: Instant | None = None
    replacement: tuple[Instant, Decimal] | None = None

    @property
    def status(self) -> str:
        """What became of it: metered, void or amended."""
        if self.voided_at is None:
            return "metered"
        return "void" if self.replacement is None else "amended"

    def to_api(self) -> dict[str, Any]:
        """Return the API's object."""
        body: dict[str, Any] = {
            "identity": self.identity,
            "timestamp": instant_text(self.timestamp),
            "value": self.value,
            "fields": dict(self.fields),
            "periodStart": instant_text(self.period_start),
            "meteredAt": instant_text(self.metered_at),
            "status": self.status,
        }
        if self.voided_at is not None:
            body["voidedAt"] = instant_text(self.voided_at)
        if self.replacement is not None:
            timestamp, value = self.replacement
            body["replacedBy"] = {"timestamp": instant_text(timestamp), "value": value}
        return body


@dataclass(frozen=True, slots=True)
class KeptUsage:
    """A record that a period of a meter is made of, as it is folded.

    ``origin`` is where it was first read: the name of the source, and the place there from 0.
    """

    identity: str
    timestamp: Instant
    record: RetainedRecord
    origin: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a record becomes: what is ``None`` stays as it is; fields are set one by one."""

    value: Decimal | None = None
    timestamp: Instant | None = None
    fields: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Remetered:
    """What metering periods again gave: their buckets, and the texts of adjustments."""

    periods: Sequence[Bucket]
    adjustments: Sequence[str]


class Usage(Protocol):
    """The usage that event-time meters took."""

    def usage(
        self,
        meter_id: str,
        *,
        identity: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        void: bool = True,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[UsageEntry]:
        """List what a meter took, in order of arrival; void records too unless ``void`` is off."""
        ...

    def usage_of_period(
        self, meter_id: str, *, start: Instant, before: Instant | None = None, limit: int = -1
    ) -> Sequence[KeptUsage]:
        """Return what a period of a meter is made of, in order of arrival; ``limit`` at most.

        ``before``: as it was before that instant. The meter may be gone: its usage stays for some
        time.
        """
        ...

    def usage_aggregation(self, meter_id: str, *, start: Instant) -> Aggregation | None:
        """Return how single usage of a period adds up; ``None`` where none of it is kept.

        The meter may be gone.
        """
        ...

    def outlasted(self, meter_type_id: str) -> bool:
        """Whether usage is kept of any meter of a type that is gone."""
        ...

    def change_usage(
        self,
        meter_id: str,
        identity: str,
        amendment: Amendment | None,
        *,
        at: Instant,
        sections: Sequence[Section] = (),
        node_id: str = "",
    ) -> Remetered:
        """Void a record, or amend it; its periods are metered again, in one transaction.

        ``sections`` is the order of breakdowns in adjustments, ``node_id`` the node that tells
        them.
        """
        ...
