"""Meters for tests."""

from typing import Any
from uuid import UUID

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import parse_instant
from meterhouse.core.meter import Meter
from meterhouse.core.schedule import ResetSchedule

CREATED = parse_instant("2026-01-01T00:00:00Z")
MONTHLY = ResetSchedule("0", "0", "1", "*", "*")
KEY = "11111111-1111-4111-8111-111111111111"


def a_meter(no: int, user_id: str, **changes: Any) -> Meter:
    given = {
        "no": no,
        "id": str(UUID(int=no)),
        "user_id": user_id,
        "meter_key": KEY,
        "meter_type_id": str(UUID(int=1000)),
        "meter_type_name": "Calls",
        "category": "api",
        "aggregation": Aggregation.SUM,
        "unit": "call",
        "reset_schedule": MONTHLY,
        "timezone": "Etc/UTC",
        "created_at": CREATED,
    }
    return Meter(**given | changes)
