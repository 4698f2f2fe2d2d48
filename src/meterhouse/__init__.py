"""Meterhouse turns raw usage into metered records, exactly.

>>> import meterhouse as mh
>>> plan = mh.load({
...     "meterTypes": [{"name": "Calls", "aggregation": {"type": "sum"}, "unit": "call",
...         "resetSchedule": {"minute": "0", "hour": "0", "day": "1", "month": "*",
...                           "weekday": "*"}}],
...     "guidingRules": [{"matchCategory": "DEFAULT", "ignoreCondition": True,
...                       "groupBy": [{"fields": ["region"]}]}],
... })
>>> state = plan.state([{"userId": "ann", "meterTypeId": "Calls"}], at="2026-01-10T00:00Z")
>>> usage = [{"userId": "ann", "value": 3, "region": "EU"}, {"userId": "bob", "value": 1}]
>>> result = mh.meter(usage, plan, state=state, at="2026-01-20T00:00Z")
>>> result.metered, [s.reason.value for s in result.suspended]
(1, ['no_meter_found'])
>>> later = mh.meter([], plan, state=result.state, at="2026-02-01T00:00Z")
>>> later.golden[0]["value"], later.golden[0]["periodEnd"]
(3, '2026-02-01T00:00:00.000Z')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meterhouse.core.aggregation import Aggregation
    from meterhouse.core.charge import Charge, Rating
    from meterhouse.core.guiding_rule import Carry, Condition, GuidingRule, Operation
    from meterhouse.core.meter import Meter
    from meterhouse.core.meter_type import MeterType
    from meterhouse.core.price_book import PriceBook
    from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem
    from meterhouse.core.schedule import ResetSchedule
    from meterhouse.core.suspense import Reason
    from meterhouse.core.threshold import Threshold
    from meterhouse.engine.batch import UsageBatch
    from meterhouse.engine.plan import Flush, MeterPlan
    from meterhouse.engine.source import State
    from meterhouse.library import (
        Metered,
        Plan,
        SuspendedRecord,
        invoice,
        load,
        meter,
        price_book,
        rate,
        read,
    )
    from meterhouse.rating.columns import rate_frame
    from meterhouse.rating.invoicing import InvoiceSums

__version__ = "0.1.0"

#: Where each public name lives: nothing is imported before it is asked for.
_HOMES = {
    "Aggregation": "core.aggregation",
    "Carry": "core.guiding_rule",
    "Charge": "core.charge",
    "Condition": "core.guiding_rule",
    "DefinitionError": "core.problem",
    "Flush": "engine.plan",
    "GuidingRule": "core.guiding_rule",
    "InvoiceSums": "rating.invoicing",
    "Meter": "core.meter",
    "MeterPlan": "engine.plan",
    "MeterType": "core.meter_type",
    "Metered": "library",
    "MeterhouseError": "core.problem",
    "Operation": "core.guiding_rule",
    "Plan": "library",
    "PriceBook": "core.price_book",
    "Problem": "core.problem",
    "Rating": "core.charge",
    "Reason": "core.suspense",
    "ResetSchedule": "core.schedule",
    "State": "engine.source",
    "SuspendedRecord": "library",
    "Threshold": "core.threshold",
    "UsageBatch": "engine.batch",
    "invoice": "library",
    "load": "library",
    "meter": "library",
    "price_book": "library",
    "rate": "library",
    "rate_frame": "rating.columns",
    "read": "library",
}

__all__ = [
    "Aggregation",
    "Carry",
    "Charge",
    "Condition",
    "DefinitionError",
    "Flush",
    "GuidingRule",
    "InvoiceSums",
    "Meter",
    "MeterPlan",
    "MeterType",
    "Metered",
    "MeterhouseError",
    "Operation",
    "Plan",
    "PriceBook",
    "Problem",
    "Rating",
    "Reason",
    "ResetSchedule",
    "State",
    "SuspendedRecord",
    "Threshold",
    "UsageBatch",
    "invoice",
    "load",
    "meter",
    "price_book",
    "rate",
    "rate_frame",
    "read",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
