"""The ledger as it stood when a run began: a read transaction on a connection of its own.

Others may write meanwhile; nothing of that is seen here. Close it soon after the run: as long as
it is open, the log file cannot be emptied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from json import dumps
from pathlib import Path

import msgspec
import polars as pl

from meterhouse.core.instant import Instant, day_text
from meterhouse.core.json_text import JsonValue, json_text, parse_json
from meterhouse.core.problem import NotFoundError
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.columns.breakdowns import Breakdowns
from meterhouse.engine.source import METER_SCHEMA, MeterColumns, Profile
from meterhouse.store.catalogue import Catalogue
from meterhouse.store.connection import Database, TooBigError, path_from_value
from meterhouse.store.contents import contents_frame, empty_contents, initial_text
from meterhouse.store.lookup_tables import version_of
from meterhouse.store.run_commit import SHARED
from meterhouse.store.sql_text import queries
from meterhouse.streams.lookup_table import TableVersion
from meterhouse.streams.record import SESSION_LIFETIME, AggregateSession, ConsumedFile, Requeued

_SQL = queries("snapshot")
_METERS = queries("meters")
_POSITIONS = queries("positions")
_CACHE_KIB = 16 * 1024
#: Meters that are objects at the same time in a scan.
_BUCKETS_AT_ONCE = 2_000
_IDENTITIES_AT_ONCE = 200_000
#: Contents in one text: some megabytes are fastest. The number of meters follows their size.
_CONTENTS_BYTES = 12_000_000
_CONTENTS_FIRST = 200
_CONTENTS_MAX = 50_000
_KEYS_AT_ONCE = 1_000_000
_SESSIONS_AT_ONCE = 50_000
_texts = msgspec.json.Decoder(list[str]).decode
_numbers = msgspec.json.Decoder(list[int]).decode


class Snapshot:
    """What a run of one stream sees; without a stream, what a preview of a document does."""

    def __init__(self, path: Path, stream_id: str | None) -> None:
        self._database = Database(path, cache_kib=_CACHE_KIB)
        try:
            self._database.begin_snapshot()
            self._stream_no = self._database.value(_SQL["stream_no"], (stream_id,))
            if self._stream_no is None and stream_id is not None:
                raise NotFoundError(f"There is no stream {stream_id!r}")
        except BaseException:
            self._database.close()
            raise
        self._catalogue = Catalogue(self._database)

    def close(self) -> None:
        """Let go of the snapshot."""
        self._database.close()

    def meters(self, meter_key: str) -> SnapshotMeters:
        """Return the meters of a meter node."""
        return SnapshotMeters(self._database, self._catalogue, meter_key)

    def consumed(self, node_id: str) -> Mapping[str, ConsumedFile]:
        """Return what a reader node has consumed, by path."""
        with self._database.errors():
            rows = self._database.rows(_SQL["consumed"], (self._stream_no, node_id))
        files = (ConsumedFile(node_id, path_from_value(path), *rest) for path, *rest in rows)
        return {file.path: file for file in files}

    def positions(self, node_id: str) -> Mapping[str, JsonValue]:
        """Return how far a reader node has read, by part of its input."""
        with self._database.errors():
            rows = self._database.rows(_POSITIONS["of_node"], (self._stream_no, node_id))
        return {part: parse_json(value) for part, value in rows}

    def requeued(self) -> list[Requeued]:
        """Return the suspended records that are queued for this stream, oldest first."""
        with self._database.errors():
            rows = self._database.rows(_SQL["requeued"], (self._stream_no,))
        return [Requeued(id, node, parse_json(record), *place) for id, node, record, *place in rows]

    def seen(self, node_id: str, digests: pl.Series, *, at: Instant) -> pl.Series:
        """Tell for each 16-byte digest whether the node remembers it at ``at`` (Boolean)."""
        hits = pl.zeros(len(digests), dtype=pl.Boolean, eager=True).alias("seen")
        with self._database.errors():
            node = (self._stream_no, node_id)
            node_no = self._database.value(_SQL["dedup_node"], node)
            if node_no is None or not self._database.value(_SQL["has_keys"], (node_no,)):
                return hits
            # In key order, neighbours lie on one page.
            order = digests.arg_sort()
            for start in range(0, len(order), _KEYS_AT_ONCE):
                part = order.slice(start, _KEYS_AT_ONCE)
                joined = b"".join(digests.gather(part).to_list())
                values = {"node_no": node_no, "digests": joined, "count": len(part), "at": at}
                places = [place for (place,) in self._database.rows(_SQL["seen"], values)]
                hits = hits.scatter(part.gather(places), True)
        return hits

    def keys_of_day(self, node_id: str, day: Instant, *, at: Instant) -> Sequence[bytes]:
        """Return the packs of keys that the node remembers of a day at ``at``, oldest first."""
        values = {"stream_no": self._stream_no, "node_id": node_id, "day": day_text(day), "at": at}
        with self._database.errors():
            return [pack for (pack,) in self._database.rows(_SQL["keys_of_day"], values)]

    def script_store(self, node_id: str) -> Mapping[str, JsonValue]:
        """Return a script node's durable store; the node id "" is the shared store."""
        owner = self._stream_no if node_id else SHARED
        with self._database.errors():
            rows = self._database.rows(_SQL["script_store"], (owner, node_id))
        return {key: parse_json(value) for key, value in rows}

    def table_version(self, name: str, number: int | None) -> TableVersion | None:
        """Return a version of a look-up table: the latest, unless a number is given."""
        with self._database.errors():
            return version_of(self._database, name, number)

    def sessions(
        self, node_id: str, scope: str, *, keys: Collection[str], at: Instant
    ) -> list[AggregateSession]:
        """Return those of a node's open sessions that have these keys, in no order."""
        found: list[AggregateSession] = []
        asked = list(keys)
        for start in range(0, len(asked), _SESSIONS_AT_ONCE):
            wanted: dict[str, str | int] = {
                "keys": json_text(asked[start : start + _SESSIONS_AT_ONCE])
            }
            found += self._sessions("sessions", (node_id, scope), at=at, wanted=wanted)
        return found

    def due_sessions(self, node_id: str, scope: str, *, at: Instant) -> list[AggregateSession]:
        """Return the open sessions whose time-out has come, by its instant and then by key."""
        return self._sessions("due_sessions", (node_id, scope), at=at, wanted={"at": at})

    def _sessions(
        self, query: str, place: tuple[str, str], *, at: Instant, wanted: dict[str, str | int]
    ) -> list[AggregateSession]:
        node_id, scope = place
        values: dict[str, str | int | None] = {
            "stream_no": self._stream_no,
            "node_id": node_id,
            "scope": scope,
        }
        values |= {"since": at - SESSION_LIFETIME}
        with self._database.errors():
            rows = self._database.rows(_SQL[query], values | wanted)
        return [AggregateSession(*row) for row in rows]


class SnapshotMeters:
    """The meters of one meter key in a snapshot: a ``MeterSource``."""

    def __init__(self, database: Database, catalogue: Catalogue, meter_key: str) -> None:
        self._database = database
        self._catalogue = catalogue
        with database.errors():
            self._key_no = database.value(_SQL["key_no"], (meter_key,))

    def for_users(self, user_ids: Collection[str]) -> Iterator[Bucket]:
        """Return the buckets of those users."""
        ids = json_text(list(user_ids))
        return self._buckets(_METERS["by_users"], (self._key_no, ids))

    def by_numbers(self, numbers: Sequence[int]) -> Iterator[Bucket]:
        """Yield the buckets with those ``Meter.no``, in this order."""
        for start in range(0, len(numbers), _BUCKETS_AT_ONCE):
            part = numbers[start : start + _BUCKETS_AT_ONCE]
            found = self._buckets(_METERS["by_numbers"], (json_text(list(part)),))
            by_no = {bucket.meter.no: bucket for bucket in found}
            yield from (by_no[no] for no in part)

    def expired(self, at: Instant) -> Iterator[Bucket]:
        """Yield the buckets whose period has ended at ``at``, by number."""
        return self.by_numbers(self._order("expired", at))

    def all(self) -> Iterator[Bucket]:
        """Yield every bucket, by number."""
        return self.by_numbers(self._order("all", 0))

    def has_event_meters(self) -> bool:
        """Whether any meter has periods that follow the timestamps of records."""
        with self._database.errors():
            values = {"key_no": self._key_no}
            return bool(self._database.value(_SQL["has_event_meters"], values))

    def due_events(self, at: Instant) -> Iterator[Bucket]:
        """Yield the event-time meters of which a period may close at ``at``."""
        return self.by_numbers(self._order("due_events", at))

    def open_periods(self, numbers: Sequence[int]) -> Iterator[Bucket]:
        """Yield the touched periods of event-time meters that have not closed."""
        return self._periods("open_periods", numbers)

    def periods(self, places: Sequence[tuple[int, Instant]]) -> Iterator[Bucket]:
        """Yield the touched periods of event-time meters, by ``Meter.no`` and start."""
        return self._periods("periods", places)

    def _periods(self, query: str, wanted: Sequence[object]) -> Iterator[Bucket]:
        for start in range(0, len(wanted), _BUCKETS_AT_ONCE):
            part = dumps(wanted[start : start + _BUCKETS_AT_ONCE])
            with self._database.errors():
                yield from self._catalogue.periods(self._database.rows(_SQL[query], (part,)))

    def adjustments_due(self) -> list[tuple[int, str]]:
        """Return the adjustments that no run has taken downstream yet: numbers and texts."""
        with self._database.errors():
            return [
                (no, text)
                for no, text in self._database.rows(_SQL["adjustments_due"], (self._key_no,))
            ]

    def columns(self) -> MeterColumns:
        """Return every meter as columns."""
        with self._database.errors():
            identities = self._identities()
            own = self._own_profiles()
            contents = self._contents()
            identities, profiles = _with_profiles(identities, own, self._catalogue)
        return MeterColumns(_joined(identities, contents, profiles), profiles, self._pack)

    def _pack(self, number: int) -> Breakdowns:
        with self._database.errors():
            return self._catalogue.pack(number)

    def _order(self, query: str, at: Instant) -> list[int]:
        with self._database.errors():
            values = {"key_no": self._key_no, "at": at}
            return [no for (no,) in self._database.rows(_SQL[query], values)]

    def _buckets(self, sql: str, values: tuple[object, ...]) -> Iterator[Bucket]:
        with self._database.errors():
            return self._catalogue.buckets(self._database.rows(sql, values))

    def _identities(self) -> pl.DataFrame:
        parts = [pl.DataFrame(schema={"no": pl.Int64, "user_id": pl.String, "version": pl.Int64})]
        last = 0
        while True:
            values = (self._key_no, last, _IDENTITIES_AT_ONCE)
            row = self._database.only_row(_SQL["identity_columns"], values)
            count, first, last, users, versions = row
            if not count:
                return pl.concat(parts)
            # The usual case: numbers that leave none out, and user ids of one line each.
            if last + 1 - first == count:
                numbers = pl.int_range(first, last + 1, eager=True)
            else:
                text = self._database.value(_SQL["identity_numbers"], values)
                numbers = pl.Series(_numbers(text), dtype=pl.Int64)
            user_ids = pl.Series([users]).str.split("\n").explode()
            if len(user_ids) != count:
                text = self._database.value(_SQL["identity_users"], values)
                user_ids = pl.Series(_texts(text), dtype=pl.String)
            columns = {"no": numbers, "user_id": user_ids, "version": _numbers(versions)}
            parts.append(pl.DataFrame(columns))

    def _own_profiles(self) -> dict[int, Profile]:
        """Return the profiles of the meters that differ from their type."""
        rows = self._database.rows(_SQL["own_profiles"], (self._key_no,))
        return {no: self._catalogue.profile(version, *own) for no, version, *own in rows}

    def _contents(self) -> pl.DataFrame:
        parts = [empty_contents()]
        last, meters = 0, _CONTENTS_FIRST
        while True:
            try:
                values = (self._key_no, last, meters)
                lines, reached = self._database.only_row(_SQL["contents_lines"], values)
            except TooBigError:
                # Much larger meters than those before.
                meters = max(meters // 10, 1)
                continue
            if reached is None:
                return pl.concat(parts)
            parts.append(contents_frame(lines))
            last = reached
            fitting = meters * _CONTENTS_BYTES // len(lines)
            meters = max(1, min(fitting, meters * 20, _CONTENTS_MAX))


def _with_profiles(
    identities: pl.DataFrame, own: Mapping[int, Profile], catalogue: Catalogue
) -> tuple[pl.DataFrame, list[Profile]]:
    """Replace the column ``version`` by ``profile``; equal profiles are one."""
    profiles: dict[Profile, int] = {}
    versions = identities.get_column("version")
    by_version = {
        version: profiles.setdefault(catalogue.profile(version), len(profiles))
        for version in versions.unique().sort().to_list()
    }
    column = versions.replace_strict(by_version).cast(METER_SCHEMA["profile"])
    if own:
        places = identities.get_column("no").search_sorted(pl.Series(list(own)))
        numbers = [profiles.setdefault(profile, len(profiles)) for profile in own.values()]
        column = column.scatter(places, numbers)
    return identities.select("no", "user_id", profile=column), list(profiles)


def _joined(
    identities: pl.DataFrame, contents: pl.DataFrame, profiles: Sequence[Profile]
) -> pl.DataFrame:
    """Put contents beside their meters; untouched meters get what they start with."""
    initial = pl.Series([initial_text(p.aggregation) for p in profiles], dtype=pl.String)
    start = initial.gather(identities.get_column("profile"))
    # Left and right are in order of `no`.
    frame = identities.join(contents, on="no", how="left", maintain_order="left")
    untouched = pl.col("count").is_null()
    value = pl.when(untouched).then(start).otherwise(pl.col("value"))
    return frame.with_columns(value=value, count=pl.col("count").fill_null(0))
