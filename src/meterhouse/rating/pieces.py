"""Prices as whole numbers: pieces of lines, each a constant and a slope over one denominator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

from meterhouse.core.price_book import (
    Conversion,
    CostPlus,
    DiscountKind,
    Flat,
    Graduated,
    Included,
    Package,
    PerUnit,
    Price,
    PriceBook,
    PriceModel,
    Stairstep,
    Tier,
    Volume,
)

_AS_METERED = Conversion()
_NONE = Fraction(0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Above a number, up to the next piece: ``constant`` and ``slope`` for each unit."""

    above: int
    constant: int
    slope: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a number ``q`` of quantity units costs, times ``denominator``.

    ``x = max(q * factor - free, 0)``, then its packages of ``size`` where there is a size (started
    ones too, unless ``down``), then constant and slope of the piece that holds it. Above ``end``
    there is no price. The first piece holds at its ``above`` too.
    """

    pieces: tuple[Piece, ...]
    denominator: int
    factor: int = 1
    free: int = 0
    size: int = 0
    down: bool = False
    end: int | None = None

    def most(self, limit: int, *, divisor: int, multiplier: int) -> int:
        """The greatest number of quantity units for which no step exceeds a limit; else -1.

        A step more is taken after: times ``multiplier``, plus ``divisor``.
        """
        constant = max(abs(piece.constant) for piece in self.pieces)
        slope = max(piece.slope for piece in self.pieces)
        literals = (self.pieces[-1].above, self.factor, self.free, self.size, slope, multiplier)
        room = (limit - divisor) // multiplier - constant
        if room < 0 or max(literals) > limit:
            return -1
        reach = room // slope if slope else limit
        if self.size:
            reach = (min(reach, limit // self.size) - 1) * self.size
        if self.end is not None:
            reach = min(reach, self.end)
        return min(reach + self.free, limit) // self.factor

    def below(self, quantity: int) -> Pieces:
        """The same without the pieces that no quantity up to this one reaches."""
        if self.size:
            return self
        reached = quantity * self.factor - self.free
        first, *others = self.pieces
        return replace(self, pieces=(first, *(one for one in others if one.above < reached)))


@dataclass(frozen=True, slots=True)
class _Line:
    """A piece in fractions: above so many units; an amount, and a price for each unit."""

    above: Fraction
    constant: Fraction
    slope: Fraction


def pieces_of(book: PriceBook, price: Price, *, scale: int) -> Pieces | None:
    """Return the pieces of a price for quantities of a scale; ``None``: it has no such form."""
    conversion = price.conversion or _AS_METERED
    tiers_rounded = book.round_tiers and isinstance(price.model, Graduated)
    if tiers_rounded or conversion.digits is not None or _reduces(price):
        return None
    factor = Fraction(conversion.multiply) / Fraction(conversion.divide) / 10**scale
    lines = _lines(price.model, Fraction(price.per))
    free = _free(price)
    if not lines or factor <= 0 or free < 0:
        return None
    size, end = _size(price.model), _end(price.model)
    bounds = [line.above for line in lines]
    # The unit of x: factor, bounds and free units are whole numbers of it.
    unit = _denominator([factor, free, size, end or _NONE, *bounds])
    scaled = [_Line(one.above * unit, one.constant, _per(one.slope, unit, size)) for one in lines]
    denominator = _denominator([part for one in scaled for part in (one.constant, one.slope)])
    return Pieces(
        tuple(_piece(one, denominator) for one in scaled),
        denominator,
        factor=int(factor * unit),
        free=int(free * unit),
        size=int(size * unit),
        down=isinstance(price.model, Package) and price.model.round_down,
        end=None if end is None else int(end * unit),
    )


def _reduces(price: Price) -> bool:
    limited = price.minimum is not None or price.maximum is not None
    return limited or any(one.kind is not DiscountKind.USAGE for one in price.discounts)


def _free(price: Price) -> Fraction:
    """Units that cost nothing. Of a flat amount only the usage itself matters."""
    if isinstance(price.model, Flat):
        return _NONE
    own = Fraction(price.model.free) if isinstance(price.model, Package) else _NONE
    return sum((Fraction(one.value) for one in price.discounts), Fraction(price.included) + own)


def _size(model: PriceModel) -> Fraction:
    return Fraction(model.size) if isinstance(model, Package) else _NONE


def _end(model: PriceModel) -> Fraction | None:
    """Where a price ends; nothing above has one."""
    if isinstance(model, Graduated | Volume | Stairstep) and model.tiers[-1].up_to is not None:
        return Fraction(model.tiers[-1].up_to)
    return None


def _lines(model: PriceModel, per: Fraction) -> list[_Line]:
    """The lines of a model, in units of its price; none where it has no such form."""
    match model:
        case Flat(amount=amount, only_if_used=only_if_used):
            unused = [_Line(_NONE, _NONE, _NONE)] if only_if_used else []
            lines = [*unused, _Line(_NONE, Fraction(amount), _NONE)]
        case PerUnit(price=price):
            lines = [_Line(_NONE, _NONE, Fraction(price) / per)]
        case CostPlus(multiplier=factor):
            lines = [_Line(_NONE, _NONE, Fraction(factor))]
        case Package(price=price):
            lines = [_Line(_NONE, _NONE, Fraction(price))]
        case Included():
            lines = [_Line(_NONE, _NONE, _NONE)]
        case Graduated(tiers=tiers) if _positive(tiers):
            return list(_added(tiers, per))
        case Volume(tiers=tiers):
            lines = [
                _Line(low, Fraction(t.flat), Fraction(t.price) / per) for low, t in _from(tiers)
            ]
        case Stairstep(tiers=tiers):
            lines = [_Line(low, Fraction(tier.flat), _NONE) for low, tier in _from(tiers)]
        case _:
            return []
    return lines if all(min(one.constant, one.slope) >= 0 for one in lines) else []


def _positive(tiers: Sequence[Tier]) -> bool:
    return all(min(tier.price, tier.flat) >= 0 for tier in tiers)


def _from(tiers: Sequence[Tier]) -> Iterator[tuple[Fraction, Tier]]:
    """Each tier and where it begins."""
    low = _NONE
    for tier in tiers:
        yield low, tier
        low = _NONE if tier.up_to is None else Fraction(tier.up_to)


def _added(tiers: Sequence[Tier], per: Fraction) -> Iterator[_Line]:
    """Lines that meet at the bounds, but for the flat amounts of the tiers entered."""
    constant = before = _NONE
    for low, tier in _from(tiers):
        slope = Fraction(tier.price) / per
        constant += Fraction(tier.flat) + low * (before - slope)
        before = slope
        yield _Line(low, constant, slope)


def _per(slope: Fraction, unit: int, size: Fraction) -> Fraction:
    """A price for each unit of x; of packages, for each package."""
    return slope if size else slope / unit


def _denominator(parts: Iterable[Fraction]) -> int:
    return lcm(*(part.denominator for part in parts))


def _piece(line: _Line, denominator: int) -> Piece:
    constant, slope = line.constant * denominator, line.slope * denominator
    return Piece(int(line.above), int(constant), int(slope))
