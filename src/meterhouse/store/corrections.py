"""Data Correction in the ledger: the suspended records and what people do about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from meterhouse.app.correction_ports import (
    ACTION_RECORDS_MAX,
    EVERYTHING,
    QUEUED,
    Change,
    Chosen,
    Done,
    SuspenseCount,
    SuspenseEntry,
    SuspenseFilter,
    SuspenseSummary,
)
from meterhouse.app.ports import Lease, Page
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.core.suspense import Reason
from meterhouse.store.connection import Database, Row, storable
from meterhouse.store.pages import cursor_of, number_after
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import Suspended

_SQL = queries("corrections")
_NAMED_MAX = 20
_NUMBER_MAX = 2**63 - 1
_LIKE = re.compile(r"[%_\\]")


def _nothing(_: Sequence[int]) -> None:
    return None


class CorrectionTable:
    """The part of the ledger that keeps suspended records."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def suspense(
        self,
        wanted: SuspenseFilter = EVERYTHING,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[SuspenseEntry]:
        """List suspended records."""
        with self._database.read():
            ids = _chosen_ids(self._database, wanted, limit=limit + 1, after=number_after(after))
            shown = json_text(ids[:limit])
            entries = [_from_row(*row) for row in self._database.rows(_SQL["entries"], (shown,))]
        more = len(ids) > limit
        return Page(entries, cursor_of(ids[limit - 1]) if more and entries else None)

    def suspense_summary(self, *, stream_id: str | None = None) -> list[SuspenseSummary]:
        """Count suspended records by stream, node and reason."""
        with self._database.read():
            stream_no = _number(self._database, "stream_no", stream_id)
            rows = self._database.rows(_SQL["summary"], {"stream_no": stream_no})
        return [SuspenseSummary(stream, node, Reason(r), count) for stream, node, r, count in rows]

    def suspense_by_source(self, stream_id: str) -> dict[str, int]:
        """Count suspended records of a stream by the file, or other source, that they are from."""
        with self._database.read():
            return dict(self._database.rows(_SQL["by_source"], (stream_id,)))

    def suspense_counts(self, run_id: str) -> list[SuspenseCount]:
        """Count what a run has set aside by node and reason, the most first."""
        with self._database.read():
            rows = self._database.rows(_SQL["counts"], (run_id,))
        return [SuspenseCount(node, Reason(r), count, detail) for node, r, count, detail, _ in rows]

    def suspense_entry(self, id: int) -> SuspenseEntry | None:
        """Return one."""
        with self._database.read():
            row = self._database.row(_SQL["entries"], (json_text([id]),))
        return None if row is None else _from_row(*row)

    def change_suspense(
        self, chosen: Chosen, change: Change, *, at: Instant, done: Done = _nothing
    ) -> list[int]:
        """Let ``change`` make new records of those chosen; an unreadable one starts empty."""
        with self._database.write():
            ids = _ids(self._database, chosen)
            _refuse_provisional(_guard(self._database, ids, self._dead))
            rows = self._database.rows(_SQL["records"], (json_text(ids),))
            records = [(id, {} if text is None else parse_json(text)) for id, text in rows]
            changed = zip(records, change(records), strict=True)
            values = ((json_text(record), at, id) for (id, _), record in changed)
            self._database.execute_many(_SQL["set_record"], values)
            done(ids)
        return ids

    def delete_suspense(self, chosen: Chosen, *, done: Done = _nothing) -> list[int]:
        """Delete all or none."""
        with self._database.write():
            ids = _ids(self._database, chosen)
            _guard(self._database, ids, self._dead)
            self._database.execute(_SQL["delete"], (json_text(ids),))
            done(ids)
        return ids

    def requeue_suspense(self, chosen: Chosen, *, at: Instant, done: Done = _nothing) -> list[int]:
        """Queue all or none for the next runs of their streams."""
        with self._database.write():
            ids = _ids(self._database, chosen)
            found = _guard(self._database, ids, self._dead)
            _refuse_provisional(found)
            if isinstance(chosen, SuspenseFilter):
                # Who means all of something means those that are not queued yet.
                ids = [id for id, state, *_ in found if state != QUEUED]
            listed = json_text(ids)
            unreadable = [id for (id,) in self._database.rows(_SQL["unreadable"], (listed,))]
            if unreadable:
                hint = "Set its fields first (`correction fix`)"
                raise ConflictError(f"Nothing could be read of {_listed(unreadable)}", hint=hint)
            self._database.execute(_SQL["queue"], (at, listed))
            done(ids)
        return ids

    def purge_suspense(self, *, before: Instant, limit: int, done: Done = _nothing) -> int:
        """Delete records that were last touched before an instant, the oldest first."""
        with self._database.write():
            values = {"before": before, "limit": limit}
            ids = [id for (id,) in self._database.rows(_SQL["purge"], values)]
            done(ids)
        return len(ids)


def _ids(database: Database, chosen: Chosen) -> list[int]:
    """Return the ids of what is chosen; refuse more than one action may take."""
    if isinstance(chosen, SuspenseFilter):
        ids = _chosen_ids(database, chosen, limit=ACTION_RECORDS_MAX + 1)
        count = len(ids)
        if count > ACTION_RECORDS_MAX:
            count = len(_chosen_ids(database, chosen, limit=-1))
    else:
        ids = list(dict.fromkeys(chosen))
        count = len(ids)
    if count > ACTION_RECORDS_MAX:
        message = f"That would take {count:,} records, and an action takes {ACTION_RECORDS_MAX:,}"
        hint = "Narrow it down, by a time or a reason for example; nothing was changed"
        raise ConflictError(message, hint=hint, code="too_many_records")
    return ids


def _chosen_ids(
    database: Database, wanted: SuspenseFilter, *, limit: int, after: int = 0
) -> list[int]:
    numbers = {
        "stream_no": _number(database, "stream_no", wanted.stream_id),
        "run_no": _number(database, "run_no", wanted.run_id),
    }
    first, last = after, None
    if wanted.since is not None:
        earliest = database.value(_SQL["first_since"], (wanted.since,))
        first = _NUMBER_MAX if earliest is None else max(after, earliest - 1)
    if wanted.until is not None:
        last = database.value(_SQL["last_until"], (wanted.until,)) or 0
    filters = {
        "reason": None if wanted.reason is None else wanted.reason.value,
        "node": wanted.node,
        "state": wanted.state,
        "since": wanted.since,
        "until": wanted.until,
        "text": None if wanted.text is None else f"%{_literal(wanted.text)}%",
    }
    values = {**numbers, **filters, "after": first, "last": last, "limit": limit}
    return [id for (id,) in database.rows(_SQL[_page(wanted)], values)]


def _page(wanted: SuspenseFilter) -> str:
    """Return the name of the query whose index leads closest to what is wanted."""
    if wanted.run_id is not None:
        return "page_of_run"
    if wanted.state == QUEUED:
        return "page_of_all_queued" if wanted.stream_id is None else "page_of_queued"
    if wanted.stream_id is None:
        return "page" if wanted.reason is None else "page_of_reason"
    if wanted.reason is not None:
        return "page_of_stream_reason"
    return "page_of_stream" if wanted.node is None else "page_of_stream_node"


def _number(database: Database, query: str, id: str | None) -> int | None:
    """Return the number of a stream or run; one that does not exist has none of the records."""
    if id is None:
        return None
    found = database.value(_SQL[query], (id,))
    return 0 if found is None else found


def _literal(text: str) -> str:
    return storable(_LIKE.sub(r"\\\g<0>", text))


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


def _from_row(id: int, stream_id: str, stream_name: str, run_id: str, *rest: Any) -> SuspenseEntry:
    node_id, node_name, reason, detail, source, place, record, raw, *kept = rest
    error = (node_id, node_name, Reason(reason), detail)
    parsed = None if record is None else parse_json(record)
    suspended = Suspended(*error, source, place, parsed, raw)
    return SuspenseEntry(id, stream_id, stream_name, run_id, suspended, *kept)
