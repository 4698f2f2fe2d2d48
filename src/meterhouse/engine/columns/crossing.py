"""Threshold crossings in columns: which record takes a meter to a limit.

Only meters that may reach a limit in this batch are looked at record by record, and of many
records only those around a crossing: running values are worked out for them alone, in the order of
arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.quantity import FRACTION_DIGITS_MAX, LIMIT, number_text
from meterhouse.engine.column import QUANTITY
from meterhouse.engine.columns.table import KINDS
from meterhouse.engine.source import Profile

#: Into so many slices the records of a batch are cut, if there are at least so many.
_SLICES = 32
_SLICED_MIN = 100_000
_WHOLE_MAX = 2**62
_SUM = KINDS.index(Aggregation.SUM)
_INCREMENT = KINDS.index(Aggregation.INCREMENT)
_MIN = KINDS.index(Aggregation.MIN)
_STEP = Decimal(1).scaleb(-FRACTION_DIGITS_MAX)
_ROUNDING = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A meter (its row) reaches the limit of rank ``rank`` with the record at position ``q``."""

    q: int
    m: int
    rank: int


class Limits:
    """The limits that the meters have not reached yet, by rank (0 is the lowest)."""

    def __init__(self, profile: pl.Series, profiles: Sequence[Profile]) -> None:
        """``profile`` is each meter's profile, by row."""
        #: for each rank the limit of each meter; null where there is none or it was reached
        self._open: list[pl.Series] = _limits(profile, profiles)

    def extend(self, profile: pl.Series, profiles: Sequence[Profile]) -> None:
        """Take more meters, behind the others; none has more limits than some meter before."""
        added = _limits(profile, profiles)
        nothing = pl.repeat(None, len(profile), dtype=QUANTITY, eager=True)
        added += [nothing] * (len(self._open) - len(added))
        self._open = [pl.concat(pair) for pair in zip(self._open, added, strict=True)]

    @property
    def any(self) -> bool:
        """Whether there is any limit left to reach."""
        return any(limits.null_count() < len(limits) for limits in self._open)

    def close(self, m: int, rank: int) -> None:
        """Note that a limit was reached before this run."""
        self._open[rank] = _cleared(self._open[rank], pl.Series([m]))

    def close_many(self, rank: int, meters: pl.Series) -> None:
        """Note that meters have reached their limits of a rank."""
        if len(meters):
            self._open[rank] = _cleared(self._open[rank], meters)

    def crossings(
        self, assigned: pl.DataFrame, *, prior: pl.DataFrame, folded: pl.DataFrame
    ) -> tuple[list[Crossing], pl.DataFrame]:
        """Find the crossings of a batch, in order of arrival, then meter, then rank.

        ``assigned`` has ``q``, ``m``, ``v``, ``s``; ``prior`` has for each meter row ``value`` and
        ``kind``; ``folded`` has for each touched meter ``m``, ``count``, ``rise`` (sum of its
        positive quantities) and ``top`` (greatest quantity) of this batch. The second result is
        ``assigned`` without meters that surely cross nothing.
        """
        candidates = self._candidates(prior, folded)
        if not len(candidates):
            return [], assigned.clear()
        wanted = pl.repeat(value=False, n=prior.height, dtype=pl.Boolean, eager=True)
        mine = assigned.filter(wanted.scatter(candidates, True).gather(assigned["m"]))
        running = _running(self._near(mine, prior), prior)
        crossings: list[Crossing] = []
        for rank, limits in enumerate(self._open):
            found = (
                running.with_columns(limits.gather(running["m"]).alias("limit"))
                .filter(pl.col("value") >= pl.col("limit"))
                .group_by("m")
                .agg(pl.col("q").min())
            )
            self.close_many(rank, found["m"])
            crossings += [Crossing(q, m, rank) for m, q in found.select("m", "q").iter_rows()]
        ordered = sorted(crossings, key=lambda crossing: (crossing.q, crossing.m, crossing.rank))
        return ordered, mine

    def _near(self, mine: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
        """Leave only the records around crossings; adds ``key`` and ``past``.

        Sums that never fall cross a limit in the first slice of the records whose end is beyond
        it: the other slices need not be looked at record by record. ``key`` names a meter's slice
        (the meter itself where there are none), ``past`` is the sum of the slices before it.
        """
        mine = mine.select("q", "m", "v", "s")
        if not _sliced(mine, prior):
            key = pl.col("m").cast(pl.Int64)
            return mine.with_columns(key=key, past=pl.lit(0, dtype=pl.Int64))
        last = mine["q"].max()
        assert isinstance(last, int)
        of = (pl.col("q") // (last // _SLICES + 1)).cast(pl.UInt32)
        keyed = mine.lazy().with_columns((pl.col("m").cast(pl.Int64) * _SLICES + of).alias("key"))
        sums = keyed.group_by("key").agg(pl.col("s").sum()).collect(engine="streaming").sort("key")
        m = pl.col("key") // _SLICES
        sums = sums.with_columns(m=m, past=pl.col("s").cum_sum().over(m) - pl.col("s"))
        before = prior["value"].gather(sums["m"]).fill_null(0)
        start, end = before + sums["past"], before + (sums["past"] + sums["s"])
        hit = pl.repeat(value=False, n=sums.height, dtype=pl.Boolean, eager=True)
        for limits in self._open:
            limit = limits.gather(sums["m"])
            # A limit that was passed before it was set is reached by the first record.
            open_before = (start < limit) | (sums["past"] == 0)
            hit |= (open_before & (end >= limit)).fill_null(value=False)
        slices = sums.filter(hit).select("key", "past").lazy()
        return keyed.join(slices, on="key", how="inner").collect(engine="streaming").sort("q")

    def _candidates(self, prior: pl.DataFrame, folded: pl.DataFrame) -> pl.Series:
        """The touched meters whose value may reach an open limit in this batch."""
        meters = folded["m"]
        lowest = pl.DataFrame(
            [limits.gather(meters).alias(f"r{i}") for i, limits in enumerate(self._open)]
        ).select(pl.min_horizontal(pl.all()).alias("lowest"))["lowest"]
        before = prior.select(pl.col("value", "kind").gather(meters))
        frame = pl.DataFrame([*folded, lowest, *before])
        value = pl.col("value")
        reachable = (
            pl.when(pl.col("kind") == _SUM)
            .then(value.fill_null(0) + pl.col("rise").cast(QUANTITY))
            .when(pl.col("kind") == _INCREMENT)
            .then(value.fill_null(0) + pl.col("count").cast(QUANTITY))
            .when((pl.col("kind") == _MIN) & value.is_not_null())
            .then(value)
            .otherwise(pl.max_horizontal(value, pl.col("top").cast(QUANTITY)))
        )
        return frame.filter(reachable >= pl.col("lowest"))["m"]


def _limits(profile: pl.Series, profiles: Sequence[Profile]) -> list[pl.Series]:
    """The limits of meters by rank; ``profile`` is each meter's profile."""
    width = max((len(p.limits) for p in profiles), default=0)
    by_rank = []
    for rank in range(width):
        # A percentage's limit may need more digits than a quantity. It is rounded up: a
        # quantity reaches such a limit exactly when it reaches the next one of 18 digits.
        texts = [_limit_text(p.limits[rank][0]) if rank < len(p.limits) else None for p in profiles]
        by_rank.append(pl.Series(texts, dtype=pl.String).cast(QUANTITY).gather(profile))
    return by_rank


def _sliced(mine: pl.DataFrame, prior: pl.DataFrame) -> bool:
    """Whether crossings are searched in slices: many sums of whole numbers, and none falls."""
    if mine["s"].dtype != pl.Int64 or mine.height < _SLICED_MIN:
        return False
    least, most = mine.select(pl.col("s").min(), most=pl.col("s").max()).row(0)
    # Sums of slices are whole numbers of 64 bits.
    whole = least >= 0 and most * mine.height < _WHOLE_MAX
    return whole and not (prior["kind"] != _SUM).any()


def _running(rows: pl.DataFrame, prior: pl.DataFrame) -> pl.DataFrame:
    """The value of each meter after each of its records: ``q``, ``m``, ``value``.

    ``rows`` ascend by ``q``; of each ``key``, ``past`` is the sum before the first record.
    """
    before = prior.select(
        pl.col("value").gather(rows["m"]).alias("before"), pl.col("kind").gather(rows["m"])
    )
    rows = pl.concat([rows.select("q", "m", "v", "s", "key", "past"), before], how="horizontal")
    rows = rows.with_columns(pl.col("v", "s", "past").cast(QUANTITY))
    kinds = before["kind"].unique().to_list()
    value = pl.lit(None, dtype=QUANTITY)
    for kind in kinds:
        value = pl.when(pl.col("kind") == kind).then(_running_value(kind)).otherwise(value)
    return rows.select("q", "m", value.alias("value"))


def _running_value(kind: int) -> pl.Expr:
    before = pl.col("before")
    if kind == _SUM:
        return before.fill_null(0) + pl.col("past") + pl.col("s").cum_sum().over("key")
    if kind == _INCREMENT:
        return before.fill_null(0) + pl.col("v").cum_count().over("m").cast(QUANTITY)
    if kind == _MIN:
        return pl.min_horizontal(before, pl.col("v").cum_min().over("m"))
    return pl.max_horizontal(before, pl.col("v").cum_max().over("m"))


def _cleared(limits: pl.Series, meters: pl.Series) -> pl.Series:
    nothing = pl.repeat(None, len(meters), dtype=QUANTITY, eager=True)
    return limits.clone().scatter(meters, nothing)


def _limit_text(limit: Decimal) -> str | None:
    """A limit as a quantity; none where it lies beyond their range: it is never reached."""
    ceiling = limit.quantize(_STEP, rounding=ROUND_CEILING, context=_ROUNDING)
    return number_text(ceiling) if ceiling < LIMIT else None
