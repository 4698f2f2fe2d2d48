"""The job by hand in Polars, from process start to Parquet files.

What makes it fast (bench/README.md has the figures): one string join per record, everything after
it on small integers; the ordered rules as bits, so that "the first rule that takes the record" is
the number of trailing zeros; one combined integer key per group section; carries as the minimum
and the maximum of one integer (sequence * 8 + app), looked up at the end; meter totals rolled up
from the smaller section; crossings searched in two levels.

Use: python bench/opponent_polars.py --meters FILE --out DIR INPUT...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bench import job
from bench.arguments import opponent_arguments

_KEY = pl.UInt32
_SLOTS = len(job.RULES)
_WIDTH1 = len(job.MODELS) * len(job.REGIONS)
_WIDTH2 = len(job.APPS) * len(job.LEVELS)
_APPS = 8  # room for the app's code beside the sequence number
_BUCKETS = 32
_DOMAINS = {"model": job.MODELS, "level": job.LEVELS, "app": job.APPS, "region": job.REGIONS}
_CATEGORIES = tuple(rule.category for rule in job.RULES)
_LIMITS = pl.Series(
    [next(c.limit for c in job.CATEGORIES if c.name == name) for name in _CATEGORIES],
    dtype=pl.Int64,
)


@dataclass(frozen=True, slots=True)
class Guided:
    """The records as integers, in any order, and what their numbers stand for.

    `records` has k1 and k2 (meter and group of each section as one number), at (sequence and app
    as one number) and tokens. `session` is in the order of arrival.
    """

    records: pl.DataFrame
    session: pl.Series
    users: pl.Series


def _wide(meters: Path) -> pl.DataFrame:
    """One row per user: a number, and a bit for each rule whose category the user has."""
    bits = {name: 1 << slot for slot, name in enumerate(_CATEGORIES)}
    bit = pl.col("category").replace_strict(bits, return_dtype=pl.UInt8)
    per_user = pl.scan_parquet(meters).group_by("userId").agg(held=bit.sum().cast(pl.UInt8))
    return per_user.with_row_index("user").collect()


def _code(field: str) -> pl.Expr:
    return pl.col(field).cast(pl.Enum(_DOMAINS[field])).to_physical().cast(pl.UInt8)


def _holds(field: str, value: str | bool) -> pl.Expr:
    return pl.col(field) == (_DOMAINS[field].index(value) if field in _DOMAINS else value)


def _rule_bits() -> pl.Expr:
    """Bit n is set where the conditions of rule n hold."""
    bits = pl.lit(0, pl.UInt8)
    for slot, rule in enumerate(job.RULES):
        conditions = [_holds(field, value) for field, value in rule.conditions]
        join = pl.all_horizontal if rule.relation == "and" else pl.any_horizontal
        holds = join(conditions) if conditions else pl.lit(True)
        bits = bits + holds.cast(pl.UInt8) * (1 << slot)
    return bits.cast(pl.UInt8)


def _guide(coded: pl.LazyFrame, wide: pl.DataFrame) -> pl.LazyFrame:
    slot = (_rule_bits() & pl.col("held")).bitwise_trailing_zeros().cast(_KEY)
    meter = pl.col("user") * _SLOTS + slot
    joined = coded.join(wide.lazy(), on="userId", how="inner").with_columns(meter=meter)
    group1 = pl.col("model") * len(job.REGIONS) + pl.col("region")
    group2 = pl.col("app") * len(job.LEVELS) + pl.col("level")
    return joined.select(
        k1=pl.col("meter") * _WIDTH1 + group1,
        k2=pl.col("meter") * _WIDTH2 + group2,
        at=pl.col("seq") * _APPS + pl.col("app"),
        tokens="tokens",
    )


def read(inputs: list[Path], meters: Path) -> Guided:
    """Read, guide and number the records."""
    wide = _wide(meters)
    fields = ("userId", "stream", "tokens")
    codes = [_code(field) for field in _DOMAINS]
    if inputs[0].suffix == ".parquet":
        scan = pl.scan_parquet(inputs, row_index_name="seq")
        guided = _guide(scan.select("seq", *fields, *codes), wide)
        records, session = pl.collect_all(
            [guided, pl.scan_parquet(inputs).select("session")], engine="streaming"
        )
    else:
        schema = dict.fromkeys(("userId", *_DOMAINS, "session"), pl.String)
        scan = pl.scan_ndjson(inputs, schema={**schema, "stream": pl.Boolean, "tokens": pl.Int64})
        read_once = scan.select(*fields, *codes, "session").collect(engine="streaming")
        coded = read_once.lazy().drop("session").with_row_index("seq")
        records = _guide(coded, wide).collect(engine="streaming")
        session = read_once.select("session")
    assert session.height * _APPS < 1 << 32, "too many records for 32-bit sequence numbers"
    return Guided(records, session["session"].rechunk(), wide["userId"].rechunk())


def _fold(records: pl.LazyFrame, key: str) -> pl.DataFrame:
    """Sum, first and last per group; the records may come in any order."""
    folded = records.group_by(key).agg(
        value=pl.col("tokens").sum(), first=pl.col("at").min(), last=pl.col("at").max()
    )
    return folded.collect(engine="streaming")


def _totals(section2: pl.DataFrame) -> pl.DataFrame:
    meter = pl.col("k2") // _WIDTH2
    totals = (
        section2.lazy()
        .group_by(meter=meter)
        .agg(pl.col("value").sum(), pl.col("first").min(), pl.col("last").max())
    )
    return totals.collect(engine="streaming")


def _limit() -> pl.Expr:
    return pl.lit(_LIMITS).gather(pl.col("meter") % _SLOTS)


def _with_before(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the sum of the meter's earlier rows, in a frame sorted by meter.

    The running sum is taken over the whole frame and the meter's start is subtracted: a window
    with a running sum for each meter costs several times as much.
    """
    running = pl.col("tokens").cum_sum() - pl.col("tokens")
    start = pl.col("running").first().over("meter")
    return frame.with_columns(running=running).with_columns(before=pl.col("running") - start)


def _by_meter(at: pl.Series, values: pl.Series, size: int, absent: int) -> pl.Expr:
    """A look-up from meter number to value."""
    dense = pl.repeat(absent, size, dtype=values.dtype, eager=True).scatter(at, values)
    return pl.lit(dense).gather(pl.col("meter"))


def crossing_records(guided: Guided, totals: pl.DataFrame) -> pl.DataFrame:
    """Return the records of each crossing meter up to the one that crosses, in two levels.

    First sums by meter and slice of the sequence say in which slice a meter crosses (values are
    never negative), then only the records of that slice are summed one by one.
    """
    size = guided.users.len() * _SLOTS
    width = guided.session.len() * _APPS // _BUCKETS + 1
    crossing = totals.filter(pl.col("value") >= _limit())["meter"]
    crosses = _by_meter(crossing, pl.Series([1] * crossing.len(), dtype=pl.UInt8), size, 0) == 1
    own = guided.records.lazy().with_columns(meter=pl.col("k2") // _WIDTH2).filter(crosses)
    own = own.with_columns(slice=pl.col("at") // width).collect(engine="streaming").lazy()
    slices = own.group_by(key=pl.col("meter") * _BUCKETS + pl.col("slice"))
    sums = slices.agg(pl.col("tokens").sum()).collect(engine="streaming").sort("key")
    key = pl.col("key")
    sums = sums.select("tokens", meter=key // _BUCKETS, slice=key % _BUCKETS)
    hit = _with_before(sums).filter(
        (pl.col("before") < _limit()) & (pl.col("before") + pl.col("tokens") >= _limit())
    )
    in_slice = _by_meter(hit["meter"], hit["slice"], size, _BUCKETS) == pl.col("slice")
    inside = own.filter(in_slice).select("meter", "at", "tokens").collect().sort("meter", "at")
    start = _by_meter(hit["meter"], hit["before"], size, 0)
    inside = _with_before(inside).with_columns(before=start + pl.col("before"))
    crossed = inside.filter(
        (pl.col("before") < _limit()) & (pl.col("before") + pl.col("tokens") >= _limit())
    )
    until = _by_meter(crossed["meter"], crossed["at"], size, 0)
    return own.filter(pl.col("at") <= until).collect(engine="streaming")


def _enum(code: pl.Expr, values: Sequence[str]) -> pl.Expr:
    return code.cast(pl.UInt8).cat.to(pl.Enum(values))


def _decoded(guided: Guided, meter: pl.Expr, **more: pl.Expr) -> dict[str, pl.Expr]:
    """Columns of an answer table: numbers back to what they stand for."""
    session = pl.lit(guided.session)
    return {
        "userId": pl.lit(guided.users).gather(meter // _SLOTS),
        "category": _enum(meter % _SLOTS, _CATEGORIES),
        **more,
        "value": pl.col("value"),
        "carryFirstSession": session.gather(pl.col("first") // _APPS),
        "carryLastApp": _enum(pl.col("last") % _APPS, job.APPS),
        "carryLastSession": session.gather(pl.col("last") // _APPS),
    }


def _section(guided: Guided, folded: pl.DataFrame, number: int) -> pl.LazyFrame:
    key, width = (pl.col("k1"), _WIDTH1) if number == 1 else (pl.col("k2"), _WIDTH2)
    one, two = job.SECTIONS[number - 1]
    rest = key % width
    fields = {
        one: _enum(rest // len(_DOMAINS[two]), _DOMAINS[one]),
        two: _enum(rest % len(_DOMAINS[two]), _DOMAINS[two]),
    }
    return folded.lazy().select(**_decoded(guided, key // width, **fields))


def _fold_all(guided: Guided, records: pl.LazyFrame) -> tuple[pl.DataFrame, ...]:
    section1, section2 = _fold(records, "k1"), _fold(records, "k2")
    return _totals(section2), section1, section2


def run(inputs: list[Path], meters: Path, out: Path) -> None:
    """Compute the answer and write its tables into `out`."""
    guided = read(inputs, meters)
    totals, section1, section2 = _fold_all(guided, guided.records.lazy())
    early = crossing_records(guided, totals)
    at_crossing, crossing1, crossing2 = _fold_all(guided, early.lazy())
    meter = pl.col("meter")
    tables = {
        "meters": totals.lazy().select(**_decoded(guided, meter)),
        "groups1": _section(guided, section1, 1),
        "groups2": _section(guided, section2, 2),
        "crossings": at_crossing.lazy().select(
            **_decoded(guided, meter, sequence=pl.col("last") // _APPS)
        ),
        "crossing_groups1": _section(guided, crossing1, 1),
        "crossing_groups2": _section(guided, crossing2, 2),
    }
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


if __name__ == "__main__":
    run(*opponent_arguments(__doc__))
