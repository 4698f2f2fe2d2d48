"""The price of a unit by one or two fields."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from meterhouse.core.price_book import Matrix
from meterhouse.core.quantity import EXACT, ZERO
from meterhouse.rating.labels import cell_text
from meterhouse.rating.measure import Measure, Part


def matrix(model: Matrix, measure: Measure) -> tuple[Part, ...]:
    """Charge each cell at its own price: listed cells in the order of the book, then others."""
    places = [measure.dimensions.index(name) for name in model.dimensions]
    cells: dict[tuple[str, ...], Decimal] = {}
    for piece in measure.slices:
        cell = tuple(piece.cell[place] for place in places)
        cells[cell] = EXACT.add(cells.get(cell, ZERO), piece.quantity)
    listed = [cell for cell in model.values if cell in cells]
    others = sorted(cell for cell in cells if cell not in model.values)
    return tuple(
        _priced(model, cell, quantity=cells[cell], measure=measure) for cell in (*listed, *others)
    )


def cell_price(model: Matrix, cell: Sequence[str]) -> Decimal | None:
    """The price of a cell; ``None`` where the matrix does not say one."""
    return model.values.get(tuple(cell), model.default)


def _priced(model: Matrix, cell: tuple[str, ...], *, quantity: Decimal, measure: Measure) -> Part:
    price = cell_price(model, cell)
    assert price is not None, "usage in cells without a price is unpriced before"
    amount = measure.cost(quantity, price)
    return Part(cell_text(cell), amount, measure.units(quantity), price, step=cell)
