"""A schedule: which stream or group runs by which rule, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading
from meterhouse.core.revision import revision_of
from meterhouse.streams.schedule_rule import ScheduleRule, read_rule

#: Fields of the API's object that Meterhouse writes; they are accepted and ignored.
_READ_ONLY = (
    *("id", "stream", "group", "nextRunAt", "lastRunAt", "skipped", "lastSkippedAt"),
    *("createdAt", "updatedAt", "revision"),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of a stream or of a group; exactly one of the two is named.

    ``next_at`` is the next instant that it names, ``None`` while it is disabled. ``claimed`` is
    the run (of a group: the group run) of an instant that has come and has not ended yet.
    ``skipped`` counts instants that came while a run was under way.
    """

    id: str
    rule: ScheduleRule
    enabled: bool
    created_at: Instant
    updated_at: Instant
    stream_id: str | None = None
    stream_name: str | None = None
    group_id: str | None = None
    group_name: str | None = None
    next_at: Instant | None = None
    claimed: str | None = None
    last_at: Instant | None = None
    skipped: int = 0
    skipped_at: Instant | None = None

    @property
    def target(self) -> str:
        """The name of what it runs."""
        return self.stream_name or self.group_name or ""

    @property
    def revision(self) -> str:
        """A hash of what people may write of a schedule: its rule, and whether it is enabled."""
        return revision_of({**self.rule.to_api(), "enabled": self.enabled})

    def due(self, at: Instant) -> bool:
        """Whether an instant of it has come."""
        return self.next_at is not None and self.next_at <= at

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``schedule show --json``."""
        return {
            "id": self.id,
            "stream": self.stream_name,
            "group": self.group_name,
            **self.rule.to_api(),
            "enabled": self.enabled,
            "nextRunAt": _text(self.next_at),
            "lastRunAt": _text(self.last_at),
            "skipped": self.skipped,
            "lastSkippedAt": _text(self.skipped_at),
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


def read_schedule(body: object) -> tuple[ScheduleRule, bool]:
    """Read the body of a schedule: its rule, and whether it is enabled.

    Raises ``DefinitionError`` listing every problem.

    >>> read_schedule({"interval": "minutes", "every": 5, "enabled": False})[1]
    False
    """
    rule, problems = read_rule(body, beside=("enabled", *_READ_ONLY))
    reading = Reading(body)
    enabled = reading.boolean("enabled", default=True)
    problems = problems + [fault for fault in reading.problems if fault.place == "enabled"]
    if problems or rule is None:
        raise DefinitionError(_unique(problems), what="The schedule")
    return rule, enabled


def _unique(problems: list[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))


def _text(instant: Instant | None) -> str | None:
    return None if instant is None else instant_text(instant)
