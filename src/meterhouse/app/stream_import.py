"""Importing a stream where one of its name may exist, and rewriting it on its way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import count

from meterhouse.app.access_ports import Secrets
from meterhouse.app.ports import Streams
from meterhouse.app.secrets import find_secret
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.streams import import_stream, named, replace_stream
from meterhouse.core.json_text import JsonValue
from meterhouse.streams.graph import NAME_CHARS_MAX, load_graph
from meterhouse.streams.record import StreamDefinition
from meterhouse.streams.rewriting import OAUTH2, with_api_base, with_secret
from meterhouse.streams.version import LostNode, VersionNote, check_version_note, lost_nodes


class OnConflict(Enum):
    """What an import does where a stream of its name exists."""

    CANCEL = "cancel"
    REPLACE = "replace"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class ChosenSecret:
    """A secret of the wallet that nodes are to use; whoever calls has made sure that it exists."""

    id: str
    type: str = OAUTH2


def chosen_secret(secrets: Secrets, reference: str) -> ChosenSecret:
    """Return the secret of the wallet that an id or a name means, for the nodes of a document."""
    secret = find_secret(secrets, reference)
    return ChosenSecret(secret.id, secret.type.value)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a document is to come in. ``name`` goes before its own."""

    name: str | None = None
    on_conflict: OnConflict = OnConflict.CANCEL
    api_base: str | None = None
    secret: ChosenSecret | None = None
    #: what was imported is kept as a version under this
    note: VersionNote | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """A stream that was imported, and what became of the one before.

    ``rewritten`` counts the nodes that got another API and those that got the secret; ``None``
    where none was asked for.
    """

    stream: StreamDefinition
    replaced: bool = False
    lost: Sequence[LostNode] = ()
    moved_nodes: int | None = None
    secret_nodes: int | None = None


def import_document(
    streams: Streams,
    document: JsonValue,
    *,
    options: ImportOptions,
    edit: StreamEdit,
    new_id: Callable[[], str],
) -> Imported:
    """Import a document; raises as ``import_stream`` and ``replace_stream`` do.

    A note that cannot be kept is a reason to import nothing.

    ``edit`` matters where a stream is replaced, except for its instant.
    """
    document, moved, chosen = _rewritten(named(document, options.name), options)
    graph = load_graph(document)
    note = options.note
    if note is not None:
        check_version_note(note.tag, note.description)
    before = streams.stream(graph.name)
    taken = before is not None and before.name == graph.name
    if before is not None and taken and options.on_conflict is OnConflict.REPLACE:
        edit = replace(edit, note=note)
        stream = replace_stream(streams, before.id, document, new_id=new_id, edit=edit)
        lost = lost_nodes(before.document, stream.document)
        return Imported(stream, True, lost, moved, chosen)
    if taken and options.on_conflict is OnConflict.NEW:
        document = named(document, free_name(streams, graph.name))
    stream = import_stream(streams, document, new_id=new_id, at=edit.at, note=note)
    return Imported(stream, False, (), moved, chosen)


def free_name(streams: Streams, name: str) -> str:
    """Return the first of ``name (2)``, ``name (3)``, … that no stream has."""
    for number in count(2):
        mark = f" ({number})"
        candidate = name[: NAME_CHARS_MAX - len(mark)] + mark
        if (stream := streams.stream(candidate)) is None or stream.name != candidate:
            return candidate
    raise AssertionError("numbers never end")


def _rewritten(
    document: JsonValue, options: ImportOptions
) -> tuple[JsonValue, int | None, int | None]:
    moved: int | None = None
    chosen: int | None = None
    if isinstance(document, Mapping):
        if options.api_base is not None:
            document, moved = with_api_base(document, options.api_base)
        if options.secret is not None:
            secret = options.secret
            document, chosen = with_secret(document, secret.id, kind=secret.type)
    return document, moved, chosen
