"""Compare answers: one canonical order, one digest for each table.

Every program writes its answer as it likes (row order, dictionary or text columns, width of the
integers). Here a table becomes text in one way only, so equal digests mean equal answers.

Use: python -m bench.digest DIR [DIR...]
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from bench import job

_NUMBERS = frozenset({"value", "sequence"})
_ROWS = 200_000


def canonical(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table with its columns, types and rows in canonical order."""
    columns = [
        pl.col(column).cast(pl.Int64 if column in _NUMBERS else pl.String)
        for column in job.ANSWER_COLUMNS[name]
    ]
    return frame.select(columns).sort(job.ANSWER_KEYS[name])


def digest(name: str, frame: pl.DataFrame) -> str:
    """Return the SHA-256 of the canonical table written as CSV."""
    table = canonical(name, frame)
    total = hashlib.sha256()
    for start in range(0, max(table.height, 1), _ROWS):
        part = table.slice(start, _ROWS)
        total.update(part.write_csv(include_header=start == 0, null_value="\\N").encode())
    return total.hexdigest()


def digests(frames: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """Return the digest of each answer table; every table must be there."""
    return {name: digest(name, frames[name]) for name in job.ANSWER_KEYS}


def read_answer(directory: Path) -> dict[str, pl.DataFrame]:
    """Read the tables that an opponent wrote."""
    return {name: pl.read_parquet(directory / f"{name}.parquet") for name in job.ANSWER_KEYS}


def difference(name: str, one: pl.DataFrame, two: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table that are in one of the answers only."""
    first, second = canonical(name, one), canonical(name, two)
    left = first.join(second, on=first.columns, how="anti", nulls_equal=True)
    right = second.join(first, on=first.columns, how="anti", nulls_equal=True)
    return pl.concat([left.with_columns(only="first"), right.with_columns(only="second")])


def main() -> int:
    """Print the digests of the given answers; exit 1 if they differ."""
    answers = {Path(argument): digests(read_answer(Path(argument))) for argument in sys.argv[1:]}
    for directory, found in answers.items():
        print(directory)
        for name, value in found.items():
            print(f"  {name:18} {value}")
    distinct = {tuple(found.items()) for found in answers.values()}
    print("equal" if len(distinct) == 1 else "DIFFERENT")
    return 0 if len(distinct) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
