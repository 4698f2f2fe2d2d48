"""The graph of a stream: read from a document in the export format, and checked as a whole.

Every problem is listed at once. The document itself is kept as it came, so that an export gives
back what was imported, unknown keys too. Decides what a valid graph is; knows nothing of runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import Reading, missing_or_shown, shown
from meterhouse.streams.nodes.catalogue import NODE_TYPES, node_type
from meterhouse.streams.nodes.file_writer import FileWriterParams
from meterhouse.streams.nodes.node import READERS, WRITERS, NodeParams, NodeType
from meterhouse.streams.nodes.packages import NodePackageBroken
from meterhouse.streams.nodes.parameter_names import read_params
from meterhouse.streams.parameters import exact
from meterhouse.streams.topology import Link, cycle, reached, topological

NAME_CHARS_MAX = 200
NODES_MAX = 1_000
EDGES_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a stream."""

    id: str
    name: str
    type: NodeType
    params: NodeParams


@dataclass(frozen=True, slots=True)
class Edge:
    """Where the records go that leave a node by a port. Ids of nodes."""

    source: str
    port: str
    target: str


@dataclass(frozen=True, slots=True)
class StreamGraph:
    """A valid graph. ``nodes`` are in topological order, ``edges`` as in the document."""

    name: str
    document: Mapping[str, Any]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node(self, id: str) -> Node | None:
        """Return a node by its id."""
        return next((node for node in self.nodes if node.id == id), None)

    @property
    def meter_nodes(self) -> tuple[Node, ...]:
        """The meter nodes: each needs a meter key."""
        return tuple(node for node in self.nodes if node.type.name == "transforms/meter")


def load_graph(document: object) -> StreamGraph:
    """Read a document. Raises ``DefinitionError`` listing everything that is wrong with it."""
    graph, problems = read_graph(document)
    if graph is None:
        name = document.get("name") if isinstance(document, Mapping) else None
        raise DefinitionError(problems, what=f"The stream {shown(name)}" if name else "The stream")
    return graph


def read_graph(document: object) -> tuple[StreamGraph | None, list[Problem]]:
    """Read a document; the graph, or all problems."""
    reading = Reading(document, what="stream")
    name = reading.text("name", required=True, chars_max=NAME_CHARS_MAX)
    drafts = _read_drafts(reading)
    links = _read_links(reading, drafts)
    reading.problems += _shape_problems(drafts, links)
    if reading.problems or name is None:
        return None, reading.problems
    nodes = {draft.id: draft.node() for draft in drafts}
    order = topological([draft.id for draft in drafts], links)
    edges = tuple(Edge(link.source, link.port, link.target) for link in links)
    return StreamGraph(name, reading.body, tuple(nodes[id] for id in order), edges), []


# ---------------------------------------------------------------- nodes


@dataclass(slots=True)
class _Draft:
    """A node as far as it could be read. ``type`` and ``params`` are ``None`` where it is wrong."""

    id: str
    name: str
    type_name: str
    place: str
    type: NodeType | None = None
    params: NodeParams | None = None

    @property
    def reads(self) -> bool:
        return self.type_name.startswith(READERS)

    @property
    def writes(self) -> bool:
        return self.type_name.startswith(WRITERS)

    def node(self) -> Node:
        assert self.type is not None
        assert self.params is not None
        return Node(self.id, self.name, self.type, self.params)

    def problem(self, message: str, hint: str) -> Problem:
        return Problem(self.place, message, hint)


def _read_drafts(reading: Reading) -> list[_Draft]:
    items = reading.json_list("nodes", items_max=NODES_MAX)
    if not items:
        reading.fail("nodes", "is empty", "a stream needs at least a reader")
    drafts: list[_Draft] = []
    for position, item in enumerate(items):
        draft = _read_draft(reading, item, f"nodes[{position}]", items)
        if draft is None:
            continue
        if draft.id in {known.id for known in drafts}:
            hint = "give each node its own id"
            reading.problems.append(draft.problem(f"has the id {shown(draft.id)} of another", hint))
        else:
            drafts.append(draft)
    reading.problems += _name_problems(drafts)
    return drafts


def _read_draft(outer: Reading, item: object, place: str, items: Sequence[object]) -> _Draft | None:
    reading = Reading(item, what="node")
    id_ = reading.text("id", required=True)
    type_name = reading.text("type", required=True)
    name = reading.text("name", chars_max=NAME_CHARS_MAX) or id_
    if reading.problems or id_ is None or type_name is None or name is None:
        outer.problems += [problem.at(place) for problem in reading.problems]
        return None
    same = sum(isinstance(other, Mapping) and other.get("name") == name for other in items)
    mark = f", id {id_}" if same > 1 else ""
    draft = _Draft(id_, name, type_name, f'node "{name}" ({type_name}{mark})')
    draft.type, unknown = _type_of(draft)
    if draft.type is None:
        outer.problems += unknown
        return draft
    outer.problems += _version_problems(draft, draft.type, reading)
    params = Reading(exact(reading.body.get("params") or {}), what="parameters")
    draft.params = read_params(draft.type, params)
    for problem in params.problems:
        inner = problem.at("params")
        outer.problems.append(Problem(f"{draft.place} {inner.place}", inner.message, inner.hint))
    return draft


def _type_of(draft: _Draft) -> tuple[NodeType | None, list[Problem]]:
    """Return the type of a node, or why there is none."""
    try:
        found = node_type(draft.type_name)
    except NodePackageBroken as error:
        return None, [draft.problem(f"cannot be used: {error.args[0]}", error.hint)]
    if found is not None:
        return found, []
    hint = f"these exist: {', '.join(sorted(NODE_TYPES))}"
    return None, [draft.problem(f"is of an unknown type {shown(draft.type_name)}", hint)]


def _version_problems(draft: _Draft, type_: NodeType, reading: Reading) -> list[Problem]:
    version = reading.body.get("schemaVersion")
    if version is None or (type(version) is int and version in type_.versions):
        return []
    known = " and ".join(str(version) for version in sorted(type_.versions))
    hint = f"{known} is understood of {type_.name}; save the node anew in that version"
    return [draft.problem(f"has schemaVersion {shown(version)}", hint)]


def _name_problems(drafts: Sequence[_Draft]) -> list[Problem]:
    """Meter nodes are told apart by name; two file writers of one path would lose a file."""
    meters = [draft for draft in drafts if draft.type_name == "transforms/meter"]
    names = Counter(draft.name for draft in meters)
    problems = [
        draft.problem("has the name of another meter node", "rename one of them")
        for draft in meters
        if names[draft.name] > 1
    ]
    paths: set[str] = set()
    for draft in drafts:
        if isinstance(draft.params, FileWriterParams):
            if draft.params.name.written in paths:
                message = f"writes to {shown(draft.params.name.written)}, as another node does"
                problems.append(draft.problem(message, "give each writer its own path"))
            paths.add(draft.params.name.written)
    return problems


# ---------------------------------------------------------------- edges


def _read_links(reading: Reading, drafts: Sequence[_Draft]) -> list[Link]:
    known = {draft.id: draft for draft in drafts}
    links: list[Link] = []
    for position, item in enumerate(reading.json_list("edges", items_max=EDGES_MAX)):
        inner = Reading(item, what="edge")
        link = _read_link(inner, known)
        if link is not None and link in links:
            inner.fail("", "repeats another edge", "remove it, or records would count twice")
        elif link is not None:
            links.append(link)
        reading.problems += [problem.at(f"edges[{position}]") for problem in inner.problems]
    return links


def _read_link(reading: Reading, known: Mapping[str, _Draft]) -> Link | None:
    ends = []
    for side in ("from", "to"):
        id_ = reading.text(side, required=True)
        if id_ is not None and id_ not in known:
            reading.fail(side, f"is {shown(id_)}, which is no node", "remove the edge or mend it")
        ends.append(known.get(id_ or ""))
    source, target = ends
    output = reading.text("output")
    if source is None or target is None:
        return None
    if source.writes:
        reading.fail("from", f"is {source.place}, which lets no record out", "remove the edge")
    if target.reads:
        reading.fail("to", f"is {target.place}, which takes no records", "remove the edge")
    return Link(source.id, _port(reading, source, output), target.id)


def _port(reading: Reading, source: _Draft, output: str | None) -> str:
    # An edge from a port that is wrong still shapes the graph.
    if source.params is None or source.writes:
        return output or ""
    ports = source.params.ports()
    port = ports.named(output)
    if port is None:
        known = ", ".join((*ports.ids, *(n for n in ports.names if n not in ports.ids.values())))
        what = missing_or_shown(output)
        reading.fail("output", f"{what}, no output of {source.place}", f"it has: {known}")
    return port or output or ""


# ---------------------------------------------------------------- the whole


def _shape_problems(drafts: Sequence[_Draft], links: Sequence[Link]) -> list[Problem]:
    """Cycles, and what no record ever comes to."""
    if not drafts:
        return []
    known = {draft.id: draft for draft in drafts}
    problems = []
    if round_trip := cycle(list(known), links):
        names = " -> ".join(f'"{known[id].name}"' for id in round_trip)
        problems.append(Problem("edges", f"form a cycle: {names}", "remove one of its edges"))
    readers = [draft.id for draft in drafts if draft.reads]
    if not readers:
        return [*problems, Problem("nodes", "have no reader", "add one, such as readers/file")]
    within_reach = reached(readers, links)
    targets = {link.target for link in links}
    for draft in drafts:
        if draft.id in within_reach:
            continue
        if draft.id in targets:
            problems.append(draft.problem("is reached from no reader", "connect what is before it"))
        else:
            problems.append(draft.problem("has no input", "connect it, or remove it"))
    return problems
