"""Price models, one module each: what a measured quantity costs, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

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
    Volume,
)
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.models.cost_plus import cost_plus
from meterhouse.rating.models.flat import flat
from meterhouse.rating.models.graduated import graduated
from meterhouse.rating.models.graduated_percentage import graduated_percentage
from meterhouse.rating.models.included import included
from meterhouse.rating.models.matrix import matrix
from meterhouse.rating.models.package import package
from meterhouse.rating.models.per_unit import per_unit
from meterhouse.rating.models.percentage import percentage
from meterhouse.rating.models.stairstep import stairstep
from meterhouse.rating.models.volume import volume

#: Each model by its class: the name that books and charges give it, and what prices it.
_MODELS: dict[type, tuple[str, Callable[[Any, Measure], tuple[Part, ...]]]] = {
    Flat: ("flat", flat),
    PerUnit: ("per_unit", per_unit),
    Graduated: ("graduated", graduated),
    Volume: ("volume", volume),
    Package: ("package", package),
    Stairstep: ("stairstep", stairstep),
    Percentage: ("percentage", percentage),
    GraduatedPercentage: ("graduated_percentage", graduated_percentage),
    CostPlus: ("cost_plus", cost_plus),
    Matrix: ("matrix", matrix),
    Included: ("included", included),
}


def priced(model: PriceModel, measure: Measure) -> tuple[Part, ...]:
    """Return the parts whose sum is what the quantity costs, exactly."""
    if isinstance(model, Hybrid):
        return tuple(part for one in model.parts for part in priced(one, measure))
    return _MODELS[type(model)][1](model, measure)


def model_name(model: PriceModel) -> str:
    """Return the name of a model.

    >>> model_name(Included())
    'included'
    """
    return "hybrid" if isinstance(model, Hybrid) else _MODELS[type(model)][0]


def single_models(model: PriceModel) -> Iterator[PriceModel]:
    """Yield the model itself, or those of which a hybrid is made."""
    if isinstance(model, Hybrid):
        for part in model.parts:
            yield from single_models(part)
    else:
        yield model
