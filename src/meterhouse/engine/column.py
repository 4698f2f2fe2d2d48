"""Columns that keep types: a kind, and a Polars series whose nulls are absent fields.

Decides how JSON values lie in columns and how they come back. Fields of one type get a kind of
their own; anything else (mixed types, nested values, numbers beyond 20+18 digits) is kind
``JSON``: one canonical JSON text a record, so that number 5 and text "5" stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import polars as pl

from meterhouse.core.json_text import JsonValue, canonical_text, json_text, nested_value, parse_json
from meterhouse.core.quantity import FRACTION_DIGITS_MAX, fraction_digits, in_range

#: How quantities lie in columns: 20 integer and 18 fraction digits.
QUANTITY = pl.Decimal(38, FRACTION_DIGITS_MAX)
#: Among fewer values, and where more texts differ, numbers for texts are not worth it.
_CODED_MIN, _CODED_TEXTS_MAX = 1_000, 500
#: So many texts of dictionaries that are stacked are compared with each other.
_UNITED_TEXTS_MAX = 20_000
_INT64_MAX = 2**63 - 1
_ESCAPED = r'["\\\x00-\x1f]'


class ColumnKind(Enum):
    """What the values of a column are. The Polars types are in brackets."""

    TEXT = "text"  # String
    NUMBER = "number"  # Int64 or Decimal(38, n)
    BOOLEAN = "boolean"  # Boolean
    TIMESTAMP = "timestamp"  # Datetime("us", "UTC"): a text in JSON
    JSON = "json"  # String: canonical JSON texts


@dataclass(frozen=True, slots=True)
class Coded:
    """Texts that repeat, as numbers: ``codes`` are positions in ``texts``, null where absent.

    One text may stand in ``texts`` more than once; none of them is null.
    """

    codes: pl.Series  # whole numbers
    texts: pl.Series  # String

    def gather(self, positions: pl.Series) -> Coded:
        """Return the texts at positions."""
        return Coded(self.codes.gather(positions), self.texts)

    def filter(self, mask: pl.Series) -> Coded:
        """Return the texts where ``mask`` is true."""
        return Coded(self.codes.filter(mask), self.texts)

    def slice(self, start: int, length: int) -> Coded:
        """Return a part."""
        return Coded(self.codes.slice(start, length), self.texts)


class Column:
    """One field of a batch. Null in ``values`` means that the record does not have the field.

    A column of texts may be ``coded``; its values are then looked up when they are asked for.
    """

    __slots__ = ("_values", "coded", "derived", "kind")

    def __init__(self, kind: ColumnKind, values: pl.Series) -> None:
        self.kind = kind
        self.coded: Coded | None = None
        #: what was worked out of the values, by name: it is for records as they are (``once``)
        self.derived: dict[str, pl.Series] = {}
        self._values: pl.Series | None = values

    @classmethod
    def of_codes(cls, coded: Coded) -> Column:
        """Return a column of texts that repeat."""
        column = cls(ColumnKind.TEXT, coded.texts)
        column.coded, column._values = coded, None
        return column

    @property
    def values(self) -> pl.Series:
        """The values, one a record."""
        if self._values is None:
            assert self.coded is not None
            self._values = self.coded.texts.gather(self.coded.codes)
        return self._values

    def __len__(self) -> int:
        return len(self.values if self.coded is None else self.coded.codes)

    def null_count(self) -> int:
        """Return how many records do not have the field."""
        return (self.values if self.coded is None else self.coded.codes).null_count()

    def is_present(self) -> pl.Series:
        """Return which records have the field."""
        return (self.values if self.coded is None else self.coded.codes).is_not_null()

    def gather(self, positions: pl.Series) -> Column:
        """Return the values at positions."""
        if self.coded is not None:
            return Column.of_codes(self.coded.gather(positions))
        return self._with(self.values.gather(positions), lambda each: each.gather(positions))

    def filter(self, mask: pl.Series) -> Column:
        """Return the values where ``mask`` is true: cheaper than to gather most of them."""
        if self.coded is not None:
            return Column.of_codes(self.coded.filter(mask))
        return self._with(self.values.filter(mask), lambda each: each.filter(mask))

    def slice(self, start: int, length: int) -> Column:
        """Return a part."""
        if self.coded is not None:
            return Column.of_codes(self.coded.slice(start, length))
        return self._with(self.values.slice(start, length), lambda each: each.slice(start, length))

    def _with(self, values: pl.Series, moved: Callable[[pl.Series], pl.Series]) -> Column:
        """Return a column of other records, with what is known of them."""
        made = Column(self.kind, values)
        if self.derived:
            made.derived = {name: moved(each) for name, each in self.derived.items()}
        return made

    def once(self, name: str, derive: Callable[[], pl.Series]) -> pl.Series:
        """Return what is worked out of each value, now or before: it goes with the records."""
        found = self.derived.get(name)
        if found is None:
            found = self.derived[name] = derive()
        return found

    @classmethod
    def from_values(cls, values: Sequence[JsonValue]) -> Column:
        """Put the values of a field, one a record, into the narrowest kind that keeps them."""
        kinds = {_kind_of(value) for value in values} - {None}
        if not kinds:
            return cls(ColumnKind.TEXT, pl.Series([None] * len(values), dtype=pl.String))
        kind = kinds.pop() if len(kinds) == 1 else ColumnKind.JSON
        if kind is ColumnKind.TEXT:
            return cls(kind, pl.Series(values, dtype=pl.String))
        if kind is ColumnKind.BOOLEAN:
            return cls(kind, pl.Series(values, dtype=pl.Boolean))
        if kind is ColumnKind.NUMBER:
            return cls(kind, _number_series(values))
        texts = [None if value is None else canonical_text(value) for value in values]
        return cls(ColumnKind.JSON, pl.Series(texts, dtype=pl.String))

    def to_values(self) -> list[JsonValue]:
        """Return the JSON value of each record; ``None`` where the field is absent."""
        match self.kind:
            case ColumnKind.TEXT | ColumnKind.BOOLEAN | ColumnKind.NUMBER:
                return self.values.to_list()
            case ColumnKind.TIMESTAMP:
                return timestamp_texts(self.values).to_list()
            case ColumnKind.JSON:
                return [None if text is None else parse_json(text) for text in self.values]

    def canonical(self, *, plain: bool = False) -> pl.Series:
        """Return the canonical JSON text of each value; null where the field is absent.

        ``plain`` promises that ``is_plain`` holds.
        """
        match self.kind:
            case ColumnKind.TEXT if plain:
                return _between_quotes(self.values)
            case ColumnKind.JSON:
                return self.values
            case ColumnKind.TEXT if self.coded is not None:
                return _quoted(self.coded.texts).gather(self.coded.codes)
            case ColumnKind.TEXT:
                return _quoted(self.values)
            case ColumnKind.NUMBER:
                return number_texts(self.values)
            case ColumnKind.BOOLEAN:
                return self.values.cast(pl.String)
            case ColumnKind.TIMESTAMP:
                return _quoted(timestamp_texts(self.values))

    def is_plain(self) -> bool:
        """Whether the text of no value needs escaping in JSON; asked once for many parts."""
        return self.kind is ColumnKind.TEXT and not self.values.str.contains(_ESCAPED).any()

    def nested(self, path: str) -> Column:
        """Return a field inside this one, named by a dotted path."""
        names = path.split(".")
        return Column.from_values([nested_value(value, names) for value in self.to_values()])

    def or_else(self, other: Column) -> Column:
        """Return this column with the other's values where it has none."""
        if not self.null_count():
            return self
        pairs = zip(self.to_values(), other.to_values(), strict=True)
        return Column.from_values([a if a is not None else b for a, b in pairs])

    def without_null_texts(self) -> Column:
        """Return this ``JSON`` column with the text ``null`` as an absent field."""
        nulls = (self.values == "null").fill_null(value=False)
        return Column(self.kind, self.values.set(nulls, None)) if nulls.any() else self

    def widened(self, kind: ColumnKind) -> Column:
        """Return this column as ``kind``; only ``JSON`` can hold what another kind holds."""
        if kind is self.kind:
            return self
        assert kind is ColumnKind.JSON
        return Column(kind, self.canonical())


def coded(column: Column) -> Column:
    """Return texts as numbers where few of them repeat: they are moved and compared faster.

    >>> coded(Column.from_values(["a", "b"] * 1000)).coded.texts.sort().to_list()
    ['a', 'b']
    """
    if column.kind is not ColumnKind.TEXT or column.coded is not None or len(column) < _CODED_MIN:
        return column
    values = column.values
    sample = values.head(_CODED_MIN).n_unique()
    if sample > _CODED_TEXTS_MAX:
        return column
    if sample == 1 and values[0] is not None and (values == values[0]).all(ignore_nulls=False):
        one = pl.zeros(len(values), dtype=pl.UInt32, eager=True)
        return Column.of_codes(Coded(one, pl.Series([values[0]], dtype=pl.String)))
    texts = values.drop_nulls().unique()
    if not len(texts) or len(texts) > _CODED_TEXTS_MAX:
        return column
    return Column.of_codes(_encoded(values, texts))


def absent_column(length: int) -> Column:
    """A field that no record has."""
    return Column(
        ColumnKind.TEXT, pl.Series(None, [None], dtype=pl.String).new_from_index(0, length)
    )


def concat_columns(parts: Sequence[Column]) -> Column:
    """Stack columns of one field; differing kinds become ``JSON``."""
    if len(parts) == 1:
        return parts[0]
    if any(part.coded is not None for part in parts):
        coded = [one for part in parts if (one := _as_coded(part)) is not None]
        if len(coded) == len(parts):
            return Column.of_codes(_concat_coded(coded))
    filled = {part.kind for part in parts if part.null_count() < len(part)}
    kind = filled.pop() if len(filled) == 1 else (ColumnKind.JSON if filled else ColumnKind.TEXT)
    series = [_as_kind(part, kind) for part in parts]
    if kind is ColumnKind.NUMBER and len({part.dtype for part in series}) > 1:
        series = [part.cast(QUANTITY) for part in series]
    made = Column(kind, pl.concat(series))
    if all(part.derived and part.kind is kind for part in parts):
        known = set.intersection(*(set(part.derived) for part in parts))
        made.derived = {name: pl.concat([part.derived[name] for part in parts]) for name in known}
    return made


def _as_coded(part: Column) -> Coded | None:
    """Return the codes of a column; those of few texts, or of none, are made."""
    if part.coded is not None:
        return part.coded
    if part.null_count() == len(part):
        nothing = pl.Series([None], dtype=pl.UInt32).new_from_index(0, len(part))
        return Coded(nothing, pl.Series([], dtype=pl.String))
    few = part.kind is ColumnKind.TEXT and len(part) < _CODED_MIN
    return _encoded(part.values, part.values.drop_nulls().unique()) if few else None


def _encoded(values: pl.Series, texts: pl.Series) -> Coded:
    return Coded(values.cast(pl.Enum(texts)).to_physical(), texts)


def _concat_coded(parts: Sequence[Coded]) -> Coded:
    """Stack coded texts; a text that several small dictionaries have is in the new one once."""
    texts = pl.concat([part.texts for part in parts])
    if len(texts) > _UNITED_TEXTS_MAX:
        numbers = pl.int_range(len(texts), dtype=pl.UInt32, eager=True)
    else:
        numbers = (texts.rank("dense") - 1).cast(pl.UInt32)
        texts = texts.unique().sort()
    codes, before = [], 0
    for part in parts:
        codes.append(numbers.slice(before, len(part.texts)).gather(part.codes))
        before += len(part.texts)
    return Coded(pl.concat(codes), texts)


def overlaid_codes(earlier: Coded, later: Coded) -> Coded:
    """Return the later text where there is one, the earlier one elsewhere."""
    both = _concat_coded([earlier, later])
    half = len(earlier.codes)
    first, second = both.codes.slice(half), both.codes.slice(0, half)
    return Coded(first.zip_with(first.is_not_null(), second), both.texts)


def _as_kind(part: Column, kind: ColumnKind) -> pl.Series:
    if part.kind is kind:
        return part.values
    if part.null_count() == len(part):
        return pl.Series([None] * len(part), dtype=_EMPTY_TYPE[kind])
    return part.widened(kind).values


_EMPTY_TYPE: dict[ColumnKind, pl.DataType] = {
    ColumnKind.TEXT: pl.String(),
    ColumnKind.NUMBER: pl.Int64(),
    ColumnKind.BOOLEAN: pl.Boolean(),
    ColumnKind.TIMESTAMP: pl.Datetime("us", "UTC"),
    ColumnKind.JSON: pl.String(),
}


def number_texts(values: pl.Series) -> pl.Series:
    """Write a number column plainly: no trailing zeros (decimals know no exponent, no -0)."""
    texts = values.cast(pl.String)
    if isinstance(values.dtype, pl.Decimal) and (values.dtype.scale or 0) > 0:
        return texts.str.strip_chars_end("0").str.strip_chars_end(".")
    return texts


def timestamp_texts(values: pl.Series) -> pl.Series:
    """Write instants as ISO 8601 in UTC: milliseconds, or microseconds where they are needed."""
    coarse = values.dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ")
    needs_micros = values.dt.microsecond() % 1000 != 0
    if not needs_micros.any():
        return coarse
    fine = values.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
    return fine.zip_with(needs_micros.fill_null(value=False), coarse)


def _quoted(texts: pl.Series) -> pl.Series:
    """JSON texts of strings; only those with characters to escape are looked at in Python."""
    quoted = _between_quotes(texts)
    odd = texts.str.contains(_ESCAPED).fill_null(value=False)
    if not odd.any():
        return quoted
    escaped = texts.map_elements(json_text, return_dtype=pl.String)
    return escaped.zip_with(odd, quoted)


def _between_quotes(texts: pl.Series) -> pl.Series:
    return texts.alias("t").to_frame().select(pl.format('"{}"', "t").alias("t"))["t"]


def _kind_of(value: JsonValue) -> ColumnKind | None:
    if value is None:
        return None
    if isinstance(value, str):
        return ColumnKind.TEXT
    if isinstance(value, bool):
        return ColumnKind.BOOLEAN
    if isinstance(value, int):
        fits = -_INT64_MAX <= value <= _INT64_MAX
        return ColumnKind.NUMBER if fits or in_range(Decimal(value)) else ColumnKind.JSON
    if isinstance(value, Decimal):
        return ColumnKind.NUMBER if fits_quantity(value) else ColumnKind.JSON
    return ColumnKind.JSON


def fits_quantity(number: Decimal) -> bool:
    """Whether a number can lie in a quantity column without loss."""
    return (
        number.is_finite() and in_range(number) and fraction_digits(number) <= FRACTION_DIGITS_MAX
    )


def _number_series(values: Sequence[JsonValue]) -> pl.Series:
    if all(value is None or isinstance(value, int) for value in values):
        fits = all(value is None or -_INT64_MAX <= value <= _INT64_MAX for value in values)
        if fits:
            return pl.Series(values, dtype=pl.Int64)
    texts = [None if value is None else json_text(value) for value in values]
    return pl.Series(texts, dtype=pl.String).cast(QUANTITY)
