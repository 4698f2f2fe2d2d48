"""Deduplicate where records have a day: keys are known by day, and the earliest record stays.

A day is over when the input moves on to another one, or ends. Where the earliest record is to
stay, the records of a day are held until then; otherwise they leave at once. A day that comes
again in the same run finds the keys that have left. Whatever is held, records leave in order of
arrival, however the input is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from meterhouse.core.instant import DAY, Instant, day_text
from meterhouse.core.json_text import JsonValue
from meterhouse.core.reading import shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch, concat_batches
from meterhouse.engine.column import Column, ColumnKind, absent_column
from meterhouse.engine.columns.check import read_instants
from meterhouse.engine.together import for_each
from meterhouse.streams.day_keys import KEY, DayKeys, packs, unpacked
from meterhouse.streams.field import field_column
from meterhouse.streams.mask import marked, without
from meterhouse.streams.nodes.node import NodeRun, NodeSite, Outputs
from meterhouse.streams.placeholder import Template
from meterhouse.streams.record import KeysOfDay, RunResult
from meterhouse.streams.record_keys import RecordKeys, TextNumbers, repeated
from meterhouse.streams.suspension import Bad, SuspensePolicy

UNIQUE, DUPLICATE, CONFLICT = "unique", "duplicate", "conflict"
#: So many keys lie about unpacked; more are packed until their day comes again.
_LOOSE_MAX = 4_000_000
#: A day with so many stored packs gets one pack instead.
_PACKS_MAX = 8


@dataclass(frozen=True, slots=True)
class ByDay:
    """What tells records of a day apart. ``ports`` are those that duplicates leave by."""

    key: Template
    day: str
    earliest: str | None
    compare: tuple[str, ...]
    life_days: int
    ports: frozenset[str]
    policy: SuspensePolicy


@dataclass(slots=True)
class _Day:
    """A day in this run. What is packed is not in ``keys``."""

    keys: DayKeys
    stored_packs: int
    packed: list[bytes] = field(default_factory=list)


class DeduplicateByDay(NodeRun):
    """The node during one run."""

    def __init__(self, params: ByDay, site: NodeSite) -> None:
        self._params = params
        self._site = site
        self._guard = site.guard(params.policy)
        self._keys = RecordKeys(params.key)
        self._kinds = TextNumbers()
        self._days: dict[Instant, _Day] = {}
        self._held: list[tuple[UsageBatch, pl.DataFrame]] = []
        # Days that begin before this are over, and their keys forgotten.
        self._first_day = site.world.facts.at - (1 + params.life_days) * DAY + 1
        site.world.foresight.append(self._foresee)

    # ------------------------------------------------------------ records

    def take(self, batch: UsageBatch) -> Outputs:
        """Take records in; those of days that are over leave."""
        batch, days = self._with_days(batch)
        if not len(batch):
            return {}
        keys = self._described(batch, days)
        if self._params.earliest is None:
            return self._resolve([(batch, keys)])
        last = days[-1]
        if self._held and self._held[-1][1]["day"][0] != days[0]:
            over, self._held = self._held, []
        else:
            over = []
        other = (days != last).arg_true()
        cut = 0 if not len(other) else int(other[-1]) + 1
        if cut:
            over, self._held = [*over, *self._held, (batch.slice(0, cut), keys.slice(0, cut))], []
        self._held.append((batch.slice(cut, len(batch) - cut), keys.slice(cut)))
        return self._resolve(over) if over else {}

    def end(self) -> Iterator[Outputs]:
        """Let the last day out."""
        over, self._held = self._held, []
        if over:
            yield self._resolve(over)

    def _foresee(self, batch: UsageBatch) -> None:
        """Read keys and instants of records that are on their way, from another thread."""
        if batch.columnar:
            columns = batch.columns()
            self._keys.foresee(columns)
            if self._params.earliest in columns:
                read_instants(columns[self._params.earliest])

    def _with_days(self, batch: UsageBatch) -> tuple[UsageBatch, pl.Series]:
        """Return the records that have a day, and their days; others are suspended.

        So are those of days whose keys are forgotten: they may have come before.
        """
        column = field_column(batch, self._params.day)
        days = days_of(column)
        fits = (days >= self._first_day).fill_null(value=False)
        if fits.all():
            self._guard.screen(batch, [])
            return batch, days
        wrong = (~fits).arg_true()
        values = column.gather(wrong).to_values()
        bad: list[Bad] = [
            (place, *self._unfit(value, day))
            for place, value, day in zip(
                wrong.to_list(), values, days.gather(wrong).to_list(), strict=True
            )
        ]
        self._guard.screen(batch, bad)
        return without(batch, wrong.to_list()), days.filter(fits)

    def _unfit(self, value: JsonValue, day: Instant | None) -> tuple[Reason, str]:
        if day is None:
            return Reason.TIMESTAMP_INVALID, self._no_day(value)
        text = (
            f"{self._params.day} is {day_text(day)}, and keys are remembered until "
            f"{self._params.life_days} days after it (lifeTimeDays): see whether it came before"
        )
        return Reason.DAY_FORGOTTEN, text

    def _no_day(self, value: JsonValue) -> str:
        given = "is missing" if value is None else f"is {shown(value)}"
        return f"{self._params.day} {given}; give a day, such as 2026-01-31"

    def _described(self, batch: UsageBatch, days: pl.Series) -> pl.DataFrame:
        """Return key, day, and what is compared of each record."""
        frame = self._keys.of(batch).with_columns(days.alias("day"))
        none = pl.lit(None, dtype=pl.UInt32)
        if self._params.earliest is None:
            frame = frame.with_columns(instant=pl.lit(None, dtype=pl.Int64))
        else:
            instants = read_instants(field_column(batch, self._params.earliest))
            frame = frame.with_columns(instants.alias("instant"))
        if not self._params.compare:
            return frame.with_columns(kind=none)
        columns = [self._compared(batch, name, frame) for name in self._params.compare]
        kinds = self._kinds.combined(columns, len(batch))
        return frame.with_columns(kinds.alias("kind"))

    def _compared(self, batch: UsageBatch, name: str, frame: pl.DataFrame) -> Column:
        """Return a compared field; instants are compared as such, where they can be read."""
        column = field_column(batch, name)
        if name != self._params.earliest:
            return column
        odd = column.is_present() & frame["instant"].is_null()
        if not odd.any():
            return absent_column(len(batch))
        texts = column.canonical()
        return Column(ColumnKind.JSON, texts.set(~odd, None))

    # ------------------------------------------------------------ days that are over

    def _resolve(self, pieces: list[tuple[UsageBatch, pl.DataFrame]]) -> Outputs:
        """Tell first records from others, and remember their keys."""
        batch = concat_batches([batch for batch, _ in pieces])
        rows = pl.concat([keys for _, keys in pieces]).with_row_index("at")
        rows = rows.with_columns(stretch=pl.col("day").rle_id())
        days = rows["day"].unique().to_list()
        first_seen = [self._known(day, rows, alone=len(days) == 1) for day in days]
        before = pl.concat([rows.select("at", "kind", "instant").clear(), *first_seen])
        fresh = rows.filter(~marked(before["at"], length=rows.height)) if len(before) else rows
        again, winners = self._among(fresh)
        new = fresh if not again.height else fresh.join(again.select("at"), on="at", how="anti")
        self._remember(new, days)
        others = pl.concat([before, winners.select("at", "kind", "instant")])
        return self._sorted(batch, rows, others)

    def _known(self, day: Instant, rows: pl.DataFrame, *, alone: bool) -> pl.DataFrame:
        mine = rows if alone else rows.filter(pl.col("day") == day)
        return self._day(day).keys.known(mine).unique("at", keep="first")

    def _among(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows that are not the first of their key, and with what the first one says."""
        suspects = rows.filter(repeated(rows["low"])) if rows.height else rows
        if not suspects.height:
            return suspects, suspects
        order = ["stretch", "instant", "at"] if self._params.earliest is not None else ["at"]
        ordered = suspects.sort(order, nulls_last=True)
        name = ["day", *KEY]
        first = ordered.unique(name, keep="first", maintain_order=True)
        again = ordered.join(first.select("at"), on="at", how="anti")
        told = first.select(*name, "kind", "instant")
        return again, again.select("at", *name).join(told, on=name)

    def _sorted(self, batch: UsageBatch, rows: pl.DataFrame, others: pl.DataFrame) -> Outputs:
        """Bring each record to its port. ``others`` says what the first of its key said."""
        if not others.height:
            return {UNIQUE: batch}
        told = others.join(rows.select("at", k="kind", i="instant"), on="at").sort("at")
        same = told.select(
            pl.col("kind").eq_missing(pl.col("k")) & self._same_instant()
        ).to_series()
        places = {DUPLICATE: told["at"].filter(same), CONFLICT: told["at"].filter(~same)}
        if CONFLICT not in self._params.ports:
            places = {DUPLICATE: told["at"]}
        outputs = {UNIQUE: batch.filter(~marked(told["at"], length=len(batch)))}
        for port, at in places.items():
            if port in self._params.ports:
                outputs[port] = batch.take(at)
            else:
                self._site.count.duplicates += len(at)
        return outputs

    def _same_instant(self) -> pl.Expr:
        if self._params.earliest not in self._params.compare:
            return pl.lit(value=True)
        return pl.col("instant").eq_missing(pl.col("i"))

    # ------------------------------------------------------------ what is remembered

    def _day(self, day: Instant) -> _Day:
        found = self._days.get(day)
        if found is None:
            world = self._site.world
            stored = world.snapshot.keys_of_day(self._site.id, day, at=world.facts.at)
            found = self._days[day] = _Day(DayKeys(list(map(self._unpacked, stored))), len(stored))
        if found.packed:
            found.keys.added = [self._unpacked(pack) for pack in found.packed]
            found.packed = []
        return found

    def _unpacked(self, pack: bytes) -> pl.DataFrame:
        return unpacked(pack, families=self._keys.families, kinds=self._kinds)

    def _packed(self, keys: list[pl.DataFrame]) -> list[bytes]:
        whole = pl.concat(keys)
        return packs(whole, families=self._keys.families, kinds=self._kinds)

    def _expires_at(self, day: Instant) -> Instant:
        return day + (1 + self._params.life_days) * DAY

    def _remember(self, new: pl.DataFrame, days: list[Instant]) -> None:
        columns: list[str | pl.Expr] = [*KEY, "kind", "instant"]
        if self._params.earliest not in self._params.compare:
            columns[-1] = pl.lit(None, dtype=pl.Int64).alias("instant")
        for day in days:
            mine = new if len(days) == 1 else new.filter(pl.col("day") == day)
            if mine.height:
                self._days[day].keys.added.append(mine.select(columns).rechunk())
        loose = sum(map(len, (one.keys for one in self._days.values())))
        for day, one in self._days.items():
            if loose <= _LOOSE_MAX:
                break
            if day not in days and one.keys.added:
                loose -= len(one.keys)
                one.packed = self._packed(one.keys.added)
                one.keys.added = []
                loose += len(one.keys)

    def commit(self, result: RunResult) -> None:
        """Hand over the keys that were new, day by day; days are packed side by side."""
        changed: list[tuple[Instant, _Day]] = []
        for day, one in sorted(self._days.items()):
            if one.packed or one.keys.added:
                changed.append((day, one))
                if one.stored_packs >= _PACKS_MAX:
                    unpacked_ones = [self._unpacked(pack) for pack in one.packed]
                    one.keys.added = [*one.keys.stored, *one.keys.added, *unpacked_ones]
        result.keys_of_days += for_each(changed, self._kept)

    def _kept(self, entry: tuple[Instant, _Day]) -> KeysOfDay:
        day, one = entry
        if one.keys.added:
            one.packed = self._packed(one.keys.added)
        replaces = one.stored_packs >= _PACKS_MAX
        expires_at = self._expires_at(day)
        return KeysOfDay(self._site.id, day, tuple(one.packed), expires_at, replaces=replaces)


def days_of(column: Column) -> pl.Series:
    """Return the UTC day of each value as the instant at which it begins; null where it has none.

    >>> days_of(Column.from_values(["1970-01-02", "1970-01-02T10:00:00Z", 0, "x"])).to_list()
    [86400000000, 86400000000, 0, None]
    """
    if column.coded is not None:
        coded = column.coded
        return days_of(Column(ColumnKind.TEXT, coded.texts)).gather(coded.codes)
    values = column.values
    first = values[0] if len(values) else None
    if (
        column.kind is ColumnKind.TEXT
        and first is not None
        and (values == first).all(ignore_nulls=False)
    ):
        instants = read_instants(Column(column.kind, values.head(1))).new_from_index(0, len(values))
    else:
        instants = read_instants(column)
    return instants - instants % DAY
