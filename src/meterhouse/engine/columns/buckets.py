"""All buckets of a run in columns: the tables of every section, and what is known of each meter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import polars as pl

from meterhouse.core.aggregation import Aggregation
from meterhouse.core.meter_state import Section
from meterhouse.core.quantity import ZERO
from meterhouse.engine.batch import UsageBatch
from meterhouse.engine.column import QUANTITY
from meterhouse.engine.columns.carry import CarriedField, Carrier
from meterhouse.engine.columns.cells import (
    decode_carries,
    decode_sections,
    split_entries,
)
from meterhouse.engine.columns.dictionary import FieldDictionary
from meterhouse.engine.columns.encoding import Encoding, Foreign
from meterhouse.engine.columns.moments import Moments
from meterhouse.engine.columns.range import volume_max
from meterhouse.engine.columns.table import KINDS, MOMENTS_MAX, Measures, Table
from meterhouse.engine.plan import MeterPlan
from meterhouse.engine.source import MeterColumns
from meterhouse.engine.together import for_each

#: Whole-number sums of one fold stay below this, so that thousands of folds fit 64 bits.
_WHOLE_MAX = 2**50
#: Carried values may take this much memory before those that are not needed are let go.
_CARRIED_BYTES_MAX = 300_000_000
_SUM = KINDS.index(Aggregation.SUM)


@dataclass(frozen=True, slots=True)
class Before:
    """What the buckets held before some records: it stays so, whatever is folded afterwards.

    ``prior`` has each meter's ``value`` and ``kind``.
    """

    partials: Sequence[Sequence[pl.DataFrame]]
    volume: pl.Series
    prior: pl.DataFrame


class Buckets:
    """The state of one meter key while batches are folded."""

    def __init__(self, plan: MeterPlan, meters: MeterColumns) -> None:
        self._plan = plan
        self._stored = meters.frame
        kinds = [KINDS.index(profile.aggregation) for profile in meters.profiles]
        #: by meter row: the number of its aggregation
        self.kind = pl.Series("kind", kinds, dtype=pl.Int8).gather(meters.frame["profile"])
        present = [KINDS[number] for number in sorted(set(kinds))] or [Aggregation.SUM]
        #: which meters are sums; ``None`` if all are
        self.summed = None if present == [Aggregation.SUM] else self.kind == _SUM
        #: the fields of all sections, numbered by one dictionary each
        self._dictionaries = {
            name: FieldDictionary() for section in plan.sections for name in section
        }
        #: the carried values, for all tables
        self.fields: dict[str, CarriedField] = {
            name: CarriedField(self._dictionaries.get(name))
            for name in (*plan.carried_first, *plan.carried_last)
        }
        kinds_present = tuple(present)
        self._total = self._table((), Measures(kinds_present, counted=True))
        self._tables = [self._table(s, Measures(kinds_present)) for s in plan.sections]
        self._packs = meters.packs
        #: sections of an earlier plan: kept as they are
        self._foreign: list[Foreign] = []
        self._carried_bytes_max = _CARRIED_BYTES_MAX
        #: the fields whose values the plan carries; ``fields`` may have those of earlier plans
        self.carried_names: Sequence[str] = tuple(
            dict.fromkeys((*plan.carried_first, *plan.carried_last))
        )
        self.users = meters.frame["user_id"]
        self.value = meters.frame["value"].cast(QUANTITY)
        self.volume = self._stored_volume()
        self._loaded = pl.repeat(value=False, n=meters.frame.height, dtype=pl.Boolean, eager=True)

    def _table(self, section: Section, measures: Measures) -> Table:
        return Table(
            section,
            dictionaries=[self._dictionaries[name] for name in section],
            fields=self.fields,
            meters=self._stored.height,
            measures=measures,
            first=self._plan.carried_first,
            last=self._plan.carried_last,
        )

    def extend(self, meters: MeterColumns) -> None:
        """Take more meters, behind the others; their aggregations are among those known."""
        kinds = [KINDS.index(profile.aggregation) for profile in meters.profiles]
        kind = pl.Series("kind", kinds, dtype=pl.Int8).gather(meters.frame["profile"])
        self._stored = pl.concat([self._stored, meters.frame])
        self.kind = pl.concat([self.kind, kind])
        self.summed = None if self.summed is None else self.kind == _SUM
        self.users = self._stored["user_id"]
        value = meters.frame["value"].cast(QUANTITY)
        volume = _volume(meters.frame["volume"], value)
        if self.summed is not None:
            volume = volume.set(kind != _SUM, ZERO)
        self.value = pl.concat([self.value, value])
        self.volume = pl.concat([self.volume, volume])
        unloaded = pl.repeat(value=False, n=meters.frame.height, dtype=pl.Boolean, eager=True)
        self._loaded = pl.concat([self._loaded, unloaded])
        for table in (self._total, *self._tables):
            table.make_room(self._stored.height)

    def numbers(self, batch: UsageBatch) -> dict[str, pl.Series]:
        """Return the numbers of each record's group fields, by field."""
        return {
            name: dictionary.encode(batch.column(name)).alias(self._number_column(name))
            for name, dictionary in self._dictionaries.items()
        }

    def _stored_volume(self) -> pl.Series:
        volume = _volume(self._stored["volume"], self.value)
        return volume if self.summed is None else volume.set(~self.summed, ZERO)

    def before(self) -> Before:
        """Return what the buckets hold now."""
        prior = pl.DataFrame([self.value.alias("value"), self.kind.alias("kind")])
        partials = [table.partials() for table in (self._total, *self._tables)]
        # A series is changed in place when values are scattered into it.
        return Before(partials, self.volume.clone(), prior)

    def with_summands(self, assigned: pl.DataFrame) -> pl.DataFrame:
        """Add ``s``, what a record adds to a sum: its quantity, or 0 where the meter is none."""
        amount = pl.col("v")
        if self.summed is not None:
            amount = pl.when(pl.lit(self.summed.gather(assigned["m"]))).then(amount).otherwise(0)
        return assigned.with_columns(amount.alias("s"))

    def load(self, meters: pl.Series) -> None:
        """Bring in what is stored of meters that the run has not touched before."""
        touched = pl.repeat(value=False, n=len(self._loaded), dtype=pl.Boolean, eager=True)
        touched = touched.scatter(meters, True)
        rows = (touched & ~self._loaded).arg_true()
        if rows.is_empty():
            return
        self._loaded |= touched
        stored = self._stored.select(pl.all().gather(rows))
        stored = stored.with_columns(m=rows.cast(pl.Int64), kind=self.kind.gather(rows))
        stored = stored.filter(pl.col("count") > 0)
        if stored.is_empty():
            return
        self._load_totals(stored)
        for section, first, last, entries in decode_sections(stored.select("m", "groups")):
            cells = split_entries(entries, len(section) + 1 + len(first) + len(last))
            self._load_groups((section, first, last), cells)
        self._load_packs(stored.drop_nulls("pack"))

    def _load_packs(self, stored: pl.DataFrame) -> None:
        """Load the breakdowns that are in packs; ``stored`` are their meters."""
        found: dict[Section, list[pl.DataFrame]] = {}
        for number in stored["pack"].unique().sort():
            # A pack may have groups of meters that need another one by now.
            meters = stored.filter(pl.col("pack") == number).select("no", "m")
            for part in self._packs(number).sections:
                mine = part.joined(meters)
                table = self._table_of(part.section)
                if mine.frame.is_empty():
                    continue
                if table is None:
                    cells = mine.cells().with_columns(mine.frame["m"])
                    self._foreign.append(Foreign(part.section, part.first, part.last, cells))
                else:
                    found.setdefault(part.section, []).append(table.loaded(mine))
        for section, parts in found.items():
            if any(part["value"].dtype != pl.Int64 for part in parts):
                parts = [part.with_columns(pl.col("value").cast(QUANTITY)) for part in parts]
            table = self._table_of(section)
            assert table is not None
            table.add(table.partial_of(pl.concat(parts, how="diagonal"), self.kind))

    def _load_groups(
        self, header: tuple[Section, Sequence[str], Sequence[str]], cells: pl.DataFrame
    ) -> None:
        section, first, last = header
        table = self._table_of(section)
        if table is None:
            numbered = cells.with_columns(no=self._stored["no"].gather(cells["m"]))
            self._foreign.append(Foreign(section, first, last, numbered))
        else:
            table.add(table.stored_partial(list(first), list(last), cells, self.kind))

    def _table_of(self, section: Section) -> Table | None:
        return next((table for table in self._tables if table.section == section), None)

    def _load_totals(self, stored: pl.DataFrame) -> None:
        total = self._total
        value = pl.col("value").cast(QUANTITY)
        measures = total.measures.of_values(value, pl.col("kind"))
        measures = [m for m in measures if m.meta.output_name() != "count"]
        total.add(stored.select("m", *measures, "count"))
        for side, column in (("f", "carry_first"), ("l", "carry_last")):
            for names, cells in decode_carries(stored, column):
                total.add(total.carried_partial(names, cells, side=side))

    def fold(
        self, assigned: pl.DataFrame, *, carrier: Carrier
    ) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Fold records: the meters' totals (with ``rise`` and ``top``) and the groups' partials.

        ``rise`` is the sum of the positive quantities, ``top`` the greatest quantity, null where
        no meter's value may be that.
        """
        frame = _narrowed(assigned).with_columns(carrier.columns)
        falling = frame.select((pl.col("s") < 0).any())["s"][0]
        if falling:
            frame = frame.with_columns(pl.when(pl.col("s") > 0).then(pl.col("s")).alias("p"))
        of_meters = self._total.measures.folds(rise=falling, top=True)
        whole = self._whole()
        folds = []
        for table in self._tables:
            # Keys are worked out as the records pass: a column of them would be touched twice.
            rows = table.keyed(self._rows_of(table, frame), self._number_columns(table))
            measures = of_meters if table is whole else table.measures.folds()
            folds.append(rows.group_by(table.keys).agg(*measures, *carrier.folds()))
        if whole is None:
            rows = frame.lazy().group_by(pl.col("m").cast(pl.Int64))
            folds.append(rows.agg(*of_meters, *carrier.folds()))
        folded = [carrier.places(fold) for fold in pl.collect_all(folds, engine="streaming")]
        groups = folded[: len(self._tables)]
        total = folded[-1] if whole is None else whole.by_meter(groups[self._tables.index(whole)])
        partials = [
            group.select(*table.keys, *table.measures.names, *carrier.names)
            for table, group in zip(self._tables, groups, strict=True)
        ]
        return _bounded(total), partials

    def _whole(self) -> Table | None:
        """A section in which every record counts: its groups add up to the meters.

        Where there are several, the one that may have the fewest groups.
        """
        whole = [table for table in self._tables if self._rules_of(table) is None]
        ends = [prod(d.numbers_end for d in table.dictionaries) for table in whole]
        return whole[ends.index(min(ends))] if whole else None

    def _rows_of(self, table: Table, frame: pl.DataFrame) -> pl.LazyFrame:
        """The records that count in a section."""
        rules = self._rules_of(table)
        return frame.lazy() if rules is None else frame.lazy().filter(pl.col("rule").is_in(rules))

    def _rules_of(self, table: Table) -> list[int] | None:
        """The rules whose records count in a section; ``None`` if all do."""
        rules = [i for i, rule in enumerate(self._plan.rules) if table.section in rule.group_by]
        return None if len(rules) == len(self._plan.rules) else rules

    def _number_columns(self, table: Table) -> list[str]:
        return [self._number_column(name) for name in table.section]

    def _number_column(self, name: str) -> str:
        """A user's field name never becomes the name of a column."""
        return f"d{list(self._dictionaries).index(name)}"

    def add(
        self, totals: pl.DataFrame, partials: Sequence[pl.DataFrame], *, compact: bool = True
    ) -> None:
        """Take what ``fold`` returned into the state; carried values may move if ``compact``."""
        self._total.add(totals.drop("rise", "top"))
        for table, partial in zip(self._tables, partials, strict=True):
            table.add(partial)
        self._advance(totals)
        if compact and sum(field.bytes for field in self.fields.values()) > self._carried_bytes_max:
            self._compact()

    def _compact(self) -> None:
        """Let go of the carried values that no bucket refers to."""
        tables = (self._total, *self._tables)
        for table in tables:
            table.settle()
        ranks = {
            name: field.compact([places for t in tables for places in t.places_of(name)])
            for name, field in self.fields.items()
        }
        for table in tables:
            table.replace_places(ranks)
        # What buckets refer to stays; room for as much again keeps compacting rare.
        kept = sum(field.bytes for field in self.fields.values())
        self._carried_bytes_max = max(_CARRIED_BYTES_MAX, 2 * kept)

    def _advance(self, totals: pl.DataFrame) -> None:
        """Bring every touched meter's value and volume up to date."""
        rows = totals["m"]
        before = pl.DataFrame(
            [self.value.gather(rows).alias("value"), self.volume.gather(rows).alias("volume")]
        )
        frame = pl.concat([totals, before], how="horizontal")
        kind = self.kind.gather(rows)
        value = pl.lit(None, dtype=QUANTITY)
        merges = {
            Aggregation.SUM: lambda v: v.fill_null(0) + pl.col("sum").cast(QUANTITY),
            Aggregation.INCREMENT: lambda v: v.fill_null(0) + pl.col("count").cast(QUANTITY),
            Aggregation.MIN: lambda v: pl.min_horizontal(v, pl.col("min").cast(QUANTITY)),
            Aggregation.MAX: lambda v: pl.max_horizontal(v, pl.col("max").cast(QUANTITY)),
        }
        for aggregation in self._total.measures.kinds:
            mine = pl.lit(kind == KINDS.index(aggregation))
            value = pl.when(mine).then(merges[aggregation](pl.col("value"))).otherwise(value)
        self.value = self.value.scatter(rows, frame.select(value.alias("value"))["value"])
        if "sum" in totals.columns:
            # The negative quantities sum to sum - rise; the absolute ones to rise + (rise - sum).
            fallen = pl.col("rise").cast(QUANTITY) - pl.col("sum").cast(QUANTITY)
            gone = fallen + pl.col("rise").cast(QUANTITY)
            volume = frame.select((pl.col("volume") + gone).alias("volume"))["volume"]
            self.volume = self.volume.scatter(rows, volume)

    def upto(
        self,
        moments: pl.DataFrame,
        before: Before,
        fold: tuple[pl.DataFrame, Carrier] | None,
    ) -> Moments:
        """Return the buckets as they stood at moments: after the record at ``q`` for meter ``m``.

        A meter has one moment here, and there are at most ``MOMENTS_MAX``: they take the place of
        meters in packed keys. ``fold`` has the records that came after ``before``; without it there
        are none.
        """
        assert moments.height <= MOMENTS_MAX, "moments would run into one another"
        named = moments.with_row_index("x")
        meters = named.select(pl.col("m", "x").cast(pl.Int64))
        tables = [self._total, *self._tables]
        parts = [
            table.of_meters(partials, meters)
            for table, partials in zip(tables, before.partials, strict=True)
        ]
        if fold is not None:
            assigned, carrier = fold
            until = self._of_meters(named["m"], named["q"])
            rows = assigned.filter(until.gather(assigned["m"]) >= assigned["q"])
            moment = self._of_meters(named["m"], named["x"])
            rows = rows.with_columns(moment.gather(rows["m"]).alias("m"))
            total, partials = self.fold(rows, carrier=carrier)
            for part, partial in zip(parts, [total, *partials], strict=True):
                part.append(partial)
        merged = [
            table.with_texts(table.unpacked(table.merge(part)))
            for table, part in zip(tables, parts, strict=True)
        ]
        rows_of = named["m"]
        return Moments(tables, merged, self.kind.gather(rows_of), before.volume.gather(rows_of))

    def _of_meters(self, meters: pl.Series, values: pl.Series) -> pl.Series:
        """Values of some meters by meter row, null for all others."""
        nothing = pl.repeat(None, self._stored.height, dtype=pl.UInt32, eager=True)
        return nothing.scatter(meters, values)

    def forget(self, meters: pl.Series) -> None:
        """Drop meters: someone else takes care of them."""
        for table in (self._total, *self._tables):
            table.drop_meters(meters)
        rows = meters.cast(pl.Int64).implode()
        self._foreign = [
            replace(each, cells=each.cells.filter(~pl.col("m").is_in(rows)))
            for each in self._foreign
        ]

    def encoding(self) -> Encoding:
        """Return what turns every touched meter into texts. Nothing can be folded after that."""
        tables = (self._total, *self._tables)
        merged = for_each(tables, lambda table: table.taken())
        return Encoding(
            tables,
            merged,
            kind=self.kind,
            volume=self.volume,
            no=self._stored["no"],
            foreign=self._foreign,
        )


def _volume(texts: pl.Series, value: pl.Series) -> pl.Series:
    """Stored volumes; those that are not stored follow the value."""
    given = texts.cast(QUANTITY)
    return given.zip_with(given.is_not_null(), value.abs().fill_null(ZERO))


def _narrowed(assigned: pl.DataFrame) -> pl.DataFrame:
    """Widen whole numbers to quantities where their sums might leave 64 bits."""
    if assigned["v"].dtype != pl.Int64 or volume_max(assigned) < _WHOLE_MAX:
        return assigned
    return assigned.with_columns(pl.col("v", "s").cast(QUANTITY))


def _bounded(totals: pl.DataFrame) -> pl.DataFrame:
    """Give totals the columns ``rise`` and ``top`` where other measures say as much."""
    known = totals.columns
    given = {"rise": "sum", "top": "max"}
    bounds = [
        (pl.col(measure) if measure in known else pl.lit(0, dtype=pl.Int64)).alias(name)
        for name, measure in given.items()
        if name not in known
    ]
    return totals.with_columns(bounds)
