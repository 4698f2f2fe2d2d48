"""The sandbox and its sessions: scripts defined by node, records in, outcomes and effects out.

This module knows the order of things: when the worker starts, how slices of a batch overlap,
what is kept of the stores. It knows neither V8 nor the bytes of an answer.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from meterhouse.sandbox.conversation import Conversation, Stopped
from meterhouse.sandbox.errors import ScriptDefinitionError, ScriptSessionClosed
from meterhouse.sandbox.exact import decoded, encoded, restored
from meterhouse.sandbox.limits import Place, SandboxLimits, exceeded
from meterhouse.sandbox.outcome import DELETED, LogLine, ScriptEffects, ScriptOutcome, SyntaxFault
from meterhouse.sandbox.slices import Batch, Slice
from meterhouse.sandbox.syntax import fault_of, probe

# One slice is run while the next one waits in the pipe.
_UNDER_WAY_MAX = 2


@dataclass(frozen=True, slots=True)
class JavaScriptSandbox:
    """Makes sessions for scripts in JavaScript.

    >>> with JavaScriptSandbox().open(at_us=0, seed=1) as session:
    ...     session.define("n1", name="Double", transform="await push({n: payload.n * 2})")
    ...     session.transform("n1", [{"n": 21}])
    [ScriptOutcome(pushed=({'n': 42},), error=None)]
    """

    limits: SandboxLimits = field(default_factory=SandboxLimits)

    def open(
        self, *, at_us: int, seed: int, shared_store: Mapping[str, Any] | None = None
    ) -> "ScriptSession":
        """Return a session for one run; its worker starts at the first use.

        `at_us` is the run's instant in microseconds since 1970, `seed` makes `Math.random`.
        """
        return ScriptSession(self.limits, at_us=at_us, seed=seed, shared_store=shared_store or {})


@dataclass(frozen=True, slots=True)
class _Node:
    name: str
    flushes: bool
    store: dict[str, Any]


class ScriptSession:
    """The scripts of one run, in one worker process; close it, or use it in `with`."""

    def __init__(
        self, limits: SandboxLimits, *, at_us: int, seed: int, shared_store: Mapping[str, Any]
    ) -> None:
        self._limits = limits
        self._at_us = at_us
        self._seed = seed
        self._shared_store = dict(shared_store)
        self._nodes: dict[str, _Node] = {}
        self._log: list[LogLine] = []
        self._worker: Conversation | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def define(
        self,
        node_id: str,
        *,
        name: str,
        transform: str,
        flush: str | None = None,
        timeout: str | None = None,
        aggregates: bool = False,
        store: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the scripts of a node known; raise ScriptDefinitionError where one is not valid.

        Scripts of a node that `aggregates` see the session of each record; `timeout` is one.
        """
        if node_id in self._nodes:
            raise ValueError(f"node {node_id!r} is defined already")
        scripts = {"transform": transform, "flush": flush, "timeout": timeout}
        for part, source in scripts.items():
            faults = [] if source is None else self.check_syntax(source, aggregates=aggregates)
            if faults:
                raise ScriptDefinitionError(node_id, name, part=part, fault=faults[0])
        node = _Node(name=name, flushes=flush is not None, store=dict(store or {}))
        with self._limited(Place(node_id, name, "transform")) as worker:
            texts = _texts(node.store)
            known = {**scripts, "aggregates": aggregates, "store": texts}
            worker.ask("define", node=node_id, **known)
        self._nodes[node_id] = node

    def check_syntax(self, source: str, *, aggregates: bool = False) -> list[SyntaxFault]:
        """Return where `source` is not a script; nothing of it is run."""
        try:
            source.encode()
        except UnicodeEncodeError:
            return [SyntaxFault(1, 1, "the script holds text that is not Unicode")]
        with self._limited(Place("", "", "checked")) as worker:
            refusal = worker.ask("check", source=source, aggregates=aggregates)
            if refusal is None:
                return []
            report = worker.parse(probe(source, aggregates=aggregates))
            return [fault_of(source, refusal=refusal, report=report)]

    def transform(
        self,
        node_id: str,
        records: Sequence[dict[str, Any]],
        metas: Sequence[dict[str, Any]] | None = None,
    ) -> list[ScriptOutcome]:
        """Run the transform script of a node over `records`; one outcome each, in their order."""
        place = Place(node_id, self._nodes[node_id].name, "transform", 0, len(records))
        node = encoded(node_id)
        batch = Batch(records, metas)

        def message(part: Slice) -> bytes:
            texts = (node, part.records, part.metas)
            return b'{"op":"run","node":%b,"records":%b,"metas":%b}' % texts

        with self._limited(place) as worker:
            self._run(worker, batch, message)
        return batch.finished()

    def aggregate(
        self,
        node_id: str,
        part: str,
        *,
        keys: Sequence[str],
        sessions: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]],
        records: Sequence[dict[str, Any]] | None = None,
        metas: Sequence[dict[str, Any]] | None = None,
        meta_field: str | None = None,
    ) -> tuple[list[ScriptOutcome], dict[str, dict[str, Any] | None]]:
        """Run a part of an aggregating node's scripts, once for each of `keys`.

        `sessions` are by key: name, fields, and state `{data, meta, timeoutAt}`. A "transform"
        has `records`; "timeout" and "flush" have none. Return the outcomes, and the states of the
        sessions that changed; `None` where one is over.
        """
        place = Place(node_id, self._nodes[node_id].name, part, 0, len(keys))
        head = (encoded(node_id), encoded(part))
        batch = Batch([{} for _ in keys] if records is None else records, metas)

        def message(slice_: Slice) -> bytes:
            asked = encoded([keys[position] for position in slice_.positions])
            texts = (*head, slice_.records, slice_.metas, asked)
            return (
                b'{"op":"aggregate","node":%b,"part":%b,"records":%b,"metas":%b,"keys":%b}' % texts
            )

        with self._limited(place) as worker:
            met = {
                key: {"name": name, "fields": fields, "state": encoded(state).decode()}
                for key, (name, fields, state) in sessions.items()
            }
            worker.ask("meet", node=node_id, sessions=met, metaField=meta_field)
            self._run(worker, batch, message)
            left = worker.ask("part", node=node_id)
        states = {
            key: None if text is None else restored(decoded(text), sessions[key][2])
            for key, text in left.items()
        }
        outcomes = [
            _left(outcome, sessions[key])
            for key, outcome in zip(keys, batch.finished(), strict=True)
        ]
        return outcomes, states

    def _run(self, worker: Conversation, batch: Batch, message: Callable[[Slice], bytes]) -> None:
        """Send a batch slice by slice, and take the answers."""
        under_way: deque[Slice] = deque()
        for part in batch.slices():
            worker.send(message(part))
            under_way.append(part)
            if len(under_way) == _UNDER_WAY_MAX:
                self._collect(worker, batch, under_way.popleft())
        while under_way:
            self._collect(worker, batch, under_way.popleft())

    def flush(self, node_id: str, meta: Mapping[str, Any]) -> ScriptOutcome:
        """Run the flush script of a node; a node without one pushes nothing."""
        node = self._nodes[node_id]
        if not node.flushes:
            return ScriptOutcome()
        batch = Batch([{}], None)
        with self._limited(Place(node_id, node.name, "flush")) as worker:
            worker.send(b'{"op":"flush","node":%b,"meta":%b}' % (encoded(node_id), encoded(meta)))
            self._collect(worker, batch, Slice(positions=[0], records=b"", metas=b""))
        return batch.finished()[0]

    def effects(self) -> ScriptEffects:
        """Return what the scripts changed and logged since the last call."""
        if self._worker is None and not self._closed:
            return ScriptEffects(stores={}, shared={}, audit={}, log=(), log_dropped=0)
        with self._limited(Place("", "", "running")) as worker:
            changes = worker.ask("effects")
        stores = {
            node_id: _taken_over(self._nodes[node_id].store, texts)
            for node_id, texts in changes["stores"].items()
        }
        log, self._log = tuple(self._log), []
        return ScriptEffects(
            stores={node_id: changed for node_id, changed in stores.items() if changed},
            shared=_taken_over(self._shared_store, changes["shared"]),
            audit={node_id: values for node_id, values in changes["audit"].items() if values},
            log=log,
            log_dropped=changes["dropped"],
        )

    @property
    def process_id(self) -> int | None:
        """The id of the worker process, None while there is none."""
        return self._worker.process_id if self._worker else None

    @property
    def walls(self) -> frozenset[str]:
        """The walls around the worker that stand on this system, by their names in confine.py."""
        return self._worker.walls if self._worker else frozenset()

    def close(self) -> None:
        """End the worker. Closing twice does no harm; any other use after it is refused."""
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _collect(self, worker: Conversation, batch: Batch, part: Slice) -> None:
        last = False
        while not last:
            try:
                text, last = worker.answer()
            except Stopped as stopped:
                # The index is that of a record in this slice: nothing later has begun.
                raise Stopped(stopped.limit, part.position(stopped.index)) from stopped
            log, _, lines = text.partition(b"\n")
            self._log += [LogLine(*line) for line in decoded(log)]
            batch.answer(part, lines)

    @contextmanager
    def _limited(self, place: Place) -> Iterator[Conversation]:
        """Give the worker, started if need be, and say where it was if it reaches a limit."""
        if self._closed:
            raise ScriptSessionClosed("the session with the scripts of this run is closed")
        try:
            if self._worker is None:
                self._worker = Conversation(
                    self._limits,
                    at_us=self._at_us,
                    seed=self._seed,
                    shared_store=_texts(self._shared_store),
                )
            yield self._worker
        except Stopped as stopped:
            self.close()
            if place.record is not None:
                place = replace(place, record=stopped.index)
            raise exceeded(self._limits, stopped.limit, place) from stopped
        except BaseException:
            # Answers may be on their way that the next question would take for its own.
            self.close()
            raise


def check_syntax(source: str) -> list[SyntaxFault]:
    """Return where `source` is not a script, in a worker of its own; nothing of it is run.

    >>> check_syntax("let total = = 1;")
    [SyntaxFault(line=1, column=13, message="Unexpected token '='")]
    """
    with JavaScriptSandbox().open(at_us=0, seed=0) as session:
        return session.check_syntax(source)


def _left(
    outcome: ScriptOutcome, session: tuple[str, Mapping[str, Any], Mapping[str, Any]]
) -> ScriptOutcome:
    """What was pushed, with the digits of numbers that the session had and the script left."""
    if not outcome.pushed:
        return outcome
    _, fields, state = session
    known = {**fields, **state["data"]}
    return replace(outcome, pushed=tuple(restored(item, known) for item in outcome.pushed))


def _texts(store: Mapping[str, Any]) -> dict[str, str]:
    return {key: encoded(value).decode() for key, value in store.items()}


def _taken_over(store: dict[str, Any], texts: Mapping[str, str | None]) -> dict[str, Any]:
    """Put changed values into `store` and return them; numbers left alone keep their digits."""
    changed: dict[str, Any] = {}
    for key, text in texts.items():
        if text is None:
            store.pop(key, None)
            changed[key] = DELETED
        else:
            store[key] = changed[key] = restored(decoded(text), store.get(key))
    return changed
