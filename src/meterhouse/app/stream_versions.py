"""Versions of streams: tagging, finding, restoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from meterhouse.app.listing import found, take
from meterhouse.app.ports import Ledger, Page
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.streams import find_stream, with_document
from meterhouse.core.instant import Instant
from meterhouse.core.problem import NotFoundError
from meterhouse.streams.graph import load_graph
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.version import (
    LostNode,
    StreamVersion,
    VersionNote,
    check_version_note,
    lost_nodes,
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A stream that is again as a version was; ``lost`` are functions that have disappeared.

    What those remember is orphaned until a version with them is restored.
    """

    stream: StreamDefinition
    lost: Sequence[LostNode]


def tag_version(
    ledger: Ledger,
    reference: str,
    *,
    tag: str,
    description: str = "",
    new_id: Callable[[], str],
    at: Instant,
    by: str | None = None,
) -> StreamVersion:
    """Keep the working copy under a tag.

    Raises ``DefinitionError`` where the tag will not do, ``ConflictError`` where it was used.
    """
    check_version_note(tag, description)
    stream = find_stream(ledger, reference)
    version = VersionNote(new_id(), tag, description, by).of(stream, at=at)
    ledger.add_version(version)
    return version


def list_versions(
    ledger: Ledger, reference: str, *, limit: int | None = None
) -> Iterator[StreamVersion]:
    """Yield the versions of a stream, newest first; the working copy is not among them."""
    stream_id = find_stream(ledger, reference).id

    def page_of(*, limit: int, after: str | None) -> Page[StreamVersion]:
        return ledger.versions(stream_id=stream_id, limit=limit, after=after)

    return take(page_of, limit=limit)


def find_version(ledger: Ledger, reference: str, *, version: str) -> StreamVersion:
    """Return a version of a stream by its tag or id."""
    stream = find_stream(ledger, reference)
    return found(
        ledger.version(stream.id, version),
        or_raise=lambda: NotFoundError(
            f"Stream {stream.name!r} has no version {version!r}",
            hint=f"`meterhouse stream version list {stream.name!r}` shows those that exist",
        ),
    )


def lost_by_restoring(ledger: Ledger, reference: str, *, version: str) -> list[LostNode]:
    """Return the functions that would disappear if a version were restored now."""
    kept = find_version(ledger, reference, version=version)
    return lost_nodes(find_stream(ledger, reference).document, kept.document)


def restore_version(
    ledger: Ledger,
    reference: str,
    *,
    version: str,
    new_id: Callable[[], str],
    edit: StreamEdit,
) -> Restored:
    """Make the working copy what a version was; what it is now becomes a version without a tag.

    The stream keeps its name. Nodes that come back have the meter keys that they had. Refused
    where a node would go that remembers something, unless ``edit`` allows it.
    """
    kept = find_version(ledger, reference, version=version)
    before = find_stream(ledger, reference)
    lost: list[LostNode] = []

    def change(current: StreamDefinition) -> StreamDefinition:
        graph = load_graph({**kept.document, "name": current.name})
        lost[:] = lost_nodes(current.document, graph.document)
        return with_document(current, graph, new_id=new_id, at=edit.at, known_keys=kept.meter_keys)

    edit = replace(
        edit,
        keep_as=edit.keep_as or new_id(),
        description=edit.description or f"kept when {kept.tag or kept.id} was restored",
    )
    stream = ledger.update_stream(before.id, change, edit=edit)
    return Restored(stream, tuple(lost))
