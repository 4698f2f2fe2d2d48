"""Interrupting a run where it can be interrupted well: between records, lines and chunks.

What a run asks of the world goes through here, and is refused once somebody wants the run to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event

from meterhouse.app.running import Means, RunInterrupted
from meterhouse.core.json_text import JsonValue, Record
from meterhouse.streams.ports import ScriptEffects, ScriptOutcome, ScriptSandbox, ScriptSession

#: So many records go to a script before it is looked again. Outcomes do not depend on the cut.
_RECORDS = 200


def interruptible(means_of: Callable[..., Means], stop: Event) -> Means:
    """Return means that raise ``RunInterrupted`` once ``stop`` is set."""

    def check(*_: object) -> None:
        if stop.is_set():
            hint = "Run the stream again: it starts from where the last complete run ended"
            raise RunInterrupted("The run was interrupted; nothing of it was kept", hint=hint)

    means = means_of(progress=check, log=check)
    scripts = means.services.scripts
    if scripts is None:
        return means
    services = replace(means.services, scripts=_Scripts(scripts, check))
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
        store: Mapping[str, JsonValue],
    ) -> None:
        self._session.define(node_id, name=name, transform=transform, flush=flush, store=store)

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

    def flush(self, node_id: str, meta: Record) -> ScriptOutcome:
        self._check()
        return self._session.flush(node_id, meta)

    def effects(self) -> ScriptEffects:
        return self._session.effects()

    def close(self) -> None:
        self._session.close()
