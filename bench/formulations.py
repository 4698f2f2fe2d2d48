"""Which Polars formulation of each stage is fastest? Measured one beside the other.

The variants of a stage run in turn; the least processor time and the least wall clock of all
rounds are printed, because other work on the machine only ever adds to them.

Use: python -m bench.formulations --data DIR [--size 10m] [--rounds 5] [STAGE...]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from bench import generate, job
from bench import opponent_polars as whole
from bench import polars_plan as plan

Variants = Mapping[str, Callable[[], object]]

_U8, _U32, _U64 = pl.UInt8, pl.UInt32, pl.UInt64
_TEXTS = ("userId", *plan.DOMAINS)
_FOLD = (
    pl.col("tokens").sum().alias("value"),
    pl.col("at").min().alias("first"),
    pl.col("at").max().alias("last"),
)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the stages start from."""

    path: Path
    wide: pl.DataFrame
    guided: whole.Guided
    section1: pl.DataFrame
    section2: pl.DataFrame

    @property
    def lazy(self) -> pl.LazyFrame:
        return self.guided.records.lazy()

    def scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(self.path, row_index_name="seq")


def _streamed(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _gone(frame: pl.LazyFrame) -> pl.DataFrame:
    """Compute every column, keep next to nothing."""
    return _streamed(frame.select(pl.all().max()))


def _chain(field: str) -> pl.Expr:
    """The code of a text by comparing with every value, in place of a cast to Enum."""
    code = pl.lit(0, _U8)
    for number, value in enumerate(plan.DOMAINS[field]):
        code = code + (pl.col(field) == value).cast(_U8) * number
    return code.alias(field)


def _first_rule_when() -> pl.Expr:
    """The first rule by an ordered when/then over codes and held categories."""
    chain: pl.Expr = pl.lit(None, _U8)
    for slot, rule in reversed(list(enumerate(job.RULES))):
        parts = [plan.holds(name, value) for name, value in rule.conditions] or [pl.lit(True)]
        both = pl.all_horizontal if rule.relation == "and" else pl.any_horizontal
        held = (pl.col("held") & (1 << slot)) != 0
        chain = pl.when(both(parts) & held).then(pl.lit(slot, _U8)).otherwise(chain)
    return chain


def read_and_code(inputs: Inputs) -> Variants:
    """Reading the columns, and texts to codes."""
    texts = list(plan.DOMAINS)
    path = inputs.path

    def arrow_codes() -> list[pl.Series]:
        table = pq.read_table(path, columns=texts, read_dictionary=texts)
        return [pl.Series(pl.from_arrow(table[name])) for name in texts]

    return {
        "read 8 columns": lambda: pl.read_parquet(
            path, columns=[*_TEXTS, "session", "stream", "tokens"]
        ),
        "read session": lambda: pl.read_parquet(path, columns=["session"]),
        "read 4 texts, no codes": lambda: _gone(
            inputs.scan().select(pl.col(*texts).str.len_bytes())
        ),
        "4 texts -> Enum": lambda: _gone(inputs.scan().select(plan.code(f) for f in texts)),
        "4 texts -> == chain": lambda: _gone(inputs.scan().select(_chain(f) for f in texts)),
        "4 texts by pyarrow read_dictionary": arrow_codes,
    }


def guide_join(inputs: Inputs) -> Variants:
    """(i) From user id to meter number."""
    wide, scan = inputs.wide, inputs.scan
    user = pl.col("userId")
    rest = ("seq", "stream", "tokens")

    def join(how: str, order: str, engine: str) -> Callable[[], object]:
        left = scan().select("userId", *rest)
        joined = left.join(wide.lazy(), on="userId", how=how, maintain_order=order)  # type: ignore[arg-type]
        return lambda: joined.drop("userId").collect(engine=engine)  # type: ignore[call-overload]

    def replaced() -> object:
        number = user.replace_strict(wide["userId"], wide["user"], default=None)
        return _streamed(scan().select(number.alias("user"), *rest))

    def hashed() -> object:
        right = wide.lazy().select("user", "held", key=user.hash())
        left = scan().select(user.hash().alias("key"), *rest)
        return _streamed(left.join(right, on="key").drop("key"))

    def dictionary() -> object:
        """Join each row group's dictionary, then look codes up."""
        file = pq.ParquetFile(inputs.path, read_dictionary=["userId"])
        parts = []
        for group in range(file.num_row_groups):
            for piece in file.read_row_group(group, columns=["userId"])["userId"].chunks:
                texts = pl.DataFrame({"userId": pl.Series(pl.from_arrow(piece.dictionary))})
                numbers = texts.join(wide, on="userId", how="left", maintain_order="left")["user"]
                parts.append(numbers.gather(pl.Series(pl.from_arrow(piece.indices))))
        return pl.concat(parts)

    codes = [plan.code(name) for name in plan.DOMAINS]
    coded = scan().select("seq", "userId", "stream", "tokens", *codes)
    return {
        "string join inner, any order, streaming": join("inner", "none", "streaming"),
        "string join left, any order, streaming": join("left", "none", "streaming"),
        "string join left, keeps order, streaming": join("left", "left", "streaming"),
        "string join left, keeps order, in memory": join("left", "left", "in-memory"),
        "replace_strict (100,000 entries)": replaced,
        "join by 64-bit hash (not exact)": hashed,
        "pyarrow dictionary of each row group, joined (number only)": dictionary,
        "whole guide to k1, k2, at, tokens": lambda: _streamed(plan.guide(coded, wide)),
    }


def first_rule(inputs: Inputs) -> Variants:
    """The first rule that takes the record, on codes in memory."""
    codes = [plan.code(name) for name in plan.DOMAINS]
    held = inputs.wide["held"].gather(pl.select(pl.int_range(0, 1 << 20) % 90_000).to_series())
    frame = _streamed(pl.scan_parquet(inputs.path).head(1 << 20).select("stream", *codes))
    frame = frame.with_columns(held=held.head(frame.height))
    bits = (plan.rule_bits() & pl.col("held")).bitwise_trailing_zeros()
    return {
        "bits and trailing zeros (1 M records)": lambda: frame.select(bits),
        "ordered when/then (1 M records)": lambda: frame.select(_first_rule_when()),
    }


def fold(inputs: Inputs) -> Variants:
    """(ii) One combined key or several; engines."""
    several = _streamed(
        inputs.lazy.select(
            meter=pl.col("k1") // plan.WIDTH1,
            model=plan.enum(pl.col("k1") % plan.WIDTH1 // len(job.REGIONS), job.MODELS),
            region=plan.enum(pl.col("k1") % len(job.REGIONS), job.REGIONS),
            at="at",
            tokens="tokens",
        )
    ).lazy()
    one, keys = inputs.lazy.group_by("k1"), several.group_by("meter", "model", "region")
    two = inputs.lazy.group_by("k2")
    wide_key = _streamed(inputs.lazy.with_columns(pl.col("k1").cast(_U64))).lazy().group_by("k1")
    return {
        "section 1, one u32 key, streaming": lambda: _streamed(one.agg(_FOLD)),
        "section 1, one u32 key, in memory": lambda: one.agg(_FOLD).collect(),
        "section 1, one u64 key, streaming": lambda: _streamed(wide_key.agg(_FOLD)),
        "section 1, meter + 2 Enums, streaming": lambda: _streamed(keys.agg(_FOLD)),
        "section 1, meter + 2 Enums, in memory": lambda: keys.agg(_FOLD).collect(),
        "section 2, one u32 key, streaming": lambda: _streamed(two.agg(_FOLD)),
        "section 2, one u32 key, in memory": lambda: two.agg(_FOLD).collect(),
    }


def carries(inputs: Inputs) -> Variants:
    """(iii) First and last session of each group of section 1."""
    at, session = pl.col("at"), pl.col("session")
    sequence = at // plan.APPS
    ordered = _streamed(
        inputs.lazy.sort("at").with_columns(session=pl.lit(inputs.guided.session).gather(sequence))
    )
    groups = ordered.lazy().group_by("k1")
    value = pl.col("tokens").sum()

    def looked_up() -> object:
        folded = inputs.lazy.group_by("k1").agg(_FOLD)
        store = pl.lit(inputs.guided.session)
        ends = {end: store.gather(pl.col(end) // plan.APPS) for end in ("first", "last")}
        return _streamed(_streamed(folded).lazy().select("k1", "value", **ends))

    first, last = session.first().alias("f"), session.last().alias("l")
    least, most = session.min_by("at").alias("f"), session.max_by("at").alias("l")
    numbers = (at.first().alias("f"), at.last().alias("l"))
    return {
        "min and max of the sequence, then gather": looked_up,
        "sum only (for comparison)": lambda: _streamed(inputs.lazy.group_by("k1").agg(value)),
        "first/last of the sequence, ordered input": lambda: _streamed(groups.agg(value, *numbers)),
        "min_by/max_by of the text": lambda: _streamed(groups.agg(value, least, most)),
        "first/last of the text, ordered, streaming": lambda: _streamed(
            groups.agg(value, first, last)
        ),
        "first/last of the text, ordered, in memory": lambda: groups.agg(
            value, first, last
        ).collect(),
    }


def totals(inputs: Inputs) -> Variants:
    """(iv) Meter totals."""
    meter2 = pl.col("k2") // plan.WIDTH2
    roll = (pl.col("value").sum(), pl.col("first").min(), pl.col("last").max())
    from1 = inputs.section1.lazy().group_by(meter=pl.col("k1") // plan.WIDTH1).agg(roll)
    own = inputs.lazy.group_by(meter=meter2).agg(_FOLD)
    return {
        "rolled up from section 2": lambda: plan.totals_of(inputs.section2.lazy()),
        "rolled up from section 1": lambda: _streamed(from1),
        "its own group_by over the records": lambda: _streamed(own),
    }


def _crossing_flags(inputs: Inputs, meters: pl.DataFrame) -> pl.Expr:
    crossing = meters.filter(pl.col("value") >= plan.limit())["meter"]
    size = inputs.guided.users.len() * plan.SLOTS
    ones = pl.Series([1] * crossing.len(), dtype=_U8)
    return plan.by_meter(crossing, ones, size, 0) == 1


def _crossed_at_once(inputs: Inputs, meters: pl.DataFrame) -> pl.DataFrame:
    """All records of the crossing meters in one sort."""
    own = inputs.lazy.with_columns(meter=pl.col("k2") // plan.WIDTH2)
    own = own.filter(_crossing_flags(inputs, meters)).select("meter", "at", "tokens")
    ordered = _streamed(own).sort("meter", "at")
    return plan.with_before(ordered).filter(plan.crosses())


def crossings(inputs: Inputs) -> Variants:
    """(v) The crossing records, and the breakdowns as of the crossing."""
    meters = plan.totals_of(inputs.section2.lazy())
    early = whole.crossing_records(inputs.guided, meters)
    size = inputs.guided.users.len() * plan.SLOTS
    crossed = early.group_by("meter").agg(pl.col("at").max())
    until = plan.by_meter(crossed["meter"], crossed["at"].cast(pl.Int64), size, -1)
    meter = pl.col("k1") // plan.WIDTH1

    def phases() -> object:
        """One fold serves both: before and after the crossing are two groups, added up later."""
        after = (until < pl.col("at")).cast(_U32)
        parts = inputs.lazy.with_columns(meter=meter).group_by(k=pl.col("k1") * 2 + after)
        split = _streamed(parts.agg(_FOLD)).lazy()
        roll = (pl.col("value").sum(), pl.col("first").min(), pl.col("last").max())
        return _streamed(split.group_by(k1=pl.col("k") // 2).agg(roll))

    def apart() -> object:
        return plan.fold(inputs.lazy, "k1"), plan.fold(early.lazy(), "k1")

    return {
        "search in two levels": lambda: whole.crossing_records(inputs.guided, meters),
        "search in one sort of the crossing meters' records": lambda: _crossed_at_once(
            inputs, meters
        ),
        "section 1 and its rows as of the crossing: two folds": apart,
        "section 1 and its rows as of the crossing: phases": phases,
    }


_STAGES: dict[str, Callable[[Inputs], Variants]] = {
    "read_and_code": read_and_code,
    "guide_join": guide_join,
    "first_rule": first_rule,
    "fold": fold,
    "carries": carries,
    "totals": totals,
    "crossings": crossings,
}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def compare(variants: Variants, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least processor and wall milliseconds of each variant."""
    least: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, variant in variants.items():
            cpu, began = _cpu(), time.perf_counter()
            variant()
            took = ((_cpu() - cpu) * 1000, (time.perf_counter() - began) * 1000)
            least[name] = tuple(map(min, least.get(name, took), took))  # type: ignore[assignment]
    return least


def main() -> None:
    """Print a table for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", choices=[[], *_STAGES], metavar="STAGE")
    parser.add_argument("--data", type=Path, default=Path("bench/data"))
    parser.add_argument("--size", choices=generate.SIZES, default="10m")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    meters, path = args.data / "meters.parquet", generate.files(args.data, args.size, "parquet")[0]
    guided = whole.read([path], meters)
    sections = [plan.fold(guided.records.lazy(), key) for key in ("k1", "k2")]
    inputs = Inputs(path, plan.wide_users(meters), guided, *sections)
    for stage in args.stages or _STAGES:
        print(f"\n| {stage} | cpu ms | wall ms |\n|---|---:|---:|")
        for name, (cpu, wall) in compare(_STAGES[stage](inputs), args.rounds).items():
            print(f"| {name} | {cpu:.0f} | {wall:.0f} |", flush=True)


if __name__ == "__main__":
    main()
