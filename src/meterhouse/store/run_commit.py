"""What a run writes at its end. The caller holds the transaction and the lease.

Each function writes one part. Bulk parts go in key order, in statements that are prepared once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, repeat

import polars as pl

from meterhouse.core.instant import Instant, day_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.changes import ContentsPart
from meterhouse.engine.metering import StateChanges
from meterhouse.store.connection import Database, IntegrityError, Row, path_value, storable
from meterhouse.store.contents import contents_column, contents_text
from meterhouse.store.periods import write_periods
from meterhouse.store.positions import put_positions
from meterhouse.store.sql_text import queries
from meterhouse.store.usage import forget_usage_of_gone, write_usage
from meterhouse.streams.ahead import ahead, nothing
from meterhouse.streams.record import (
    SESSION_LIFETIME,
    USAGE_LIFETIME,
    DuplicateKeys,
    Emitted,
    KeysOfDay,
    OutboxEntry,
    Run,
    RunResult,
    SessionChanges,
    Suspended,
)
from meterhouse.streams.storage import LOCAL, Storage

_SQL = queries("run_commit")
_RUNS = queries("runs")
_FORWARDS = queries("forwards")
#: The "stream" of the script store that all streams share.
SHARED = 0
#: Rows of contents that are Python objects at the same time.
_CONTENTS_ROWS = 50_000
_DIGEST_BYTES = 16
_KEYS_AT_ONCE = 1_000_000
#: A sweep looks at this many keys for each that the run adds, and at least at some.
_SWEPT_PER_KEY = 3
_SWEPT_MIN = 10_000
_SWEPT_MAX = 1_000_000
#: A run forgets single usage of so many periods for each meter that goes, and at least of some.
_FORGOTTEN = 3
_FORGOTTEN_MIN = 10_000
_PLACE_MAX = 2**63 - 1


def commit(database: Database, run: Run, result: RunResult, *, run_no: int, stream_no: int) -> None:
    """Write all that a complete run leaves behind, except the run's own row."""
    others = partial(_write_others, database, run, result, run_no=run_no, stream_no=stream_no)
    bulk = next((changes for _, changes in result.states if changes.contents is not None), None)
    for _, changes in result.states:
        _write_changes(
            database, changes, run_no=run_no, meanwhile=others if changes is bulk else nothing
        )
    if bulk is None:
        others()
    gone = sum(len(changes.deleted) for _, changes in result.states)
    forget_usage_of_gone(
        database, until=run.at - USAGE_LIFETIME, periods=max(_FORGOTTEN_MIN, _FORGOTTEN * gone)
    )


def _write_others(
    database: Database, run: Run, result: RunResult, *, run_no: int, stream_no: int
) -> None:
    """Write all but states."""
    _write_records(database, result.records, run_no=run_no)
    read = {file.path for file in result.consumed} | set(result.sources)
    # Where a record that came back was first read says nothing of what was read now.
    read |= {s.source for s in result.suspended if not s.returned}
    _replace_provisional(database, dict.fromkeys(read, _PLACE_MAX), stream_no=stream_no)
    _write_suspense(database, run, result.suspended, numbers=(stream_no, run_no, 0))
    database.execute_many(_SQL["delete_suspense"], zip(result.requeued, strict=True))
    consumed = [
        (stream_no, f.node_id, path_value(f.path), f.size, f.modified_ns, f.etag, run_no, f.records)
        for f in result.consumed
    ]
    database.execute_many(_SQL["insert_consumed"], consumed)
    put_positions(database, result.positions, stream_no=stream_no, run_no=run_no)
    for keys in result.duplicate_keys:
        _write_keys(database, keys, stream_no=stream_no, at=run.at)
    _write_keys_of_days(database, result.keys_of_days, stream_no=stream_no, at=run.at)
    for entry in result.outbox:
        _write_output(database, run, entry, run_no=run_no)
    _write_script_store(database, result.script_store, stream_no=stream_no)
    _write_sessions(database, result.sessions, stream_no=stream_no, at=run.at)
    _write_story(database, result, run_no=run_no)


def _storage_value(storage: Storage) -> str | None:
    return None if storage == LOCAL else json_text(storage.to_json())


def keep_failed(
    database: Database, run: Run, result: RunResult, *, run_no: int, stream_no: int
) -> None:
    """Keep the suspended records of a failed run, and what tells its story.

    They replace those that failed runs left of the same input, as far as it was read again.
    Records that came from Data Correction are there still, queued as they were.
    """
    kept = [s for s in result.suspended if not s.returned]
    reached: dict[str, int] = {}
    for suspended in kept:
        reached[suspended.source] = max(reached.get(suspended.source, 0), suspended.offset)
    _replace_provisional(database, reached, stream_no=stream_no)
    _write_suspense(database, run, kept, numbers=(stream_no, run_no, 1))
    _write_story(database, result, run_no=run_no)


def _replace_provisional(database: Database, reached: Mapping[str, int], *, stream_no: int) -> None:
    """Forget what failed runs left of inputs that have been read again, up to a place in each."""
    if database.value(_SQL["has_provisional"], (stream_no,)):
        rows = ((stream_no, place, storable(name)) for name, place in reached.items())
        database.execute_many(_SQL["replace_provisional"], rows)


def _write_changes(
    database: Database, changes: StateChanges, *, run_no: int, meanwhile: Callable[[], None]
) -> None:
    """``meanwhile`` is done while the first contents are made; without contents, not at all."""
    packed = bool(database.value(_SQL["has_packs"]))
    _write_buckets(database, changes.buckets, packed=packed)
    write_periods(database, changes.periods)
    write_usage(database, changes, run_no=run_no)
    database.execute_many(_SQL["release_adjustment"], zip(changes.released, strict=True))
    database.execute_many(_SQL["give_run"], zip(repeat(run_no), changes.released))
    if changes.contents is not None:
        # While a part is written, the next one is packed and the one after that is made.
        made = ahead(iter(changes.contents))
        for part in ahead(map(ContentsPart.packed, made), meanwhile=meanwhile):
            if packed:
                _leave_packs(database, part.frame.get_column("no").to_list())
            _write_contents(database, part, updated_at=changes.updated_at)
    # Last of all: what its periods had taken, in this run too, outlasts a meter.
    database.execute_many(_SQL["delete_meter"], zip(changes.deleted, strict=True))


def _leave_packs(database: Database, numbers: list[int]) -> None:
    """Let meters whose rows are replaced need their packs no longer."""
    database.execute(_SQL["leave_packs"], (json_text(numbers),))


def _write_buckets(database: Database, buckets: Sequence[Bucket], *, packed: bool) -> None:
    """Write periods and contents. An untouched period has no contents row.

    ``packed`` says whether any meter may need a pack.
    """
    database.execute_many(_SQL["update_period"], map(_period_row, buckets))
    filled: list[Row] = []
    empty: list[Row] = []
    for bucket in buckets:
        no, state = bucket.meter.no, bucket.state
        contents = contents_text(state, aggregation=bucket.meter.aggregation)
        if contents is None:
            empty.append((no,))
        else:
            filled.append((no, state.updated_at, contents, None))
    database.execute_many(_SQL["clear_contents"], empty)
    if packed:
        _leave_packs(database, [no for no, *_ in filled])
    database.execute_many(_SQL["put_contents"], filled)


def _period_row(bucket: Bucket) -> Row:
    state, period = bucket.state, bucket.state.period
    bounds = (period.sequence, period.start, period.end)
    return (*bounds, state.timezone, state.updated_at, bucket.meter.no)


def _write_contents(database: Database, part: ContentsPart, *, updated_at: Instant) -> None:
    packs = _write_packs(database, part)
    for frame in part.frame.with_columns(packs).iter_slices(_CONTENTS_ROWS):
        texts = contents_column(frame).to_list()
        numbers, places = frame.get_column("no").to_list(), frame.get_column("pack").to_list()
        rows = zip(numbers, repeat(updated_at), texts, places, strict=False)
        database.execute_many(_SQL["put_contents"], rows)


def _write_packs(database: Database, part: ContentsPart) -> pl.Series:
    """Write the breakdowns of meters; returns each meter's number of a pack."""
    places = part.frame.get_column("pack")
    meters = dict(places.value_counts().iter_rows())
    numbers = []
    for place, breakdowns in enumerate(part.breakdowns):
        number = None
        if place in meters:
            number = database.value(_SQL["insert_pack"], (meters[place],))
            database.execute(_SQL["insert_pack_content"], (number, breakdowns.content()))
        numbers.append(number)
    return pl.Series(numbers, dtype=pl.Int64).gather(places).alias("pack")


def _write_records(database: Database, records: Iterable[Emitted], *, run_no: int) -> None:
    try:
        database.execute_many(_SQL["insert_record"], (_record_row(e, run_no) for e in records))
    except IntegrityError as error:
        # Ids follow from meter, period, kind and threshold: the same id is the same record twice.
        raise AssertionError("a metered record is written a second time") from error


def _record_row(emitted: Emitted, run_no: int) -> Row:
    record = emitted.record
    id = bytes.fromhex(record.record_id.replace("-", ""))
    return (id, record.kind.value, run_no, emitted.node_id, record.text)


def _write_suspense(
    database: Database, run: Run, suspended: Sequence[Suspended], *, numbers: tuple[int, int, int]
) -> None:
    """``numbers`` are those of stream and run, and 1 for a failed run."""
    at = run.started_at if run.ended_at is None else run.ended_at
    names = sorted({s.source for s in suspended})
    source_nos = {name: _source_no(database, name) for name in names}
    rows = (_suspense_row(s, source_nos[s.source], numbers, at) for s in suspended)
    database.execute_many(_SQL["insert_suspense"], rows)


def _suspense_row(s: Suspended, source_no: int, numbers: tuple[int, int, int], at: Instant) -> Row:
    stream_no, run_no, provisional = numbers
    error = (s.node_id, s.node_name, s.reason.value, storable(s.detail))
    record = None if s.record is None else json_text(s.record)
    raw = None if s.raw is None else storable(s.raw)
    return (stream_no, run_no, *error, source_no, s.offset, provisional, at, at, record, raw)


def _source_no(database: Database, name: str) -> int:
    values = (storable(name),)
    found = database.value(_SQL["source_no"], values)
    return found if found is not None else database.value(_SQL["insert_source"], values)


def _write_keys(database: Database, keys: DuplicateKeys, *, stream_no: int, at: Instant) -> None:
    """Remember digests, and forget some that have expired."""
    node_no, swept = _dedup_node(database, keys.node_id, stream_no=stream_no)
    _sweep(database, node_no, swept, added=len(keys.digests), at=at)
    for part in keys.digests.sort().to_frame().iter_slices(_KEYS_AT_ONCE):
        digests = b"".join(part.to_series().to_list())
        assert len(digests) == _DIGEST_BYTES * len(part), "digests have 16 bytes"
        values = {"node_no": node_no, "digests": digests, "count": len(part)}
        database.execute(_SQL["insert_keys"], values | {"expires_at": keys.expires_at})


def _dedup_node(database: Database, node_id: str, *, stream_no: int) -> Row:
    """Return the number of a deduplicate node, and how far its keys were swept."""
    node = (stream_no, node_id)
    row = database.row(_SQL["dedup_node"], node) or database.row(_SQL["insert_dedup_node"], node)
    assert row is not None
    return row


def _write_keys_of_days(
    database: Database, days: Sequence[KeysOfDay], *, stream_no: int, at: Instant
) -> None:
    """Remember keys by day, and forget the days of these nodes whose time is over."""
    for node_id, of_node in groupby(days, key=lambda keys: keys.node_id):
        node_no, _ = _dedup_node(database, node_id, stream_no=stream_no)
        database.execute(_SQL["forget_days"], (node_no, at))
        for keys in of_node:
            day = day_text(keys.day)
            if keys.replaces:
                database.execute(_SQL["clear_day"], (node_no, day))
            row = {"node_no": node_no, "day": day, "expires_at": keys.expires_at}
            for pack in keys.packs:
                database.execute(_SQL["add_keys_of_day"], row | {"keys": pack})


def _sweep(database: Database, node_no: int, start: bytes, *, added: int, at: Instant) -> None:
    """Forget expired keys in the next portion of a node's keys, going round.

    Expired keys are no harm but in size: a portion in proportion to the keys that come in keeps
    them few, and the time of one commit bounded.
    """
    portion = min(max(_SWEPT_PER_KEY * added, _SWEPT_MIN), _SWEPT_MAX)
    end = database.value(_SQL["sweep_end"], (node_no, start, portion - 1))
    values = {"node_no": node_no, "start": start, "end": end, "at": at}
    database.execute(_SQL["sweep"], values)
    database.execute(_SQL["swept"], (b"" if end is None else end, node_no))


def _write_output(database: Database, run: Run, entry: OutboxEntry, *, run_no: int) -> None:
    """Put an output into the outbox; one that is forwarded is due in its channel."""
    channel = forward = None
    if entry.forward is not None:
        forward = json_text(entry.forward.to_json())
        channel = database.value(_FORWARDS["put_channel"], (run.stream_id, entry.node_id))
    where = path_value(entry.destination), _storage_value(entry.storage)
    values = (run_no, entry.node_id, entry.spool, *where, forward, channel, entry.records)
    database.execute(_SQL["insert_outbox"], values)


def _write_script_store(
    database: Database, store: Mapping[str, Mapping[str, JsonValue]], *, stream_no: int
) -> None:
    for node_id, values in store.items():
        owner = stream_no if node_id else SHARED
        for key, value in values.items():
            if value is None:
                database.execute(_SQL["delete_value"], (owner, node_id, key))
            else:
                text = json_text(value)
                database.execute(_SQL["put_value"], (owner, node_id, key, text))


def _write_sessions(
    database: Database, changes: Sequence[SessionChanges], *, stream_no: int, at: Instant
) -> None:
    for change in changes:
        place = (stream_no, change.node_id, change.scope)
        database.execute_many(_SQL["delete_session"], ((*place, key) for key in change.ended))
        rows = (
            (*place, s.key, s.state, s.created_at, s.updated_at, s.timeout_at) for s in change.kept
        )
        database.execute_many(_SQL["put_session"], rows)
    database.execute(_SQL["forget_sessions"], (stream_no, at - SESSION_LIFETIME))


def _write_story(database: Database, result: RunResult, *, run_no: int) -> None:
    """Write the custom audit and the log."""
    audit = [
        (run_no, node_id, key, json_text(value))
        for node_id, values in result.audit.items()
        for key, value in values.items()
    ]
    database.execute_many(_RUNS["insert_audit"], audit)
    lines = [
        (run_no, position, node_id, level, storable(text))
        for position, (node_id, level, text) in enumerate(result.log)
    ]
    database.execute_many(_RUNS["insert_log"], lines)
