"""The encoding of ``engine.bucket`` in columns: texts to frames of cells; carries back, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter_state import Section
from meterhouse.engine.bucket import CELL_MARK, ENTRY_MARK, SECTION_MARK


def decode_sections(
    frame: pl.DataFrame,
) -> Iterator[tuple[Section, list[str], list[str], pl.DataFrame]]:
    """Take apart ``frame`` (``m``, ``groups``): one result for each distinct section header.

    Yields the section, the carry-first and carry-last fields and a frame of ``m`` and ``e``, the
    section's entries; ``split_entries`` takes them apart further.
    """
    parts = (
        frame.drop_nulls("groups")
        .select("m", pl.col("groups").str.split(SECTION_MARK))
        .explode("groups")
        .select("m", pl.col("groups").str.splitn(ENTRY_MARK, 2).struct.rename_fields(["h", "e"]))
        .unnest("groups")
    )
    for header in parts["h"].unique(maintain_order=True):
        section, first, last = (parse_json(cell) for cell in header.split(CELL_MARK))
        yield tuple(section), first, last, parts.filter(pl.col("h") == header).select("m", "e")


def split_entries(entries: pl.DataFrame, width: int) -> pl.DataFrame:
    """Take apart the entries of sections: one row each, with the cells ``c0`` ... (or null)."""
    exploded = entries.select("m", pl.col("e").str.split(ENTRY_MARK)).explode("e")
    return split_cells(exploded, "e", width)


def decode_carries(frame: pl.DataFrame, column: str) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """Take apart a carry column of ``frame`` (``m``, ``column``), by distinct list of fields."""
    parts = frame.drop_nulls(column).select(
        "m", pl.col(column).str.splitn(CELL_MARK, 2).struct.rename_fields(["h", "e"])
    )
    parts = parts.unnest(column)
    for header in parts["h"].unique(maintain_order=True):
        names = parse_json(header)
        entries = parts.filter(pl.col("h") == header).select("m", "e")
        yield names, split_cells(entries, "e", len(names))


def split_cells(frame: pl.DataFrame, column: str, width: int) -> pl.DataFrame:
    """Split a column of texts into ``c0`` ... ; empty cells become null."""
    names = [f"c{place}" for place in range(width)]
    cells = pl.col(column).str.split_exact(CELL_MARK, width - 1).struct.rename_fields(names)
    split = frame.with_columns(cells).unnest(column)
    return split.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names)


def encode_carries(names: Sequence[str], columns: Sequence[str]) -> pl.Expr:
    """The carry text of each row; null where nothing is carried.

    ``columns`` hold the carried texts. Rows that lack some get the list of those they have.
    """
    if not names:
        return pl.lit(None, dtype=pl.String)
    whole = pl.concat_str(
        [pl.lit(json_text(list(names))), *(pl.col(c) for c in columns)], separator=CELL_MARK
    )
    some = pl.any_horizontal(pl.col(c).is_not_null() for c in columns)
    listed = [
        pl.when(pl.col(column).is_not_null()).then(pl.lit(json_text(name)))
        for name, column in zip(names, columns, strict=True)
    ]
    partial = pl.concat_str(
        [
            pl.concat_str(
                [pl.lit("["), pl.concat_str(listed, separator=",", ignore_nulls=True), pl.lit("]")]
            ),
            *(pl.col(c) for c in columns),
        ],
        separator=CELL_MARK,
        ignore_nulls=True,
    )
    return pl.when(whole.is_not_null()).then(whole).when(some).then(partial)
