"""Expressions that both Polars programs of the benchmark are built from.

After one string join everything is a small integer: a meter is user * SLOTS + rule, a group key is
meter * width + group, and `at` is sequence * APPS + app, so that its minimum and maximum carry the
first and the last record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from bench import job

KEY = pl.UInt32
SLOTS = len(job.RULES)
WIDTH1 = len(job.MODELS) * len(job.REGIONS)
WIDTH2 = len(job.APPS) * len(job.LEVELS)
APPS = 8  # room for the app's code beside the sequence number
DOMAINS = {"model": job.MODELS, "level": job.LEVELS, "app": job.APPS, "region": job.REGIONS}
CATEGORIES = tuple(rule.category for rule in job.RULES)

_LIMITS = pl.Series(
    [next(c.limit for c in job.CATEGORIES if c.name == name) for name in CATEGORIES],
    dtype=pl.Int64,
)


def wide_users(meters: Path) -> pl.DataFrame:
    """One row per user: a number, and a bit for each rule whose category the user has."""
    bits = {name: 1 << slot for slot, name in enumerate(CATEGORIES)}
    bit = pl.col("category").replace_strict(bits, return_dtype=pl.UInt8)
    per_user = pl.scan_parquet(meters).group_by("userId").agg(held=bit.sum().cast(pl.UInt8))
    return per_user.with_row_index("user").collect()


def code(field: str) -> pl.Expr:
    return pl.col(field).cast(pl.Enum(DOMAINS[field])).to_physical().cast(pl.UInt8)


def holds(field: str, value: str | bool) -> pl.Expr:
    return pl.col(field) == (DOMAINS[field].index(value) if field in DOMAINS else value)


def rule_bits() -> pl.Expr:
    """Bit n is set where the conditions of rule n hold."""
    bits = pl.lit(0, pl.UInt8)
    for slot, rule in enumerate(job.RULES):
        conditions = [holds(field, value) for field, value in rule.conditions]
        join = pl.all_horizontal if rule.relation == "and" else pl.any_horizontal
        held = join(conditions) if conditions else pl.lit(True)
        bits = bits + held.cast(pl.UInt8) * (1 << slot)
    return bits.cast(pl.UInt8)


def guide(coded: pl.LazyFrame, wide: pl.DataFrame) -> pl.LazyFrame:
    slot = (rule_bits() & pl.col("held")).bitwise_trailing_zeros().cast(KEY)
    meter = pl.col("user") * SLOTS + slot
    joined = coded.join(wide.lazy(), on="userId", how="inner").with_columns(meter=meter)
    group1 = pl.col("model") * len(job.REGIONS) + pl.col("region")
    group2 = pl.col("app") * len(job.LEVELS) + pl.col("level")
    return joined.select(
        k1=pl.col("meter") * WIDTH1 + group1,
        k2=pl.col("meter") * WIDTH2 + group2,
        at=pl.col("seq") * APPS + pl.col("app"),
        tokens="tokens",
    )


def fold(records: pl.LazyFrame, key: str) -> pl.DataFrame:
    """Sum, first and last per group; the records may come in any order."""
    folded = records.group_by(key).agg(
        value=pl.col("tokens").sum(), first=pl.col("at").min(), last=pl.col("at").max()
    )
    return folded.collect(engine="streaming")


def totals_of(section2: pl.LazyFrame) -> pl.DataFrame:
    """Meter totals from the smaller section: a third of the work of folding the records again."""
    per_meter = section2.group_by(meter=pl.col("k2") // WIDTH2)
    return per_meter.agg(
        pl.col("value").sum(), pl.col("first").min(), pl.col("last").max()
    ).collect(engine="streaming")


def limit() -> pl.Expr:
    return pl.lit(_LIMITS).gather(pl.col("meter") % SLOTS)


def with_before(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the sum of the meter's earlier rows, in a frame sorted by meter.

    The running sum is taken over the whole frame and the meter's start is subtracted: a window
    with a running sum for each meter costs several times as much.
    """
    running = pl.col("tokens").cum_sum() - pl.col("tokens")
    start = pl.col("running").first().over("meter")
    return frame.with_columns(running=running).with_columns(before=pl.col("running") - start)


def crosses() -> pl.Expr:
    """True for the row that takes its meter from below the limit to the limit or above."""
    before, after = pl.col("before"), pl.col("before") + pl.col("tokens")
    return (before < limit()) & (after >= limit())


def by_meter(at: pl.Series, values: pl.Series, size: int, absent: int) -> pl.Expr:
    """A look-up from meter number to value."""
    dense = pl.repeat(absent, size, dtype=values.dtype, eager=True).scatter(at, values)
    return pl.lit(dense).gather(pl.col("meter"))


def enum(code: pl.Expr, values: Sequence[str]) -> pl.Expr:
    return code.cast(pl.UInt8).cat.to(pl.Enum(values))


def section_fields(number: int) -> tuple[pl.Expr, dict[str, pl.Expr]]:
    """Return the meter and the group fields that a key of the section stands for."""
    key, width = (pl.col("k1"), WIDTH1) if number == 1 else (pl.col("k2"), WIDTH2)
    one, two = job.SECTIONS[number - 1]
    rest, second = key % width, len(DOMAINS[two])
    return key // width, {
        one: enum(rest // second, DOMAINS[one]),
        two: enum(rest % second, DOMAINS[two]),
    }


def write(tables: Mapping[str, pl.LazyFrame], out: Path) -> None:
    """Write all tables at once, in row groups that keep both cores busy."""
    sinks = [
        table.sink_parquet(
            out / f"{name}.parquet",
            compression="uncompressed",
            statistics=False,
            row_group_size=250_000,
            lazy=True,
        )
        for name, table in tables.items()
    ]
    pl.collect_all(sinks, engine="streaming")
