"""How far reader nodes have read: listing and resetting what runs have committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from meterhouse.app.ports import Lease, PositionEntry
from meterhouse.core.json_text import json_text, parse_json
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Recorder
from meterhouse.store.connection import Database, storable
from meterhouse.store.sql_text import queries
from meterhouse.streams.record import InputPosition, Run

_SQL = queries("positions")
_STREAMS = queries("streams")


class PositionTable(Recorder):
    """The part of the ledger that keeps positions."""

    _database: Database
    _dead: Callable[[Lease], bool]

    def positions(self, stream_id: str, *, node_id: str | None = None) -> list[PositionEntry]:
        """Return the positions of a stream, by node and part."""
        with self._database.read():
            stream_no, _ = _stream(self._database, stream_id)
            values = {"stream_no": stream_no, "node_id": node_id}
            rows = self._database.rows(_SQL["of_stream"], values)
        return [
            PositionEntry(InputPosition(node, part, parse_json(value)), run_id)
            for node, part, value, run_id in rows
        ]

    def reset_positions(
        self, stream_id: str, *, node_id: str, part: str | None = None
    ) -> list[str]:
        """Forget positions of a node; returns the parts. Refused while the stream runs."""
        with self._recorded("reset positions", "stream", stream_id, node=node_id) as note:
            stream_no, note.detail["name"] = _stream(self._database, stream_id)
            lease = self._database.row(_STREAMS["lease"], (stream_no,))
            if lease is not None and not self._dead(Lease(*lease[:2])):
                message = f"Stream {note.detail['name']!r} is running (run {lease[2]})"
                hint = "Wait for its end: it would write its positions over what is reset now"
                raise ConflictError(message, hint=hint)
            values = {"stream_no": stream_no, "node_id": node_id, "part": part}
            parts = sorted(row[0] for row in self._database.rows(_SQL["reset"], values))
            note.void = not parts
            note.detail["parts"] = list(parts)
        return parts

    def settle_positions(self, run: Run, positions: Sequence[InputPosition]) -> None:
        """Replace positions that a run has committed, where nobody has replaced them since."""
        rows = [
            (json_text(p.value), p.node_id, storable(p.part), run.stream_id, run.id)
            for p in positions
        ]
        with self._database.write():
            self._database.execute_many(_SQL["settle"], rows)


def put_positions(
    database: Database, positions: Sequence[InputPosition], *, stream_no: int, run_no: int
) -> None:
    """Write what a run has read; the caller holds the transaction."""
    rows = [(stream_no, p.node_id, storable(p.part), json_text(p.value), run_no) for p in positions]
    database.execute_many(_SQL["put"], rows)


def _stream(database: Database, id: str) -> tuple[int, str]:
    row = database.row(_STREAMS["by_id"], (id,))
    if row is None:
        hint = "`stream list` shows those that exist"
        raise NotFoundError(f"There is no stream {id!r}", hint=hint)
    return row[0], row[1]
