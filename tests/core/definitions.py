"""Plain examples of definitions, to be changed field by field."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant, parse_instant
from meterhouse.core.meter import Meter
from meterhouse.core.meter_state import MeterState, Period
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import Problem
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.threshold import Threshold

MONTHLY = {"minute": "0", "hour": "0", "day": "1", "month": "*", "weekday": "*"}
HALF = Threshold("half", capacity_percentage=Decimal(50), custom_fields={"action": "EMAIL"})
STOP = Threshold("stop", absolute_value=Decimal(600))


def at(text: str) -> Instant:
    """The instant of an ISO 8601 text."""
    instant = parse_instant(text)
    assert instant is not None
    return instant


def said(problems: list[Problem] | tuple[Problem, ...]) -> list[str]:
    """Problems as a person reads them."""
    return [str(problem) for problem in problems]


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    """A body without some of its fields."""
    return {name: value for name, value in body.items() if name not in names}


def a_body(**changed: Any) -> dict[str, Any]:
    """The body of a meter type as a caller sends it."""
    body = {
        "name": "Coffee cups",
        "description": "Cups per office and month",
        "externalRef": "SKU-4711",
        "category": "COFFEE",
        "unit": "cups",
        "aggregation": {"type": "sum"},
        "resetSchedule": dict(MONTHLY),
        "timezone": "Europe/Stockholm",
        "activeFrom": "2026-01-01T00:00:00+01:00",
        "activeTo": "2027-01-01T00:00:00+01:00",
        "capacity": 500,
        "thresholds": [
            {"name": "80 percent", "capacityPercentage": 80, "customFields": {"action": "EMAIL"}},
            {"name": "stop", "absoluteValue": 600, "customFields": {}},
        ],
    }
    return body | changed


def a_meter_type(**changed: Any) -> MeterType:
    """A monthly meter type that sums calls."""
    meter_type = MeterType(
        id="6b1f0d3c-0000-4000-8000-000000000001",
        name="Calls",
        aggregation=Aggregation.SUM,
        reset_schedule=ResetSchedule(),
        created_at=at("2026-01-01"),
        updated_at=at("2026-01-02"),
    )
    return replace(meter_type, **changed)


def a_meter(**changed: Any) -> Meter:
    """A meter of ann's calls, capacity 100, in Berlin."""
    meter = Meter(
        no=7,
        id="0d3c6b1f-0000-4000-8000-000000000002",
        user_id="ann@example.org",
        meter_key="96aa0d3c-0000-4000-8000-000000000003",
        meter_type_id="6b1f0d3c-0000-4000-8000-000000000001",
        meter_type_name="Calls",
        category="API",
        aggregation=Aggregation.SUM,
        unit="calls",
        reset_schedule=ResetSchedule(),
        timezone="Europe/Berlin",
        created_at=at("2025-11-10T14:16:12.852"),
        capacity=Decimal(100),
        thresholds=(HALF,),
        custom_fields={"plan": "Bronze"},
    )
    return replace(meter, **changed)


def a_state(**changed: Any) -> MeterState:
    """The state of that meter, not touched since its creation."""
    created_at = a_meter().created_at
    period = Period(0, created_at, at("2025-11-30T23:00"))
    state = MeterState(period, "Europe/Berlin", updated_at=created_at, value=Decimal(0))
    return replace(state, **changed)
