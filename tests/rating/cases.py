"""Generated prices and quantities: a plain generator with a seed, fast enough for many cases.

Bounds, sizes and quantities are often the same numbers, so that edges are met.
"""

from decimal import Decimal
from random import Random

from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    Conversion,
    CostPlus,
    Discount,
    DiscountKind,
    Flat,
    Graduated,
    Hybrid,
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
from tests.rating.books import book, price

CURRENCIES = ("EUR", "CLP", "JPY", "KWD", "BHD", "CLF")
_PERS = ("1", "1", "1000", "1000000", "3", "7", "60", "0.5")


def quantity(chance: Random, *, digits: int = 9) -> Decimal:
    """A number of at least 0, often whole, often round."""
    kind = chance.randrange(4)
    if kind == 0:
        return Decimal(chance.choice((0, 1, 10, 100, 1000, 1001, 10_000)))
    places = 0 if kind == 1 else chance.choice((1, 2, 6, 18))
    units = chance.randrange(10 ** min(chance.randrange(1, digits + 1) + places, 38))
    return Decimal(units).scaleb(-places)


def unit_price(chance: Random) -> Decimal:
    """A price with up to twelve digits after the point."""
    places = chance.choice((0, 2, 4, 12))
    return Decimal(chance.randrange(10 ** chance.randrange(1, places + 3))).scaleb(-places)


def tiers(chance: Random, *, flats: bool = True) -> tuple[Tier, ...]:
    """One to five tiers, the last without an end."""
    bounds = sorted({quantity(chance, digits=5) for _ in range(chance.randrange(5))})
    ends = (*(bound for bound in bounds if bound), None)
    return tuple(
        Tier(
            end,
            unit_price(chance),
            unit_price(chance) if flats and chance.random() < 0.4 else Decimal(0),
        )
        for end in ends
    )


def package(chance: Random) -> Package:
    """Packages of some size, some of them with free units."""
    size = quantity(chance, digits=4) or Decimal(1000)
    free = quantity(chance, digits=4) if chance.random() < 0.4 else Decimal(0)
    return Package(size, unit_price(chance), free, round_down=chance.random() < 0.3)


def model(chance: Random) -> PriceModel:
    """Any model that a column of quantities can have."""
    makers = (
        lambda: Flat(unit_price(chance), only_if_used=chance.random() < 0.5),
        lambda: PerUnit(unit_price(chance)),
        lambda: Graduated(tiers(chance)),
        lambda: Graduated(tiers(chance)),
        lambda: Volume(tiers(chance)),
        lambda: package(chance),
        lambda: Stairstep(tiers(chance)),
        lambda: CostPlus(unit_price(chance)),
        Included,
        lambda: Hybrid((PerUnit(unit_price(chance)), package(chance))),
    )
    return chance.choice(makers)()


def any_price(chance: Random) -> Price:
    """A price, some with conversions, free units, discounts and limits."""
    more: dict[str, object] = {"per": Decimal(chance.choice(_PERS))}
    if chance.random() < 0.3:
        more["included"] = quantity(chance, digits=4)
    if chance.random() < 0.3:
        digits = chance.choice((None, None, 0, 2))
        factors = [
            Decimal(chance.choice((1, 2, 1000))),
            Decimal(chance.choice((1, 60, 1024, 3600))),
        ]
        more["conversion"] = Conversion(*factors, digits, chance.choice(list(Rounding)))
    if chance.random() < 0.3:
        kind = chance.choice(list(DiscountKind))
        more["discounts"] = (Discount(kind, Decimal(chance.randrange(100))),)
    if chance.random() < 0.1:
        more["minimum"] = unit_price(chance)
    if chance.random() < 0.1:
        more["maximum"] = unit_price(chance)
    return price(model(chance), match={"meter_type": "calls"}, **more)


def any_book(chance: Random, one: Price) -> PriceBook:
    """A book of one price, with any rounding in any currency."""
    return book(
        one,
        currency=chance.choice(CURRENCIES),
        rounding=chance.choice(list(Rounding)),
        round_tiers=chance.random() < 0.2,
    )
