"""Data Correction in the ledger: the suspended records and what people do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from meterhouse.app.ports import Lease, Page, SuspenseEntry, SuspenseSummary
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue, Record, json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.suspense import Reason
from meterhouse.store.connection import Database, Row
from meterhouse.store.pages import cursor_of, number_after, page_of
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import Suspended

_SQL = queries("corrections")
_NAMED_MAX = 20


class CorrectionTable:
    """The part of the ledger that keeps suspended records."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def suspense(
        self,
        *,
        stream_id: str | None = None,
        reason: Reason | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[SuspenseEntry]:
        """List suspended records."""
        values: dict[str, Any] = {"after": number_after(after), "limit": limit + 1}
        values |= {"stream_id": stream_id, "reason": None if reason is None else reason.value}
        query = "page" if reason is None else "page_of_reason"
        if stream_id is not None:
            query = "page_of_stream"
        with self._database.read():
            rows = self._database.rows(_SQL[query], values)
        return page_of(rows, _from_rows, limit=limit)

    def suspense_summary(self) -> list[SuspenseSummary]:
        """Count suspended records by stream, node and reason."""
        with self._database.read():
            rows = self._database.rows(_SQL["summary"])
        return [SuspenseSummary(stream, node, Reason(r), count) for stream, node, r, count in rows]

    def suspense_entry(self, id: int) -> SuspenseEntry | None:
        """Return one."""
        page = self.suspense(limit=1, after=cursor_of(max(id - 1, 0)))
        return next((entry for entry in page.items if entry.id == id), None)

    def fix_suspense(self, id: int, values: Mapping[str, JsonValue], *, at: Instant) -> Record:
        """Set fields of the record; an unreadable one starts empty. Returns the record."""
        with self._database.write():
            _refuse_provisional(_guard(self._database, [id], self._dead))
            text = self._database.value(_SQL["record"], (id,))
            record = ({} if text is None else parse_json(text)) | dict(values)
            self._database.execute(_SQL["set_record"], (json_text(record), at, id))
        return record

    def delete_suspense(self, ids: Sequence[int]) -> None:
        """Delete all or none."""
        with self._database.write():
            _guard(self._database, ids, self._dead)
            self._database.execute(_SQL["delete"], (json_text(list(ids)),))

    def requeue_suspense(self, ids: Sequence[int], *, at: Instant) -> None:
        """Queue all or none for the next runs of their streams."""
        with self._database.write():
            _refuse_provisional(_guard(self._database, ids, self._dead))
            listed = json_text(list(ids))
            unreadable = [id for (id,) in self._database.rows(_SQL["unreadable"], (listed,))]
            if unreadable:
                hint = "Set its fields first (`correction fix`)"
                raise ConflictError(f"Nothing could be read of {_listed(unreadable)}", hint=hint)
            self._database.execute(_SQL["queue"], (at, listed))


def _refuse_provisional(found: Iterable[Row]) -> None:
    """Refuse what the next run replaces: a fix would be lost, a requeued record count twice."""
    provisional = [id for id, _, provisional, *_ in found if provisional]
    if provisional:
        message = f"The run of {_listed(provisional)} failed: its input will be read again"
        hint = "Mend the input or the stream, and run it: a requeued record would count twice"
        raise ConflictError(message, hint=hint)


def _guard(database: Database, ids: Sequence[int], dead: Callable[[Lease], bool]) -> list[Row]:
    """Return what there is; refuse unknown records, and queued ones that a run has taken."""
    found = database.rows(_SQL["guarded"], (json_text(list(ids)),))
    unknown = sorted({*ids} - {id for id, *_ in found})
    if unknown:
        hint = "`correction list` shows those that exist; nothing was changed"
        raise NotFoundError(f"There is no {_listed(unknown)} in Data Correction", hint=hint)
    taken = [row for row in found if row[1] == "queued" and _in_force(row, dead)]
    if taken:
        streams = ", ".join(sorted({repr(row[3]) for row in taken}))
        message = f"Stream {streams} is running and has taken {_listed(row[0] for row in taken)}"
        raise ConflictError(message, hint="Wait for its end; nothing was changed")
    return found


def _in_force(found: Row, dead: Callable[[Lease], bool]) -> bool:
    *_, host, process = found
    return host is not None and process is not None and not dead(Lease(host, process))


def _listed(ids: Iterable[int]) -> str:
    known = sorted(ids)
    shown = ", ".join(map(str, known[:_NAMED_MAX]))
    rest = len(known) - _NAMED_MAX
    more = f" and {rest} more" if rest > 0 else ""
    return f"record {shown}" if len(known) == 1 else f"records {shown}{more}"


def _from_rows(rows: Sequence[Row]) -> list[SuspenseEntry]:
    return [_from_row(*row[:-1]) for row in rows]


def _from_row(id: int, stream_id: str, stream_name: str, run_id: str, *rest: Any) -> SuspenseEntry:
    node_id, node_name, reason, detail, source, place, record, raw, *kept = rest
    error = (node_id, node_name, Reason(reason), detail)
    parsed = None if record is None else parse_json(record)
    suspended = Suspended(*error, source, place, parsed, raw)
    return SuspenseEntry(id, stream_id, stream_name, run_id, suspended, *kept)
