"""What a line costs in one stretch of a period whose prices change within it.

Theory of operation. Quantities go on counting from stretch to stretch. What depends on the order of
usage (tiers that are entered, packages that are started, free units) costs what all usage up to the
end of the stretch comes to at the prices of the stretch, less what the usage before it would come
to at the same prices. Cells of a matrix that only earlier versions price have no part in this, but
for the free units that they had. What depends on all usage of the period (the tier of volume prices
and stairsteps) is decided by all of it, and so is whether more is taken back than there was.
Amounts that are due for a time (flat amounts, those of volume tiers and of stairsteps) are shared
out by days. So stretches with equal prices come to what one rating of the period does; ``settling``
has what is taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest

from meterhouse.core.charge import UsageItem
from meterhouse.core.price_book import (
    Flat,
    Graduated,
    GraduatedPercentage,
    Matrix,
    Price,
    PriceBook,
    PriceModel,
    Stairstep,
    Volume,
)
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.amounts import Amounts, named, unreduced
from meterhouse.rating.asked import counts_events, needs_events
from meterhouse.rating.fault import LineRefused
from meterhouse.rating.lines import Line
from meterhouse.rating.measure import Measure, Part, Slice
from meterhouse.rating.measuring import measured
from meterhouse.rating.models import priced, single_models
from meterhouse.rating.models.flat import flat
from meterhouse.rating.models.matrix import matrix
from meterhouse.rating.models.tiers import holding_tier
from meterhouse.rating.ratio import NOTHING, Ratio


@dataclass(frozen=True, slots=True)
class Course:
    """The line in other stretches: usage before this one, and of all of them.

    ``begun``: the first tier was entered before this stretch. ``weight``: of amounts for a period,
    so many of so many parts are for this stretch; ``share`` of those that are prorated by the
    contract.
    """

    before: Sequence[UsageItem]
    whole: Sequence[UsageItem]
    begun: bool
    weight: tuple[int, int]
    share: tuple[int, int]


def amounts_within(book: PriceBook, line: Line, course: Course, *, digits: int) -> Amounts:
    """Return what a line costs in a stretch, before anything is taken off it.

    Raises ``LineRefused``, which names the line.
    """
    with named(book, line):
        _check_events(line, course.before)
        # Whether more is taken back than there was, all usage of the period says.
        whole = _measured(line, course.whole, course)
        line = replace(line, floored=True)
        now = _measured(line, [*course.before, *line.items], course)
        before = _measured(line, course.before, course)
        own = EXACT.subtract(now.quantity, before.quantity)
        measures = _Measures(now, before, whole, replace(now, quantity=own))
        parts = tuple(_parts(line.price.model, measures, course))
        return unreduced(book, measures.own, parts, digits=digits)


def due_share(
    weight: tuple[int, int], share: tuple[int, int], *, prorated: bool
) -> tuple[int, int]:
    """Return what part of an amount for a period is due in a stretch: see ``Course``.

    Nothing is due for days that are not charged, though all weigh where none is.
    """
    return share if prorated or not share[0] else weight


def due_by_days(price: Price) -> bool:
    """Whether a price asks something of a stretch in which nothing is used of a line."""
    if price.minimum is not None:
        return True
    return any(
        isinstance(model, Flat | Stairstep)
        or (isinstance(model, Volume) and any(tier.flat for tier in model.tiers))
        for model in single_models(price.model)
    )


def enters(line: Line) -> bool:
    """Whether a line enters its first tier: by usage, or at 0 where the price has such tiers."""
    return line.used or any(
        isinstance(model, Graduated | GraduatedPercentage)
        for model in single_models(line.price.model)
    )


def _check_events(line: Line, before: Sequence[UsageItem]) -> None:
    """Refuse a line that counts events, or takes some back, where those before are not known."""
    unknown = [item.quantity for item in before if item.quantity and item.events is None]
    taken = any(event < ZERO for item in line.items for event in item.events or ())
    if unknown and (counts_events(line.price) or (taken and needs_events(line.price))):
        raise LineRefused(
            f"nobody knows the single events of {number_text(unknown[0])} used before it",
            hint="Have meters keep single usage, or let the version restart tiers",
            reason="no_events",
        )


@dataclass(frozen=True, slots=True)
class _Measures:
    now: Measure
    before: Measure
    whole: Measure
    own: Measure


def _measured(line: Line, items: Sequence[UsageItem], course: Course) -> Measure:
    return measured(replace(line, items=items), share=course.share)


def _parts(model: PriceModel, measures: _Measures, course: Course) -> Iterator[Part]:
    for number, one in enumerate(single_models(model)):
        for part in _parts_of(one, measures, course):
            yield replace(part, step=(number, *part.step))


def _parts_of(model: PriceModel, measures: _Measures, course: Course) -> Iterable[Part]:
    if isinstance(model, Flat):
        share = due_share(course.weight, course.share, prorated=model.prorate)
        return flat(replace(model, prorate=True), replace(measures.whole, share=share))
    if isinstance(model, Volume | Stairstep):
        return (_held(model, measures, course.weight),)
    if isinstance(model, Matrix):
        return matrix(model, replace(measures.now, slices=tuple(_slices_since(measures))))
    earlier = priced(model, measures.before) if course.begun else ()
    return _since(priced(model, measures.now), earlier)


def _held(model: Volume | Stairstep, measures: _Measures, weight: tuple[int, int]) -> Part:
    """Price a stretch by the tier that holds all of the period."""
    held, own = holding_tier(model.tiers, measures.whole), measures.own
    tier, (days, of) = held.tier, weight
    flat = Ratio(tier.flat).times(days, of)
    label = f"{held.label}, {days} of {of} days" if tier.flat and days != of else held.label
    if isinstance(model, Stairstep):
        return Part(label, flat, own.units(own.quantity), flat=tier.flat)
    amount = own.cost(own.quantity, tier.price).plus(flat)
    return Part(label, amount, own.units(own.quantity), tier.price, tier.flat)


def _slices_since(measures: _Measures) -> Iterator[Slice]:
    """Yield what cells have more than before, or less."""
    before, now = _by_cell(measures.before), _by_cell(measures.now)
    for cell in dict.fromkeys((*now, *before)):
        grown = EXACT.subtract(now.get(cell, ZERO), before.get(cell, ZERO))
        if grown or cell not in before:
            yield Slice(cell, grown)


def _by_cell(measure: Measure) -> dict[tuple[str, ...], Decimal]:
    sums: dict[tuple[str, ...], Decimal] = {}
    for one in measure.slices:
        sums[one.cell] = EXACT.add(sums.get(one.cell, ZERO), one.quantity)
    return sums


def _since(now: Sequence[Part], before: Sequence[Part]) -> Iterator[Part]:
    """Yield parts less what was before: tiers at the same place, those that are left among them."""
    for place, (part, old) in enumerate(zip_longest(now, before)):
        made = part if old is None else _less(part, old)
        if old is None or made.amount.numerator or made.quantity.numerator or made.flat:
            yield replace(made, step=(place,))


def _less(now: Part | None, before: Part) -> Part:
    if now is None:
        now = replace(before, amount=NOTHING, quantity=NOTHING, flat=ZERO)
    if now.label == before.label:
        label, flat = now.label, EXACT.subtract(now.flat, before.flat)
    else:
        nothing = not (before.amount.numerator or before.quantity.numerator)
        label = now.label if nothing else f"{now.label}, less {before.label}"
        flat = now.flat
    amount, quantity = now.amount.less(before.amount), now.quantity.less(before.quantity)
    return Part(label, amount, quantity, now.unit_price, flat)
