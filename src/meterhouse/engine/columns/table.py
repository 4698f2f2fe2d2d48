"""Tables of buckets in columns: what a run has folded so far, for one group-by section.

The meter's own total is the table of the section without fields. A table gathers *partials* (the
fold of one batch) and merges them late: folding is associative, and merging once is cheaper than
after every batch. A partial has one row for each bucket: ``m`` (the meter's row) and the numbers
of the group fields ``g0`` ..., or both packed into ``k``; the measures that the run's
aggregations need (``sum``, ``count``, ``min``, ``max``), and the places of the carried values,
``f0`` ... (first) and ``l0`` ... (last): see ``carry``.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.meter_state import Section
from meterhouse.engine.column import QUANTITY, Column, ColumnKind
from meterhouse.engine.columns.breakdowns import SectionColumns, coded_texts
from meterhouse.engine.columns.carry import CarriedField
from meterhouse.engine.columns.dictionary import FieldDictionary
from meterhouse.engine.columns.range import WHOLE_END, greatest

#: Which measure is the value of a meter, by its aggregation.
MEASURES = {
    Aggregation.SUM: "sum",
    Aggregation.INCREMENT: "count",
    Aggregation.MIN: "min",
    Aggregation.MAX: "max",
}
#: The aggregations as numbers, in the meter table's column ``kind``.
KINDS = list(MEASURES)
#: How what was folded of some records is merged with what was folded of others.
_MERGES = {
    "sum": pl.col("sum").sum(),
    "count": pl.col("count").sum(),
    "min": pl.col("min").min(),
    "max": pl.col("max").max(),
    "rise": pl.col("rise").sum(),
    "top": pl.col("top").max(),
}
#: Bits of a packed key, and how many of them the meters (or moments of a batch) get at least.
_KEY_BITS = 62
MOMENT_BITS = 22
#: So many moments are looked at together.
MOMENTS_MAX = 2**MOMENT_BITS - 1
#: Partials are merged early once they hold this many rows.
PARTIAL_ROWS_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class Measures:
    """The measures of a table: what the run's aggregations need; the count if ``counted``."""

    kinds: tuple[Aggregation, ...]
    counted: bool = False

    @property
    def names(self) -> list[str]:
        """The columns that hold the measures."""
        names = [MEASURES[kind] for kind in self.kinds]
        return names if "count" in names or not self.counted else [*names, "count"]

    def folds(self, *, rise: bool = False, top: bool = False) -> list[pl.Expr]:
        """Fold records: ``v`` is the quantity, ``s`` what it adds to a sum.

        With ``rise`` the positive quantities ``p`` are summed, too. With ``top`` the greatest
        quantity is found where no measure is that, but a meter that is a minimum begins with it.
        """
        folds = {
            "sum": pl.col("s").sum(),
            "count": pl.len().cast(pl.Int64),
            "min": pl.col("v").min(),
            "max": pl.col("v").max(),
            "rise": pl.col("p").sum(),
            "top": pl.col("v").max(),
        }
        names = self.names + ["rise"] * rise
        names += ["top"] * (top and "min" in names and "max" not in names)
        return [folds[name].alias(name) for name in names]

    def merges(self) -> list[pl.Expr]:
        """Merge partials."""
        return [_MERGES[name] for name in self.names]

    def of_values(self, value: pl.Expr, kind: pl.Expr) -> list[pl.Expr]:
        """Turn stored values into measures; ``kind`` is the number of the aggregation."""
        expressions = []
        for aggregation in self.kinds:
            mine = pl.when(kind == KINDS.index(aggregation)).then(value)
            if aggregation is Aggregation.INCREMENT:
                mine = mine.cast(pl.Int64)
            if aggregation in (Aggregation.SUM, Aggregation.INCREMENT):
                mine = mine.fill_null(0)
            expressions.append(mine.alias(MEASURES[aggregation]))
        return expressions

    def value(self, kind: pl.Series) -> pl.Expr:
        """Choose each bucket's value among its measures; ``kind`` is one a row."""
        if len(self.kinds) == 1:
            return pl.col(MEASURES[self.kinds[0]])
        chosen = pl.lit(None, dtype=QUANTITY)
        for aggregation in self.kinds:
            measure = pl.col(MEASURES[aggregation]).cast(QUANTITY)
            mine = pl.lit(kind == KINDS.index(aggregation))
            chosen = pl.when(mine).then(measure).otherwise(chosen)
        return chosen


class Table:
    """The buckets of one section.

    Where they fit, a bucket's meter and group numbers are *packed* into one key ``k``: one whole
    number is grouped and joined faster than several. A table that outgrows its key is widened.
    """

    def __init__(
        self,
        section: Section,
        *,
        dictionaries: Sequence[FieldDictionary],
        fields: MutableMapping[str, CarriedField],
        meters: int,
        measures: Measures,
        first: Sequence[str],
        last: Sequence[str],
    ) -> None:
        """``meters`` is how many meters there are; ``dictionaries`` number the group fields.

        ``fields`` hold the carried values, for all tables.
        """
        self.section = section
        self.dictionaries = dictionaries
        self._fields = fields
        self.measures = measures
        self.first = list(first)
        self.last = list(last)
        self._meter_bits = max(meters.bit_length(), MOMENT_BITS)
        self._bits = (_KEY_BITS - self._meter_bits) // len(section) if section else 0
        self._packed = bool(section)
        self._partials: list[pl.DataFrame] = []
        self._rows = 0

    @property
    def keys(self) -> list[str]:
        """The columns that name a bucket in a partial."""
        return ["k"] if self._packed else self.names

    @property
    def names(self) -> list[str]:
        """The columns that name a bucket when it is unpacked."""
        return ["m", *(f"g{place}" for place in range(len(self.section)))]

    @property
    def carried(self) -> list[str]:
        """The columns of carried values."""
        return list(self.carried_fields)

    @property
    def carried_fields(self) -> dict[str, str]:
        """The field of each column of carried values."""
        first = {f"f{place}": name for place, name in enumerate(self.first)}
        return first | {f"l{place}": name for place, name in enumerate(self.last)}

    def make_room(self, meters: int) -> None:
        """Let there be so many meters from now on."""
        if self._packed and meters.bit_length() > self._meter_bits:
            self._widen()

    def keyed(self, rows: pl.LazyFrame, numbers: Sequence[str]) -> pl.LazyFrame:
        """Add the key columns to records; ``numbers`` are the columns of the group numbers."""
        if self._packed and max(d.numbers_end for d in self.dictionaries) > 2**self._bits:
            self._widen()
        if self._packed:
            key = self._key(pl.col("m"), [pl.col(name) for name in numbers])
            return rows.with_columns(key.alias("k"))
        named = {f"g{place}": pl.col(name) for place, name in enumerate(numbers)}
        return rows.with_columns(pl.col("m").cast(pl.Int64), **named)

    def add(self, partial: pl.DataFrame) -> None:
        """Take the fold of one more batch; later ones count as later in order of arrival."""
        self._partials.append(partial)
        self._rows += partial.height
        if self._rows > PARTIAL_ROWS_MAX and len(self._partials) > 1:
            self._partials = [self.merge(self._partials)]
            # Distinct buckets stay; only what grows beyond them is worth another merge.
            self._rows = max(0, self._partials[0].height // 2)

    def settle(self) -> None:
        """Merge the partials into one."""
        self._partials = [self.merged()]
        self._rows = self._partials[0].height

    def merged(self) -> pl.DataFrame:
        """Return one row for each bucket."""
        return self.merge(self._partials)

    def partials(self) -> list[pl.DataFrame]:
        """Return what has been folded so far."""
        return list(self._partials)

    def of_meters(
        self, partials: Sequence[pl.DataFrame], meters: pl.DataFrame
    ) -> list[pl.DataFrame]:
        """Return partials of some meters; ``meters`` has ``m`` and ``x``, which renames it."""
        return [self._renamed(partial, meters) for partial in partials]

    def _renamed(self, partial: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
        if not self._packed:
            joined = partial.join(meters, on="m", how="inner", maintain_order="left")
            return joined.with_columns(pl.col("x").alias("m")).drop("x")
        whole = 2 ** (self._bits * len(self.section))
        joined = partial.with_columns((pl.col("k") // whole).alias("m")).join(
            meters, on="m", how="inner", maintain_order="left"
        )
        key = pl.col("x") * whole + pl.col("k") % whole
        return joined.with_columns(key.alias("k")).drop("x", "m")

    def drop_meters(self, meters: pl.Series) -> None:
        """Forget some meters."""
        gone = meters.cast(pl.Int64).to_list()
        mine = self._meter().is_in(gone)
        self._partials = [partial.filter(~mine) for partial in self._partials]

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Merge partials, given in order of arrival."""
        parts = [self._full(partial) for partial in partials if partial.height]
        if not parts:
            return self._empty()
        if len(parts) == 1:
            return parts[0]
        carried = self._carried_merges(self.carried)
        whole = pl.concat(_same_types(parts)).lazy()
        merged = whole.group_by(self.keys).agg(*self.measures.merges(), *carried)
        return merged.collect(engine="streaming")

    def by_meter(self, groups: pl.DataFrame) -> pl.DataFrame:
        """Merge the buckets of each meter, whatever has been folded of them."""
        measures = [merge for name, merge in _MERGES.items() if name in groups.columns]
        carried = self._carried_merges(groups.columns)
        merged = groups.lazy().group_by(self._meter().alias("m")).agg(*measures, *carried)
        return merged.collect(engine="streaming")

    def _carried_merges(self, columns: Sequence[str]) -> list[pl.Expr]:
        """Merge the places of what is carried: the first is the least, the last the greatest."""
        return [
            pl.col(name).min() if name.startswith("f") else pl.col(name).max()
            for name in self.carried
            if name in columns
        ]

    def with_texts(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace the places of carried values by their canonical texts."""
        return frame.with_columns(
            self._fields[field].texts(frame[name]).alias(name)
            for name, field in self.carried_fields.items()
        )

    def places_of(self, field: str) -> list[pl.Series]:
        """Return all places of a field's values that this table refers to."""
        names = [name for name, mine in self.carried_fields.items() if mine == field]
        return [p[name] for p in self._partials for name in names if name in p.columns]

    def replace_places(self, ranks: Mapping[str, pl.Series]) -> None:
        """Give values their new places: ``ranks`` has that of every old place, by field."""
        self._partials = [
            partial.with_columns(
                ranks[field].gather(partial[name]).alias(name)
                for name, field in self.carried_fields.items()
                if name in partial.columns
            )
            for partial in self._partials
        ]

    def unpacked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a partial with the columns ``names``, ascending by ``m``."""
        if not self._packed:
            return frame.sort("m")
        numbers = [
            pl.col("k") // 2 ** (self._bits * place) % 2**self._bits
            for place in range(len(self.section))
        ]
        columns = [n.cast(pl.UInt32).alias(f"g{place}") for place, n in enumerate(numbers)]
        ordered = self._ordered(frame, numbers)
        return ordered.with_columns(self._meter().alias("m"), *columns).drop("k")

    def _ordered(self, frame: pl.DataFrame, numbers: Sequence[pl.Expr]) -> pl.DataFrame:
        """Sort (packed) buckets by their keys: meter, last group number, ..., first.

        A key without its gaps and the row of the bucket are one whole number, where they fit:
        numbers alone are sorted in half the time that a frame takes.
        """
        widths = [(dictionary.numbers_end - 1).bit_length() for dictionary in self.dictionaries]
        row_bits = frame.height.bit_length()
        if self._meter_bits + sum(widths) + row_bits > _KEY_BITS:
            return frame.sort("k")
        order = self._meter()
        for number, width in reversed(list(zip(numbers, widths, strict=True))):
            order = order * 2**width + number
        order = order * 2**row_bits + pl.int_range(pl.len())
        rows = frame.select(order.alias("k"))["k"].sort() % 2**row_bits
        # Looking values up in several pieces takes several times as long.
        return frame.rechunk().select(pl.all().gather(rows))

    def stored_partial(
        self, first: list[str], last: list[str], cells: pl.DataFrame, kind: pl.Series
    ) -> pl.DataFrame:
        """Turn decoded entries (``m``, ``c0`` ...) into a partial; ``kind`` is by meter row."""
        width = len(self.section)
        columns = [cells["m"]]
        for place, dictionary in enumerate(self.dictionaries):
            texts = Column(ColumnKind.JSON, cells[f"c{place}"])
            columns.append(dictionary.encode(texts.without_null_texts()).alias(f"n{place}"))
        columns.append(cells[f"c{width}"].cast(QUANTITY).alias("value"))
        for place, name in enumerate(self._carried_columns(first, last)):
            texts = cells[f"c{width + 1 + place}"]
            columns.append(self._field(self.carried_fields[name]).add_texts(texts).alias(name))
        return self.partial_of(pl.DataFrame(columns), kind)

    def loaded(self, part: SectionColumns) -> pl.DataFrame:
        """Turn stored groups, with the rows ``m`` of their meters, into what ``partial_of`` takes.

        Nothing is looked up once for each group but numbers.
        """
        frame = part.frame
        columns = [frame["m"]]
        for place, dictionary in enumerate(self.dictionaries):
            columns.append(_numbers(frame[f"g{place}"], dictionary).alias(f"n{place}"))
        columns.append(frame["value"])
        names = self._carried_columns(part.first, part.last)
        theirs = [f"f{place}" for place in range(len(part.first))]
        theirs += [f"l{place}" for place in range(len(part.last))]
        places: dict[str, pl.Series] = {}
        for their, name in zip(theirs, names, strict=True):
            field = self._field(self.carried_fields[name])
            there = field.add_stored(frame[their], plain=their in part.plain)
            if (same := f"s{their[1:]}") in frame.columns and their.startswith("l"):
                first = list(part.first).index(part.last[int(their[1:])])
                there = places[f"f{first}"].zip_with(frame[same], there)
            places[their] = there
            columns.append(there.alias(name))
        return pl.DataFrame(columns)

    def _carried_columns(self, first: Sequence[str], last: Sequence[str]) -> list[str]:
        """The columns of carried fields that were stored; those of older rules are new here."""
        for names, mine in ((first, self.first), (last, self.last)):
            mine += [name for name in names if name not in mine]
        return [f"f{self.first.index(name)}" for name in first] + [
            f"l{self.last.index(name)}" for name in last
        ]

    def partial_of(self, rows: pl.DataFrame, kind: pl.Series) -> pl.DataFrame:
        """Make a partial of ``m``, ``n0`` ..., ``value`` and places; ``kind`` is by meter row."""
        names = [name for name in rows.columns if name in self.carried]
        numbers = [f"n{place}" for place in range(len(self.section))]
        keyed = self.keyed(rows.with_columns(kind.gather(rows["m"]).alias("kind")).lazy(), numbers)
        measures = self.measures.of_values(pl.col("value"), pl.col("kind"))
        return keyed.select(*self.keys, *measures, *names).collect()

    def values(self, merged: pl.DataFrame, kind: pl.Series) -> pl.Series:
        """Return the value of each (unpacked) bucket; ``kind`` is by meter row."""
        chosen = self.measures.value(kind.gather(merged["m"]))
        return merged.select(chosen.alias("value"))["value"]

    def field_texts(self, merged: pl.DataFrame) -> list[pl.Series]:
        """Return the canonical texts of the group fields of each (unpacked) bucket."""
        return [
            dictionary.texts().gather(merged[f"g{place}"]).alias(f"t{place}")
            for place, dictionary in enumerate(self.dictionaries)
        ]

    def taken(self) -> pl.DataFrame:
        """Return all buckets unpacked and let go of them."""
        partials, self._partials = self._partials, []
        return self.unpacked(self.merge(partials))

    def columns(self, merged: pl.DataFrame, *, kind: pl.Series, no: pl.Series) -> SectionColumns:
        """Return (unpacked) buckets as they are stored; ``kind`` and ``no`` are by meter row."""
        columns = [no.gather(merged["m"]).alias("no")]
        for place, dictionary in enumerate(self.dictionaries):
            texts = coded_texts(merged[f"g{place}"], dictionary.texts())
            columns.append(texts.alias(f"g{place}"))
        columns.append(self.values(merged, kind))
        plain = set()
        for name, field in self.carried_fields.items():
            places = merged[name]
            if name.startswith("l") and field in self.first:
                # Most groups have few records: what they carry last is what they carry first.
                same = (places == merged[f"f{self.first.index(field)}"]).fill_null(value=False)
                columns.append(same.alias(f"s{name[1:]}"))
                places = places.set(same, None)
            texts, strings = self._field(field).stored(places)
            columns.append(texts.alias(name))
            plain |= {name} if strings else set()
        frame = pl.DataFrame(columns)
        return SectionColumns(self.section, self.first, self.last, frame, frozenset(plain))

    def carried_partial(self, names: list[str], cells: pl.DataFrame, *, side: str) -> pl.DataFrame:
        """Turn decoded carries of meters (``m``, ``c0`` ...) into a partial without measures."""
        mine = self.first if side == "f" else self.last
        mine += [name for name in names if name not in mine]
        places = [
            self._field(name).add_texts(cells[f"c{p}"]).alias(f"{side}{mine.index(name)}")
            for p, name in enumerate(names)
        ]
        absent = [pl.lit(None, dtype=pl.Int64).alias(name) for name in self.measures.names]
        return cells.select("m", *absent).with_columns(places)

    def _field(self, name: str) -> CarriedField:
        return self._fields.setdefault(name, CarriedField())

    def _meter(self) -> pl.Expr:
        whole = 2 ** (self._bits * len(self.section))
        return pl.col("k") // whole if self._packed else pl.col("m")

    def _key(self, meter: pl.Expr, numbers: Sequence[pl.Expr]) -> pl.Expr:
        key = meter.cast(pl.Int64) * 2 ** (self._bits * len(numbers))
        for place, number in enumerate(numbers):
            key = key + number.cast(pl.Int64) * 2 ** (self._bits * place)
        return key

    def _widen(self) -> None:
        self._partials = [self.unpacked(partial) for partial in self._partials]
        self._packed = False

    def _empty(self) -> pl.DataFrame:
        schema: dict[str, pl.DataType] = dict.fromkeys(self.keys, pl.Int64())
        schema |= {name: pl.Int64() for name in self.measures.names}
        schema |= {name: pl.Int64() for name in self.carried}
        return pl.DataFrame(schema=schema)

    def _full(self, partial: pl.DataFrame) -> pl.DataFrame:
        """Give a partial the carried columns that came up after it was made, in fixed order."""
        absent = [name for name in self.carried if name not in partial.columns]
        if absent:
            partial = partial.with_columns(pl.lit(None, dtype=pl.Int64).alias(n) for n in absent)
        return partial.select(*self.keys, *self.measures.names, *self.carried)


def _same_types(parts: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Cast whole-number measures to quantities where any part has quantities.

    So are whole sums that would leave 64 bits, all parts together.
    """
    wide = [name for name in ("sum", "min", "max") if name in parts[0].columns]
    wide = [name for name in wide if any(part[name].dtype != pl.Int64 for part in parts)]
    if "sum" in parts[0].columns and "sum" not in wide:
        most = sum((greatest(part["sum"]) for part in parts), Decimal(0))
        wide += ["sum"] * (most >= WHOLE_END)
    return [part.with_columns(pl.col(name).cast(QUANTITY) for name in wide) for part in parts]


def _numbers(texts: pl.Series, dictionary: FieldDictionary) -> pl.Series:
    """The numbers of canonical texts; each of an ``Enum`` is asked once."""
    if not isinstance(texts.dtype, pl.Enum):
        return dictionary.encode(Column(ColumnKind.JSON, texts).without_null_texts())
    known = Column(ColumnKind.JSON, texts.dtype.categories).without_null_texts()
    return dictionary.encode(known).gather(texts.to_physical())
