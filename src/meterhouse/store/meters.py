"""The meters in the ledger: creating, listing, changing and deleting them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any

from meterhouse.app.ports import Lease, MeterCounts, MeterTypeUse, Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.meter import MeterPatch, NewMeter
from meterhouse.core.meter_type import MeterType
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.engine.bucket import Bucket
from meterhouse.store.activities import Recorder, tell_created
from meterhouse.store.catalogue import (
    Catalogue,
    own_from_text,
    own_text,
    own_values,
)
from meterhouse.store.connection import Database, IntegrityError, Row
from meterhouse.store.pages import cursor_of, number_after, text_after, text_cursor_of
from meterhouse.store.sql_text import queries

_SQL = queries("meters")
_KIND = "meter"
_TYPES = queries("meter_types")
#: How many items a message names before it only counts them.
_NAMED_MAX = 20
#: No user id goes on with a character beyond this one.
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class _Type:
    """A meter type as new meters need it."""

    no: int
    version_no: int
    meter_type: MeterType
    first_end: Instant


class MeterTable(Recorder):
    """The part of the ledger that keeps meters."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def add_meters(self, meters: Sequence[tuple[str, NewMeter]], *, at: Instant) -> list[str]:
        """Create all or none, each with the given id, its first period starting at ``at``."""
        try:
            with self._recorded("create", _KIND) as note:
                _insert(self._database, meters, _types(self._database, meters, at=at), at=at)
                tell_created(note, [(id, new.user_id) for id, new in meters])
        except _NotNew as error:
            raise _duplicates(self._database, meters) from error
        return [id for id, _ in meters]

    def add_each_meter(self, meters: Sequence[tuple[str, NewMeter]], *, at: Instant) -> list[bool]:
        """Create those that are new, in one transaction; says of each whether it was."""
        with self._database.roomy(), self._recorded("create", _KIND) as note:
            types = _types(self._database, meters, at=at)
            fresh = _fresh(self._database, meters, types)
            _insert(self._database, [meters[place] for place in fresh], types, at=at)
            tell_created(note, [(meters[n][0], meters[n][1].user_id) for n in fresh])
        new = frozenset(fresh)
        return [place in new for place in range(len(meters))]

    def meter(self, id: str) -> Bucket | None:
        """Return a meter with its current state."""
        with self._database.read():
            rows = self._database.rows(_SQL["by_id"], (id,))
            return next(Catalogue(self._database).buckets(rows), None)

    def meters(
        self,
        *,
        meter_key: str | None = None,
        meter_type_id: str | None = None,
        user_id: str | None = None,
        user_prefix: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Bucket]:
        """List meters with their current states; by user where a beginning of users is given."""
        values: dict[str, Any] = {"limit": limit + 1}
        if by_user := user_prefix is not None and user_id is None:
            user, number = text_after(after)
            values |= {"prefix": user_prefix, "beyond": f"{user_prefix}{_LAST}", "user": user}
        else:
            number = number_after(after)
        values["after"] = number
        with self._database.read():
            key_no = self._database.value(_SQL["key_no"], (meter_key,))
            type_no = self._database.value(_SQL["type_no"], (meter_type_id,))
            # An empty text is a filter too: it leaves nothing, and not everything.
            if (meter_key is not None and key_no is None) or (
                meter_type_id is not None and type_no is None
            ):
                return Page(())
            values |= {"key_no": key_no, "type_no": type_no, "user_id": user_id}
            rows = self._database.rows(_SQL[_page(values, by_user=by_user)], values)
            shown = [*Catalogue(self._database).buckets(rows[:limit])]
        if len(rows) <= limit or not shown:
            return Page(shown)
        no, _, _, _, user, type, *_ = rows[limit - 1]
        if not by_user:
            return Page(shown, cursor_of(no))
        return Page(shown, text_cursor_of(user, no if key_no is None else type))

    def meters_with_key(self, meter_key: str) -> int:
        """Return how many meters a meter key has."""
        with self._database.read():
            return self._database.value(_SQL["count_by_key"], (meter_key,))

    def meter_counts(self, meter_key: str | None = None) -> MeterCounts:
        """Count meter types, categories and meters, of a meter key or all."""
        query, values = ("all_counts", ()) if meter_key is None else ("counts", (meter_key,))
        with self._database.read():
            return MeterCounts(*self._database.only_row(_SQL[query], values))

    def uses_of_meter_type(self, id: str) -> list[MeterTypeUse]:
        """Return the streams whose meter keys have meters of a type."""
        with self._database.read():
            rows = self._database.rows(_SQL["uses_of_type"], (id,))
        return [MeterTypeUse(*row) for row in rows]

    def update_meter(self, id: str, patch: MeterPatch, *, at: Instant) -> None:
        """Apply a patch. What it sets is the meter's own from now on, ``null`` included."""
        with self._recorded("update", _KIND, id):
            row = _known(self._database, id)
            meter = next(Catalogue(self._database).buckets([row])).meter
            changed, problems = patch.applied_to(meter)
            if changed is None:
                raise DefinitionError(problems, what="The meter")
            own = own_from_text(row[7]) | own_values(changed, patch.given)
            fields = _fields_text(changed.custom_fields)
            values = (own_text(own), fields, changed.delete_on_reset, meter.no)
            self._database.execute(_SQL["update_meter"], values)
            self._database.execute(_SQL["touch_period"], (at, meter.no))
            self._database.execute(_SQL["touch_contents"], (at, meter.no))

    def delete_meter(self, id: str) -> None:
        """Delete; refused while a stream with its meter key runs."""
        with self._recorded("delete", _KIND, id) as note:
            row = _known(self._database, id)
            no, _, key_no, *_ = row
            note.detail |= _told(next(Catalogue(self._database).buckets([row])))
            refuse_running(self._database, key_no, self._dead)
            self._database.execute(_SQL["delete_meter"], (no,))


def refuse_running(database: Database, key_no: int, dead: Callable[[Lease], bool]) -> None:
    """Refuse while a stream with the meter key runs."""
    for name, run_id, *lease in database.rows(_SQL["running_with_key"], (key_no,)):
        if dead(Lease(*lease)):
            continue
        message = f"Stream {name!r} is using the meter (run {run_id})"
        hint = "Wait for its end; if its machine is gone, `stream run --take-over` ends it"
        raise ConflictError(message, hint=hint)


def _told(bucket: Bucket) -> dict[str, JsonValue]:
    """Return what the log of activities keeps of a meter that goes."""
    meter, state = bucket.meter, bucket.state
    return {
        "user": meter.user_id,
        "meterType": meter.meter_type_name,
        "meterKey": meter.meter_key,
        "value": state.value,
        "records": state.count,
    }


def _page(values: Mapping[str, Any], *, by_user: bool) -> str:
    """Return the name of the query whose index leads closest to what is wanted."""
    key, type = values["key_no"] is not None, values["type_no"] is not None
    if by_user:
        return "page_by_key_prefix" if key else "page_by_prefix"
    if values["user_id"] is not None:
        return "page_by_user"
    if type:
        return "page_by_key_type" if key else "page_by_type"
    return "page_by_key" if key else "page"


def _known(database: Database, id: str) -> Row:
    row = database.row(_SQL["by_id"], (id,))
    if row is None:
        hint = "`meter list` shows those that exist"
        raise NotFoundError(f"There is no meter {id!r}", hint=hint)
    return row


def _key_no(database: Database, key: str) -> int:
    found = database.value(_SQL["key_no"], (key,))
    return found if found is not None else database.value(_SQL["insert_key"], (key,))


def _types(
    database: Database, meters: Sequence[tuple[str, NewMeter]], *, at: Instant
) -> dict[str, _Type]:
    """Look up every meter type once; every problem of every meter at once."""
    catalogue = Catalogue(database)
    types: dict[str, _Type] = {}
    unknown: dict[str, int] = {}
    for reference in dict.fromkeys(new.meter_type_ref for _, new in meters):
        no = database.value(_TYPES["find_type_for_meter"], {"reference": reference})
        if no is None:
            unknown[reference] = sum(new.meter_type_ref == reference for _, new in meters)
            continue
        version_no = database.value(_SQL["version_no"], (no,))
        meter_type = catalogue.version(version_no)
        end = meter_type.reset_schedule.next_after(at, meter_type.timezone)
        types[reference] = _Type(no, version_no, meter_type, end)
    problems = [_unknown_type(reference, count) for reference, count in unknown.items()]
    problems += _problems([new for _, new in meters], types)
    if problems:
        raise DefinitionError(problems, what="Nothing was created: the list of meters")
    return types


def _insert(
    database: Database,
    meters: Sequence[tuple[str, NewMeter]],
    types: Mapping[str, _Type],
    *,
    at: Instant,
) -> None:
    keys = {key: _key_no(database, key) for key in {new.meter_key for _, new in meters}}
    first = database.value(_SQL["last_no"]) + 1
    rows = [
        _meter_row(no, id, new, keys[new.meter_key], types[new.meter_type_ref], at)
        for no, (id, new) in enumerate(meters, start=first)
    ]
    try:
        database.execute_many(_SQL["insert_meter"], rows)
    except IntegrityError as error:
        raise _NotNew from error
    added = Counter((key_no, type_no) for _, _, key_no, _, type_no, *_ in rows)
    counts = ((*place, count) for place, count in added.items())
    database.execute_many(_SQL["count_added"], counts)
    periods = (
        _period_row(row, types[new.meter_type_ref], at)
        for row, (_, new) in zip(rows, meters, strict=True)
    )
    database.execute_many(_SQL["insert_period"], periods)


def _fresh(
    database: Database, meters: Sequence[tuple[str, NewMeter]], types: Mapping[str, _Type]
) -> Sequence[int]:
    """Return the places of the meters that do not exist yet; of equal ones, the first."""
    firsts: dict[Row, int] = {}
    for place, (_, new) in enumerate(meters):
        identity = (new.meter_key, new.user_id, types[new.meter_type_ref].no)
        firsts.setdefault(identity, place)
    # Texts and small numbers: the encoder in C does what ours would.
    wanted = dumps(list(firsts))
    for row in database.rows(_SQL["existing"], (wanted,)):
        firsts.pop(tuple(row), None)
    return list(firsts.values())


def _duplicates(database: Database, meters: Sequence[tuple[str, NewMeter]]) -> Exception:
    """Return the error that names every meter which exists or is given twice."""
    faults: list[str] = []
    firsts: dict[Row, NewMeter] = {}
    with database.read():
        type_nos = {
            reference: database.value(_TYPES["find_type_for_meter"], {"reference": reference})
            for reference in {new.meter_type_ref for _, new in meters}
        }
        names = {no: database.value(_SQL["type_name"], (no,)) for no in type_nos.values()}
        for _, new in meters:
            identity = (new.meter_key, new.user_id, type_nos[new.meter_type_ref])
            if firsts.setdefault(identity, new) is not new:
                faults.append(f"{_name(identity, names)} is given twice")
        wanted = json_text([list(identity) for identity in firsts])
        existing = database.rows(_SQL["existing"], (wanted,))
        faults += [f"{_name(identity, names)} exists" for identity in existing]
    return _conflict(faults) if faults else AssertionError("a meter id is not new")


class _NotNew(Exception):
    """Some meter of a bulk is there already."""


def _conflict(faults: Sequence[str]) -> ConflictError:
    hint = "A user has one meter of a type at a meter key"
    if len(faults) == 1:
        return ConflictError(f"Nothing was created: {faults[0]}", hint=hint)
    lines = "".join(f"\n  - {fault}" for fault in faults[:_NAMED_MAX])
    rest = len(faults) - _NAMED_MAX
    more = f"\n  … and {rest} more" if rest > 0 else ""
    message = f"Nothing was created: {len(faults)} meters are not new:{lines}{more}"
    return ConflictError(message, hint=hint)


def _name(identity: Row, type_names: Mapping[int, str]) -> str:
    key, user_id, type_no = identity
    return f"the meter of user {user_id!r}, meter type {type_names[type_no]!r}, key {key}"


def _meter_row(no: int, id: str, new: NewMeter, key_no: int, type: _Type, at: Instant) -> Row:
    identity = (no, id, key_no, new.user_id, type.no, type.version_no)
    return (*identity, own_text(new.own), _fields_text(new.custom_fields), new.delete_on_reset, at)


def _period_row(meter: Row, type: _Type, at: Instant) -> Row:
    no, _, key_no, *_ = meter
    # Scans of meters by processing time pass those by event time by.
    scanned = key_no if type.meter_type.grace_period is None else -key_no
    return (no, scanned, at, type.first_end, type.meter_type.timezone, at)


def _fields_text(fields: Mapping[str, Any] | None) -> str | None:
    return json_text(fields) if fields else None


def _unknown_type(reference: str, count: int) -> Problem:
    meters = "" if count == 1 else f" ({count} meters)"
    hint = "create it first, or give the id or external reference of one that exists"
    return Problem("meterTypeId", f"{reference!r} is no meter type{meters}", hint)


def _problems(meters: Sequence[NewMeter], types: Mapping[str, _Type]) -> list[Problem]:
    """What is wrong with meters as ones of their types."""
    problems: list[Problem] = []
    for place, new in enumerate(meters):
        if new.inherits_all or (type := types.get(new.meter_type_ref)) is None:
            continue
        faults = new.problems_with(type.meter_type)
        problems += faults if len(meters) == 1 else [fault.at(f"[{place}]") for fault in faults]
    return problems
