"""Interrupting a run where it can be interrupted well: between records, lines and chunks.

What a run asks of the world goes through here, and is refused once somebody wants the run to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event

from meterhouse.app.running import Means, RunInterrupted, RunStopped
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.streams.ports import (
    JAVASCRIPT,
    ScriptEffects,
    ScriptOutcome,
    ScriptSandbox,
    ScriptSession,
)

#: So many records go to a script before it is looked again. Outcomes do not depend on the cut.
_RECORDS = 200


@dataclass(slots=True)
class Ending:
    """Whether a run is to end, and whether somebody has asked for that (else the server stops)."""

    wanted: Event = field(default_factory=Event)
    by_request: bool = False

    def check(self, *_: object) -> None:
        """Raise what ends the run, where it is to end."""
        if not self.wanted.is_set():
            return
        if self.by_request:
            raise RunStopped("stopped by request")
        hint = "Run the stream again: it starts from where the last complete run ended"
        raise RunInterrupted("The run was interrupted; nothing of it was kept", hint=hint)

    def wait(self, seconds: float) -> None:
        """Wait for a while, or until the run is to end."""
        self.wanted.wait(seconds)
        self.check()


def interruptible(means_of: Callable[..., Means], ending: Ending) -> Means:
    """Return means of which everything ends the run once it is to end."""
    check = ending.check
    means = means_of(progress=check, log=check, checkpoint=check)
    services = replace(means.services, wait=ending.wait)
    if services.scripts is not None:
        services = replace(services, scripts=_Scripts(services.scripts, check))
    return replace(means, services=services)


@dataclass(frozen=True, slots=True)
class _Scripts:
    _scripts: ScriptSandbox
    _check: Callable[[], None]

    def open(
        self, *, at_us: int, seed: int, shared_store: Mapping[str, JsonValue] | None = None
    ) -> ScriptSession:
        session = self._scripts.open(at_us=at_us, seed=seed, shared_store=shared_store)
        return _Session(session, self._check)


@dataclass(frozen=True, slots=True)
class _Session:
    _session: ScriptSession
    _check: Callable[[], None]

    def define(
        self,
        node_id: str,
        *,
        name: str,
        transform: str,
        flush: str | None,
        timeout: str | None = None,
        aggregates: bool = False,
        store: Mapping[str, JsonValue],
        language: str = JAVASCRIPT,
    ) -> None:
        self._session.define(
            node_id,
            name=name,
            transform=transform,
            flush=flush,
            timeout=timeout,
            aggregates=aggregates,
            store=store,
            language=language,
        )

    def transform(
        self, node_id: str, records: Sequence[Record], metas: Sequence[Record] | None = None
    ) -> Sequence[ScriptOutcome]:
        outcomes: list[ScriptOutcome] = []
        for start in range(0, len(records), _RECORDS):
            self._check()
            part = slice(start, start + _RECORDS)
            told = None if metas is None else metas[part]
            outcomes += self._session.transform(node_id, records[part], told)
        return outcomes

    def aggregate(
        self,
        node_id: str,
        part: str,
        *,
        keys: Sequence[str],
        sessions: Mapping[str, tuple[str, Record, Record]],
        records: Sequence[Record] | None = None,
        metas: Sequence[Record] | None = None,
        meta_field: str | None = None,
    ) -> tuple[Sequence[ScriptOutcome], Mapping[str, Record | None]]:
        # The node cuts what it gives; a session that is under way cannot be cut again.
        self._check()
        return self._session.aggregate(
            node_id,
            part,
            keys=keys,
            sessions=sessions,
            records=records,
            metas=metas,
            meta_field=meta_field,
        )

    def flush(self, node_id: str, meta: Record) -> ScriptOutcome:
        self._check()
        return self._session.flush(node_id, meta)

    def effects(self) -> ScriptEffects:
        return self._session.effects()

    def close(self) -> None:
        self._session.close()
