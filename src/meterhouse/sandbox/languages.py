"""The sandbox of a stream: each script in its language, in a worker of that language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from meterhouse.sandbox.limits import SandboxLimits
from meterhouse.sandbox.outcome import ScriptEffects, ScriptOutcome, SyntaxFault
from meterhouse.sandbox.python.session import PythonSession
from meterhouse.sandbox.session import ScriptSession
from meterhouse.streams.ports import JAVASCRIPT

PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Makes sessions for scripts in JavaScript and in Python.

    >>> session = Sandbox().open(at_us=0, seed=1)
    >>> session.define("n1", name="Double", transform="await push({n: payload.n * 2})")
    >>> session.transform("n1", [{"n": 21}])[0].pushed
    ({'n': 42},)
    >>> session.close()
    """

    limits: SandboxLimits = field(default_factory=SandboxLimits)

    def open(
        self, *, at_us: int, seed: int, shared_store: Mapping[str, Any] | None = None
    ) -> MixedSession:
        """Return a session for one run; a worker starts at the first use of its language."""
        given = {"at_us": at_us, "seed": seed, "shared_store": dict(shared_store or {})}
        return MixedSession(self.limits, given)

    def check_syntax(
        self, source: str, *, language: str = JAVASCRIPT, aggregates: bool = False
    ) -> list[SyntaxFault]:
        """Return where a text is no script of its language; nothing of it is run.

        >>> Sandbox().check_syntax("let total = = 1;")
        [SyntaxFault(line=1, column=13, message="Unexpected token '='")]
        """
        if language == PYTHON:
            python = PythonSession(self.limits, at_us=0, seed=0, shared_store={})
            with closing(python):
                return python.check_syntax(source)
        with closing(ScriptSession(self.limits, at_us=0, seed=0, shared_store={})) as session:
            return session.check_syntax(source, aggregates=aggregates)


class MixedSession:
    """The scripts of one run. What they share, they share within a language until the run ends."""

    def __init__(self, limits: SandboxLimits, given: Mapping[str, Any]) -> None:
        self._limits = limits
        self._given = given
        self._opened: dict[str, ScriptSession | PythonSession] = {}
        self._of_node: dict[str, ScriptSession | PythonSession] = {}

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
        language: str = JAVASCRIPT,
    ) -> None:
        """Make the scripts of a node known; raise ScriptDefinitionError where one is not valid.

        Aggregators are written in JavaScript only.
        """
        if language not in self._opened:
            kind = PythonSession if language == PYTHON else ScriptSession
            self._opened[language] = kind(self._limits, **self._given)
        session = self._opened[language]
        scripts = {"transform": transform, "flush": flush}
        if isinstance(session, ScriptSession):
            more = {"timeout": timeout, "aggregates": aggregates}
            session.define(node_id, name=name, store=store, **scripts, **more)
        else:
            assert not aggregates, "sessions are for JavaScript"
            session.define(node_id, name=name, store=store, **scripts)
        self._of_node[node_id] = session

    def transform(
        self,
        node_id: str,
        records: Sequence[dict[str, Any]],
        metas: Sequence[dict[str, Any]] | None = None,
    ) -> list[ScriptOutcome]:
        """Run the transform script of a node over `records`; one outcome each, in their order."""
        return self._of_node[node_id].transform(node_id, records, metas)

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
        """Run a part of an aggregating node's scripts, once for each of `keys`."""
        session = self._of_node[node_id]
        assert isinstance(session, ScriptSession)
        return session.aggregate(
            node_id,
            part,
            keys=keys,
            sessions=sessions,
            records=records,
            metas=metas,
            meta_field=meta_field,
        )

    def flush(self, node_id: str, meta: Mapping[str, Any]) -> ScriptOutcome:
        """Run the flush script of a node; a node without one pushes nothing."""
        return self._of_node[node_id].flush(node_id, meta)

    def effects(self) -> ScriptEffects:
        """Return what the scripts changed and logged since the last call."""
        stores: dict[str, Mapping[str, Any]] = {}
        shared: dict[str, Any] = {}
        audit: dict[str, Mapping[str, Any]] = {}
        log: list[Any] = []
        dropped = 0
        for session in self._opened.values():
            effects = session.effects()
            stores |= effects.stores
            shared |= effects.shared
            audit |= effects.audit
            log += effects.log
            dropped += effects.log_dropped
        return ScriptEffects(
            stores=stores, shared=shared, audit=audit, log=tuple(log), log_dropped=dropped
        )

    def close(self) -> None:
        """End the workers. Closing twice does no harm."""
        for session in self._opened.values():
            session.close()
