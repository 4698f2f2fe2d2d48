"""Vectors of other billing engines: their inputs through our books, ratings and rounding.

One adapter for each kind turns a vector's inputs into a book and metered usage, and gives what our
functions answer. Vectors that we answer otherwise on purpose are listed with the reason.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from meterhouse.core.currency import currency_digits
from meterhouse.core.money import Rounding, rounded
from meterhouse.core.price_book import (
    Conversion,
    CostPlus,
    Discount,
    DiscountKind,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Price,
    PriceBook,
    Tier,
    Volume,
)
from meterhouse.core.quantity import ZERO
from meterhouse.rating import RatingError
from tests.rating.books import book, charged, dec, late, price, rated, used

Inputs = Mapping[str, Any]
VECTORS = Path(os.environ.get("METERHOUSE_TEST_DATA", "")) / "peer_vectors.json"
KINDS = ("price.", "round", "convert.units", "rerate.", "discount.usage")
_NEGATIVE = "money never comes from negative quantities: a line below 0 is an error"
_PRORATED = "the quantity that is priced says the tier; prorated quantities are metered as such"
_BLOCKS = "tiers have no blocks of their own sizes, rounded up one by one"
#: What we answer otherwise, and why.
OTHERWISE = {
    "autumn-007": _NEGATIVE,
    "autumn-012": _NEGATIVE,
    "autumn-023": _NEGATIVE,
    "autumn-024": _NEGATIVE,
    "lago-020": _PRORATED,
    "lago-044": _PRORATED,
    "lago-045": _PRORATED,
    "lago-046": _PRORATED,
    "lago-050": _PRORATED,
    "killbill-002": _BLOCKS,
    "killbill-005": _BLOCKS,
}


def _tiers(inputs: Inputs) -> tuple[Tier, ...]:
    """Tiers in units of price; an allowance is a free tier before them."""
    unit, shift = dec(inputs.get("billing_units", 1)), dec(inputs.get("allowance", 0))
    tiers = [_tier(one, unit=unit, shift=shift) for one in inputs["tiers"]]
    return (Tier(shift), *tiers) if shift else tuple(tiers)


def _tier(one: Inputs, *, unit: Decimal, shift: Decimal) -> Tier:
    end = None if one["up_to"] is None else (dec(one["up_to"]) + shift) / unit
    percent = dec(one["rate_percent"]) if "rate_percent" in one else None
    return Tier(end, dec(one.get("unit", 0)), dec(one["flat"]), percent)


def _conversion(inputs: Inputs) -> Conversion | None:
    if "billing_units" in inputs:
        return Conversion(divide=dec(inputs["billing_units"]), digits=0)
    convert = inputs if "op" in inputs else inputs.get("convert")
    if convert is None:
        return None
    factor, mode = dec(convert["factor"]), Rounding(convert["rounding"])
    if convert["op"] == "divide":
        return Conversion(divide=factor, digits=0, rounding=mode)
    return Conversion(multiply=factor, digits=0, rounding=mode)


def _discounts(inputs: Inputs) -> tuple[Discount, ...]:
    kinds = {"percentage_discount": "percentage", "free_units": "usage"}
    return tuple(
        Discount(DiscountKind(kind), dec(inputs[name]))
        for name, kind in kinds.items()
        if name in inputs
    )


def _limit(inputs: Inputs, name: str) -> Decimal | None:
    text = inputs.get(f"{name}_amount", inputs.get(name))
    return None if text is None else dec(text)


def _model(inputs: Inputs, model: str) -> Any:
    if model in ("unit", "per_unit"):
        return PerUnit(dec(inputs["unit"]))
    if model == "package":
        size, amount = dec(inputs["package_size"]), dec(inputs["package_amount"])
        return Package(size, amount, round_down=inputs.get("rounding") == "down")
    return {"graduated": Graduated, "volume": Volume}[model](_tiers(inputs))


def _price(inputs: Inputs, model: Any, **more: Any) -> Price:
    return price(
        model,
        conversion=_conversion(inputs),
        discounts=_discounts(inputs),
        minimum=_limit(inputs, "minimum"),
        maximum=_limit(inputs, "maximum"),
        **more,
    )


def _priced(model: str) -> Callable[[Inputs], Inputs]:
    def adapter(inputs: Inputs) -> Inputs:
        charge = charged(_price(inputs, _model(inputs, model)), used(inputs["quantity"]))
        amount = charge.net if charge.reductions else charge.exact
        parts = [part.amount for part in charge.parts]
        return {"amount": amount, "lines": parts, "converted": charge.billable}

    return adapter


def _find_tier(inputs: Inputs) -> Inputs:
    tiers = (
        Tier(None if end is None else dec(end), flat=dec(place))
        for place, end in enumerate(inputs["upper_bounds"])
    )
    return {"tier_index": charged(price(Volume(tuple(tiers))), used(inputs["quantity"])).net}


def _package_count(inputs: Inputs) -> Inputs:
    packages = _model({**inputs, "package_amount": 1}, "package")
    return {"packages": charged(price(packages), used(inputs["quantity"])).net}


def _volume_prorated(inputs: Inputs) -> Inputs:
    return {
        "amount": charged(price(Volume(_tiers(inputs))), used(inputs["prorated_quantity"])).exact
    }


def _graduated_prorated(inputs: Inputs) -> Inputs:
    usage = [used(value, f"r{place}") for place, value in enumerate(inputs["prorated_values"])]
    return {"amount": charged(price(Graduated(_tiers(inputs))), *usage).net}


def _bucketed(inputs: Inputs) -> Inputs:
    """Each bucket is a line of its own."""
    one = price(_model(inputs, inputs["model"]), line_by=("user",))
    usage = [used(value, user=f"b{place}") for place, value in enumerate(inputs["buckets"])]
    return {"amount": rated(one, *usage).net}


def _block_tiers(inputs: Inputs) -> Inputs:
    tiers, end = [], ZERO
    for one in inputs["tiers"]:
        size = dec(one["block_size"])
        end += size * dec(one["max_blocks"])
        tiers.append(Tier(end, dec(one["block_price"]) / size))
    model = Graduated if inputs["mode"] == "ALL_TIERS" else Volume
    charge = charged(price(model(tuple(tiers))), used(inputs["quantity"]))
    return {"amount": charge.exact, "lines": [part.amount for part in charge.parts]}


def _percentage_model(inputs: Inputs) -> Percentage:
    return Percentage(
        dec(inputs["rate_percent"]),
        dec(inputs.get("fixed_per_event") or 0),
        dec(inputs.get("free_units_total") or 0),
        inputs.get("free_events") or 0,
        _limit(inputs, "per_event_min"),
        _limit(inputs, "per_event_max"),
    )


def _percentage_of(inputs: Inputs, events: Sequence[Decimal]) -> Decimal:
    usage = used(sum(events, ZERO), events=tuple(events))
    return charged(price(_percentage_model(inputs)), usage).exact


def _percentage(inputs: Inputs) -> Inputs:
    """Events as their running totals have them; what these do not cover is the event after them."""
    totals = [ZERO, *map(dec, inputs["running_totals"]), dec(inputs["quantity"])]
    events = [after - before for before, after in pairwise(totals)]
    events += [ZERO] * (inputs["events"] - len(events))
    return {"amount": _percentage_of(inputs, events)}


def _percentage_events(inputs: Inputs) -> Inputs:
    return {"amount": _percentage_of(inputs, [dec(one) for one in inputs["event_values"]])}


def _percentage_sequence(inputs: Inputs) -> Inputs:
    events = [dec(one) for one in inputs["event_values"]]
    prefixes = (events[: count + 1] for count in range(len(events)))
    amounts = (_percentage_of(inputs, prefix) for prefix in prefixes)
    return {"amount_cents": [rounded(amount, 2).scaleb(2) for amount in amounts]}


def _graduated_percentage(inputs: Inputs) -> Inputs:
    model = GraduatedPercentage(_tiers(inputs))
    return {"amount": charged(price(model), used(inputs["quantity"])).exact}


def _difference(
    of_book: PriceBook, before: object, after: object
) -> tuple[Decimal, Decimal, Decimal]:
    """Net, quantity and billable quantity of late usage; ``None`` before: nothing was billed."""
    old = None if before is None else [used(dec(str(before)))]
    (charge,) = late(of_book, old, [used(dec(str(after)))]) or (None,)
    return (ZERO, ZERO, ZERO) if charge is None else (charge.net, charge.quantity, charge.billable)


def _delta(model: str) -> Callable[[Inputs], Inputs]:
    def adapter(inputs: Inputs) -> Inputs:
        before = dec(inputs["already_billed_quantity"])
        of_book = book(_price(inputs, _model(inputs, model)))
        net, _, _ = _difference(of_book, before, before + dec(inputs["quantity"]))
        return {"amount": net}

    return adapter


def _dynamic_delta(inputs: Inputs) -> Inputs:
    factor = dec(inputs["multiplier"])
    before = rounded(dec(inputs["already_billed_amount"]) / factor, 6)
    of_book = book(_price(inputs, CostPlus(factor)), currency=inputs["currency"])
    net, _, _ = _difference(of_book, before, before + dec(inputs["quantity"]))
    return {"amount": net}


def _usage_discount(inputs: Inputs) -> Inputs:
    before = dec(inputs["already_billed_quantity"])
    of_book = book(_price(inputs, PerUnit(dec(1))))
    _, quantity, billable = _difference(of_book, before, before + dec(inputs["quantity"]))
    return {"billable_units": billable, "discounted_units": quantity - billable}


def _rerate(inputs: Inputs) -> Inputs:
    of_price = inputs["price"]
    of_book = book(_price(of_price, _model(of_price, of_price["model"])))
    steps = pairwise((None, *inputs["cumulative"]))
    return {"booked": [_difference(of_book, before, after)[0] for before, after in steps]}


def _late_usage(inputs: Inputs) -> Inputs:
    """What each phase books in all: quantities are cumulative, the last of a phase is the whole."""
    of_price = inputs["price"]
    of_book = book(_price(of_price, _model(of_price, of_price["model"])))
    steps = pairwise((None, *(phase[-1] for phase in inputs["phases"])))
    return {"totals": [_difference(of_book, before, after)[0] for before, after in steps]}


def _convert(inputs: Inputs) -> Inputs:
    one = _price(inputs, PerUnit(dec(inputs["then_unit_price"])))
    charge = charged(one, used(inputs["quantity"]))
    return {"converted": charge.billable, "amount": charge.net}


def _round(inputs: Inputs) -> Inputs:
    modes = {"round": Rounding.HALF_UP, "ceil": Rounding.CEILING, "floor": Rounding.FLOOR}
    mode = modes[inputs["function"]]
    return {"value": rounded(dec(inputs["value"]), inputs["precision"] or 0, mode)}


def _round_currency(inputs: Inputs) -> Inputs:
    digits = currency_digits(inputs["currency"])
    assert digits is not None
    return {"amount": rounded(dec(inputs["amount"]), digits, Rounding(inputs["mode"]))}


ADAPTERS: dict[str, Callable[[Inputs], Inputs]] = {
    "convert.units": _convert,
    "discount.usage": _usage_discount,
    "price.block_tiers": _block_tiers,
    "price.bucketed": _bucketed,
    "price.dynamic.delta": _dynamic_delta,
    "price.graduated": _priced("graduated"),
    "price.graduated.prorated": _graduated_prorated,
    "price.graduated_percentage": _graduated_percentage,
    "price.package": _priced("package"),
    "price.package.count": _package_count,
    "price.package.delta": _delta("package"),
    "price.percentage": _percentage,
    "price.percentage.per_event_min_max": _percentage_events,
    "price.percentage.sequence": _percentage_sequence,
    "price.unit": _priced("unit"),
    "price.unit.delta": _delta("unit"),
    "price.volume": _priced("volume"),
    "price.volume.find_tier": _find_tier,
    "price.volume.prorated": _volume_prorated,
    "rerate.delta": _rerate,
    "rerate.late_usage": _late_usage,
    "round": _round,
    "round.currency": _round_currency,
}


def _vectors() -> list[Inputs]:
    if not VECTORS.is_file():
        return []
    vectors = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    ours = (one for one in vectors if one["kind"].startswith(KINDS))
    return [one for one in ours if "peer_quirk" not in one]


def _numbers(value: Any) -> Any:
    return [dec(one) for one in value] if isinstance(value, list) else dec(value)


def _expected(vector: Inputs) -> Inputs:
    expected = dict(vector["expected"])
    if vector["kind"] == "rerate.late_usage":
        phases = expected["phases"]
        return {"totals": [sum((dec(one["total"]) for one in phase), ZERO) for phase in phases]}
    return {name: _numbers(value) for name, value in expected.items()}


def _agrees(vector: Inputs) -> bool:
    """Whether all that we answer is what is expected; at least one figure must be."""
    try:
        answer = ADAPTERS[vector["kind"]](vector["inputs"])
    except RatingError:
        return False
    expected = _expected(vector)
    common = answer.keys() & expected.keys()
    assert common, f"{vector['id']}: nothing to compare"
    return all(answer[name] == expected[name] for name in common)


@pytest.mark.skipif(not VECTORS.is_file(), reason="METERHOUSE_TEST_DATA has no peer_vectors.json")
def test_exactly_the_listed_vectors_are_answered_otherwise():
    vectors = _vectors()
    assert {one["kind"] for one in vectors} == set(ADAPTERS)
    assert {one["id"] for one in vectors if not _agrees(one)} == set(OTHERWISE)


@pytest.mark.skipif(not VECTORS.is_file(), reason="METERHOUSE_TEST_DATA has no peer_vectors.json")
def test_there_are_many_vectors():
    assert len(_vectors()) > len(OTHERWISE) * 8


@pytest.mark.skipif(not VECTORS.is_file(), reason="METERHOUSE_TEST_DATA has no peer_vectors.json")
@pytest.mark.parametrize("vector", _vectors(), ids=lambda one: one["id"])
def test_vector(vector):
    assert _agrees(vector) == (vector["id"] not in OTHERWISE)
