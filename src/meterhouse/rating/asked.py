"""Which fields a price asks of usage, and what of it does not depend on usage at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meterhouse.core.price_book import (
    Flat,
    Graduated,
    GraduatedPercentage,
    Included,
    Matrix,
    Percentage,
    Price,
    PriceModel,
    Stairstep,
    Volume,
)
from meterhouse.rating.models import single_models
from meterhouse.rating.models.matrix import cell_price

#: Fields that every metered record has; groups and custom fields cannot take their names.
RECORD_FIELDS = ("meter_type", "category", "user", "customer")
#: What stands for a field that usage does not have.
ABSENT = "null"


def certain_fields(price: Price) -> tuple[str, ...]:
    """Fields that must have one of certain values, in order of their names."""
    return tuple(sorted(name for name, values in price.match.fields.items() if values))


def dimensions(price: Price) -> tuple[str, ...]:
    """Fields of all matrices of the price, each once."""
    names: dict[str, None] = {}
    for model in single_models(price.model):
        if isinstance(model, Matrix):
            names |= dict.fromkeys(model.dimensions)
    return tuple(names)


def has_cells(price: Price, fields: Mapping[str, str]) -> bool:
    """Whether each matrix of the price has a price for these fields."""
    for model in single_models(price.model):
        if isinstance(model, Matrix):
            cell = [fields.get(name, ABSENT) for name in model.dimensions]
            if cell_price(model, cell) is None:
                return False
    return True


def asked_fields(price: Price) -> frozenset[str]:
    """All fields that say where usage of the price goes."""
    return frozenset((*certain_fields(price), *price.line_by, *price.show_by, *dimensions(price)))


def by_event(price: Price) -> bool:
    """Whether single events are priced."""
    return any(isinstance(model, Percentage) for model in single_models(price.model))


def needs_events(price: Price) -> bool:
    """Whether what is due depends on which single events there were, not on their sum alone."""
    return any(
        isinstance(model, Percentage)
        and bool(model.fixed or model.free_events or model.minimum or model.maximum is not None)
        for model in single_models(price.model)
    )


def counts_events(price: Price) -> bool:
    """Whether what an event costs depends on how many there were before it."""
    return any(
        isinstance(model, Percentage) and bool(model.free_events)
        for model in single_models(price.model)
    )


def has_free_events(price: Price) -> bool:
    """Whether some events, or some of their amounts, cost nothing."""
    return any(
        isinstance(model, Percentage) and bool(model.free_events or model.free_amount)
        for model in single_models(price.model)
    )


def costs_as_little(price: Price) -> bool:
    """Whether less usage, or usage taken back, costs as much as none."""
    return all(isinstance(model, Flat | Included) for model in single_models(price.model))


def due_unused(price: Price, usage: Iterable[Mapping[str, str]]) -> bool:
    """Whether something is due for a period in which nothing is used.

    ``usage`` are the fields of all records. Flat amounts are due whatever there is, but of a user
    only where he is the customer's. What a quantity of 0 costs is due of those who have such usage
    at all, be it 0: a price that names what a customer has no meter for, or groups, is for those
    who use it. Not where each combination of fields is a line: nobody knows which there would be.
    """
    if price.line_by:
        return False
    models = tuple(single_models(price.model))
    names = [name for name in certain_fields(price) if name != "customer"]
    if any(isinstance(model, Flat) and not model.only_if_used for model in models):
        return _has_such(price, [name for name in names if name == "user"], usage)
    if not price.minimum and not any(map(_costs_unused, models)):
        return False
    return all(name in RECORD_FIELDS for name in names) and _has_such(price, names, usage)


def _has_such(price: Price, names: list[str], usage: Iterable[Mapping[str, str]]) -> bool:
    """Whether any record has values of the price in these fields; where there are none, yes."""
    values = price.match.fields
    if not names:
        return True
    return any(all(fields[name] in values[name] for name in names) for fields in usage)


def _costs_unused(model: PriceModel) -> bool:
    """Whether a quantity of 0 costs something."""
    if isinstance(model, Graduated | GraduatedPercentage | Stairstep | Volume):
        return bool(model.tiers[0].flat)
    return False
