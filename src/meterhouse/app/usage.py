"""Single usage: what event-time meters took, changed record by record and queried by windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from meterhouse.app.inspecting import sections_of
from meterhouse.app.listing import take
from meterhouse.app.ports import Ledger, Page
from meterhouse.app.provisioning import find_meter
from meterhouse.app.usage_ports import Amendment, Remetered, UsageEntry
from meterhouse.core.instant import Instant, instant_text, read_timestamp
from meterhouse.core.json_text import JsonValue, canonical_text, parse_json
from meterhouse.core.meter import Meter
from meterhouse.core.period_calendar import PeriodCalendar, calendar_of
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.core.quantity import quantity
from meterhouse.core.reading import shown
from meterhouse.core.schedule import ResetSchedule
from meterhouse.core.suspense import Reason
from meterhouse.engine.bucket import Bucket
from meterhouse.engine.plan import TIMESTAMP, USER_ID, VALUE

_HINTS = {
    Reason.VALUE_NOT_NUMERIC: "give a number, such as 12.5",
    Reason.VALUE_TOO_PRECISE: "a quantity has up to 18 digits after the point",
    Reason.VALUE_OUT_OF_RANGE: "a quantity has up to 20 digits before the point",
}


class Window(Enum):
    """How long the windows of a query are, in the meter's time zone."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    def calendar(self, timezone: str) -> PeriodCalendar:
        """Return the calendar of the windows."""
        schedules = {
            Window.HOUR: ResetSchedule(hour="*", day="*"),
            Window.DAY: ResetSchedule(day="*"),
            Window.MONTH: ResetSchedule(),
        }
        return calendar_of(schedules[self], timezone)


@dataclass(frozen=True, slots=True)
class WindowTotal:
    """What a meter took in one window, of one group where the query has groups.

    ``group`` is the canonical JSON text of the field.
    """

    start: Instant
    end: Instant
    group: str | None
    value: Decimal
    records: int

    def to_api(self, group_by: str | None) -> dict[str, Any]:
        """Return the API's object; ``group_by`` is the field of the group."""
        body: dict[str, Any] = {
            "windowStart": instant_text(self.start),
            "windowEnd": instant_text(self.end),
            "value": self.value,
            "records": self.records,
        }
        return body if group_by is None else body | {"fields": {group_by: self.group_value}}

    @property
    def group_value(self) -> JsonValue:
        """The value of the field by which it is grouped."""
        return None if self.group is None else parse_json(self.group)


@dataclass(frozen=True, slots=True)
class Query:
    """Which usage is totalled, and how."""

    window: Window
    group_by: str | None = None
    since: Instant | None = None
    until: Instant | None = None


def find_event_meter(
    ledger: Ledger,
    meter: str,
    *,
    user_id: str | None = None,
    meter_type: str | None = None,
) -> Bucket:
    """Find a meter that keeps single usage: by id, or by meter key with user and meter type.

    ``NotFoundError`` where there is none, ``ConflictError`` where there are several or it keeps
    no usage.
    """
    found = ledger.meter(meter) if user_id is None else None
    if found is None and user_id is None:
        found = find_meter(ledger, meter)
    if found is None:
        found = _of_user(ledger, meter, user_id, meter_type)
    refuse_unkept(found.meter)
    return found


def refuse_unkept(meter: Meter) -> None:
    """Refuse a meter that keeps no single usage: there is nothing to list or to change."""
    if meter.keeps_usage:
        return
    if meter.by_event_time:
        why = 'its type has "keepUsage": false'
        hint = "The files that were read are the detail; correct what they say, and send it anew"
    else:
        why = "its periods follow processing"
        hint = 'Single usage is kept by meter types with "periodAssignment": "event"'
    raise ConflictError(f"Meter {meter.id} keeps no single usage: {why}", hint=hint)


def _of_user(ledger: Ledger, key: str, user_id: str | None, meter_type: str | None) -> Bucket:
    page = ledger.meters(meter_key=key, user_id=user_id, limit=100)
    mine = [b for b in page.items if meter_type in (None, *_names(b.meter))]
    if not mine:
        of_type = "" if meter_type is None else f" of type {meter_type!r}"
        message = f"User {user_id!r} has no meter{of_type} at key {key}"
        raise NotFoundError(message, hint="`meter list` shows those that exist")
    if len(mine) > 1:
        types = ", ".join(repr(bucket.meter.meter_type_name) for bucket in mine)
        message = f"User {user_id!r} has {len(mine)} meters at key {key}: of types {types}"
        raise ConflictError(message, hint="Name the meter type (--meter-type), or give the id")
    return mine[0]


def _names(meter: Meter) -> tuple[str, str]:
    return meter.meter_type_id, meter.meter_type_name


def list_usage(
    ledger: Ledger,
    bucket: Bucket,
    *,
    identity: str | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    void: bool = True,
    limit: int | None = None,
) -> Iterator[UsageEntry]:
    """Yield what a meter took, in order of arrival; records that are void too."""

    def page_of(*, limit: int, after: str | None) -> Page[UsageEntry]:
        return ledger.usage(
            bucket.meter.id,
            identity=identity,
            since=since,
            until=until,
            void=void,
            limit=limit,
            after=after,
        )

    return take(page_of, limit=limit)


def void(ledger: Ledger, bucket: Bucket, identity: str, *, at: Instant) -> Remetered:
    """Take a record back: its period is metered again without it."""
    return _change(ledger, bucket, identity, None, at=at)


def amend(
    ledger: Ledger,
    bucket: Bucket,
    identity: str,
    changes: Mapping[str, JsonValue],
    *,
    at: Instant,
) -> Remetered:
    """Change a record: ``value``, ``timestamp``, or fields that its rule folds.

    A timestamp in another period moves it there: both are metered again. ``DefinitionError``
    lists everything that is wrong.
    """
    amendment, problems = _read(changes, meter=bucket.meter, at=at)
    if problems:
        raise DefinitionError(problems, what="The amendment")
    return _change(ledger, bucket, identity, amendment, at=at)


def _read(
    changes: Mapping[str, JsonValue], *, meter: Meter, at: Instant
) -> tuple[Amendment, list[Problem]]:
    problems: list[Problem] = []
    if not changes:
        problems.append(Problem("", "changes nothing", "set value, timestamp or a field"))
    if USER_ID in changes:
        hint = "void the record, and send it again for the other user"
        problems.append(Problem(USER_ID, "cannot change", hint))
    value = timestamp = None
    if VALUE in changes:
        amount = quantity(changes[VALUE])
        if isinstance(amount, Reason):
            problems.append(Problem(VALUE, f"is {shown(changes[VALUE])}", _HINTS[amount]))
        else:
            value = amount
    if TIMESTAMP in changes:
        timestamp = read_timestamp(changes[TIMESTAMP])
        problems += _timestamp_problems(changes[TIMESTAMP], timestamp, meter=meter, at=at)
    others = {n: v for n, v in changes.items() if n not in (USER_ID, VALUE, TIMESTAMP)}
    return Amendment(value, timestamp, others), problems


def _timestamp_problems(
    given: JsonValue, timestamp: Instant | None, *, meter: Meter, at: Instant
) -> list[Problem]:
    if timestamp is None:
        hint = "use ISO 8601, such as 2026-01-31T00:00:00Z"
        return [Problem(TIMESTAMP, f"is {shown(given)}", hint)]
    if timestamp > at:
        hint = f"give one up to now, {instant_text(at)}"
        return [Problem(TIMESTAMP, f"is {shown(given)}, in the future", hint)]
    if not meter.active_at(timestamp):
        hint = "give one between activeFrom and activeTo of the meter"
        return [Problem(TIMESTAMP, f"is {shown(given)}, when the meter is not active", hint)]
    return []


def _change(
    ledger: Ledger, bucket: Bucket, identity: str, amendment: Amendment | None, *, at: Instant
) -> Remetered:
    key = bucket.meter.meter_key
    stream = ledger.stream_of_meter_key(key)
    nodes = {} if stream is None else {k: id for id, k in stream.meter_keys.items()}
    return ledger.change_usage(
        bucket.meter.id,
        identity,
        amendment,
        at=at,
        sections=sections_of(stream, key),
        node_id=nodes.get(key, ""),
    )


def query(ledger: Ledger, bucket: Bucket, wanted: Query) -> list[WindowTotal]:
    """Total what a meter took by windows in its time zone, ascending; empty ones are left out.

    The windows of a period that add up to it do so exactly: of sums and counts. Raises
    ``DefinitionError`` where no record has the field that is grouped by.
    """
    entries = list(list_usage(ledger, bucket, since=wanted.since, until=wanted.until, void=False))
    field = wanted.group_by
    if field is not None and entries and all(field not in entry.fields for entry in entries):
        known = ", ".join(sorted({name for entry in entries for name in entry.fields})) or "none"
        hint = f"rules of this meter keep the fields {known}"
        problem = Problem("groupBy", f"is {shown(field)}, which no record of the meter has", hint)
        raise DefinitionError([problem], what="The query")
    return sorted(
        _totals(bucket.meter, entries, wanted), key=lambda total: (total.start, total.group or "")
    )


def _totals(meter: Meter, entries: Iterable[UsageEntry], wanted: Query) -> Iterator[WindowTotal]:
    calendar, aggregation = wanted.window.calendar(meter.timezone), meter.aggregation
    totals: dict[tuple[Instant, Instant, str | None], tuple[Decimal | None, int]] = {}
    for entry in entries:
        field = wanted.group_by
        group = None if field is None else canonical_text(entry.fields.get(field))
        place = (*calendar.around(entry.timestamp), group)
        value, records = totals.get(place, (aggregation.initial, 0))
        totals[place] = aggregation.fold(value, entry.value), records + 1
    for place, (value, records) in totals.items():
        assert value is not None
        yield WindowTotal(*place, value, records)
