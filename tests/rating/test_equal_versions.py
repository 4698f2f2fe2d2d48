"""A version with the same prices changes nothing, wherever it begins and whatever is around it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.instant import DAY
from meterhouse.core.money import Rounding
from meterhouse.core.price_book import (
    Commitment,
    Discount,
    DiscountKind,
    Flat,
    Graduated,
    GraduatedPercentage,
    Hybrid,
    Percentage,
    PerUnit,
    Price,
    PriceBook,
    PriceModel,
)
from meterhouse.core.quantity import ZERO
from meterhouse.rating.stretch_lines import stretch_lines
from meterhouse.rating.stretches import Stretch, rate_stretches
from tests.rating import cases
from tests.rating.books import CUSTOMER, book, dec, price, used
from tests.rating.stretched import DAYS, matrix, some_cells


@dataclass(frozen=True)
class Event:
    """What was used on a day, counted from 0."""

    day: int
    quantity: Decimal
    cell: str


def model(chance: Random) -> PriceModel:
    makers = (
        matrix,
        some_cells,
        lambda chance: Hybrid((matrix(chance), PerUnit(dec(2)), Graduated(cases.tiers(chance)))),
        lambda chance: GraduatedPercentage(
            tuple(replace(one, percent=dec(chance.randrange(30))) for one in cases.tiers(chance))
        ),
        lambda chance: Percentage(dec(chance.randrange(30)), free_amount=dec(50)),
        *[cases.model] * 7,
    )
    return chance.choice(makers)(chance)


def any_price(chance: Random, sku: str, **match: str) -> Price:
    like = cases.any_price(chance)
    more: dict[str, object] = {"per": like.per, "included": like.included}
    if chance.random() < 0.25:
        more["line_by"] = ("cell",)
    for limit in ("maximum", "minimum"):
        if chance.random() < 0.2:
            more[limit] = dec(chance.randrange(500))
    if chance.random() < 0.3:
        kinds = chance.sample(list(DiscountKind), chance.randrange(1, 3))
        more["discounts"] = tuple(Discount(one, dec(chance.randrange(1, 60))) for one in kinds)
    of = model(chance)
    # Shares of money are converted record by record: how many there are, rounding shows.
    conversion = None if isinstance(of, Percentage) else like.conversion
    return price(of, sku, match=match, conversion=conversion, **more)


def any_version(chance: Random, number: int, **rounding: object) -> PriceBook:
    """A version: with a price for all usage, for some of it, and a fee; or not with all of them."""
    prices = [any_price(chance, "all")]
    if chance.random() < 0.5:
        prices.append(any_price(chance, "own", cell=chance.choice("abc")))
    if chance.random() < 0.3:
        fee = Flat(dec(chance.randrange(900)), prorate=chance.random() < 0.5)
        prices.append(price(fee, "fee"))
    off = [Discount(DiscountKind.AMOUNT, dec(7)), Discount(DiscountKind.PERCENTAGE, dec(9))]
    promised = Commitment(
        dec(chance.randrange(500)), chance.choice((None, dec(700))), prorate=chance.random() < 0.5
    )
    return book(
        *chance.sample(prices, chance.randrange(1, len(prices) + 1)),
        version=str(number),
        hash=f"{number:064}",
        restart_tiers=chance.random() < 0.25,
        discounts=tuple(chance.sample(off, chance.choice((0, 0, 1, 2)))),
        commitments=(promised,) if chance.random() < 0.4 else (),
        **rounding,
    )


def any_events(chance: Random) -> list[Event]:
    made = [
        Event(
            chance.randrange(DAYS),
            Decimal(chance.choice((0, 1, 10, 70, chance.randrange(2000)))).scaleb(
                -chance.choice((0, 0, 2))
            ),
            chance.choice("abc"),
        )
        for _ in range(chance.randrange(9))
    ]
    if chance.random() < 0.4:
        made += [
            replace(one, day=chance.randrange(one.day, DAYS), quantity=-one.quantity)
            for one in made
            if chance.random() < 0.3
        ]
    return made


def records(events: Sequence[Event]) -> list[MeteredUsage]:
    """Records of three meters."""
    return [
        used(
            sum((one.quantity for one in mine), ZERO),
            f"r{meter}",
            breakdowns={"cell": [((one.cell,), one.quantity) for one in mine]},
        )
        for meter in range(3)
        if (mine := events[meter::3])
    ]


def cut(
    versions: Sequence[PriceBook], firsts: Sequence[int], events: Sequence[Event], charged: range
) -> list[Stretch]:
    return [
        Stretch(
            version,
            BillingPeriod(first * DAY, end * DAY, "UTC"),
            end - first,
            len([day for day in range(first, end) if day in charged]),
            records([one for one in events if first <= one.day < end]),
        )
        for version, first, end in zip(versions, firsts, [*firsts[1:], DAYS], strict=True)
    ]


def total(stretches: Sequence[Stretch]) -> Decimal | None:
    """What all lines come to; nothing where something is unpriced."""
    ratings = rate_stretches(stretches, customer=CUSTOMER)
    if any(rating.unpriced for rating in ratings):
        return None
    return sum((line.net for line in stretch_lines(stretches, ratings, digits=2)), ZERO)


def test_a_version_that_begins_with_the_prices_of_the_one_before_changes_no_total():
    priced = 0
    for seed in range(800):
        chance = Random(seed)
        firsts = [0, *sorted(chance.sample(range(1, DAYS), chance.randrange(3)))]
        rounding = {
            "round_tiers": chance.random() < 0.25,
            "rounding": chance.choice(list(Rounding)),
        }
        versions = [any_version(chance, number, **rounding) for number in range(len(firsts))]
        events = any_events(chance)
        day = chance.randrange(DAYS)
        charged = chance.choice((range(DAYS), range(DAYS), range(day), range(day, DAYS)))
        at = chance.choice([day for day in range(DAYS) if day not in firsts])
        place = max(place for place, first in enumerate(firsts) if first < at)
        twin = replace(versions[place], version="twin", hash="f" * 64, restart_tiers=False)
        once = total(cut(versions, firsts, events, charged))
        versions.insert(place + 1, twin)
        twice = total(
            cut(versions, [*firsts[: place + 1], at, *firsts[place + 1 :]], events, charged)
        )
        if once is not None and twice is not None:
            assert once == twice, seed
            priced += 1
    assert priced > 500
