"""Reading the models of prices: which fields each has, and what they may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from meterhouse.core.json_text import canonical_text
from meterhouse.core.price_book import (
    CostPlus,
    Flat,
    Graduated,
    GraduatedPercentage,
    Hybrid,
    Included,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    PriceModel,
    Stairstep,
    Tier,
    Volume,
)
from meterhouse.core.price_book_fields import BookFields, checked_number, choice_hint
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import ZERO
from meterhouse.core.reading import shown

TIERS_MAX = 1_000
CELLS_MAX = 100_000
DIMENSIONS_MAX = 5
PARTS_MAX = 20
_EVENTS_MAX = 10**15
#: Between the parts of a matrix's key.
_BAR = "|"

#: The fields of each model beside those of every price.
MODEL_FIELDS: Mapping[str, tuple[str, ...]] = {
    "flat": ("amount", "only_if_used", "prorate"),
    "per_unit": ("price",),
    "graduated": ("tiers",),
    "volume": ("tiers",),
    "package": ("size", "price", "free", "round_down"),
    "stairstep": ("tiers",),
    "percentage": (
        *("percent", "fixed", "free_amount", "free_events"),
        *("event_minimum", "event_maximum"),
    ),
    "graduated_percentage": ("tiers",),
    "cost_plus": ("multiplier",),
    "matrix": ("dimensions", "values", "default"),
    "included": (),
    "hybrid": ("parts",),
}
#: Models whose prices may be for so many units (``per``).
PER_MODELS = frozenset({"per_unit", "graduated", "volume", "matrix", "hybrid"})
#: What other products call the models.
_OTHER_NAMES = {
    "unit": "per_unit",
    "standard": "per_unit",
    "usage": "per_unit",
    "fixed": "flat",
    "flat_fee": "flat",
    "tiered": "graduated",
    "tier": "graduated",
    "bulk": "volume",
    "block": "package",
    "stair_step": "stairstep",
    "dynamic": "cost_plus",
    "free": "included",
    "sum": "hybrid",
    "tokens": "matrix",
    "token_based": "matrix",
}


def model_name(fields: BookFields) -> str | None:
    """Return the name of the model that an object has."""
    value = fields.body.get("model")
    if isinstance(value, str) and value in MODEL_FIELDS:
        return value
    hint = choice_hint(value, MODEL_FIELDS)
    if isinstance(value, str) and (other := _OTHER_NAMES.get(value.lower().replace("-", "_"))):
        hint = f"did you mean {other}? use one of {', '.join(MODEL_FIELDS)}"
    fields.fail("model", "is missing" if value is None else f"is {shown(value)}", hint)
    return None


def read_model(fields: BookFields, name: str, *, price_digits: int) -> PriceModel | None:
    """Return the model of that name; problems are noted with the fields."""
    own = BookFields(fields.body)
    model = _READERS[name](own, price_digits)
    fields.problems += own.problems
    return None if own.problems else model


def _flat(fields: BookFields, digits: int) -> PriceModel | None:
    amount = fields.decimal("amount", required=True, digits_max=digits)
    only_if_used = fields.boolean("only_if_used", default=False)
    prorate = fields.boolean("prorate", default=False)
    return None if amount is None else Flat(amount, only_if_used, prorate)


def _per_unit(fields: BookFields, digits: int) -> PriceModel | None:
    price = fields.decimal("price", required=True, digits_max=digits)
    return None if price is None else PerUnit(price)


def _package(fields: BookFields, digits: int) -> PriceModel | None:
    size = fields.decimal("size", required=True, positive=True)
    price = fields.decimal("price", required=True, digits_max=digits)
    free = fields.number_or("free", ZERO)
    round_down = fields.boolean("round_down", default=False)
    return None if size is None or price is None else Package(size, price, free, round_down)


def _percentage(fields: BookFields, digits: int) -> PriceModel | None:
    percent = fields.percent("percent", required=True)
    fixed = fields.number_or("fixed", ZERO, digits_max=digits)
    free_amount = fields.number_or("free_amount", ZERO)
    free_events = fields.whole("free_events", default=0, least=0, most=_EVENTS_MAX)
    least = fields.decimal("event_minimum", digits_max=digits)
    most = fields.decimal("event_maximum", digits_max=digits)
    if least is not None and most is not None and least > most:
        hint = f"use at least {shown(least)}, the event_minimum"
        fields.fail("event_maximum", f"is {shown(most)}", hint)
    if percent is None:
        return None
    return Percentage(percent, fixed, free_amount, free_events, least, most)


def _cost_plus(fields: BookFields, digits: int) -> PriceModel | None:
    factor = fields.decimal("multiplier", required=True, digits_max=digits)
    return None if factor is None else CostPlus(factor)


def _included(fields: BookFields, digits: int) -> PriceModel | None:
    del fields, digits
    return Included()


def _hybrid(fields: BookFields, digits: int) -> PriceModel | None:
    items = fields.json_list("parts", items_max=PARTS_MAX)
    if not items and not fields.problems:
        hint = "list models, such as [{model: flat, amount: 10}, {model: per_unit, price: 2}]"
        fields.fail("parts", "is empty", hint)
    parts = []
    for index, item in enumerate(items):
        part = BookFields(item, what="part of a hybrid price")
        name = model_name(part) if not part.problems else None
        if name in {"hybrid", "included"}:
            part.fail("model", f"is {name}", "a part has a price, and no parts of its own")
        elif name is not None:
            part.only(("model", *MODEL_FIELDS[name]), what=f"{name} part")
            parts.append(read_model(part, name, price_digits=digits))
        fields.take(f"parts[{index}]", part.problems)
    return Hybrid(tuple(part for part in parts if part is not None))


def _tiered(
    fields: BookFields, digits: int, *, model: Callable[..., PriceModel], priced: tuple[str, ...]
) -> PriceModel | None:
    """``priced``: the fields that a tier has beside its bound; the first is asked for."""
    items = fields.json_list("tiers", items_max=TIERS_MAX)
    if not items and not fields.problems:
        hint = f"list them, such as [{{up_to: 1000, {priced[0]}: 2}}, {{up_to: null, ...}}]"
        fields.fail("tiers", "is empty" if fields.body.get("tiers") == [] else "is missing", hint)
    tiers: list[Tier] = []
    for index, item in enumerate(items):
        tier = BookFields(item, what="tier")
        if not tier.problems:
            _only_of_tier(tier, priced)
            below = tiers[-1].up_to if tiers else None
            tiers.append(_tier(tier, priced, digits, (below, index == len(items) - 1)))
        fields.take(f"tiers[{index}]", tier.problems)
    return model(tuple(tiers))


def _only_of_tier(tier: BookFields, priced: tuple[str, ...]) -> None:
    known = ("up_to", *priced)
    bounds = {"from", "first_unit", "last_unit", "to", "up_from"} & set(tier.body)
    hint = "a tier begins where the one before ends, so only its end is said: up_to"
    tier.only(known, what="tier", hint=hint if bounds else "")


def _tier(
    tier: BookFields, priced: tuple[str, ...], digits: int, place: tuple[Decimal | None, bool]
) -> Tier:
    below, last = place
    up_to = tier.decimal("up_to")
    if last and tier.body.get("up_to") is not None:
        hint = "the last tier has no end, lest there be usage beyond it: write up_to: null"
        tier.fail("up_to", f"is {shown(tier.body['up_to'])} in the last tier", hint)
    elif not last and tier.body.get("up_to") is None:
        hint = "only the last tier is without end: give it the last unit that it covers"
        tier.fail("up_to", "is missing", hint)
    elif up_to is not None and below is not None and up_to <= below:
        hint = f"use more than {shown(below)}, where the tier before ends"
        tier.fail("up_to", f"is {shown(up_to)}", hint)
    if all(tier.body.get(name) is None for name in priced):
        tier.fail(priced[0], "is missing", "give it a number; 0 costs nothing")
    price, flat = (tier.number_or(name, ZERO, digits_max=digits) for name in ("price", "flat"))
    percent = tier.percent("percent")
    # A bound that is wrong leaves the one before in its place, to hold the next against.
    return Tier(None if last else up_to if up_to is not None else below, price, flat, percent)


def _matrix(fields: BookFields, digits: int) -> PriceModel | None:
    dimensions = fields.names("dimensions", items_max=DIMENSIONS_MAX)
    if not dimensions and not fields.problems:
        fields.fail("dimensions", "is missing", "name the fields, such as [model, token_type]")
    if fields.body.get("values") is None:
        hint = 'give prices by key, such as {"gpt-4o|input": "2.50"}'
        fields.fail("values", "is missing", hint)
    cells = _Cells(dimensions, digits)
    if not fields.problems:
        cells.read(fields.body["values"])
    fields.problems += cells.problems
    default = fields.decimal("default", digits_max=digits)
    return Matrix(dimensions, cells.prices, default)


class _Cells:
    """The cells of a matrix, written in one of three ways.

    By keys with bars; by objects within objects; or as a list of objects that have all dimensions
    and the price, which is how values other than texts are said.
    """

    def __init__(self, dimensions: tuple[str, ...], digits: int) -> None:
        self._dimensions = dimensions
        self._digits = digits
        self.prices: dict[tuple[str, ...], Decimal] = {}
        self.problems: list[Problem] = []

    def read(self, values: object) -> None:
        if isinstance(values, Mapping):
            self._within((), values, "values")
        elif isinstance(values, list):
            self._rows(values)
        else:
            hint = 'write an object, such as {"gpt-4o|input": "2.50"}'
            self._fail("values", f"is {shown(values)}", hint)
        if not self.prices and not self.problems:
            self._fail("values", "is empty", "give at least one price")

    def _within(self, above: tuple[str, ...], values: Mapping[str, Any], place: str) -> None:
        for key, value in values.items():
            left = len(self._dimensions) - len(above)
            names = tuple(map(str.strip, key.split(_BAR))) if left > 1 else (key,)
            here = f"{place}.{key}"
            if isinstance(value, Mapping) and len(names) < left:
                self._within((*above, *names), value, here)
            elif len(names) == left:
                self._cell(tuple(map(canonical_text, (*above, *names))), value, here)
            else:
                wanted = _BAR.join(self._dimensions)
                message = f"is a key of {len(above) + len(names)}, not of {len(self._dimensions)}"
                self._fail(here, message, f"write it as {wanted}, the dimensions")

    def _rows(self, rows: list[Any]) -> None:
        for index, row in enumerate(rows):
            fields = BookFields(row, known=(*self._dimensions, "price"), what="cell")
            missing = [] if fields.problems else [n for n in self._dimensions if n not in row]
            for name in missing:
                fields.fail(name, "is missing", "give each dimension a value")
            self.problems += [problem.at(f"values[{index}]") for problem in fields.problems]
            if not fields.problems:
                key = tuple(canonical_text(row[name]) for name in self._dimensions)
                self._cell(key, row.get("price"), f"values[{index}]")

    def _cell(self, key: tuple[str, ...], value: object, place: str) -> None:
        number, problem = checked_number(value, digits_max=self._digits)
        if problem is not None:
            self.problems.append(problem.at(place))
        elif key in self.prices:
            self._fail(place, "has a price already", "give each cell one price")
        elif len(self.prices) >= CELLS_MAX:
            self._fail("values", f"has more than {CELLS_MAX:,} cells", "split the price")
        else:
            self.prices[key] = number

    def _fail(self, place: str, message: str, hint: str) -> None:
        self.problems.append(Problem(place, message, hint))


_READERS: Mapping[str, Callable[[BookFields, int], PriceModel | None]] = {
    "flat": _flat,
    "per_unit": _per_unit,
    "graduated": partial(_tiered, model=Graduated, priced=("price", "flat")),
    "volume": partial(_tiered, model=Volume, priced=("price", "flat")),
    "package": _package,
    "stairstep": partial(_tiered, model=Stairstep, priced=("flat",)),
    "percentage": _percentage,
    "graduated_percentage": partial(_tiered, model=GraduatedPercentage, priced=("percent", "flat")),
    "cost_plus": _cost_plus,
    "matrix": _matrix,
    "included": _included,
    "hybrid": _hybrid,
}
