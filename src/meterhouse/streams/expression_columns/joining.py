"""Texts behind one another. Texts that repeat stay coded while few combinations are possible."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from meterhouse.core.expression.value import TEXT_CHARS_MAX
from meterhouse.engine.column import Coded
from meterhouse.streams.expression_columns.distinct import few, tidied
from meterhouse.streams.expression_columns.unsure import Mask
from meterhouse.streams.expression_columns.vector import Shape, Vector

_PRODUCT_MAX = 65_536


def joined(parts: Sequence[Vector], length: int) -> Vector:
    """Join texts (nulls only where the parts are unsure); too long ones are unsure."""
    texts: list[Coded | pl.Series] = []
    for part in parts:
        last = texts[-1] if texts else None
        merged = None
        if isinstance(last, Coded) and isinstance(part.data, Coded):
            merged = _product(last, part.data, length)
        if merged is None:
            texts.append(part.data)
        else:
            texts[-1] = merged
    constant = all(part.constant for part in parts)
    made = texts[0] if len(texts) == 1 else _concatenated(texts)
    vector = Vector(Shape.TEXT, made, constant=constant)
    return vector.with_unsure(_too_long(texts, made), *(part.unsure for part in parts))


def _product(left: Coded, right: Coded, length: int) -> Coded | None:
    """Every text of the left dictionary with every one of the right."""
    left, right = tidied(left), tidied(right)
    count = len(left.texts) * len(right.texts)
    if count > min(_PRODUCT_MAX, few(length)):
        return None
    lefts = pl.int_range(len(left.texts), dtype=pl.UInt32, eager=True)
    rights = pl.int_range(len(right.texts), dtype=pl.UInt32, eager=True)
    size = pl.Series([len(right.texts)], dtype=pl.UInt32)
    pairs = pl.int_range(count, dtype=pl.UInt32, eager=True)
    texts = left.texts.gather(lefts.gather(pairs // size)) + right.texts.gather(
        rights.gather(pairs % size)
    )
    return Coded(left.codes.cast(pl.UInt32) * size + right.codes.cast(pl.UInt32), texts)


def _concatenated(texts: Sequence[Coded | pl.Series]) -> pl.Series:
    series = [part.texts.gather(part.codes) if isinstance(part, Coded) else part for part in texts]
    return pl.select(
        pl.concat_str([pl.lit(s[0]) if len(s) == 1 else pl.lit(s) for s in series])
    ).to_series()


def _too_long(parts: Sequence[Coded | pl.Series], made: Coded | pl.Series) -> Mask:
    bound = sum(_longest(part) for part in parts)
    if bound <= TEXT_CHARS_MAX:
        return None
    if isinstance(made, Coded):
        return (made.texts.str.len_chars() > TEXT_CHARS_MAX).gather(made.codes)
    return (made.str.len_chars() > TEXT_CHARS_MAX).fill_null(value=False)


def _longest(part: Coded | pl.Series) -> int:
    longest = (part.texts if isinstance(part, Coded) else part).str.len_bytes().max()
    return longest if isinstance(longest, int) else 0
