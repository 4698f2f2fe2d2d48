"""Dead letters: records that a receiver refused; looking at them, sending them again, dropping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from meterhouse.app.forward_ports import (
    EVERY_LETTER,
    ChosenLetters,
    DeadLetter,
    DeadLetterFilter,
    Forwards,
)
from meterhouse.app.listing import found, take
from meterhouse.app.page import Page
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import NESTING_MAX, parse_json
from meterhouse.core.problem import NotFoundError

#: Metered records nest a little deeper than records that are read.
_NESTING_MAX = NESTING_MAX + 10


def list_letters(
    forwards: Forwards, *, wanted: DeadLetterFilter = EVERY_LETTER, limit: int | None
) -> Iterator[DeadLetter]:
    """Yield dead letters, those that a filter means, oldest first."""

    def page_of(*, limit: int, after: str | None) -> Page[DeadLetter]:
        return forwards.dead_letters(wanted, limit=limit, after=after)

    return take(page_of, limit=limit)


def find_letter(forwards: Forwards, id: int) -> DeadLetter:
    """Return one dead letter."""
    return found(
        forwards.dead_letter(id),
        or_raise=lambda: NotFoundError(
            f"There is no dead letter {id}",
            hint="`meterhouse dead-letter list` shows those that exist",
        ),
    )


def redrive(forwards: Forwards, chosen: ChosenLetters) -> list[int]:
    """Send dead letters again, all or none: as new outputs, with the keys that they had.

    They leave as the settings of their writer were at the time of their run. Returns their numbers.
    """
    return forwards.redrive_dead_letters(chosen)


def drop(forwards: Forwards, chosen: ChosenLetters) -> list[int]:
    """Delete dead letters for good, all or none; returns their numbers."""
    return forwards.drop_dead_letters(chosen)


def letter_to_api(letter: DeadLetter) -> dict[str, Any]:
    """Return the object of ``dead-letter list --json``."""
    return {
        "id": letter.id,
        "delivery": letter.outbox_id,
        "stream": letter.stream_name,
        "node": letter.node_name,
        "run": letter.run_id,
        "destination": letter.destination,
        "place": letter.place,
        "key": letter.key,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": instant_text(letter.at),
        "record": parse_json(letter.record, nesting_max=_NESTING_MAX),
    }
