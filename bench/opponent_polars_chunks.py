"""The job by hand in Polars, in chunks of a million records: memory does not grow with the input.

Each chunk is guided and folded alone. What stays between chunks is one row per group, with its
carries already looked up, and one total per meter. Only meters that cross in this chunk (total
before < limit <= total after) are searched, in this chunk's records alone; their breakdown as of
the crossing is their rows so far plus the chunk's records up to the crossing. Rows of several
chunks are merged by "first row, last row", because chunks come in the order of arrival.

Use: python -m bench.opponent_polars_chunks --meters FILE --out DIR INPUT...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from bench import job
from bench import polars_plan as plan
from bench.arguments import opponent_arguments

CHUNK = 1_000_000
_MERGE_EVERY = 10
_WIDTHS = {"k1": plan.WIDTH1, "k2": plan.WIDTH2}
_AT = pl.col("at")


@dataclass(slots=True)
class State:
    """What stays between chunks: totals by meter number, and rows of groups in order of arrival."""

    totals: pl.Series
    rows: dict[str, list[pl.DataFrame]] = field(default_factory=lambda: {"k1": [], "k2": []})
    crossed_rows: dict[str, list[pl.DataFrame]] = field(
        default_factory=lambda: {"k1": [], "k2": []}
    )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Guided records of one chunk, in any order, and its sessions in the order of arrival."""

    records: pl.DataFrame
    session: pl.Series
    start: int

    def fold(self, records: pl.DataFrame, key: str) -> pl.DataFrame:
        """Fold records of this chunk and look their carries up."""
        session = pl.lit(self.session)
        first = pl.col("first") // plan.APPS - self.start
        last = pl.col("last") // plan.APPS - self.start
        rows = plan.fold(records.lazy(), key).lazy()
        carried = rows.select(
            *(key, "value", "first", "last"),
            carryFirstSession=session.gather(first),
            carryLastSession=session.gather(last),
        )
        return carried.collect(engine="streaming")


def _looked_up(merged: pl.LazyFrame, key: str, every: pl.DataFrame) -> pl.DataFrame:
    """Take first and last of each group from the rows whose numbers were found."""
    columns = {
        name: pl.lit(every[name]).gather(pl.col(f"{end}_row"))
        for name, end in (
            ("first", "first"),
            ("last", "last"),
            ("carryFirstSession", "first"),
            ("carryLastSession", "last"),
        )
    }
    return merged.select(key, "value", **columns).collect(engine="streaming")


def merge(rows: list[pl.DataFrame], key: str) -> pl.DataFrame:
    """Merge rows of several chunks, given in the order of the chunks."""
    every = pl.concat(rows)
    numbered = every.lazy().select(key, "value").with_row_index("row")
    merged = numbered.group_by(key).agg(
        pl.col("value").sum(), first_row=pl.col("row").min(), last_row=pl.col("row").max()
    )
    return _looked_up(merged, key, every)


def _meters(section2: pl.DataFrame) -> pl.DataFrame:
    """Roll meters up from section 2; a group's first and last record decide, not its place."""
    row = pl.col("row").cast(pl.UInt64)
    first, last = (pl.col(end).cast(pl.UInt64) * (1 << 32) + row for end in ("first", "last"))
    numbered = section2.lazy().select("k2", "value", "first", "last").with_row_index("row")
    merged = numbered.group_by(meter=pl.col("k2") // plan.WIDTH2).agg(
        pl.col("value").sum(),
        first_row=first.min() % (1 << 32),
        last_row=last.max() % (1 << 32),
    )
    return _looked_up(merged, "meter", section2)


def chunks(inputs: list[Path], wide: pl.DataFrame) -> Iterator[Chunk]:
    """Yield the guided chunks in the order of arrival."""
    codes = [plan.code(name) for name in plan.DOMAINS]
    start = 0
    for path in inputs:
        count = pl.scan_parquet(path).select(pl.len()).collect().item()
        for offset in range(0, count, CHUNK):
            part = pl.scan_parquet(path).slice(offset, CHUNK)
            coded = part.select("userId", "stream", "tokens", *codes)
            numbered = coded.with_row_index("seq", offset=start + offset)
            records, session = pl.collect_all(
                [plan.guide(numbered, wide), part.select("session")], engine="streaming"
            )
            yield Chunk(records, session["session"].rechunk(), start + offset)
        start += count
    assert start * plan.APPS < 1 << 32, "too many records for 32-bit sequence numbers"


def _cross(state: State, chunk: Chunk, crossing: pl.Series) -> None:
    """Find the crossing records of these meters in this chunk, and their groups as of then."""
    size = state.totals.len()
    ones = pl.Series([1] * crossing.len(), dtype=pl.UInt8)
    ours = plan.by_meter(crossing, ones, size, 0) == 1
    meter = pl.col("k2") // plan.WIDTH2
    own = chunk.records.lazy().with_columns(meter=meter).filter(ours).collect(engine="streaming")
    start = pl.lit(state.totals).gather(pl.col("meter"))
    own = plan.with_before(own.sort("meter", "at"))
    own = own.with_columns(before=pl.col("before") + start)
    crossed = own.filter(plan.crosses())
    until = plan.by_meter(crossed["meter"], crossed["at"], size, 0)
    early = own.filter(until >= _AT)
    for key, width in _WIDTHS.items():
        owned = pl.col(key) // width
        so_far = [
            rows.lazy().with_columns(meter=owned).filter(ours).drop("meter").collect()
            for rows in state.rows[key]
        ]
        state.crossed_rows[key].append(merge([*so_far, chunk.fold(early, key)], key))


def take(state: State, chunk: Chunk) -> None:
    """Fold one chunk into the state."""
    folded = {key: chunk.fold(chunk.records, key) for key in _WIDTHS}
    grown = folded["k2"].lazy().group_by(meter=pl.col("k2") // plan.WIDTH2)
    delta = grown.agg(pl.col("value").sum()).collect(engine="streaming")
    before = pl.lit(state.totals).gather(pl.col("meter"))
    delta = delta.with_columns(before=before, tokens="value")
    crossing = delta.filter(plan.crosses())["meter"]
    if crossing.len():
        _cross(state, chunk, crossing)
    state.totals.scatter(delta["meter"], delta["before"] + delta["value"])
    for key, rows in folded.items():
        state.rows[key].append(rows)
        if len(state.rows[key]) > _MERGE_EVERY:
            state.rows[key] = [merge(state.rows[key], key)]


def _decoded(users: pl.Series, meter: pl.Expr, **more: pl.Expr) -> dict[str, pl.Expr]:
    return {
        "userId": pl.lit(users).gather(meter // plan.SLOTS),
        "category": plan.enum(meter % plan.SLOTS, plan.CATEGORIES),
        **more,
        "value": pl.col("value"),
        "carryFirstSession": pl.col("carryFirstSession"),
        "carryLastApp": plan.enum(pl.col("last") % plan.APPS, job.APPS),
        "carryLastSession": pl.col("carryLastSession"),
    }


def _tables(
    users: pl.Series, rows: dict[str, list[pl.DataFrame]], names: tuple[str, str, str]
) -> dict[str, pl.LazyFrame]:
    """Decode both sections and the meters; rows of one group must lie in one frame."""
    section1, section2 = (pl.concat(rows[key]) for key in _WIDTHS)
    more = {"sequence": pl.col("last") // plan.APPS} if names[0] == "crossings" else {}
    tables = {names[0]: _meters(section2).lazy().select(**_decoded(users, pl.col("meter"), **more))}
    for number, section in ((1, section1), (2, section2)):
        meter, fields = plan.section_fields(number)
        tables[names[number]] = section.lazy().select(**_decoded(users, meter, **fields))
    return tables


def run(inputs: list[Path], meters: Path, out: Path) -> None:
    """Compute the answer and write its tables into `out`."""
    wide = plan.wide_users(meters)
    users = wide["userId"].rechunk()
    state = State(pl.zeros(users.len() * plan.SLOTS, dtype=pl.Int64, eager=True))
    for chunk in chunks(inputs, wide):
        take(state, chunk)
    whole = {key: [merge(rows, key)] for key, rows in state.rows.items()}
    tables = _tables(users, whole, ("meters", "groups1", "groups2"))
    names = ("crossings", "crossing_groups1", "crossing_groups2")
    tables |= _tables(users, state.crossed_rows, names)
    plan.write(tables, out)


if __name__ == "__main__":
    run(*opponent_arguments(__doc__))
