"""Stream groups: ordered streams that run one after another, and one such run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.revision import revision_of
from meterhouse.streams.record import RunOrigin, RunStatus

NAME_CHARS_MAX = 200
MEMBERS_MAX = 100


@dataclass(frozen=True, slots=True)
class StreamGroup:
    """A group; ``members`` are (id, name) of its streams, in the order in which they run."""

    id: str
    name: str
    members: tuple[tuple[str, str], ...]
    created_at: Instant
    updated_at: Instant

    @property
    def revision(self) -> str:
        """A hash of what people may write of a group: its name and its streams."""
        return revision_of({"name": self.name, "streams": [id for id, _ in self.members]})

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``group show --json``."""
        return {
            "id": self.id,
            "name": self.name,
            "streams": [name for _, name in self.members],
            "createdAt": instant_text(self.created_at),
            "updatedAt": instant_text(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class GroupRun:
    """One run of a group. ``members`` are the ids of its streams when it began."""

    id: str
    group_id: str
    group_name: str
    members: tuple[str, ...]
    status: RunStatus
    origin: RunOrigin
    started_at: Instant
    started_by: str | None = None
    scheduled_for: Instant | None = None
    ended_at: Instant | None = None
    error: str | None = None

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``group run --json``, without the runs of the members."""
        return {
            "id": self.id,
            "group": self.group_name,
            "status": self.status.value,
            "origin": self.origin.value,
            "startedBy": self.started_by,
            "startedAt": instant_text(self.started_at),
            "endedAt": None if self.ended_at is None else instant_text(self.ended_at),
            "error": self.error,
        }


def check_group(name: str, members: list[str]) -> None:
    """Raise ``DefinitionError`` where a name or a list of streams makes no group."""
    problems: list[Problem] = []
    if not name or len(name) > NAME_CHARS_MAX:
        message = f"has {len(name)} characters"
        problems.append(Problem("name", message, f"use 1 to {NAME_CHARS_MAX}"))
    if not members or len(members) > MEMBERS_MAX:
        message = f"has {len(members)} streams"
        problems.append(Problem("streams", message, f"use 1 to {MEMBERS_MAX}"))
    for stream in sorted({member for member in members if members.count(member) > 1}):
        problems.append(Problem("streams", f"names {stream!r} twice", "name it once"))
    if problems:
        raise DefinitionError(problems, what="The group")
