"""Usage records and meters for the benchmark, the same on every machine for one seed.

Everything is drawn from a counter-based generator (splitmix64 of the record's number), in whole
columns: no state runs from record to record, so any chunk can be made alone and in any order.

Use: python bench/generate.py --data DIR [--sizes 1m 10m 50m] [--formats parquet ndjson]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import polars as pl

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import job

SIZES = {"1k": (1_000, 1), "1m": (1_000_000, 1), "10m": (10_000_000, 1), "50m": (10_000_000, 5)}
CHUNK = 1_000_000
SEED = 20_261_001

_START_US = 1_790_812_800_000_000  # 2026-10-01T00:00:00Z
_SPAN_MS = 28 * 86_400_000 - 600_000
_JITTER_MS = 600_000
_SESSION_RECORDS = 20_000
_UNKNOWN_EVERY = 700

_GOLDEN = 0x9E37_79B9_7F4A_7C15
_MIX1 = 0xBF58_476D_1CE4_E5B9
_MIX2 = 0x94D0_49BB_1331_11EB
_MASK = (1 << 64) - 1

_WEIGHTS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "model": (job.MODELS, (260, 220, 90, 140, 120, 80, 50, 40)),
    "level": (job.LEVELS, (500, 250, 250)),
    "app": (job.APPS, (300, 200, 200, 120, 60, 120)),
    "region": (job.REGIONS, (380, 280, 180, 100, 60)),
}


def _u64(value: int) -> pl.Expr:
    return pl.lit(value & _MASK, pl.UInt64)


def _mix(counter: pl.Expr, stream: int) -> pl.Expr:
    """Return splitmix64 of the counter: 64 good random bits, different for each stream number."""
    z = counter * _u64(_GOLDEN) + _u64(stream * _MIX1 + SEED * _GOLDEN)
    z = (z ^ (z // (1 << 30))) * _u64(_MIX1)
    z = (z ^ (z // (1 << 27))) * _u64(_MIX2)
    return z ^ (z // (1 << 31))


def _unit(counter: pl.Expr, stream: int) -> pl.Expr:
    """Return a float in [0, 1) with 53 random bits."""
    return (_mix(counter, stream) // (1 << 11)).cast(pl.Float64) * 2.0**-53


@cache
def _hex4() -> pl.Series:
    return pl.Series([f"{value:04x}" for value in range(1 << 16)])


def _hex(words: Sequence[pl.Series]) -> pl.Series:
    """Join 16 bits of hexadecimal text for each word."""
    parts = {f"h{n}": _hex4().gather(word) for n, word in enumerate(words)}
    return pl.DataFrame(parts).select(pl.concat_str(pl.all())).to_series()


def _quarters(z: pl.Series, count: int) -> list[pl.Series]:
    return [(z // (1 << (16 * n))) % (1 << 16) for n in range(count)]


@cache
def _choices(field: str) -> pl.Series:
    values, weights = _WEIGHTS[field]
    assert sum(weights) == 1000, field
    return pl.Series(field, [v for v, w in zip(values, weights, strict=True) for _ in range(w)])


@cache
def users() -> pl.DataFrame:
    """Return rank (0 is the busiest), user id and cumulative share of every user."""
    ranks = pl.select(rank=pl.int_range(1, job.USERS + 1, dtype=pl.UInt64))
    number = (pl.col("rank") * 48_271 + 11) % job.USERS
    weight = 1.0 / pl.col("rank").cast(pl.Float64)
    return ranks.with_columns(
        userId="user-" + number.cast(pl.String).str.zfill(6) + "@example.org",
        edge=weight.cum_sum() / weight.sum(),
    )


def meters() -> pl.DataFrame:
    """Return (userId, category) of every meter.

    Every 700th rank has none: their records, 0.07 % of all, find no meter.
    """
    held = users().filter(pl.col("rank") % _UNKNOWN_EVERY != 0)
    parts = [
        held.filter(_mix(pl.col("rank"), 100 + n) % 100 < category.share_percent).select(
            "userId", category=pl.lit(category.name)
        )
        for n, category in enumerate(job.CATEGORIES)
    ]
    return pl.concat(parts).sort("userId", "category")


def _drawn(first: int, count: int, seed: int) -> pl.DataFrame:
    """Return the random columns of one chunk, still as numbers."""
    n = pl.col("n")
    columns = pl.select(n=pl.int_range(first, first + count, dtype=pl.UInt64) + _u64(seed << 40))
    log_span = math.log(job.TOKENS_MAX)
    return columns.with_columns(
        id_high=_mix(n, 1),
        id_low=_mix(n, 2),
        jitter=(_mix(n, 3) % _JITTER_MS).cast(pl.Int64),
        user=_unit(n, 4),
        tokens=((_unit(n, 5) * log_span).exp().floor().cast(pl.Int64) + 0).clip(1, job.TOKENS_MAX),
        stream=_mix(n, 6) % 100 < 40,
        **{name: _mix(n, 10 + k) % 1000 for k, name in enumerate(_WEIGHTS)},
    )


def chunk(first: int, count: int, *, seed: int, total: int, slot: tuple[int, int]) -> pl.DataFrame:
    """Return records first..first+count of a file of `total`, the slot-th of its data set."""
    drawn = _drawn(first, count, seed)
    part, parts = slot
    arrival = pl.int_range(first, first + count, dtype=pl.Int64)
    millis = (arrival * (_SPAN_MS // parts)) // total + part * (_SPAN_MS // parts)
    user = users()["edge"].search_sorted(drawn["user"]).clip(0, job.USERS - 1)
    session = pl.select(
        _mix(
            pl.lit(user).cast(pl.UInt64) * 100_003 + arrival.cast(pl.UInt64) // _SESSION_RECORDS,
            seed,
        )
    ).to_series()
    stamp = (_START_US + (millis + drawn["jitter"]) * 1000).cast(pl.Datetime("us", "UTC"))
    return drawn.select(
        eventId=_hex(_quarters(drawn["id_high"], 4) + _quarters(drawn["id_low"], 4)),
        timestamp=stamp,
        userId=users()["userId"].gather(user),
        **{name: _choices(name).gather(drawn[name]) for name in _WEIGHTS},
        session=_hex(_quarters(session, 3)),
        stream="stream",
        tokens="tokens",
    ).select(job.RECORD_COLUMNS)


_SCHEMA = pl.Schema(
    {
        name: {
            "timestamp": pl.Datetime("us", "UTC"),
            "stream": pl.Boolean(),
            "tokens": pl.Int64(),
        }.get(name, pl.String())
        for name in job.RECORD_COLUMNS
    }
)


def _lazy_file(total: int, seed: int, slot: tuple[int, int]) -> pl.LazyFrame:
    starts = range(0, total, CHUNK)
    return pl.concat(
        pl.defer(
            partial(chunk, first, min(CHUNK, total - first), seed=seed, total=total, slot=slot),
            schema=_SCHEMA,
        )
        for first in starts
    )


def _write(frame: pl.LazyFrame, path: Path) -> None:
    """Write under a passing name first, so that a broken-off run leaves no half file."""
    passing = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        frame.sink_parquet(passing, row_group_size=CHUNK)
    else:
        text = pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        frame.with_columns(text).sink_ndjson(passing)
    passing.rename(path)


def files(data: Path, size: str, form: str) -> list[Path]:
    """Return the paths of one data set, in the order in which the records arrive."""
    return [data / f"usage-{size}-{n}.{form}" for n in range(SIZES[size][1])]


def generate(data: Path, sizes: Sequence[str], forms: Sequence[str]) -> Iterator[Path]:
    """Write whatever is missing and yield each path that was written."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "meters.parquet"
    if not path.exists():
        meters().write_parquet(path)
        yield path
    for size in sizes:
        total, parts = SIZES[size]
        for form in forms:
            for n, path in enumerate(files(data, size, form)):
                if not path.exists():
                    _write(_lazy_file(total, n + (1 if parts == 1 else 11), (n, parts)), path)
                    yield path


def main() -> None:
    """Write the data sets that are asked for, and say how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bench/data"))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["1m", "10m"])
    parser.add_argument(
        "--formats", nargs="+", choices=["parquet", "ndjson"], default=["parquet", "ndjson"]
    )
    args = parser.parse_args()
    began = time.perf_counter()
    for path in generate(args.data, args.sizes, args.formats):
        now = time.perf_counter()
        print(f"{path}  {path.stat().st_size / 1e6:,.0f} MB  {now - began:.1f} s", flush=True)
        began = now


if __name__ == "__main__":
    main()
