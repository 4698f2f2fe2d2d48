"""An independent rating of one quantity, with fractions and loops: slow, and easily believed."""

from collections.abc import Sequence
from fractions import Fraction

from meterhouse.core.price_book import Graduated, Package, PriceModel, Tier, Volume


def cost(model: PriceModel, quantity: Fraction, *, per: Fraction = Fraction(1)) -> Fraction:
    """What a quantity costs."""
    if isinstance(model, Graduated):
        return _graduated(model.tiers, quantity, per)
    if isinstance(model, Volume):
        return _volume(model.tiers, quantity, per)
    assert isinstance(model, Package)
    return _package(model, quantity)


def _graduated(tiers: Sequence[Tier], quantity: Fraction, per: Fraction) -> Fraction:
    """Pour the quantity from tier to tier until nothing is left."""
    total, left, filled = Fraction(0), quantity, Fraction(0)
    for tier in tiers:
        room = left if tier.up_to is None else Fraction(tier.up_to) - filled
        poured = left if left < room else room
        total += Fraction(tier.flat) + poured * Fraction(tier.price) / per
        left, filled = left - poured, filled + poured
        if left == 0:
            return total
    raise AssertionError("the last tier has an end")


def _volume(tiers: Sequence[Tier], quantity: Fraction, per: Fraction) -> Fraction:
    holding = [tier for tier in tiers if tier.up_to is None or quantity <= Fraction(tier.up_to)]
    return quantity * Fraction(holding[0].price) / per + Fraction(holding[0].flat)


def _package(model: Package, quantity: Fraction) -> Fraction:
    """Count packages one after the other, by halves of what is left."""
    left = quantity - Fraction(model.free)
    if left <= 0:
        return Fraction(0)
    whole = (left / Fraction(model.size)).__floor__()
    rest = left - whole * Fraction(model.size)
    started = 1 if rest > 0 and not model.round_down else 0
    return (whole + started) * Fraction(model.price)


def half_up(amount: Fraction, digits: int) -> Fraction:
    """Round an amount of at least 0; halves go up."""
    shifted = amount * 10**digits
    whole = shifted.numerator // shifted.denominator
    up = 1 if shifted - whole >= Fraction(1, 2) else 0
    return Fraction(whole + up, 10**digits)
