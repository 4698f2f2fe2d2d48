"""Golden records, as they are written, become what rating sees."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from meterhouse.core.charge import BillingPeriod, GroupedValue, MeteredUsage
from meterhouse.core.instant import parse_instant
from meterhouse.core.json_text import canonical_text


def metered_usage(record: Mapping[str, Any], *, category: str) -> MeteredUsage:
    """Return a golden record as rating sees it; ``category`` is that of its meter type."""
    start, end = parse_instant(record["periodStart"]), parse_instant(record["periodEnd"])
    assert start is not None and end is not None, "records are written with instants"
    breakdowns = {
        tuple(section["groups"][0]["fields"]): tuple(map(_entry, section["groups"]))
        for section in record["groupBreakdowns"]
        if section["groups"]
    }
    return MeteredUsage(
        record_id=record["recordId"],
        meter_type=record["meterTypeName"],
        category=category,
        user=record["userId"],
        unit=record["unit"],
        value=Decimal(record["value"]),
        period=BillingPeriod(start, end, record["timezone"]),
        breakdowns=breakdowns,
        custom_fields=_texts(record["customFields"]),
    )


def _entry(group: Mapping[str, Any]) -> GroupedValue:
    return GroupedValue(_texts(group["fields"]), Decimal(group["value"]))


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: canonical_text(value) for name, value in fields.items()}
