"""What is allowed in a price book and still wrong, or looks wrong.

Problems make usage unpriced, or a price useless; warnings are for somebody to look at. What no
document may say is refused where it is read (``price_book_reading``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from meterhouse.core.counted import plural
from meterhouse.core.currency import currency_digits
from meterhouse.core.json_text import canonical_text, parse_json
from meterhouse.core.money import amount_text
from meterhouse.core.price_book import (
    ANY,
    ONE,
    CostPlus,
    Flat,
    Graduated,
    GraduatedPercentage,
    Hybrid,
    Included,
    Match,
    Matrix,
    Package,
    Percentage,
    PerUnit,
    Price,
    PriceBook,
    PriceModel,
    Stairstep,
    Tier,
    Volume,
)
from meterhouse.core.price_book_overlap import Overlap, overlaps
from meterhouse.core.problem import Problem
from meterhouse.core.quantity import EXACT, ZERO

#: Of one kind, so many are named.
NAMED_MAX = 20
_CELLS_NAMED_MAX = 3
_ANY_TEXT = canonical_text(ANY)


@dataclass(frozen=True, slots=True)
class Lint:
    """What was found in a book."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def lint_price_book(book: PriceBook) -> Lint:
    """Say what is wrong or strange in a book that could be read."""
    found, complete = overlaps([price for price in book.prices if not is_fee(price)])
    problems = [_overlap_problem(overlap) for overlap in found[:NAMED_MAX]]
    problems += _counted_away(book)
    warnings = [warning for price in book.prices for warning in _price_warnings(book, price)]
    if len(found) > NAMED_MAX or not complete:
        more = f"{len(found) - NAMED_MAX} more" if complete else "more"
        message = f"{more} of them share usage with others and are not named here"
        problems.append(Problem("prices", message, "mend those that are named first"))
    return Lint(tuple(problems), tuple(warnings))


def _counted_away(book: PriceBook) -> Iterator[Problem]:
    """Yield prices and counts whose usage an earlier count takes."""
    for place, count in enumerate(book.counts):
        for later in range(place + 1, len(book.counts)):
            if _covers(count.match, book.counts[later].match):
                message = f"is never used: counts[{place}] takes all its usage"
                yield Problem(f"counts[{later}]", message, "put the one with more fields first")
        for price in book.prices:
            if not is_fee(price) and _covers(count.match, price.match):
                message = f"is never used: counts[{place}] takes all its usage"
                hint = "remove one of them: what is counted is not charged"
                yield Problem(f"prices[{price.sku!r}]", message, hint)


def _covers(match: Match, other: Match) -> bool:
    """Whether all usage of the other one is as the first says."""
    return all(
        other.fields.get(name) and other.fields[name] <= values
        for name, values in match.fields.items()
        if values
    )


def is_fee(price: Price) -> bool:
    """Whether a price is charged without usage: a flat amount that names no usage."""
    if not isinstance(price.model, Flat) or price.model.only_if_used:
        return False
    return not any(values for name, values in price.match.fields.items() if name != "customer")


def _overlap_problem(overlap: Overlap) -> Problem:
    place, other = f"prices[{overlap.price.sku!r}]", overlap.other.sku
    if overlap.hidden:
        message = f"is never used: {other!r} takes all its usage by its higher priority"
        return Problem(place, message, "remove it, raise its priority, or name one more field")
    message = f"can hold for the same usage as {other!r}: as many fields, the same priority"
    hint = "give one of them a higher priority, or name one more field in its match"
    return Problem(place, message, hint)


def _price_warnings(book: PriceBook, price: Price) -> Iterator[Problem]:
    place = f"prices[{price.sku!r}]"
    for model in price.model.parts if isinstance(price.model, Hybrid) else (price.model,):
        if isinstance(model, Volume | Stairstep):
            yield from (Problem(place, *said) for said in _cliffs(book, price, model))
        if isinstance(model, Matrix):
            yield from (Problem(place, *said) for said in _matrix_warnings(price, model))
        elif costs_nothing(model):
            hint = "say so by model: included, or give it a price"
            yield Problem(place, "costs nothing, and is not of the model included", hint)


def _cliffs(book: PriceBook, price: Price, model: Volume | Stairstep) -> Iterator[tuple[str, str]]:
    """Yield where one unit more costs less in all."""
    digits = currency_digits(book.currency) or 0
    for tier, next_ in pairwise(model.tiers):
        bound = tier.up_to
        assert bound is not None, "only the last tier is without end"
        beyond = EXACT.add(bound, ONE)
        if next_.up_to is not None and next_.up_to < beyond:
            beyond = next_.up_to
        before, after = _amount(tier, bound, price.per), _amount(next_, beyond, price.per)
        if after < before:
            figures = [f"{amount_text(amount, digits)}" for amount in (after, before)]
            unit = plural(price.unit or "unit")
            message = (
                f"{beyond:,f} {unit} cost {figures[0]}, less than {bound:,f} {unit}: {figures[1]}"
            )
            hint = "graduated has no such cliff; or leave it, if it is meant"
            yield message, hint


def _amount(tier: Tier, quantity: Decimal, per: Decimal) -> Decimal:
    priced = EXACT.divide(EXACT.multiply(quantity, tier.price), per)
    return EXACT.add(priced, tier.flat)


def _matrix_warnings(price: Price, model: Matrix) -> Iterator[tuple[str, str]]:
    free = [key for key, value in model.values.items() if not value]
    if free:
        named = ", ".join("|".join(map(_plain, key)) for key in free[:_CELLS_NAMED_MAX])
        more = f" and {len(free) - _CELLS_NAMED_MAX:,} more" if len(free) > _CELLS_NAMED_MAX else ""
        yield (
            f"costs nothing for {named}{more}",
            "a price of its own, of the model included, would say that it is meant",
        )
    if any(_ANY_TEXT in key for key in model.values):
        message = f"has cells for {ANY!r}, which is one value there, not any"
        yield message, "give default what holds for values that are not listed"
    for place, name in enumerate(model.dimensions):
        wanted = price.match.fields.get(name)
        if not wanted:
            continue
        known = {key[place] for key in model.values}
        if useless := sorted(known - wanted):
            named = ", ".join(map(_plain, useless[:_CELLS_NAMED_MAX]))
            yield f"has cells for {name} {named}, which its match lets not in", "remove one"
        if model.default is None and (missing := sorted(wanted - known)):
            named = ", ".join(map(_plain, missing[:_CELLS_NAMED_MAX]))
            yield f"has no cell for {name} {named}, which its match lets in", "add the cells"


def _plain(text: str) -> str:
    value = parse_json(text)
    return value if isinstance(value, str) else text


def costs_nothing(model: PriceModel) -> bool:
    """Whether nothing is ever charged, although the model could."""
    match model:
        case Included():
            return False
        case Hybrid(parts=parts):
            return all(map(costs_nothing, parts))
        case Matrix(values=values, default=default):
            return not default and not any(values.values())
        case Graduated(tiers=tiers) | Volume(tiers=tiers) | Stairstep(tiers=tiers):
            return not any(tier.price or tier.flat for tier in tiers)
        case GraduatedPercentage(tiers=tiers):
            return not any(tier.percent or tier.flat for tier in tiers)
        case Percentage(percent=percent, fixed=fixed, minimum=minimum):
            return not (percent or fixed or minimum)
        case Flat(amount=number) | CostPlus(multiplier=number):
            return number == ZERO
        case PerUnit(price=number) | Package(price=number):
            return number == ZERO


def validity_warnings(versions: Sequence[PriceBook]) -> tuple[Problem, ...]:
    """Say of versions of one book, in the order of their making, how their days fit together.

    A version is in force until its own end, or until a later one begins, whichever comes first.
    """
    # Sorting keeps the order of those that begin on one day: the last of them counts.
    ordered = sorted(versions, key=lambda book: book.valid_from)
    found = []
    for book, next_ in pairwise(ordered):
        place = f"version {book.version}"
        if book.valid_from == next_.valid_from:
            message = f"begins on {book.valid_from} as version {next_.version} does, made later"
            found.append(Problem(place, message, "the later one counts; delete what is unused"))
        elif book.valid_to is not None and book.valid_to > next_.valid_from:
            message = f"would hold until {book.valid_to}; {next_.version} begins earlier"
            found.append(Problem(place, message, f"it ends on {next_.valid_from}"))
        elif book.valid_to is not None and book.valid_to < next_.valid_from:
            message = f"ends on {book.valid_to}; {next_.version} begins on {next_.valid_from}"
            found.append(Problem(place, message, "no version is in force between them"))
    return tuple(found)
