"""One run of a stream: records go from the readers through the graph, chunk by chunk.

Theory of operation. A run has three phases.

1. *Start*: every meter node is scanned, those further down first, so that each is scanned before
   a record comes in. What leaves goes down the graph at once.
2. *Records*: records that come back from Data Correction enter the nodes that rejected them; then
   each reader's chunks, in order, unless the run is for correction. A chunk goes through the whole
   graph in topological order before the next one is read. What several edges bring to a node is
   merged by order of arrival.
3. *End*: node by node in topological order, what a node still holds leaves and goes down the graph
   before the next node ends.

Every record has an origin (source, offset), and sources are numbered in the order in which they
are read, so the order of origins is the order of arrival, whatever the chunks. Nothing is kept
before the caller commits the result; where a run fails, prepared outputs are discarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from meterhouse.core.json_text import JsonValue
from meterhouse.core.problem import DefinitionError, MeterhouseError, Problem
from meterhouse.core.reading import shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import UsageBatch, merge_batches
from meterhouse.streams.absent_fields import AbsentFields, absence
from meterhouse.streams.graph import Node, StreamGraph
from meterhouse.streams.law import check_law
from meterhouse.streams.nodes.node import (
    READERS,
    WRITTEN,
    Needed,
    NodeRun,
    NodeSite,
    Outputs,
    joined,
)
from meterhouse.streams.nodes.script import ScriptParams, kept_value
from meterhouse.streams.nodes.script_aggregate import ScriptAggregateParams
from meterhouse.streams.ports import InputError, RunSnapshot, ScriptSession
from meterhouse.streams.record import NodeCount, Requeued, RunResult, Suspended
from meterhouse.streams.sources import Sources
from meterhouse.streams.suspension import SuspenseBook, SuspenseLimitReached
from meterhouse.streams.world import RunFacts, RunLog, Services, World

#: Sees what goes in and out of nodes: node id, port (``None``: in), records.
Tap = Callable[[str, str | None, UsageBatch], None]

#: Batches on their way into nodes, each with the place of its edge in the document.
_Waiting = dict[str, list[tuple[int, UsageBatch]]]


_SCRIPTED = (ScriptParams, ScriptAggregateParams)


def execute(
    graph: StreamGraph,
    facts: RunFacts,
    *,
    snapshot: RunSnapshot,
    services: Services,
    tap: Tap | None = None,
    sources: Sources | None = None,
) -> RunResult:
    """Run a stream and return what is to be committed, all of it or nothing.

    Who taps may give the ``sources``, to know meanwhile what origins mean.

    Raises ``SuspenseLimitReached`` where there are too many bad records, ``InputError`` where an
    input cannot be read, ``DefinitionError`` where nodes lack something such as a secret,
    ``ScriptFailed``, and what the ports raise. Nothing is kept then.
    """
    if facts.records_max is None:
        _refuse_unready(graph, services)
    session = _open_session(graph, facts, snapshot, services)
    book = SuspenseBook(unlimited=facts.records_max is not None)
    known = Sources() if sources is None else sources
    world = World(facts, snapshot, services, known, book, RunLog(services.log), session)
    try:
        return _Execution(graph, world, tap).run()
    finally:
        if session is not None:
            session.close()
        if services.http is not None:
            services.http.close()


def _refuse_unready(graph: StreamGraph, services: Services) -> None:
    """Name every node that lacks something, all at once. A preview does without it."""
    if problems := obstacles(graph, services):
        raise DefinitionError(problems, what=f"The stream {shown(graph.name)}")


def obstacles(graph: StreamGraph, services: Services) -> list[Problem]:
    """Return what keeps a valid stream from running here, such as a secret that is missing."""
    return [
        _placed(node, problem)
        for node in graph.nodes
        for problem in node.params.obstacles(services)
    ]


def _placed(node: Node, problem: Problem) -> Problem:
    """Return an obstacle where a wrong parameter would be."""
    inner = problem.at("params") if problem.place else problem
    place = f'node "{node.name}" ({node.type.name}, id {node.id})'
    return Problem(f"{place} {inner.place}".rstrip(), problem.message, problem.hint)


def _open_session(
    graph: StreamGraph, facts: RunFacts, snapshot: RunSnapshot, services: Services
) -> ScriptSession | None:
    if not any(isinstance(node.params, _SCRIPTED) for node in graph.nodes):
        return None
    assert services.scripts is not None, "a stream with scripts needs a sandbox"
    return services.scripts.open(
        at_us=facts.at, seed=facts.seed, shared_store=snapshot.script_store("")
    )


class _Execution:
    def __init__(self, graph: StreamGraph, world: World, tap: Tap | None) -> None:
        self._graph = graph
        self._world = world
        self._tap = tap
        self._counts = {n.id: NodeCount(n.id, n.name, n.type.name) for n in graph.nodes}
        self._runs: dict[str, NodeRun] = {}
        self._script_store: dict[str, dict[str, JsonValue]] = {}
        self._audit: dict[str, dict[str, JsonValue]] = {}
        self._returned_behind = 0
        # Few records (a preview, corrections) say little of which fields there are.
        few = world.facts.records_max is not None or world.facts.correction
        self._absent = None if few else AbsentFields(graph, lambda id_: _wanted(graph, id_))

    def run(self) -> RunResult:
        try:
            self._open()
            self._start()
            requeued = self._take_requeued()
            self._read()
            self._end()
            return self._result(requeued)
        except BaseException as error:
            self._discard(error)
            if isinstance(error, SuspenseLimitReached):
                error.nodes = tuple(self._counts.values())
                error.log = tuple(self._world.log.lines)
            raise

    def _discard(self, error: BaseException) -> None:
        for run in self._runs.values():
            try:
                run.discard()
            except MeterhouseError as second:
                # What made the run fail is the news; the rest of the outputs goes, too.
                error.add_note(f"an output of the run could not be removed: {second}")

    def _open(self) -> None:
        needed = {} if self._tap is not None else needed_fields(self._graph)
        for node in self._graph.nodes:
            site = NodeSite(self._counts[node.id], self._world, needed.get(node.id))
            self._runs[node.id] = node.params.open(site)
            ports = (WRITTEN,) if node.type.writes else node.params.ports().names
            self._counts[node.id].out.update(dict.fromkeys(ports, 0))

    # ------------------------------------------------------------ phases

    def _start(self) -> None:
        for node in reversed(self._graph.nodes):
            for outputs in self._runs[node.id].start():
                self._send(node, outputs)

    def _take_requeued(self) -> list[int]:
        """Let records come back into the nodes that rejected them; return those that did."""
        requeued = self._world.snapshot.requeued()
        if not requeued:
            return []
        source = self._world.sources.add_returned([(i.source, i.offset) for i in requeued])
        entering: dict[str, list[tuple[int, Requeued]]] = {}
        for offset, item in enumerate(requeued):
            entering.setdefault(item.node_id, []).append((offset, item))
        waiting: _Waiting = {}
        taken: list[int] = []
        for node_id, items in entering.items():
            if (node := self._graph.node(node_id)) is None:
                self._world.log.add(
                    node_id,
                    node_id,
                    level="warning",
                    text=f"{len(items)} queued records wait for a node that is no longer here",
                )
                continue
            taken += [item.suspense_id for _, item in items]
            if not node.type.name.startswith(READERS):
                self._returned_behind += len(items)
            waiting[node_id] = [(-1, self._returned(node, items, source))]
        self._convey(waiting)
        return sorted(taken)

    def _returned(self, node: Node, items: list[tuple[int, Requeued]], source: int) -> UsageBatch:
        good = [(offset, item) for offset, item in items if isinstance(item.record, dict)]
        for offset, item in items:
            if not isinstance(item.record, dict):
                self._reject(node, item, (source, offset))
        records = [item.record for _, item in good]
        return UsageBatch.from_rows(records, [(source, offset) for offset, _ in good])

    def _reject(self, node: Node, item: Requeued, origin: tuple[int, int]) -> None:
        """What is still no record cannot enter any node; it stays in Data Correction."""
        count = self._counts[node.id]
        count.records_in += 1
        count.suspended += 1
        suspended = Suspended(
            node.id,
            node.name,
            Reason.NOT_READABLE,
            f"{shown(item.record)} is not a JSON object; set its fields before it is queued",
            item.source,
            item.offset,
            returned=True,
        )
        self._world.suspense.add(origin, suspended)

    def _read(self) -> None:
        if self._world.facts.correction:
            return
        for node in self._graph.nodes:
            for batch in self._chunks(node):
                self._world.services.checkpoint()
                self._convey({node.id: [(-1, batch)]})

    def _chunks(self, node: Node) -> Iterator[UsageBatch]:
        """Yield what a reader reads; where it cannot, the error says which one that is."""
        try:
            yield from self._runs[node.id].chunks()
        except InputError as error:
            error.args = (f'node "{node.name}": {error.args[0]}',)
            raise

    def _end(self) -> None:
        for node in self._graph.nodes:
            for outputs in self._runs[node.id].end():
                self._send(node, outputs)
        self._warn_of_absent()

    def _warn_of_absent(self) -> None:
        """Say which fields nodes have looked for in vain: their names may be wrong."""
        if self._absent is None:
            return
        for node in self._graph.nodes:
            count = self._counts[node.id]
            if count.records_in and (paths := self._absent.of(node.id)):
                text = absence(paths, records=count.records_in)
                self._world.log.add(node.id, node.name, level="warning", text=text)

    # ------------------------------------------------------------ on the way

    def _send(self, node: Node, outputs: Outputs) -> None:
        """Let a node's own outputs go down the graph."""
        waiting: _Waiting = {}
        self._leave(node, outputs, waiting)
        self._convey(waiting)

    def _convey(self, waiting: _Waiting) -> None:
        """Take batches through the rest of the graph."""
        for node in self._graph.nodes:
            if (arrived := waiting.pop(node.id, None)) is None:
                continue
            batches = [batch for _, batch in sorted(arrived, key=lambda entry: entry[0])]
            batch = merge_batches(batches)
            if len(batch):
                self._counts[node.id].records_in += len(batch)
                self._show(node.id, None, batch)
                if self._absent is not None:
                    self._absent.see(node.id, batch)
                self._leave(node, self._runs[node.id].take(batch), waiting)
        self._take_effects()
        self._world.suspense.raise_if_stopped()

    def _leave(self, node: Node, outputs: Outputs, waiting: _Waiting) -> None:
        """Count what leaves a node, and bring it to the nodes that its edges lead to."""
        left = {port: batch for port, batch in outputs.items() if len(batch)}
        for port, batch in left.items():
            out = self._counts[node.id].out
            out[port] = out.get(port, 0) + len(batch)
            self._show(node.id, port, batch)
        for place, edge in enumerate(self._graph.edges):
            if edge.source == node.id and edge.port in left:
                waiting.setdefault(edge.target, []).append((place, left[edge.port]))

    def _show(self, node_id: str, port: str | None, batch: UsageBatch) -> None:
        if self._tap is not None:
            self._tap(node_id, port, batch)

    # ------------------------------------------------------------ the result

    def _result(self, requeued: list[int]) -> RunResult:
        counts = [self._counts[node.id] for node in self._graph.nodes]
        check_law(counts)
        result = RunResult(nodes=counts, requeued=requeued, returned=self._returned_behind)
        result.suspended = self._world.suspense.suspended()
        self._take_effects()
        result.script_store, result.audit = self._script_store, self._audit
        for run in self._runs.values():
            run.commit(result)
        result.log = self._world.log.lines
        result.sources = self._world.sources.names()
        return result

    def _take_effects(self) -> None:
        """Gather what scripts have kept, counted and logged since this was last done."""
        if self._world.session is None:
            return
        effects = self._world.session.effects()
        changed: Mapping[str, Mapping[str, object]] = {**effects.stores, "": effects.shared}
        for node_id, values in changed.items():
            if values:
                kept = {key: kept_value(value) for key, value in values.items()}
                self._script_store.setdefault(node_id, {}).update(kept)
        for node_id, values in effects.audit.items():
            self._audit.setdefault(node_id, {}).update(values)
        for node_id, level, text in effects.log:
            name = self._counts[node_id].name
            self._world.log.add(node_id, name, level=level, text=text)
        if effects.log_dropped:
            text = f"{effects.log_dropped} more lines of scripts were too many to keep"
            self._world.log.add("", "scripts", level="warning", text=text)


def needed_fields(graph: StreamGraph) -> dict[str, Needed]:
    """Return for each node the fields of its outputs that anything looks at afterwards."""
    needed: dict[str, Needed] = {}
    for node in reversed(graph.nodes):
        by_port: dict[str, Needed] = dict.fromkeys(node.params.ports().names, frozenset())
        for edge in graph.edges:
            if edge.source == node.id:
                target = graph.node(edge.target)
                assert target is not None
                at_target = target.params.needs(_after(needed, target))
                by_port[edge.port] = joined(by_port[edge.port], at_target)
        needed[node.id] = joined(*by_port.values()) if by_port else frozenset()
    return needed


def _wanted(graph: StreamGraph, node_id: str) -> Needed:
    """Return the fields of incoming records that anything looks at, from a node on."""
    node = graph.node(node_id)
    assert node is not None
    return node.params.needs(_after(needed_fields(graph), node))


def _after(needed: Mapping[str, Needed], node: Node) -> Callable[[str], Needed]:
    # One answer for all ports of a node: what any of them needs.
    return lambda _port: needed[node.id]
