"""Single usage in the ledger: kept by runs, listed, and changed by metering its period again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import repeat

from meterhouse.app.ports import Lease, Page
from meterhouse.app.usage import refuse_unkept
from meterhouse.app.usage_ports import Amendment, KeptUsage, Remetered, UsageEntry
from meterhouse.core.aggregation import Aggregation
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.meter_state import MeterState, Section
from meterhouse.core.metered_record import MeteredRecord
from meterhouse.core.period_calendar import period_at
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.core.quantity import ZERO, number_text
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.changes import StateChanges
from meterhouse.engine.event_periods import adjust
from meterhouse.engine.retained import RetainedRecord, fold_again
from meterhouse.store.activities import Recorder
from meterhouse.store.catalogue import Catalogue
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.meters import refuse_running
from meterhouse.store.pages import number_after, page_of
from meterhouse.store.periods import write_periods
from meterhouse.store.sql_text import queries

_SQL = queries("usage")
_METERS = queries("meters")
_KIND = "usage"
_ROWS_AT_ONCE = 50_000


def write_usage(database: Database, changes: StateChanges, *, run_no: int) -> None:
    """Write what a run keeps of single usage."""
    if changes.usage is None:
        return
    used = changes.usage["rule"].unique().to_list()
    rules = {number: _rule_no(database, changes.usage_rules[number]) for number in used}
    names = [name for name in changes.usage["source"].unique().to_list() if name is not None]
    sources = {None: None} | {name: _source_no(database, name) for name in sorted(names)}
    for part in changes.usage.iter_slices(_ROWS_AT_ONCE):
        columns = {name: part[name].to_list() for name in part.columns}
        rows = zip(
            columns["meter"],
            columns["start"],
            map(storable, columns["identity"]),
            columns["timestamp"],
            columns["value"],
            map(rules.__getitem__, columns["rule"]),
            columns["fields"],
            map(sources.__getitem__, columns["source"]),
            columns["offset"],
            repeat(changes.updated_at),
            repeat(run_no),
        )
        database.execute_many(_SQL["insert_usage"], rows)


def _rule_no(database: Database, text: str) -> int:
    found = database.value(_SQL["rule_no"], (text,))
    return found if found is not None else database.value(_SQL["insert_rule"], (text,))


def _source_no(database: Database, name: str) -> int:
    found = database.value(_SQL["source_no"], (storable(name),))
    return found if found is not None else database.value(_SQL["insert_source"], (storable(name),))


class UsageTable(Recorder):
    """The part of the ledger that keeps single usage."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def usage(
        self,
        meter_id: str,
        *,
        identity: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        void: bool = True,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[UsageEntry]:
        """List what a meter took, in order of arrival; void records too unless ``void`` is off."""
        values = {
            "meter_id": meter_id,
            "identity": identity,
            "since": since,
            "until": until,
            "void": void,
            "after": number_after(after),
            "limit": limit + 1,
        }
        with self._database.read():
            rows = self._database.rows(_SQL["page"], values)
        return page_of(rows, _entries, limit=limit)

    def usage_of_period(
        self, meter_id: str, *, start: Instant, before: Instant | None = None, limit: int = -1
    ) -> Sequence[KeptUsage]:
        """Return what a period of a meter is made of, in order of arrival; ``limit`` at most.

        ``before``: as it was before that instant. The meter may be gone.
        """
        values = {"meter_id": meter_id, "start": start, "before": before, "limit": limit}
        with self._database.read():
            _, gone = _keeper(self._database, meter_id, start=start)
            query = "kept" if gone is None else "kept_of_gone"
            rows = self._database.rows(_SQL[query], values | {"meter_no": gone})
        return [
            KeptUsage(
                identity=identity,
                timestamp=timestamp,
                record=RetainedRecord(Decimal(value), rule, parse_json(fields) if fields else {}),
                origin=None if source is None else (source, place),
            )
            for identity, timestamp, value, rule, fields, source, place in rows
        ]

    def usage_aggregation(self, meter_id: str, *, start: Instant) -> Aggregation | None:
        """Return how single usage of a period adds up; ``None`` where none of it is kept."""
        with self._database.read():
            aggregation, _ = _keeper(self._database, meter_id, start=start)
        return None if aggregation is None else Aggregation(aggregation)

    def outlasted(self, meter_type_id: str) -> bool:
        """Whether usage is kept of any meter of a type that is gone."""
        with self._database.read():
            return bool(self._database.value(_SQL["has_gone"], (meter_type_id,)))

    def change_usage(
        self,
        meter_id: str,
        identity: str,
        amendment: Amendment | None,
        *,
        at: Instant,
        sections: Sequence[Section] = (),
        node_id: str = "",
    ) -> Remetered:
        """Void a record, or amend it; its periods are metered again, in one transaction."""
        action = "void" if amendment is None else "amend"
        with self._recorded(action, _KIND, meter_id, identity=identity) as note:
            database = self._database
            head = _head(database, meter_id)
            key_no = database.value(_METERS["key_no"], (head.meter.meter_key,))
            refuse_running(database, key_no, self._dead)
            no, start, timestamp, value, rule, fields = _live(database, head, identity)
            note.detail |= {"timestamp": instant_text(timestamp), "value": value}
            instants = [timestamp]
            replacement = None
            if amendment is not None:
                moved = timestamp if amendment.timestamp is None else amendment.timestamp
                amount = value if amendment.value is None else amendment.value
                _check_fields(amendment, rule)
                whole = fields | amendment.fields
                period = period_at(head.meter, moved)
                changed = (no, period.start, moved, number_text(amount), _fields_text(whole), at)
                replacement = database.value(_SQL["insert_amended"], changed)
                note.detail["becomes"] = {"timestamp": instant_text(moved), "value": amount}
                instants += [moved] * (period.start != start)
            database.execute(_SQL["void"], (at, replacement, no))
            return self._again(head, instants, at=at, sections=sections, node_id=node_id)

    def _again(
        self,
        head: Bucket,
        instants: Sequence[Instant],
        *,
        at: Instant,
        sections: Sequence[Section],
        node_id: str,
    ) -> Remetered:
        """Meter the periods of instants again; closed ones leave an adjustment."""
        periods, texts = [], []
        for instant in instants:
            bucket = _metered_again(self._database, head, instant, at=at)
            if bucket.closed:
                record = adjust(bucket, sections=sections)
                _tell(self._database, record, key=head.meter.meter_key, node_id=node_id)
                texts.append(record.text)
            periods.append(bucket)
        write_periods(self._database, periods)
        return Remetered(periods, texts)


def _keeper(database: Database, meter_id: str, *, start: Instant) -> tuple[str | None, int | None]:
    """Return how a meter folds, if usage of a period is kept, and its number if it is gone.

    Where a meter was made anew under the same id, and more than one of them have usage of the
    period, nobody knows whose is meant.
    """
    place = {"meter_id": meter_id, "start": start}
    there = database.row(_SQL["keeper"], place)
    gone = database.rows(_SQL["gone_keeper"], place)
    if len(gone) > 1 or (gone and there is not None and there[1]):
        return None, None
    if gone:
        return gone[0][0], gone[0][1]
    return (None if there is None else there[0]), None


def forget_usage_of_gone(database: Database, *, until: Instant, periods: int) -> None:
    """Forget single usage of meters that are gone: of so many periods that ended until then."""
    database.execute(_SQL["forget_gone"], {"until": until, "limit": periods})


def _head(database: Database, meter_id: str) -> Bucket:
    row = database.row(_SQL["bucket"], (meter_id,))
    if row is None:
        hint = "`meter list` shows those that exist"
        raise NotFoundError(f"There is no meter {meter_id!r}", hint=hint)
    head = next(Catalogue(database).buckets([row]))
    refuse_unkept(head.meter)
    return head


def _live(database: Database, head: Bucket, identity: str) -> Row:
    """Return the one record of that identity.

    Number, period, timestamp, value, the text of its rule, and fields.
    """
    rows = database.rows(_SQL["of_identity"], (head.meter.no, storable(identity)))
    live = [row for row in rows if row[-1] is None]
    if not rows:
        message = f"Meter {head.meter.id} took no record {identity!r}"
        raise NotFoundError(message, hint="`usage list` shows what it took")
    if not live:
        message = f"Record {identity!r} is void since {instant_text(rows[-1][-1])}"
        raise ConflictError(message, hint="Send it again, under another identity, to meter it")
    if len(live) > 1:
        message = f"Meter {head.meter.id} took {len(live)} records {identity!r}: none was changed"
        hint = "Let the meter node's parameter identity name a field that differs in every record"
        raise ConflictError(message, hint=hint, code="ambiguous_usage")
    no, start, timestamp, value, rule, fields, _ = live[0]
    return no, start, timestamp, Decimal(value), rule, parse_json(fields) if fields else {}


def _check_fields(amendment: Amendment, rule: str) -> None:
    """Refuse fields that the rule of the record does not fold."""
    known = RetainedRecord(ZERO, rule, {}).names()
    hint = f"its rule folds {', '.join(known)}" if known else "its rule folds no fields"
    problems = [
        Problem(name, "is not kept of this record", hint)
        for name in amendment.fields
        if name not in known
    ]
    if problems:
        raise DefinitionError(problems, what="The amendment")


def _metered_again(database: Database, head: Bucket, instant: Instant, *, at: Instant) -> Bucket:
    """Fold what a period has now into an empty bucket. What was reached stays reached."""
    meter, period = head.meter, period_at(head.meter, instant)
    rows = database.rows(_SQL["period"], (meter.no, period.start))
    bucket = next(Catalogue(database).periods(rows), None)
    empty = MeterState(period, meter.timezone, at, value=meter.aggregation.initial)
    if bucket is None:
        closed = 0 <= period.sequence < head.state.period.sequence
        bucket = Bucket(meter, empty, closed=closed)
    bucket.remember()
    bucket.state = replace(empty, reached=bucket.state.reached)
    found = database.rows(_SQL["of_period"], (meter.no, period.start))
    records = (
        RetainedRecord(Decimal(value), rule, parse_json(fields) if fields else {})
        for value, rule, fields in found
    )
    if not fold_again(bucket, records):
        message = "The period would leave the range of quantities: nothing was changed"
        raise ConflictError(message, hint="Give a smaller value")
    return bucket


def _tell(database: Database, record: MeteredRecord, *, key: str, node_id: str) -> None:
    """Keep an adjustment, until a run takes it downstream."""
    id = bytes.fromhex(record.record_id.replace("-", ""))
    values = (id, record.kind.value, node_id, record.text)
    record_no = database.value(_SQL["insert_record"], values)
    key_no = database.value(_METERS["key_no"], (key,))
    database.execute(_SQL["insert_due"], (record_no, key_no))


def _fields_text(fields: dict[str, object]) -> str | None:
    there = {name: value for name, value in fields.items() if value is not None}
    return json_text(there) if there else None


def _entries(rows: Sequence[Row]) -> list[UsageEntry]:
    return list(_from_rows(rows))


def _from_rows(rows: Sequence[Row]) -> Iterator[UsageEntry]:
    for identity, timestamp, value, fields, start, metered_at, voided_at, *more, _ in rows:
        then, amount = more
        replacement = None if amount is None else (then, Decimal(amount))
        kept = parse_json(fields) if fields else {}
        told = (timestamp, Decimal(value), kept, start, metered_at, voided_at, replacement)
        yield UsageEntry(identity, *told)
