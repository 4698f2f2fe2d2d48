"""The functions of texts, over plain columns of texts and fixed arguments.

Polars counts characters as Python does, and changes ASCII letters as Python does; texts with
other letters are unsure where capital and small letters matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from meterhouse.core.expression.value import TEXT_CHARS_MAX, WHOLE_LIMIT
from meterhouse.engine.column import Coded
from meterhouse.streams.expression_columns.conversion import as_number, as_text
from meterhouse.streams.expression_columns.digits import Digits
from meterhouse.streams.expression_columns.joining import joined
from meterhouse.streams.expression_columns.unsure import Mask, either, nulls
from meterhouse.streams.expression_columns.vector import LOST, Shape, Vector

#: What Python's ``strip`` takes away.
SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
Arguments = Sequence[Vector]


def constant_text(vector: Vector) -> str | None:
    """Return the text that stands for all records, if there is one."""
    if vector.constant and isinstance(vector.data, Coded):
        return str(vector.data.texts[0])
    return None


def constant_whole(vector: Vector) -> int | None:
    """Return the whole number that stands for all records, if there is one."""
    if not vector.constant or vector.shape is not Shape.NUMBER:
        return None
    whole, rest = divmod(vector.data.units[0], 10**vector.data.scale)
    return whole if not rest and abs(whole) < WHOLE_LIMIT else None


def _plain(vector: Vector) -> tuple[pl.Series, Mask] | None:
    """Return the texts of a column that is not coded, and where there are none."""
    text = as_text(vector)
    if text is None or text.shape is not Shape.TEXT or text.constant:
        return None
    values = text.texts()
    return values, either(text.unsure, nulls(values))


def _letters(change: Callable[[pl.Series], pl.Series]) -> Callable[[Arguments], Vector | None]:
    def compute(arguments: Arguments) -> Vector | None:
        plain = _plain(arguments[0])
        if plain is None:
            return None
        texts, unsure = plain
        foreign = texts.str.len_bytes() != texts.str.len_chars()
        odd = foreign.fill_null(value=False) if foreign.any() else None
        return Vector(Shape.TEXT, change(texts), either(unsure, odd))

    return compute


def _changed(
    change: Callable[[pl.Series, Arguments], pl.Series | None], shape: Shape = Shape.TEXT
) -> Callable[[Arguments], Vector | None]:
    def compute(arguments: Arguments) -> Vector | None:
        plain = _plain(arguments[0])
        if plain is None:
            return None
        texts, unsure = plain
        made = change(texts, arguments[1:])
        if made is None:
            return None
        if shape is Shape.NUMBER:
            limit = made.max()
            units = made.cast(pl.Int64)
            digits = Digits(units, 0, limit if isinstance(limit, int) else 0)
            return Vector(shape, digits, unsure)
        return Vector(shape, made, unsure)

    return compute


def _substring(texts: pl.Series, rest: Arguments) -> pl.Series | None:
    places = [constant_whole(vector) for vector in rest]
    fixed = [place for place in places if place is not None and place >= 0]
    if len(fixed) < len(places):
        return None
    start, *end = fixed
    return texts.str.slice(start, max(end[0] - start, 0) if end else None)


def _left(texts: pl.Series, rest: Arguments) -> pl.Series | None:
    length = constant_whole(rest[0])
    return None if length is None else texts.str.slice(0, max(length, 0))


def _right(texts: pl.Series, rest: Arguments) -> pl.Series | None:
    length = constant_whole(rest[0])
    return None if length is None or length < 1 else texts.str.slice(-length)


def _tested(test: Callable[[pl.Series, str], pl.Series]) -> Callable[[Arguments], Vector | None]:
    def compute(texts: pl.Series, rest: Arguments) -> pl.Series | None:
        part = constant_text(rest[0])
        return None if part is None else test(texts, part)

    return _changed(compute, Shape.BOOLEAN)


def _replace(texts: pl.Series, rest: Arguments) -> pl.Series | None:
    old, new = (constant_text(vector) for vector in rest)
    longest = texts.str.len_bytes().max()
    if not old or new is None or not isinstance(longest, int):
        return None
    if longest * max(len(new), 1) > TEXT_CHARS_MAX:
        return None
    return texts.str.replace_all(old, new, literal=True)


def _split_part(texts: pl.Series, rest: Arguments) -> pl.Series | None:
    separator, place = constant_text(rest[0]), constant_whole(rest[1])
    if not separator or place is None or abs(place) > 2**31:
        return None
    return texts.str.split(separator).list.get(place, null_on_oob=True)


def _padded(at_start: bool) -> Callable[[Arguments], Vector | None]:
    def compute(texts: pl.Series, rest: Arguments) -> pl.Series | None:
        width = constant_whole(rest[0])
        fill = constant_text(rest[1]) if len(rest) > 1 else " "
        if width is None or fill is None or len(fill) != 1 or not 0 <= width <= TEXT_CHARS_MAX:
            return None
        return texts.str.pad_start(width, fill) if at_start else texts.str.pad_end(width, fill)

    return _changed(compute)


def _length(arguments: Arguments) -> Vector | None:
    """Only texts and lists have a length; numbers are not taken for texts here."""
    if arguments[0].shape not in (Shape.TEXT, Shape.STAMP):
        return None
    return _changed(lambda texts, _: texts.str.len_chars(), Shape.NUMBER)(arguments)


def _concat(arguments: Arguments) -> Vector | None:
    texts = [as_text(argument) for argument in arguments]
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    if any(text.shape is Shape.LOST for text in known):
        return LOST
    lengths = [_count(text) for text in known]
    return joined(known, max(lengths))


def _count(text: Vector) -> int:
    return len(text.data.codes if isinstance(text.data, Coded) else text.data)


def _is_text(arguments: Arguments) -> Vector | None:
    vector = arguments[0]
    if vector.shape not in (Shape.TEXT, Shape.STAMP):
        return None
    missing = vector.missing()
    present = pl.Series([True]) if missing is None else ~missing
    return Vector(Shape.BOOLEAN, present, vector.unsure, constant=missing is None)


#: By name of the function. ``None`` as a result: ask for each distinct value.
TEXT_FUNCTIONS: dict[str, Callable[[Arguments], Vector | None]] = {
    "text": lambda arguments: as_text(arguments[0]),
    "concat": _concat,
    "upper": _letters(lambda texts: texts.str.to_uppercase()),
    "lower": _letters(lambda texts: texts.str.to_lowercase()),
    "trim": _changed(lambda texts, _: texts.str.strip_chars(SPACES)),
    "trimStart": _changed(lambda texts, _: texts.str.strip_chars_start(SPACES)),
    "trimEnd": _changed(lambda texts, _: texts.str.strip_chars_end(SPACES)),
    "length": _length,
    "substring": _changed(_substring),
    "left": _changed(_left),
    "right": _changed(_right),
    "replace": _changed(_replace),
    "startsWith": _tested(lambda texts, part: texts.str.starts_with(part)),
    "endsWith": _tested(lambda texts, part: texts.str.ends_with(part)),
    "contains": _tested(lambda texts, part: texts.str.contains(part, literal=True)),
    "splitPart": _changed(_split_part),
    "padStart": _padded(at_start=True),
    "padEnd": _padded(at_start=False),
    "isText": _is_text,
    "number": lambda arguments: as_number(arguments[0]),
}
