"""What other billing engines expect of credit, proration, periods, thresholds and aggregations.

Each vector is a fact, numbers in and numbers out. An adapter hands it to our functions and says
what they answer, in the vector's words. Where we differ, ``DIFFERENT`` says why, and is exact.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import meterhouse as mh
from meterhouse.core.billing_calendar import BillingCalendar, Interval
from meterhouse.core.charge import BillingPeriod
from meterhouse.core.instant import DAY, SECOND, Instant, instant_text
from meterhouse.core.price_book import Tax
from meterhouse.core.proration import (
    Change,
    changed,
    credit_within,
    cycles_due,
    days_between,
    days_share,
    prorated,
    time_share,
)
from meterhouse.core.timezone import first_instant, local_time, zone
from meterhouse.rating.credits import drawn
from meterhouse.rating.invoicing import invoiced
from tests.rating.charged import AT, OCTOBER, book, charge, instant
from tests.rating.test_credits import grant

_FILE = Path(os.environ.get("METERHOUSE_TEST_DATA", "")) / "peer_vectors.json"
Inputs = dict[str, Any]
_UTC = "Etc/UTC"

#: Vectors whose answer is another one here, and why.
DIFFERENT = {
    "openmeter-104": "a threshold fires at its limit, not only above it",
    "openmeter-106": "thresholds of what is left: ours are of what is used",
    "openmeter-107": "thresholds of what is left: ours are of what is used",
    "openmeter-109": "thresholds of what is left: ours are of what is used",
    "lago-117": "what ends on a day is billed for the period of that day, not for the one before",
    "lago-087": "thresholds do not repeat; each step is a threshold of its own",
    "lago-094": "thresholds fire upwards only, and do not repeat",
    "polar-005": "averages are made by the aggregating nodes of a stream, not by meters",
}

#: Kinds of the same families that have no counterpart here.
WITHOUT = {
    "agg.latest_priced": "meters have no latest value",
    "agg.prorated_unique": "meters do not count unique items",
    "agg.unique_add_remove_prorated": "meters do not count unique items",
    "agg.unique_grouped": "meters do not count unique items",
    "agg.weighted_sum": "meters do not weigh values by time",
}


def _vectors() -> list[dict[str, Any]]:
    if not _FILE.is_file():
        return []
    vectors = json.loads(_FILE.read_text("utf-8"))["vectors"]
    return [one for one in vectors if not one.get("peer_quirk")]


def _calendar(given: Inputs) -> BillingCalendar:
    """The calendar of an anchor and an ISO interval of one unit."""
    unit = {"D": Interval.DAY, "W": Interval.WEEK, "M": Interval.MONTH, "Y": Interval.YEAR}
    interval = given["interval"]
    anchor = local_time(instant(given["anchor"]), zone(_UTC)).replace(tzinfo=None)
    return BillingCalendar(anchor, unit[interval[-1]], int(interval[1:-1]))


def _on_day(given: Inputs, first: str) -> BillingCalendar:
    """The calendar of a billing day, from the month of a date on."""
    intervals = {"monthly": 1, "quarterly": 3, "annual": 12, "month": 1}
    month = datetime.fromisoformat(first).replace(day=1)
    return BillingCalendar(month, count=intervals[given["interval"]], day=given["billing_day"])


def _text(at: Instant) -> str:
    return instant_text(at).replace(".000Z", "Z")


def _days(period: BillingPeriod | None) -> dict[str, str]:
    assert period is not None
    return {"start": _text(period.start)[:10], "end": _text(period.end)[:10]}


def _containing(given: Inputs) -> object:
    period = _calendar(given).containing(instant(given["at"]))
    return {"start": _text(period.start), "end": _text(period.end)}


def _cycle_end(given: Inputs) -> object:
    return {"end": _text(_calendar(given).containing(instant(given["at"])).end)}


def _before(given: Inputs) -> object:
    return {"at": _text(_calendar(given).last_before(instant(given["at"])))}


def _after(given: Inputs) -> object:
    return {"at": _text(_calendar(given).next_after(instant(given["at"])))}


def _containing_day(given: Inputs) -> object:
    return _days(_on_day(given, given["start"]).containing(instant(given["at"])))


def _elapsed(given: Inputs) -> object:
    calendar = _on_day(given, given["start"])
    return {"cycles": calendar.count_between(instant(given["start"]), instant(given["at"]))}


def _advance(given: Inputs) -> object:
    at = instant(given["invoice_date"])
    start = at if given["first_period"] else None
    return _days(_on_day(given, given["invoice_date"]).in_advance(at, service_start=start))


def _arrear(given: Inputs) -> object:
    calendar = _on_day(given, given["service_start"])
    start = instant(given["service_start"])
    return _days(calendar.in_arrears(instant(given["invoice_date"]), service_start=start))


def _next_billing(given: Inputs) -> object:
    there = zone(given["timezone"])
    calendar = BillingCalendar(
        datetime.fromisoformat(given["anchor"]), count=given["count"], timezone=given["timezone"]
    )
    start = first_instant(datetime.fromisoformat(given["current_start"]), there)
    end = calendar.containing(start).end
    return {"next": local_time(end, there).replace(tzinfo=None).isoformat()}


def _boundaries(given: Inputs) -> object:
    """The peer names the last second of a period, where we name the first after it."""
    assert given["timezone"] == "UTC" and given["interval"] == "month"
    anchor = local_time(instant(given["subscription_at"]), zone(_UTC)).replace(tzinfo=None)
    calendar = BillingCalendar(anchor, day=1 if given["billing_time"] == "calendar" else None)
    at = instant(given["billing_at"])
    # What ends within a period is billed for that period.
    advance = given["pay_in_advance"] or given["just_terminated"]
    period = calendar.in_advance(at) if advance else calendar.in_arrears(at)
    assert period is not None
    return {"from": _text(period.start), "to": _text(period.end - SECOND)}


def _days_between(given: Inputs) -> object:
    timezone = _UTC if given["timezone"] == "UTC" else given["timezone"]
    return {"days": days_between(instant(given["start"]), instant(given["end"]), timezone)}


def _cycles(given: Inputs) -> object:
    end = None if given["end"] is None else instant(given["end"])
    calendar = _on_day(given, "2010-01-01")
    start, target = instant(given["start"]), instant(given["target"])
    return {"cycles": cycles_due(calendar, start, end, until=target)}


def _left(given: Inputs) -> Fraction:
    inclusive = given.get("basis") == "day, both ends inclusive"
    end = instant(given["period_end"]) + (DAY if inclusive else 0)
    period = BillingPeriod(instant(given["period_start"]), end, _UTC)
    share = time_share if given.get("basis") == "second" else days_share
    return share(period, instant(given["at"]), end)


def _change(given: Inputs) -> object:
    share = _left(given)
    if "old_amount_cents" in given:
        old, new = Decimal(given["old_amount_cents"]), Decimal(given["new_amount_cents"])
        made = changed(old, new, share, digits=0)
        return {
            "credit_cents": made.credit.copy_negate(),
            "charge_cents": made.charge,
            "net_cents": made.net,
        }
    old, new = (
        Decimal(given[f"{when}_quantity"]) * Decimal(given[f"{when}_unit"])
        for when in ("old", "new")
    )
    made = changed(old, new, share, digits=2)
    return {
        "coefficient": share,
        "credit": made.credit.copy_negate(),
        "charge": made.charge,
        "net": made.net,
    }


def _mixed(given: Inputs) -> object:
    pairs = [tuple(map(Decimal, pair)) for pair in given["matched"]]
    pairs += [(Decimal(old), Decimal(0)) for old in given["removed"]]
    pairs += [(Decimal(0), Decimal(new)) for new in given["added"]]
    made: list[Change] = [changed(old, new, _left(given), digits=0) for old, new in pairs]
    lines = [amount for one in made for amount in (one.credit.copy_negate(), one.charge) if amount]
    return {"net_cents": sum(one.net for one in made), "lines": lines}


def _cap(given: Inputs) -> object:
    credit = credit_within(
        Decimal(given["potential_credit"]),
        paid=Decimal(given["original_amount"]),
        credited=Decimal(given["previous_credits"]),
    )
    return {"credit": credit}


def _granted(given: Inputs) -> object:
    return {"credits": prorated(Decimal(given["credits"]), _left(given), digits=8)}


def _line_item(given: Inputs) -> object:
    return {"charge": prorated(Decimal(given["amount"]), _left(given), digits=2)}


def _credit_note(given: Inputs) -> object:
    """The credit of the unused days, as a line of a document in a currency without cents."""
    days = int(given["unused_days"]), int(given["period_days"])
    amount = prorated(Decimal(given["plan_cents"]), days, digits=0)
    ours = book(currency="JPY", taxes=(Tax("S", Decimal(given["tax_percent"])),))
    totals = invoiced(ours, [charge("plan", str(amount))], period=OCTOBER, at=AT).totals
    return {
        "sub_total_cents": totals.net,
        "tax_cents": totals.tax,
        "total_cents": totals.total,
    }


def _burn_down(given: Inputs) -> object:
    grants = [
        replace(grant(one["id"], one["amount"]), priority=one.get("priority", 1))
        for one in given["grants"]
    ]
    steps = [given["usage"]] if "usage" in given else [given["usage_before_void"]]
    voided = any("voided_after" in one for one in given["grants"])
    steps += [given["usage_after_void"]] if voided else []
    overage = Decimal(0)
    for number, usage in enumerate(steps):
        if number:
            grants = [replace(one, expires=AT) for one in grants]
        uses = {use.grant: use.amount for use in drawn(grants, Decimal(usage), at=AT, digits=2)}
        grants = [
            replace(one, remaining=one.remaining - uses.get(one.id, Decimal(0))) for one in grants
        ]
        overage += Decimal(usage) - sum(uses.values())
    balances = {one.id: one.remaining if one.usable(AT) else Decimal(0) for one in grants}
    return {"balances": balances, "overage": overage}


def _metered(
    values: list[Any], *, aggregation: str = "sum", condition: Inputs | None = None, **changes: Any
) -> mh.Metered:
    """Meter values of one user in one period."""
    never = {"minute": "0", "hour": "0", "day": "1", "month": "1", "weekday": "*"}
    kind = {"name": "Any", "aggregation": {"type": aggregation}, "resetSchedule": never, **changes}
    rule: Inputs = {"matchCategory": "DEFAULT", "ignoreCondition": True}
    if condition is not None:
        rule = {"matchCategory": "DEFAULT", **condition}
    definitions = {"meterTypes": [kind], "guidingRules": [rule], "flushType": "END_OF_STREAM"}
    plan = mh.load(definitions)
    state = plan.state([{"userId": "ann", "meterTypeId": "Any"}], at="2026-01-02T00:00Z")
    usage = [{"userId": "ann", **value} for value in values]
    return mh.meter(usage, plan, state=state, at="2026-01-03T00:00Z")


def _aggregated(given: Inputs) -> object:
    field = given["property"]
    condition = None
    for name, operator, wanted in given.get("filter", []):
        assert operator == "eq"
        condition = {"conditions": [{"field": name, "value": wanted}]}
    counted = given["aggregation"] == "count"
    values = [
        # Counting takes no value, and a record has one all the same.
        {**one, "value": 1 if counted else one.get(field)}
        for one in given["events"]
    ]
    try:
        result = _metered(values, aggregation=given["aggregation"], condition=condition)
    except mh.DefinitionError as refused:
        return {"refused": str(refused)}
    return {"value": result.golden[0]["value"]}


def _names(result: mh.Metered) -> list[str]:
    return [record["thresholdReached"]["name"] for record in result.thresholds]


def _limits(texts: list[str]) -> list[Inputs]:
    return [{"name": text, "absoluteValue": Decimal(text)} for text in texts]


def _crossed(given: Inputs) -> object:
    """What the record crosses that takes the value from the previous to the current one."""
    thresholds = _limits(given["thresholds"])
    previous, current = Decimal(given["previous"]), Decimal(given["current"])
    before = _names(_metered([{"value": previous}], thresholds=thresholds))
    steps = [{"value": previous}, {"value": current - previous}]
    return {"crossed": _names(_metered(steps, thresholds=thresholds))[len(before) :]}


def _scenario(given: Inputs) -> object:
    pushes = []
    previous = "0"
    for current in given["evaluations"]:
        step = _crossed({**given, "previous": previous, "current": current})
        assert isinstance(step, dict)
        if step["crossed"]:
            pushes.append({"at": current, "previous": previous, **step})
        previous = current
    return {"pushes": pushes}


def _active(given: Inputs) -> object:
    limits: list[Inputs] = []
    for number, one in enumerate(given["thresholds"]):
        kind = {"usage_value": "absoluteValue", "usage_percentage": "capacityPercentage"}
        if one["type"] in kind:
            limits.append({"name": str(number), kind[one["type"]]: Decimal(one["value"])})
    capacity = Decimal(given["total_available"])
    values = [{"value": Decimal(given["usage"])}]
    names = _names(_metered(values, thresholds=limits, capacity=capacity)) if limits else []
    usage = given["thresholds"][int(names[-1])] if names else None
    return {"usage_threshold": usage, "balance_threshold": None}


ADAPTERS: dict[str, Callable[[Inputs], object]] = {
    "agg": _aggregated,
    "calendar.days_between": _days_between,
    "credit.burn_down": _burn_down,
    "period.advance": _advance,
    "period.arrear": _arrear,
    "period.billing_boundaries": _boundaries,
    "period.containing": _containing,
    "period.containing_day": _containing_day,
    "period.cycle_end": _cycle_end,
    "period.elapsed_cycles": _elapsed,
    "period.next_after": _after,
    "period.next_billing": _next_billing,
    "period.prev_before": _before,
    "proration.change": _change,
    "proration.credit_cap": _cap,
    "proration.credit_grant": _granted,
    "proration.credit_note": _credit_note,
    "proration.cycles": _cycles,
    "proration.line_item": _line_item,
    "proration.mixed": _mixed,
    "threshold.active": _active,
    "threshold.crossed": _crossed,
    "threshold.scenario": _scenario,
}


def _alike(answer: Any, expected: Any) -> bool:
    """Whether an answer is the expected one; what a vector does not name may be anything."""
    if isinstance(expected, dict):
        known = answer if isinstance(answer, dict) else {}
        return all(name in known and _alike(known[name], it) for name, it in expected.items())
    if isinstance(expected, list):
        same = len(answer) == len(expected)
        return same and all(_alike(*pair) for pair in zip(answer, expected, strict=True))
    if isinstance(answer, Fraction):
        return answer == sum(Fraction(part) for part in str(expected).split(" + "))
    if isinstance(answer, Decimal | int) and isinstance(expected, str):
        return answer == Decimal(expected)
    return answer == expected


@pytest.mark.skipif(not _FILE.is_file(), reason="METERHOUSE_TEST_DATA has no peer vectors")
@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_peers_agree_but_where_the_table_says(kind: str) -> None:
    vectors = [one for one in _vectors() if one["kind"] == kind]
    assert vectors
    different: dict[str, object] = {}
    for vector in vectors:
        expected = {key: it for key, it in vector["expected"].items() if key != "round"}
        answer = ADAPTERS[kind](vector["inputs"])
        if not _alike(answer, expected):
            different[vector["id"]] = answer
    known = {one["id"] for one in vectors} & DIFFERENT.keys()
    assert different.keys() == known, different


@pytest.mark.skipif(not _FILE.is_file(), reason="METERHOUSE_TEST_DATA has no peer vectors")
def test_every_kind_of_these_families_is_adapted_or_known_to_have_no_counterpart() -> None:
    families = {"agg", "credit", "period", "proration", "threshold"}
    kinds = {one["kind"] for one in _vectors() if one["kind"].split(".")[0] in families}
    assert kinds == ADAPTERS.keys() - {"calendar.days_between"} | WITHOUT.keys()
    assert DIFFERENT.keys() <= {one["id"] for one in _vectors()}
