"""The usage audit: what one complete run took in and let out, kept for 180 days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.core.instant import DAY, Instant, instant_text
from meterhouse.core.json_text import JsonValue
from meterhouse.streams.nodes.node import READERS, WRITERS
from meterhouse.streams.record import NodeCount, RunOrigin
from meterhouse.streams.version import AUTOSAVED

KEPT: Instant = 180 * DAY
_DEDUPLICATE = "transforms/deduplicate"
_CORRECTING = frozenset({"transforms/meter", "transforms/validate"})


@dataclass(frozen=True, slots=True)
class Usage:
    """The figures of one run; ``None`` where the stream has no such nodes.

    ``input`` is all that came in: records that readers read, those among them that are unreadable,
    and those that came back from Data Correction.
    """

    input: int
    output: int
    duplicated: int | None
    to_correction: int | None
    custom: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry: a transaction that was committed."""

    run_id: str
    stream_name: str
    started_at: Instant
    ended_at: Instant
    origin: RunOrigin
    started_by: str | None
    version: str | None
    usage: Usage

    def to_api(self) -> dict[str, Any]:
        """Return the object of ``run audit --json``."""
        return {
            "transactionStart": instant_text(self.started_at),
            "transactionEnd": instant_text(self.ended_at),
            "execution": self.run_id,
            "stream": self.stream_name,
            "origin": self.origin.value,
            "startedBy": self.started_by,
            "totalInput": self.usage.input,
            "totalOutput": self.usage.output,
            "duplicated": self.usage.duplicated,
            "toCorrection": self.usage.to_correction,
            "streamVersion": self.version or AUTOSAVED,
            "custom": dict(self.usage.custom),
        }


def usage_of(
    nodes: Sequence[NodeCount], audit: Mapping[str, Mapping[str, JsonValue]], *, returned: int = 0
) -> Usage:
    """Sum up what nodes did. ``audit`` are the custom columns by node id.

    ``returned`` records came back from Data Correction into nodes behind the readers. A column that
    several nodes have is told apart by the names of the later ones.
    """
    names = {node.id: node.name for node in nodes}
    custom: dict[str, JsonValue] = {}
    for node_id, values in audit.items():
        for key, value in values.items():
            taken = key in custom
            custom[f"{names.get(node_id, node_id)}.{key}" if taken else key] = value
    deduplicating = [node.duplicates for node in nodes if node.type == _DEDUPLICATE]
    suspended = sum(node.suspended for node in nodes)
    correcting = suspended > 0 or any(node.type in _CORRECTING for node in nodes)
    return Usage(
        input=returned + sum(map(_read, nodes)),
        output=sum(node.records_in for node in nodes if node.type.startswith(WRITERS)),
        duplicated=sum(deduplicating) if deduplicating else None,
        to_correction=suspended if correcting else None,
        custom=custom,
    )


def _read(node: NodeCount) -> int:
    """Return how many records a reader has read, readable or not, and taken back."""
    if not node.type.startswith(READERS):
        return 0
    return sum(node.out.values()) + node.suspended + node.filtered
