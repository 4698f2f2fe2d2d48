"""The keys of one day, packed: what a deduplicate node remembers of records that have a day.

A pack is a line of JSON (the texts of families and of compared fields) and an Arrow IPC file of the
keys. A key whose record was compared has the number of what its fields said (``kind``) and its
instant, so that a later record can be told to differ.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import polars as pl

from meterhouse.core.json_text import json_text, parse_json
from meterhouse.streams.record_keys import KEY_SCHEMA, TextNumbers, holding

KEY = tuple(KEY_SCHEMA)
#: ``kind`` and ``instant`` are null where nothing is compared.
SCHEMA = {**KEY_SCHEMA, "kind": pl.UInt32(), "instant": pl.Int64()}
#: So many keys are in one pack at most: a few hundred megabytes.
PACK_KEYS_MAX = 8_000_000
_FAMILIES_MAX = 16
#: Keys are bytes by chance, which nothing makes smaller: what packs them quickly will do.
_COMPRESSION = "lz4"


def packs(keys: pl.DataFrame, *, families: TextNumbers, kinds: TextNumbers) -> list[bytes]:
    """Pack keys (columns as in ``SCHEMA``); the same keys give the same bytes."""
    ordered = _ordered(keys)
    return [_pack(part, families, kinds) for part in ordered.iter_slices(PACK_KEYS_MAX)]


def _ordered(keys: pl.DataFrame) -> pl.DataFrame:
    """Sort keys: few families are told apart first, since whole numbers alone sort much faster."""
    families = keys["family"].unique().sort()
    if len(families) > _FAMILIES_MAX:
        return keys.sort("family", "low", "high")
    each = (keys.filter(pl.col("family") == family) for family in families)
    return pl.concat([keys.clear(), *(mine.sort("low", "high") for mine in each)])


def _pack(keys: pl.DataFrame, families: TextNumbers, kinds: TextNumbers) -> bytes:
    told, columns = {}, []
    for name, numbers in (("family", families), ("kind", kinds)):
        used = keys[name].drop_nulls().unique().sort()
        texts = [numbers.text(number) for number in used.to_list()]
        told[name] = texts
        own = pl.int_range(len(used), dtype=pl.UInt32, eager=True)
        columns.append(_renumbered(keys[name], used, own).alias(name))
    file = io.BytesIO()
    file.write(json_text(told).encode() + b"\n")
    keys.with_columns(columns).rechunk().write_ipc(
        file, compression=_COMPRESSION, compat_level=pl.CompatLevel.oldest()
    )
    return file.getvalue()


def unpacked(pack: bytes, *, families: TextNumbers, kinds: TextNumbers) -> pl.DataFrame:
    """Return the keys of a pack, with the numbers that their texts have here."""
    line, _, rest = pack.partition(b"\n")
    told = parse_json(line.decode())
    keys = pl.read_ipc(io.BytesIO(rest))
    columns = []
    for name, numbers in (("family", families), ("kind", kinds)):
        mine = numbers.of(told[name])
        own = pl.int_range(len(mine), dtype=pl.UInt32, eager=True)
        columns.append(_renumbered(keys[name], own, mine).alias(name))
    return keys.with_columns(columns).select(*SCHEMA)


def _renumbered(values: pl.Series, old: pl.Series, new: pl.Series) -> pl.Series:
    if not len(old):
        return values
    most = old.max()
    assert isinstance(most, int)
    table = pl.zeros(most + 1, dtype=pl.UInt32, eager=True).scatter(old, new)
    return table.gather(values)


class DayKeys:
    """The keys of one day that are known: ``stored`` ones, and ``added`` ones of this run."""

    def __init__(self, stored: Sequence[pl.DataFrame]) -> None:
        self.stored = list(stored)
        self.added: list[pl.DataFrame] = []

    def __len__(self) -> int:
        return sum(part.height for part in self._parts())

    def _parts(self) -> Iterable[pl.DataFrame]:
        return (*self.stored, *self.added)

    def known(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Return those of keys (with a column ``at``) that are known.

        Columns: ``at``, and ``kind`` and ``instant`` of the record that was first.
        """
        found = [pl.DataFrame(schema={"at": keys["at"].dtype, **_FIRST})]
        for part in self._parts():
            candidates = keys.filter(holding(keys["low"], part["low"]))
            if candidates.height:
                there = part.filter(holding(part["low"], candidates["low"]))
                found.append(
                    candidates.select("at", *KEY).join(there, on=list(KEY)).select("at", *_FIRST)
                )
        return pl.concat(found)


_FIRST = {"kind": pl.UInt32(), "instant": pl.Int64()}
