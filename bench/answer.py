"""Meterhouse's own answer to the job, read back from its ledger, as the opponents' tables."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from bench import job
from meterhouse.engine.columns.cells import decode_carries
from meterhouse.store import open_ledger

_SECTIONS = {section: f"groups{place}" for place, section in enumerate(job.SECTIONS, start=1)}
_CARRIES = {"f:session": "carryFirstSession"}
_CARRIES |= {"l:app": "carryLastApp", "l:session": "carryLastSession"}


def answer(data: Path, meter_key: str) -> dict[str, pl.DataFrame]:
    """Return the tables ``meters``, ``groups1`` and ``groups2`` of a data directory."""
    ledger = open_ledger(data)
    stream = ledger.stream_of_meter_key(meter_key)
    assert stream is not None
    columns = ledger.snapshot(stream.id).meters(meter_key).columns()
    categories = pl.Series([profile.category for profile in columns.profiles])
    frame = columns.frame.with_row_index("m").filter(pl.col("count") > 0)
    frame = frame.with_columns(
        pl.col("m").cast(pl.Int64),
        categories.gather(frame["profile"]).alias("category"),
    )
    who = frame.select("m", "category", userId="user_id")
    tables = {"meters": _totals(frame)}
    meters = frame.select("no", "m")
    found: dict[str, list[pl.DataFrame]] = {}
    for number in frame["pack"].drop_nulls().unique().sort():
        for part in columns.packs(number).sections:
            names = [*part.section, "value", *(_CARRIES[f"f:{n}"] for n in part.first)]
            names += [_CARRIES[f"l:{n}"] for n in part.last]
            cells = part.cells()
            cells = cells.rename(dict(zip(cells.columns[1:], names, strict=True)))
            found.setdefault(_SECTIONS[part.section], []).append(cells)
    for name, parts in found.items():
        tables[name] = pl.concat(parts).join(meters, on="no").drop("no")
    return {name: _plain(table.join(who, on="m")) for name, table in tables.items()}


def _totals(frame: pl.DataFrame) -> pl.DataFrame:
    totals = frame.select("m", "value")
    for side, column in (("f", "carry_first"), ("l", "carry_last")):
        for names, cells in decode_carries(frame.select("m", column), column):
            mine = [_CARRIES[f"{side}:{name}"] for name in names]
            renamed = cells.rename(dict(zip(cells.columns[1:], mine, strict=True)))
            totals = totals.join(renamed, on="m", how="left")
    return totals


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    """JSON texts of strings without their quotes; values as numbers."""
    texts = [n for n in table.columns if table[n].dtype == pl.String and n not in _ASIS]
    return table.drop("m").with_columns(
        pl.col("value").cast(pl.Int64), *(pl.col(n).str.strip_chars('"') for n in texts)
    )


_ASIS = ("userId", "category", "value")


def compare(mine: dict[str, pl.DataFrame], theirs: Path) -> list[str]:
    """Return the names of the tables that differ from an opponent's Parquet files."""
    different = []
    for name, table in mine.items():
        other = pl.read_parquet(theirs / f"{name}.parquet").with_columns(
            pl.col(pl.Categorical, pl.Enum).cast(pl.String)
        )
        keys = list(job.ANSWER_KEYS[name])
        one = table.select(sorted(table.columns)).sort(keys)
        two = other.select(sorted(other.columns)).sort(keys)
        two = two.cast({column: one[column].dtype for column in one.columns})
        if not one.equals(two):
            different.append(name)
    return different


if __name__ == "__main__":
    found = compare(answer(Path(sys.argv[1]), sys.argv[2]), Path(sys.argv[3]))
    print("differs: " + ", ".join(found) if found else "the answers are equal")
    sys.exit(bool(found))
