"""Dead letters in the ledger: looking at them, sending them again, dropping them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from meterhouse.app.forward_ports import (
    DEAD_LETTERS_MAX,
    EVERY_LETTER,
    REDRIVEN_RECORDS_MAX,
    ChosenLetters,
    DeadLetter,
    DeadLetterCount,
    DeadLetterFilter,
)
from meterhouse.app.page import Page
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import ConflictError, NotFoundError
from meterhouse.store.activities import Note, Recorder
from meterhouse.store.connection import Database, Row, path_from_value
from meterhouse.store.pages import cursor_of, number_after
from meterhouse.store.sql_text import queries

_SQL = queries("dead_letters")
_KIND = "dead letter"
#: So many unknown numbers are named.
_NAMED_MAX = 10


class DeadLetterTable(Recorder):
    """The part of the ledger that keeps dead letters."""

    _database: Database

    def dead_letters(
        self, wanted: DeadLetterFilter = EVERY_LETTER, *, limit: int = 100, after: str | None = None
    ) -> Page[DeadLetter]:
        """List dead letters."""
        with self._database.read():
            ids = _filtered(self._database, wanted, limit=limit + 1, after=number_after(after))
            letters = _letters(self._database, ids[:limit])
        more = len(ids) > limit
        return Page(letters, cursor_of(ids[limit - 1]) if more and letters else None)

    def dead_letter_counts(self, run_id: str) -> list[DeadLetterCount]:
        """Count the dead letters of a run by writer and reason, the most first."""
        with self._database.read():
            rows = self._database.rows(_SQL["counts"], (run_id,))
        return [DeadLetterCount(*row) for row in rows]

    def dead_letter(self, id: int) -> DeadLetter | None:
        """Return one."""
        with self._database.read():
            return next(iter(_letters(self._database, [id])), None)

    def redrive_dead_letters(self, chosen: ChosenLetters) -> list[int]:
        """Make new outputs of dead letters, all or none: one for each that they came from."""
        with self._recorded("redrive", _KIND) as note:
            rows = self._taken(chosen, note)
            for _, letters in groupby(rows, itemgetter(1)):
                for part in _parts(list(letters)):
                    self._redrive(part)
        return sorted(row[0] for row in rows)

    def _redrive(self, letters: Sequence[Row]) -> None:
        _, _, channel_no, run_no, node_id, destination, forward = letters[0]
        values = (run_no, node_id, destination, forward, channel_no, len(letters))
        output = self._database.value(_SQL["insert_output"], values)
        listed = json_text([row[0] for row in letters])
        self._database.execute(_SQL["redrive"], (output, listed))
        self._database.execute(_SQL["due_now"], (channel_no,))

    def drop_dead_letters(self, chosen: ChosenLetters) -> list[int]:
        """Delete dead letters for good, all or none."""
        with self._recorded("drop", _KIND) as note:
            ids = sorted(row[0] for row in self._taken(chosen, note))
            self._database.execute(_SQL["drop"], (json_text(ids),))
        return ids

    def _taken(self, chosen: ChosenLetters, note: Note) -> list[Row]:
        """Return what an action takes, by output; write down which that is."""
        if isinstance(chosen, DeadLetterFilter):
            ids = _filtered(self._database, chosen, limit=DEAD_LETTERS_MAX + 1, after=0)
        else:
            ids = list(dict.fromkeys(chosen))
        if len(ids) > DEAD_LETTERS_MAX:
            message = f"That would take more than {DEAD_LETTERS_MAX:,} dead letters"
            hint = "Narrow it down, by a run for example; nothing was changed"
            raise ConflictError(message, hint=hint, code="too_many_records")
        rows = self._database.rows(_SQL["origins"], (json_text(ids),))
        if unknown := sorted({*ids} - {row[0] for row in rows}):
            named = ", ".join(map(str, unknown[:_NAMED_MAX]))
            hint = "`meterhouse dead-letter list` shows those that exist; nothing was changed"
            raise NotFoundError(f"There is no dead letter {named}", hint=hint)
        note.void = not rows
        note.id = str(ids[0]) if len(ids) == 1 else ""
        note.detail["records"] = len(rows)
        return rows


def _parts(letters: list[Row]) -> list[list[Row]]:
    step = REDRIVEN_RECORDS_MAX
    return [letters[start : start + step] for start in range(0, len(letters), step)]


def _filtered(database: Database, wanted: DeadLetterFilter, *, limit: int, after: int) -> list[int]:
    values = {"stream_id": wanted.stream_id, "node": wanted.node, "after": after, "limit": limit}
    query = "page"
    if wanted.run_id is not None:
        query, values = "page_of_run", values | {"run_id": wanted.run_id}
    return [id for (id,) in database.rows(_SQL[query], values)]


def _letters(database: Database, ids: Sequence[int]) -> list[DeadLetter]:
    return [_from_row(*row) for row in database.rows(_SQL["letters"], (json_text(list(ids)),))]


def _from_row(*row: Any) -> DeadLetter:
    letter = DeadLetter(*row)
    return replace(letter, destination=path_from_value(letter.destination))
