"""Previewing: what a run would do with a few records, of a stored stream or of any document."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

from meterhouse.app.ports import Ledger
from meterhouse.app.running import Means
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import NotFoundError
from meterhouse.streams.graph import load_graph
from meterhouse.streams.preview import NodePreview, preview
from meterhouse.streams.world import RunFacts


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is to be previewed: a stored stream, another document in its place, or one of no stream.

    A document in a stream's place meets the meters and stores that the stream has, node by node;
    one of no stream meets none. ``node`` (id or name) is what is to be shown: all, unless given.
    """

    stream: str | None = None
    document: JsonValue = None
    node: str | None = None


def preview_stream(
    ledger: Ledger,
    wanted: Previewed,
    *,
    means: Means,
    run_id: str,
    seed: int,
    at: Instant | None = None,
) -> list[NodePreview]:
    """Show what a run would do with a few records; nothing is changed.

    Raises ``DefinitionError`` with every problem of the document, ``NotFoundError`` where there is
    no such stream or node.
    """
    stream = None if wanted.stream is None else find_stream(ledger, wanted.stream)
    document = wanted.document
    if stream is not None and document is None:
        document = stream.document
    graph = load_graph(document)
    _check_node(wanted.node, graph_nodes=[(node.id, node.name) for node in graph.nodes])
    instant = means.clock() if at is None else at
    known = {} if stream is None else stream.meter_keys
    # A node that has no key yet meets no meters: nobody has a key of this name.
    keys = {node.id: known.get(node.id, f"{run_id} {node.id}") for node in graph.meter_nodes}
    facts = RunFacts(run_id, instant, seed, keys)
    services = means.services
    if document is not None and (stream is None or document is not stream.document):
        # Whoever may preview may not thereby send a secret to a server of their choice.
        services = replace(services, credentials=None)
    with closing(ledger.snapshot(None if stream is None else stream.id)) as snapshot:
        shown = preview(graph, facts, snapshot=snapshot, services=services)
    return [view for view in shown if wanted.node in (None, view.id, view.name)]


def _check_node(wanted: str | None, *, graph_nodes: list[tuple[str, str]]) -> None:
    if wanted is not None and all(wanted not in names for names in graph_nodes):
        known = ", ".join(repr(name) for _, name in graph_nodes)
        raise NotFoundError(f"The stream has no node {wanted!r}", hint=f"Its nodes are {known}")
