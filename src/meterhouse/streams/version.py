"""Versions of a stream: snapshots with tags, and what a change of document would lose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import missing_or_shown

if TYPE_CHECKING:
    from meterhouse.streams.record import StreamDefinition

#: What the working copy is called.
AUTOSAVED = "Autosaved"
TAG_CHARS_MAX = 20
DESCRIPTION_CHARS_MAX = 2_000
#: Names of the product's own, in any case.
RESERVED = ("Auto-migrated", AUTOSAVED, "Deployed", "Latest")
_TAG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class StreamVersion:
    """A stream as it was. One without a tag was kept when the working copy was replaced."""

    id: str
    stream_id: str
    tag: str | None
    description: str
    created_at: Instant
    created_by: str | None
    document: Mapping[str, Any]
    #: meter node id -> meter key, so that a restored node finds its meters
    meter_keys: Mapping[str, str]

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``stream version list --json``."""
        return {
            "id": self.id,
            "tag": self.tag,
            "description": self.description,
            "createdAt": instant_text(self.created_at),
            "createdBy": self.created_by,
        }


@dataclass(frozen=True, slots=True)
class VersionNote:
    """What a version is to be called, and by whom, before there is what it keeps."""

    id: str
    tag: str
    description: str = ""
    by: str | None = None

    def of(self, stream: StreamDefinition, *, at: Instant) -> StreamVersion:
        """Return the version that keeps a stream as it is."""
        head = (self.id, stream.id, self.tag, self.description, at, self.by)
        return StreamVersion(*head, document=stream.document, meter_keys=stream.meter_keys)


@dataclass(frozen=True, slots=True)
class LostNode:
    """A node that a change of document would remove; what it remembers would be orphaned."""

    id: str
    name: str
    type: str

    def __str__(self) -> str:
        return f'"{self.name}" ({self.type})'


def tag_problems(tag: object) -> list[Problem]:
    """List what is wrong with a tag; whether it was used before is for the ledger to say.

    >>> tag_problems("v1.0"), [str(p) for p in tag_problems("latest")]
    ([], ['tag: is "latest", a name of our own (choose another)'])
    """
    hint = (
        f"use 1 to {TAG_CHARS_MAX} letters, digits, -, _ and ., beginning and ending with a "
        "letter or digit"
    )
    if not isinstance(tag, str) or not tag:
        return [Problem("tag", "is empty" if tag == "" else missing_or_shown(tag), hint)]
    if len(tag) > TAG_CHARS_MAX or not _TAG.fullmatch(tag):
        return [Problem("tag", missing_or_shown(tag), hint)]
    if tag.lower() in {name.lower() for name in RESERVED}:
        return [Problem("tag", f"{missing_or_shown(tag)}, a name of our own", "choose another")]
    return []


def check_version_note(tag: str, description: str) -> None:
    """Raise ``DefinitionError`` where a tag or its description will not do."""
    problems = tag_problems(tag)
    if len(description) > DESCRIPTION_CHARS_MAX:
        message = f"has {len(description)} characters"
        hint = f"at most {DESCRIPTION_CHARS_MAX} are allowed"
        problems.append(Problem("description", message, hint))
    if problems:
        raise DefinitionError(problems, what="The version")


def lost_nodes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[LostNode]:
    """Return the nodes that are no longer there, or are of another type."""
    kept = {(node["id"], node["type"]) for node in after["nodes"]}
    return [
        LostNode(node["id"], node.get("name") or node["id"], node["type"])
        for node in before["nodes"]
        if (node["id"], node["type"]) not in kept
    ]
