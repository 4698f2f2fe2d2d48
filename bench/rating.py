"""What rating costs: a million golden records at graduated prices, beside a hand-written loop.

Both get the quantities and give amounts rounded to cents, each record a line of its own, and must
give the same. The loop is plain ``decimal``: tiers as tuples, no objects, no breakdown.
``rate()`` through metered records, which also matches prices and says how each amount came about,
is timed on a tenth of them.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from time import perf_counter
from typing import TypeVar

import polars as pl

from meterhouse.core.charge import BillingPeriod, MeteredUsage
from meterhouse.core.instant import DAY
from meterhouse.core.price_book import Graduated, Price, PriceBook, Tier
from meterhouse.rating import rate
from meterhouse.rating.columns import rate_column

RECORDS = 1_000_000
_THROUGH_RATE = 100_000
#: The columns are at least so many times as fast as the loop.
FASTER_MIN = 20
_PERIOD = BillingPeriod(0, 31 * DAY, "UTC")
_PER = Decimal(1000)
_TIERS = (
    Tier(Decimal(10_000), Decimal("0.90")),
    Tier(Decimal(100_000), Decimal("0.75"), Decimal("5.00")),
    Tier(Decimal(1_000_000), Decimal("0.625")),
    Tier(None, Decimal("0.5")),
)
_PRICE = Price("tokens", Graduated(_TIERS), per=_PER, line_by=("user",))
_BOOK = PriceBook(
    id="bench",
    version="1",
    hash="0" * 64,
    currency="EUR",
    valid_from=date(2026, 1, 1),
    valid_to=None,
    timezone="UTC",
    prices=(_PRICE,),
)
_Made = TypeVar("_Made")


def run(*, rounds: int, log: Callable[[str], None]) -> str:
    """Measure all three; the lines of the report."""
    quantities = _quantities(RECORDS)
    as_decimals = quantities.to_list()
    usage = [_usage(number, one) for number, one in enumerate(as_decimals[:_THROUGH_RATE])]
    seconds: dict[str, list[float]] = {"loop": [], "columns": [], "rate": []}
    for number in range(rounds):
        by_loop, loop = _timed(lambda: _loop(as_decimals))
        by_columns, columns = _timed(lambda: rate_column(_BOOK, _PRICE, quantities))
        by_rate, through = _timed(
            lambda: rate(_BOOK, usage, period=_PERIOD, customer="bench").charges
        )
        amounts = by_columns.minor.to_list()
        if amounts != [int(amount.scaleb(2)) for amount in by_loop]:
            raise SystemExit("the columns and the loop give different amounts")
        # Lines are ordered by user, and users are numbered in the order of the records.
        if [charge.net for charge in by_rate] != by_loop[:_THROUGH_RATE]:
            raise SystemExit("rate() and the loop give different amounts")
        for name, taken in (("loop", loop), ("columns", columns), ("rate", through)):
            seconds[name].append(taken)
        log(f"round {number + 1}: loop {loop:.2f} s, columns {columns:.3f} s, rate {through:.2f} s")
    return _report({name: statistics.median(taken) for name, taken in seconds.items()}, rounds)


def _quantities(records: int) -> pl.Series:
    """Quantities from 0 to 5 million, as golden records hold them, the same on every machine."""
    numbers = pl.int_range(records, dtype=pl.UInt64, eager=True)
    spread = numbers.hash(seed=15) % 5_000_000
    return spread.cast(pl.Int64).cast(pl.Decimal(38, 18)).alias("quantity")


def _usage(number: int, quantity: Decimal) -> MeteredUsage:
    name = f"{number:07}"
    return MeteredUsage(name, "tokens", "ai", name, "token", quantity, _PERIOD)


def _loop(quantities: Sequence[Decimal]) -> list[Decimal]:
    """What one would write by hand: exact, tier by tier, rounded once."""
    context = Context(prec=60, rounding=ROUND_HALF_UP)
    cent, zero = Decimal("0.01"), Decimal(0)
    tiers = []
    below = zero
    for tier in _TIERS:
        tiers.append((below, tier.up_to, tier.price / _PER, tier.flat))
        below = tier.up_to or zero
    amounts = []
    for quantity in quantities:
        amount = zero
        for low, high, price, flat in tiers:
            if high is None or quantity <= high:
                amount += (quantity - low) * price + flat
                break
            amount += (high - low) * price + flat
        amounts.append(amount.quantize(cent, context=context))
    return amounts


def _timed(work: Callable[[], _Made]) -> tuple[_Made, float]:
    gc.collect()
    begin = perf_counter()
    made = work()
    return made, perf_counter() - begin


def _report(seconds: dict[str, float], rounds: int) -> str:
    faster = seconds["loop"] / seconds["columns"]
    rows = (
        ("plain Python `Decimal`", RECORDS, seconds["loop"]),
        ("`rate_column`", RECORDS, seconds["columns"]),
        ("`rate()`, records to charges", _THROUGH_RATE, seconds["rate"]),
    )
    lines = [
        "# Rating",
        "",
        "Golden records at graduated prices: 4 tiers, a flat amount on one, each per 1,000 units.",
        f"Medians of {rounds} rounds; amounts are compared, each with each.",
        "",
        "| program | lines | seconds | µs a line | to the loop |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, count, taken in rows:
        each = taken / count
        ratio = seconds["loop"] / RECORDS / each
        lines.append(
            f"| {name} | {count:,} | {taken:.3f} | {each * 1e6:.3f} | {ratio:.2f} × as fast |"
        )
    verdict = "kept" if faster >= FASTER_MIN else "missed"
    return "\n".join([*lines, "", f"The goal is {FASTER_MIN} × for columns: {verdict}.", ""])
