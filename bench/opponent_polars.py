"""The job by hand in Polars, from process start to Parquet files.

What makes it fast (bench/README.md has the figures): one string join per record, everything after
it on small integers; the ordered rules as bits, so that "the first rule that takes the record" is
the number of trailing zeros; one combined integer key per group section; carries as the minimum
and the maximum of one integer (sequence * 8 + app), looked up at the end; meter totals rolled up
from the smaller section; crossings searched in two levels.

Use: python -m bench.opponent_polars --meters FILE --out DIR INPUT...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from bench import job
from bench import polars_plan as plan
from bench.arguments import opponent_arguments

_SLICES = 32


@dataclass(frozen=True, slots=True)
class Guided:
    """The records as integers, in any order, and what their numbers stand for.

    `records` has k1 and k2 (meter and group of each section as one number), at (sequence and app
    as one number) and tokens. `session` is in the order of arrival.
    """

    records: pl.DataFrame
    session: pl.Series
    users: pl.Series


def read(inputs: list[Path], meters: Path) -> Guided:
    """Read, guide and number the records."""
    wide = plan.wide_users(meters)
    fields = ("userId", "stream", "tokens")
    codes = [plan.code(field) for field in plan.DOMAINS]
    if inputs[0].suffix == ".parquet":
        scan = pl.scan_parquet(inputs, row_index_name="seq")
        guided = plan.guide(scan.select("seq", *fields, *codes), wide)
        records, session = pl.collect_all(
            [guided, pl.scan_parquet(inputs).select("session")], engine="streaming"
        )
    else:
        schema = dict.fromkeys(("userId", *plan.DOMAINS, "session"), pl.String)
        scan = pl.scan_ndjson(inputs, schema={**schema, "stream": pl.Boolean, "tokens": pl.Int64})
        read_once = scan.select(*fields, *codes, "session").collect(engine="streaming")
        coded = read_once.lazy().drop("session").with_row_index("seq")
        records = plan.guide(coded, wide).collect(engine="streaming")
        session = read_once.select("session")
    assert session.height * plan.APPS < 1 << 32, "too many records for 32-bit sequence numbers"
    return Guided(records, session["session"].rechunk(), wide["userId"].rechunk())


def crossing_records(guided: Guided, totals: pl.DataFrame) -> pl.DataFrame:
    """Return the records of each crossing meter up to the one that crosses, in two levels.

    First sums by meter and slice of the sequence say in which slice a meter crosses (values are
    never negative), then only the records of that slice are summed one by one.
    """
    size = guided.users.len() * plan.SLOTS
    width = guided.session.len() * plan.APPS // _SLICES + 1
    crossing = totals.filter(pl.col("value") >= plan.limit())["meter"]
    ours = plan.by_meter(crossing, pl.Series([1] * crossing.len(), dtype=pl.UInt8), size, 0) == 1
    own = guided.records.lazy().with_columns(meter=pl.col("k2") // plan.WIDTH2).filter(ours)
    own = own.with_columns(slice=pl.col("at") // width).collect(engine="streaming").lazy()
    slices = own.group_by(key=pl.col("meter") * _SLICES + pl.col("slice"))
    sums = slices.agg(pl.col("tokens").sum()).collect(engine="streaming").sort("key")
    key = pl.col("key")
    sums = sums.select("tokens", meter=key // _SLICES, slice=key % _SLICES)
    hit = plan.with_before(sums).filter(plan.crosses())
    in_slice = plan.by_meter(hit["meter"], hit["slice"], size, _SLICES) == pl.col("slice")
    inside = own.filter(in_slice).select("meter", "at", "tokens").collect().sort("meter", "at")
    start = plan.by_meter(hit["meter"], hit["before"], size, 0)
    inside = plan.with_before(inside).with_columns(before=start + pl.col("before"))
    crossed = inside.filter(plan.crosses())
    until = plan.by_meter(crossed["meter"], crossed["at"], size, 0)
    return own.filter(pl.col("at") <= until).collect(engine="streaming")


def decoded(guided: Guided, meter: pl.Expr, **more: pl.Expr) -> dict[str, pl.Expr]:
    """Columns of an answer table: numbers back to what they stand for."""
    session = pl.lit(guided.session)
    return {
        "userId": pl.lit(guided.users).gather(meter // plan.SLOTS),
        "category": plan.enum(meter % plan.SLOTS, plan.CATEGORIES),
        **more,
        "value": pl.col("value"),
        "carryFirstSession": session.gather(pl.col("first") // plan.APPS),
        "carryLastApp": plan.enum(pl.col("last") % plan.APPS, job.APPS),
        "carryLastSession": session.gather(pl.col("last") // plan.APPS),
    }


def section(guided: Guided, folded: pl.DataFrame, number: int) -> pl.LazyFrame:
    """One group table."""
    meter, fields = plan.section_fields(number)
    return folded.lazy().select(**decoded(guided, meter, **fields))


def fold_all(records: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the totals per meter and both sections."""
    section1, section2 = plan.fold(records, "k1"), plan.fold(records, "k2")
    return plan.totals_of(section2.lazy()), section1, section2


def run(inputs: list[Path], meters: Path, out: Path) -> None:
    """Compute the answer and write its tables into `out`."""
    guided = read(inputs, meters)
    totals, section1, section2 = fold_all(guided.records.lazy())
    early = crossing_records(guided, totals)
    at_crossing, crossing1, crossing2 = fold_all(early.lazy())
    meter, sequence = pl.col("meter"), pl.col("last") // plan.APPS
    tables = {
        "meters": totals.lazy().select(**decoded(guided, meter)),
        "groups1": section(guided, section1, 1),
        "groups2": section(guided, section2, 2),
        "crossings": at_crossing.lazy().select(**decoded(guided, meter, sequence=sequence)),
        "crossing_groups1": section(guided, crossing1, 1),
        "crossing_groups2": section(guided, crossing2, 2),
    }
    plan.write(tables, out)


if __name__ == "__main__":
    run(*opponent_arguments(__doc__))
