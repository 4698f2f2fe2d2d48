"""A share of an amount of money, and a fixed amount for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from meterhouse.core.price_book import Percentage
from meterhouse.core.quantity import EXACT, ZERO, number_text
from meterhouse.rating.measure import Measure, Part
from meterhouse.rating.ratio import Ratio, ratio, total_of

HUNDREDTH = Decimal("0.01")


def percentage(model: Percentage, measure: Measure) -> tuple[Part, ...]:
    """Charge each event that is not free: the share and the fixed amount, within the limits.

    Events are free, in their order, until the free events or the free amount are used up, whichever
    is first; of the event in which the free amount ends, only the rest is charged.

    An event below 0 is a refund: it gives its share back, at most what an event costs at most, but
    no fixed amount, and no minimum holds for it. All events together never come to less than 0.
    """
    paid = list(_paid(model, measure))
    amounts = [_event_amount(model, base) for base in paid]
    label = _label(model, measure, paid)
    return (Part(label, _at_least(total_of(amounts), ZERO), total_of(paid), flat=model.fixed),)


def _label(model: Percentage, measure: Measure, paid: Sequence[Ratio]) -> str:
    """Say what every event costs, how many did, and how many did not."""
    counted = sum(1 for base in paid if base.numerator >= ZERO)
    noun = "event" if counted == 1 else "events"
    said = [f"{number_text(model.percent)} % on {counted} {noun}"]
    said += [f"plus {number_text(model.fixed)} each"] if model.fixed else []
    said += [f"at least {number_text(model.minimum)} each"] if model.minimum else []
    said += [f"at most {number_text(model.maximum)} each"] if model.maximum is not None else []
    if free := len(measure.slices) - len(paid):
        said.append(f"{free} free")
    if model.free_amount:
        said.append(f"up to {number_text(model.free_amount)} free")
    if refunds := len(paid) - counted:
        said.append(f"less the share of {refunds} {'refund' if refunds == 1 else 'refunds'}")
    return ", ".join(said)


def _paid(model: Percentage, measure: Measure) -> Iterator[Ratio]:
    """What of each event is charged; nothing for those that are free."""
    free_left = measure.bound(model.free_amount)
    for place, event in enumerate(measure.slices):
        value = event.quantity
        free = _free_part(model, place, value=value, left=free_left)
        free_left = EXACT.subtract(free_left, free or ZERO)
        if free is None or free < value:
            yield measure.units(EXACT.subtract(value, free or ZERO))


def _free_part(model: Percentage, place: int, *, value: Decimal, left: Decimal) -> Decimal | None:
    """How much of an event is free; ``None``: none of it, were it 0."""
    if model.free_events and place >= model.free_events:
        return None
    if model.free_amount:
        return min(value, left)
    return value if model.free_events else None


def _event_amount(model: Percentage, base: Ratio) -> Ratio:
    factor = EXACT.multiply(model.percent, HUNDREDTH)
    share = ratio(EXACT.multiply(base.numerator, factor), base.denominator)
    if base.numerator < ZERO:
        return share if model.maximum is None else _at_least(share, -model.maximum)
    amount = share.plus(Ratio(model.fixed))
    if model.maximum is not None and _above(amount, model.maximum):
        amount = Ratio(model.maximum)
    if model.minimum is not None and not _above(amount, model.minimum):
        amount = Ratio(model.minimum)
    return amount


def _at_least(amount: Ratio, limit: Decimal) -> Ratio:
    return amount if _above(amount, limit) else Ratio(limit)


def _above(amount: Ratio, limit: Decimal) -> bool:
    return amount.numerator > EXACT.multiply(limit, amount.denominator)
