"""Which fields a price asks of usage, and what of it does not depend on usage at all."""

from __future__ import annotations

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


def has_free_events(price: Price) -> bool:
    """Whether some events, or some of their amounts, cost nothing."""
    return any(
        isinstance(model, Percentage) and bool(model.free_events or model.free_amount)
        for model in single_models(price.model)
    )


def costs_as_little(price: Price) -> bool:
    """Whether less usage, or usage taken back, costs as much as none."""
    return all(isinstance(model, Flat | Included) for model in single_models(price.model))


def due_unused(price: Price) -> bool:
    """Whether something is due for a period in which nothing is used.

    Not where each combination of fields is a line: nobody knows which there would be.
    """
    if price.line_by:
        return False
    return bool(price.minimum) or any(map(_costs_unused, single_models(price.model)))


def _costs_unused(model: PriceModel) -> bool:
    """Whether a quantity of 0 costs something."""
    if isinstance(model, Flat):
        return not model.only_if_used
    if isinstance(model, Graduated | GraduatedPercentage | Stairstep | Volume):
        return bool(model.tiers[0].flat)
    return False
