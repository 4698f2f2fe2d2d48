"""``transforms/script``: user code in JavaScript or Python, for each record and at the run's end.

The stored flush script is accepted as ``flush`` or ``onFlush``. The script works on rows. What it
pushes for a record keeps that record's origin, so that results do not depend on batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from meterhouse.core.json_text import JsonValue, Record
from meterhouse.core.problem import MeterhouseError
from meterhouse.core.reading import Reading, shown
from meterhouse.core.suspense import Reason
from meterhouse.engine.batch import Origin, UsageBatch
from meterhouse.streams.nodes.node import OUT, NodeParams, NodeRun, NodeSite, NodeType, Outputs
from meterhouse.streams.ports import JAVASCRIPT, ScriptSession
from meterhouse.streams.suspension import SuspensePolicy, read_policy

SCRIPT_CHARS_MAX = 1_000_000
_FLUSH_NAMES = ("flush", "onFlush")
LANGUAGES = (JAVASCRIPT, "python")


class ScriptFailed(MeterhouseError):
    """A flush script failed: there is no record to set aside, so the run fails."""

    code = "script_failed"


@dataclass(frozen=True, slots=True)
class ScriptParams(NodeParams):
    """``transform`` runs for each record, ``flush`` at the end of the run."""

    transform: str
    flush: str | None
    policy: SuspensePolicy
    language: str = JAVASCRIPT

    @property
    def silent(self) -> bool:
        """Whether no record can ever leave: the script is empty, as some exports have it."""
        return not self.transform.strip() and self.flush is None

    def open(self, site: NodeSite) -> NodeRun:
        """Make the scripts known to the session of the run."""
        session = site.world.session
        assert session is not None
        return _Script(self, site, session)


def _read(reading: Reading) -> ScriptParams | None:
    transform = reading.text("transform", chars_max=SCRIPT_CHARS_MAX) or ""
    scripts = [reading.text(name, chars_max=SCRIPT_CHARS_MAX) for name in _FLUSH_NAMES]
    given = [script for script in scripts if script is not None]
    if len(given) > 1:
        reading.fail("onFlush", "is given beside flush", "keep one of them")
    language = reading.text("language") or JAVASCRIPT
    if language not in LANGUAGES:
        reading.fail("language", f"is {shown(language)}", f"use {' or '.join(LANGUAGES)}")
    policy = read_policy(reading)
    if reading.problems:
        return None
    return ScriptParams(transform, given[0] if given else None, policy, language)


TYPE = NodeType("transforms/script", frozenset({1}), _read)


class _Script(NodeRun):
    def __init__(self, params: ScriptParams, site: NodeSite, session: ScriptSession) -> None:
        self._site = site
        self._session = session
        self._flushes = params.flush is not None
        self._taken = self._unanswered = 0
        self._guard = site.guard(params.policy)
        # Most scripts do not look at `meta`, and records are many.
        self._wants_meta = "meta" in params.transform
        session.define(
            site.id,
            name=site.name,
            transform=params.transform,
            flush=params.flush,
            store=site.world.snapshot.script_store(site.id),
            language=params.language,
        )

    def take(self, batch: UsageBatch) -> Outputs:
        records, origins = batch.rows(), batch.origins()
        metas = self._metas(origins) if self._wants_meta else None
        pushed: list[Record] = []
        pushed_origins: list[Origin] = []
        bad: list[tuple[int, Reason, str]] = []
        outcomes = self._session.transform(self._site.id, records, metas)
        for position, outcome in enumerate(outcomes):
            if outcome.error is not None:
                bad.append((position, Reason.SCRIPT_ERROR, outcome.error))
            elif outcome.pushed:
                pushed += outcome.pushed
                pushed_origins += [origins[position]] * len(outcome.pushed)
            else:
                self._unanswered += 1
        self._taken += len(records)
        self._guard.screen(batch, bad)
        return {OUT: UsageBatch.from_rows(pushed, pushed_origins)}

    def end(self) -> Iterator[Outputs]:
        if self._unanswered:
            self._site.log(f"no output: {self._unanswered:,} of {self._taken:,} records")
        if not self._flushes:
            return
        outcome = self._session.flush(self._site.id, {"lastCall": True})
        if outcome.error is not None:
            hint = "mend the script and run the stream again; nothing of this run is kept"
            raise ScriptFailed(
                f'the flush script of node "{self._site.name}" failed: {outcome.error}', hint=hint
            )
        if outcome.pushed:
            source = self._site.world.sources.add(self._site.name)
            yield {OUT: UsageBatch.from_rows(outcome.pushed, source=source)}

    def _metas(self, origins: Sequence[Origin]) -> list[Record]:
        places = map(self._site.world.sources.place, origins)
        return [{"source": place.source, "offset": place.offset} for place in places]


def kept_value(value: JsonValue) -> JsonValue:
    """A changed value of a store as the result of a run keeps it: ``None`` where it is deleted."""
    return None if isinstance(value, Enum) else value
