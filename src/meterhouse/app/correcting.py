"""Correcting: what is done about records that wait in Data Correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterhouse.app.access_ports import Activities, Activity
from meterhouse.app.correction_ports import (
    ACTION_RECORDS_MAX,
    EVERYTHING,
    Chosen,
    Corrections,
    Done,
    SuspenseEntry,
    SuspenseFilter,
    SuspenseSummary,
)
from meterhouse.app.listing import found, take
from meterhouse.app.ports import ActivityLog, Ledger, Page
from meterhouse.core.date_arithmetic import Unit, shifted
from meterhouse.core.expression import Expression, ExpressionError, evaluate
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import NESTING_MAX, JsonValue, Record, json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError

#: Records that nobody has touched for so many months may be purged.
RETENTION_MONTHS = 6
#: So many records are purged in one transaction.
_PURGED_AT_ONCE = 20_000
_KIND = "correction"
#: After so many records that an expression cannot be computed for, nobody needs more.
_FAULTS_MAX = 100
#: An activity lists so many ids; of more, it says how many they were.
_IDS_NOTED = 1_000


@dataclass(frozen=True, slots=True)
class Action:
    """Who acts in Data Correction, and when. ``log`` writes it down, in the same transaction."""

    at: Instant
    actor: str = "somebody"
    log: ActivityLog | None = None

    def note(self, verb: str, chosen: Chosen, **more: JsonValue) -> Done:
        """Return what writes the action down, once the records are known that it took."""

        def write(ids: Sequence[int]) -> None:
            if self.log is None:
                return
            by_filter = isinstance(chosen, SuspenseFilter)
            which = (
                {"filter": filter_to_api(chosen)} if by_filter else {"ids": list(ids[:_IDS_NOTED])}
            )
            detail = {"records": len(ids), **which, **more}
            object_id = str(ids[0]) if len(ids) == 1 else ""
            self.log(
                at=self.at,
                actor=self.actor,
                action=verb,
                kind=_KIND,
                object_id=object_id,
                detail=detail,
            )

        return write


def logged_action(activities: Activities, *, at: Instant, actor: str) -> Action:
    """Return an action that the log of activities will tell of."""

    def log(**said: Any) -> None:
        activities.add_activity(Activity(**said))

    return Action(at, actor=actor, log=log)


@dataclass(frozen=True, slots=True)
class Correction:
    """Fields and what they become: values, and expressions over the record as it was.

    Those of ``unset`` go; a record that does not have one stays as it is.
    """

    values: Mapping[str, JsonValue] = field(default_factory=dict)
    expressions: Mapping[str, Expression] = field(default_factory=dict)
    unset: Sequence[str] = ()

    def applied(self, record: Record, *, at: Instant) -> Record:
        """Return a corrected copy. Raises ``ExpressionError``."""
        computed = {
            path: evaluate(expression, record, now=at)
            for path, expression in self.expressions.items()
        }
        changed = dict(record)
        for path in self.unset:
            _unset(changed, path)
        for path, value in {**self.values, **computed}.items():
            _set(changed, path, value)
            if isinstance(value, list | dict) and not _readable(changed):
                message = f"{path} would nest deeper than {NESTING_MAX} levels in the record"
                raise ConflictError(message, hint="set a flatter value; nothing was changed")
        return changed


def _readable(record: Record) -> bool:
    """Whether a record can be read again once it is written."""
    try:
        parse_json(json_text(record))
    except ValueError:
        return False
    return True


def _set(record: Record, path: str, value: JsonValue) -> None:
    """Set a field. A dotted path leads into an object where there is one, as reading it does."""
    first, dot, rest = path.partition(".")
    inner = record.get(first)
    if path in record or not dot or not isinstance(inner, dict):
        record[path] = value
        return
    record[first] = dict(inner)
    _set(record[first], rest, value)


def _unset(record: Record, path: str) -> None:
    """Take a field away, by the rule of ``_set``."""
    first, dot, rest = path.partition(".")
    inner = record.get(first)
    if path in record or not dot or not isinstance(inner, dict):
        record.pop(path, None)
        return
    record[first] = dict(inner)
    _unset(record[first], rest)


def list_suspended(
    ledger: Ledger,
    *,
    wanted: SuspenseFilter = EVERYTHING,
    limit: int | None = ACTION_RECORDS_MAX,
) -> Iterator[SuspenseEntry]:
    """Yield suspended records, those that a filter means."""

    def page_of(*, limit: int, after: str | None) -> Page[SuspenseEntry]:
        return ledger.suspense(wanted, limit=limit, after=after)

    return take(page_of, limit=limit)


def find_suspended(corrections: Corrections, id: int) -> SuspenseEntry:
    """Return one suspended record."""
    return found(
        corrections.suspense_entry(id),
        or_raise=lambda: NotFoundError(
            f"There is no record {id} in Data Correction",
            hint="`meterhouse correction list` shows those that wait",
        ),
    )


def correct(
    corrections: Corrections, chosen: Chosen, *, correction: Correction, action: Action
) -> list[int]:
    """Correct suspended records, all or none. They stay where they are until they are queued.

    Raises ``ConflictError`` naming the records that an expression cannot be computed for.
    """
    expressions = {path: e.text for path, e in correction.expressions.items()}
    unset = {"unset": list(correction.unset)} if correction.unset else {}
    done = action.note(
        "correct", chosen, values=dict(correction.values), expressions=dict(expressions), **unset
    )

    def change(records: Sequence[tuple[int, Record]]) -> list[Record]:
        return _changed(records, correction, at=action.at)

    return corrections.change_suspense(chosen, change, at=action.at, done=done)


def _changed(
    records: Sequence[tuple[int, Record]], correction: Correction, *, at: Instant
) -> list[Record]:
    changed: list[Record] = []
    faults: list[tuple[int, ExpressionError]] = []
    for id, record in records:
        try:
            changed.append(correction.applied(record, at=at))
        except ExpressionError as error:
            faults.append((id, error))
            if len(faults) == _FAULTS_MAX:
                break
    if faults:
        id, first = faults[0]
        message = f"Nothing was changed: record {id}: {first.args[0]}"
        if len(faults) > 1:
            least = " at least" if len(faults) == _FAULTS_MAX else ""
            message += f"\n{len(faults)} of {len(records):,} records{least} have such a fault"
        raise ConflictError(message, hint=first.hint)
    return changed


def delete(corrections: Corrections, chosen: Chosen, *, action: Action) -> list[int]:
    """Delete suspended records for good: all or none."""
    return corrections.delete_suspense(chosen, done=action.note("delete", chosen))


def requeue(corrections: Corrections, chosen: Chosen, *, action: Action) -> list[int]:
    """Let records enter the node that rejected them, in the stream's next run: all or none."""
    done = action.note("requeue", chosen)
    return corrections.requeue_suspense(chosen, at=action.at, done=done)


def purge(corrections: Corrections, *, action: Action) -> int:
    """Delete what nobody has touched for six months; returns how many records that were."""
    before = shifted(action.at, -RETENTION_MONTHS, Unit.MONTH)
    note = action.note("purge", EVERYTHING, untouchedSince=instant_text(before))
    total = 0

    def done(ids: Sequence[int]) -> None:
        if ids:
            note(ids)

    while True:
        count = corrections.purge_suspense(before=before, limit=_PURGED_AT_ONCE, done=done)
        total += count
        if count < _PURGED_AT_ONCE:
            return total


def filter_to_api(wanted: SuspenseFilter) -> dict[str, JsonValue]:
    """Return what is given of a filter, as activities show it."""
    given = {
        "stream": wanted.stream_id,
        "node": wanted.node,
        "reason": None if wanted.reason is None else wanted.reason.value,
        "run": wanted.run_id,
        "state": wanted.state,
        "since": None if wanted.since is None else instant_text(wanted.since),
        "until": None if wanted.until is None else instant_text(wanted.until),
        "text": wanted.text,
    }
    return {name: value for name, value in given.items() if value is not None}


def suspended_to_api(entry: SuspenseEntry) -> dict[str, Any]:
    """Return the object of ``correction list --json``."""
    suspended = entry.suspended
    return {
        "id": entry.id,
        "stream": entry.stream_name,
        "node": suspended.node_name,
        "run": entry.run_id,
        "state": entry.state,
        "reason": suspended.reason.value,
        "detail": suspended.detail,
        "source": suspended.source,
        "offset": suspended.offset,
        "record": suspended.record,
        "raw": suspended.raw,
        "createdAt": instant_text(entry.created_at),
        "updatedAt": instant_text(entry.updated_at),
    }


def summary_to_api(summary: SuspenseSummary) -> dict[str, Any]:
    """Return the object of ``correction list --summary --json``."""
    return {
        "stream": summary.stream_name,
        "node": summary.node_name,
        "reason": summary.reason.value,
        "count": summary.count,
    }
