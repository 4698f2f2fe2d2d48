"""Carries in columns: which record of a bucket each carried field comes from.

While a run folds, a carried value is known by its *place*: a whole number that ascends in order of
arrival, so that the first and the last value of a bucket are its least and greatest place, and no
text is moved before the end. The values themselves stay where they were read; once they take too
much memory, those that no bucket refers to are let go (``CarriedField.compact``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import polars as pl

from meterhouse.core.guiding_rule import Carry, Operation
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import Column, ColumnKind, concat_columns
from meterhouse.engine.columns.breakdowns import coded_texts
from meterhouse.engine.columns.dictionary import FieldDictionary
from meterhouse.engine.frame import series_of
from meterhouse.engine.plan import MeterPlan

#: Texts of up to this many bytes lie in their column itself, longer ones in a buffer beside it.
_INLINE_BYTES = 12
#: What every text takes in its column.
_VIEW_BYTES = 16
#: Where there are more pieces, they are small ones, and soon joined.
_PIECES_MAX = 100


class CarriedField:
    """The values of one carried field, by place.

    A field that is also grouped by keeps the numbers of its dictionary instead of texts.
    """

    def __init__(self, dictionary: FieldDictionary | None = None) -> None:
        self._dictionary = dictionary
        self._pieces: list[Column] = []
        self._height = 0
        self._joining = Lock()

    @property
    def bytes(self) -> int:
        """How much memory the values take, about."""
        return sum(_size(piece.values) for piece in self._pieces)

    def add(self, column: Column, numbers: pl.Series | None = None) -> int:
        """Take more values; the place of the first one is returned, the others follow it.

        Values that have no dictionary are in memory of their own (``own_texts``). ``numbers`` are
        those of the dictionary, where they are known already.
        """
        first = self._height
        if self._dictionary is not None:
            numbers = self._dictionary.encode(column) if numbers is None else numbers
            column = Column(ColumnKind.NUMBER, numbers.cast(pl.UInt32))
        self._pieces.append(column)
        self._height += len(column)
        return first

    def add_texts(self, texts: pl.Series) -> pl.Series:
        """Take canonical texts; returns the place of each, null where there is none."""
        first = self.add(_as_strings(texts))
        places = pl.int_range(first, first + len(texts), eager=True)
        return places.set(texts.is_null(), None) if texts.null_count() else places

    def add_stored(self, texts: pl.Series, *, plain: bool) -> pl.Series:
        """Take what ``stored`` returned; returns the place of each, null where there is none."""
        column = Column(ColumnKind.TEXT if plain else ColumnKind.JSON, texts)
        numbers = None
        if self._dictionary is None:
            column = own_texts(Column(column.kind, texts.cast(pl.String)))
        elif isinstance(texts.dtype, pl.Enum):
            known = self._dictionary.encode(Column(ColumnKind.JSON, texts.dtype.categories))
            numbers = known.gather(texts.to_physical())
        first = self.add(column, numbers)
        places = pl.int_range(first, first + len(texts), eager=True)
        return places.set(texts.is_null(), None) if texts.null_count() else places

    def texts(self, places: pl.Series) -> pl.Series:
        """Return the canonical texts at places; null where the place is."""
        if not self._pieces:
            return pl.repeat(None, len(places), dtype=pl.String, eager=True)
        whole = self._whole()
        if self._dictionary is not None:
            return self._dictionary.texts().gather(whole.values.gather(places))
        return whole.gather(places).canonical()

    def stored(self, places: pl.Series) -> tuple[pl.Series, bool]:
        """Return the texts at places, and whether they are plain strings rather than JSON."""
        if not self._pieces:
            return self.texts(places), False
        whole = self._whole()
        if self._dictionary is not None:
            numbers = whole.values.gather(places)
            return coded_texts(numbers, self._dictionary.texts()), False
        column = whole.gather(places)
        plain = column.kind is ColumnKind.TEXT
        return column.values if plain else column.canonical(), plain

    def _whole(self) -> Column:
        """All values in one piece: looking texts up in several takes several times as long."""
        with self._joining:
            if self._dictionary is None:
                whole = concat_columns(self._pieces)
            else:
                # Numbers, also where a piece has no value at all.
                numbers = pl.concat([piece.values for piece in self._pieces])
                whole = Column(ColumnKind.NUMBER, numbers)
            if whole.values.n_chunks() > 1:
                whole = Column(whole.kind, whole.values.rechunk())
            self._pieces = [whole]
        return whole

    def compact(self, used: Sequence[pl.Series]) -> pl.Series:
        """Keep only the values at the places ``used``; returns the new place of each old one."""
        kept = pl.repeat(value=False, n=self._height, dtype=pl.Boolean, eager=True)
        for places in used:
            kept = kept.scatter(places.drop_nulls(), True)
        start = 0
        if len(self._pieces) > _PIECES_MAX:
            self._whole()
        # One by one: all in one piece, and what is kept of it, would take three times as much.
        for number, piece in enumerate(self._pieces):
            mine = kept.slice(start, len(piece.values))
            start += len(mine)
            values = Column(piece.kind, piece.values.filter(mine))
            self._pieces[number] = values if self._dictionary is not None else own_texts(values)
        # How many kept ones stand before each: looking ranks up is quicker than searching them.
        ranks = kept.cum_sum().cast(pl.Int64) - 1
        self._height = int(kept.sum())
        return ranks


def _size(values: pl.Series) -> int:
    # Of texts, Polars counts the characters alone; short ones are counted twice.
    views = _VIEW_BYTES * len(values) if values.dtype == pl.String else 0
    return views + int(values.estimated_size())


def own_texts(column: Column) -> Column:
    """Return texts in memory of their own: others keep all alive that was read with them.

    Texts that are short lie in their column itself: those are the quickest to look up, so they are
    quoted only when they are.
    """
    if column.kind is ColumnKind.TEXT:
        texts = column.values if column.coded is None else column.coded.texts
        longest = texts.str.len_bytes().max()
        if not isinstance(longest, int) or longest <= _INLINE_BYTES:
            return Column(ColumnKind.TEXT, _inline(column.values))
    return Column(ColumnKind.JSON, _copied(column.canonical()))


def _as_strings(texts: pl.Series) -> Column:
    """Canonical texts as the strings that they stand for, where all are plain ones.

    The values of a field lie in one column: beside JSON texts, all others would be quoted.
    """
    plain = texts.str.starts_with('"') & ~texts.str.contains("\\", literal=True)
    if not plain.all():
        return Column(ColumnKind.JSON, texts)
    return own_texts(Column(ColumnKind.TEXT, texts.str.slice(1, texts.str.len_chars() - 2)))


def _inline(texts: pl.Series) -> pl.Series:
    """Short texts without the buffer that they were read from; nothing is copied."""
    import pyarrow as pa

    array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
    column = array.buffers()[:2]  # which are there, and the texts themselves
    short = pa.Array.from_buffers(array.type, len(array), column, offset=array.offset)
    return series_of(short).alias(texts.name)


def _copied(texts: pl.Series) -> pl.Series:
    copy = pl.concat_str(pl.col("t"), pl.lit("")).alias("t")
    return texts.alias("t").to_frame().select(copy)["t"]


@dataclass(frozen=True, slots=True)
class BatchValues:
    """What a batch brings beside its quantities: group numbers and carried values, by field."""

    numbers: Mapping[str, pl.Series]
    carried: Mapping[str, Column]

    @classmethod
    def of(cls, batch: UsageBatch, source: NumberSource) -> BatchValues:
        """Look them up in a batch; ``source`` numbers the fields that are grouped by."""
        numbers = source.numbers(batch)
        carried = {name: batch.column(name) for name in source.carried_names}
        return cls(
            numbers,
            {
                name: _numbered(column, numbers[name]) if name in numbers else own_texts(column)
                for name, column in carried.items()
            },
        )


def _numbered(column: Column, numbers: pl.Series) -> Column:
    """A column by its numbers in a dictionary; absent where it is absent."""
    if column.null_count():
        numbers = numbers.set(~column.is_present(), None)
    return Column(ColumnKind.NUMBER, numbers)


class NumberSource(Protocol):
    """Numbers group fields, and knows which fields are carried."""

    carried_names: Sequence[str]

    def numbers(self, batch: UsageBatch) -> dict[str, pl.Series]:
        """Return the numbers of each record's group fields, by field."""
        ...


@dataclass(frozen=True, slots=True)
class _Carried:
    """One carry of a batch; ``where`` names the column of positions that it looks at."""

    name: str
    carry: Carry
    where: str
    #: the place of the batch's first record
    first: int


class Carrier:
    """The carries of one batch.

    Positions (``q``) ascend in order of arrival; fields that no record lacks share one pair of
    columns.
    """

    def __init__(
        self, plan: MeterPlan, values: BatchValues, fields: Mapping[str, CarriedField]
    ) -> None:
        columns, numbers = values.carried, values.numbers
        self._first = {
            name: fields[name].add(column, numbers.get(name)) for name, column in columns.items()
        }
        self._carried: list[_Carried] = []
        #: columns to add to the assignments before folding
        self.columns: list[pl.Expr] = []
        for prefix, carry, mine in (
            ("f", Carry.FIRST, plan.carried_first),
            ("l", Carry.LAST, plan.carried_last),
        ):
            for place, field in enumerate(mine):
                self._add(plan, Operation(field, carry), f"{prefix}{place}", columns[field])

    def _add(self, plan: MeterPlan, operation: Operation, name: str, column: Column) -> None:
        rules = [i for i, rule in enumerate(plan.rules) if operation in rule.operations]
        everywhere = len(rules) == len(plan.rules)
        where = "q"
        if not everywhere or column.null_count():
            where = f"q_{name}"
            wanted = pl.lit(value=True) if everywhere else pl.col("rule").is_in(rules)
            if column.null_count():
                there = pl.lit(column.is_present()).gather(pl.col("q"))
                wanted = wanted & there
            self.columns.append(pl.when(wanted).then(pl.col("q")).alias(where))
        first = self._first[operation.field]
        self._carried.append(_Carried(name, operation.carry, where, first))

    def folds(self) -> list[pl.Expr]:
        """The positions to find for each bucket."""
        folds = {}
        for carried in self._carried:
            if carried.carry is Carry.FIRST:
                folds[f"a_{carried.where}"] = pl.col(carried.where).min()
            else:
                folds[f"z_{carried.where}"] = pl.col(carried.where).max()
        return [fold.alias(name) for name, fold in folds.items()]

    @property
    def names(self) -> list[str]:
        """The columns of places, one a carry."""
        return [carried.name for carried in self._carried]

    def places(self, folded: pl.DataFrame) -> pl.DataFrame:
        """Turn positions into places; all other columns stay."""
        positions, places = set(), []
        for carried in self._carried:
            side = "a" if carried.carry is Carry.FIRST else "z"
            positions.add(f"{side}_{carried.where}")
            place = pl.col(f"{side}_{carried.where}").cast(pl.Int64) + carried.first
            places.append(place.alias(carried.name))
        return folded.select(*(n for n in folded.columns if n not in positions), *places)
