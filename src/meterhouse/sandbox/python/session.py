"""Sessions for scripts in Python: the same meaning as those in JavaScript, with exact decimals.

A session is one worker process of Monty, a Python of its own that knows no machine: no files, no
sockets, no processes, no clock but the run's. Time and memory are limited there, and a worker that
does not notice its limit is ended from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

from meterhouse.core.problem import MeterhouseError
from meterhouse.sandbox.errors import (
    ScriptDefinitionError,
    ScriptSessionClosed,
    ScriptWorkerLost,
)
from meterhouse.sandbox.limits import Place, SandboxLimits, exceeded
from meterhouse.sandbox.outcome import DELETED, LogLine, ScriptEffects, ScriptOutcome, SyntaxFault
from meterhouse.sandbox.python.exactness import exact_source
from meterhouse.sandbox.python.source import LINES_BEFORE, as_maker, column_of

if TYPE_CHECKING:
    from pydantic_monty import MontyError, MontyRuntimeError, MontySession

#: So many records cross into the worker at a time.
_SLICE_RECORDS = 500
#: A worker that does not notice its limit has this long before it is ended from outside.
_GRACE_SECONDS = 1.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: How the sandbox says that a limit was reached; no script can catch that.
_LIMITS = {
    "feed time limit exceeded": "time",
    "memory limit exceeded": "memory",
    "the worker exceeded its memory limit": "memory",
}
_PACKAGE = "meterhouse.sandbox.python"
#: What the functions around a script are called there.
_MAKER, _SCRIPT = "_maker", "script"


class PythonMissing(MeterhouseError):
    """Scripts in Python need a package that is not installed."""

    code = "extra_missing"


class PythonSession:
    """The Python scripts of one run, in one worker process; close it."""

    def __init__(
        self, limits: SandboxLimits, *, at_us: int, seed: int, shared_store: Mapping[str, Any]
    ) -> None:
        self._limits = limits
        self._at = _EPOCH + timedelta(microseconds=at_us)
        self._seed = seed
        self._shared = dict(shared_store)
        self._names: dict[str, str] = {}
        self._flushes: set[str] = set()
        self._lines: list[LogLine] = []
        self._open = ExitStack()
        self._worker: MontySession | None = None
        self._closed = False

    def define(
        self,
        node_id: str,
        *,
        name: str,
        transform: str,
        flush: str | None = None,
        store: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the scripts of a node known; raise ScriptDefinitionError where one is not valid."""
        if node_id in self._names:
            raise ValueError(f"node {node_id!r} is defined already")
        for part, source in (("transform", transform), ("flush", flush)):
            faults = self.check_syntax(source) if source is not None else []
            if faults:
                raise ScriptDefinitionError(
                    node_id, name, part=part, fault=faults[0], language="Python"
                )
        with self._limited(Place(node_id, name, "transform")) as worker:
            inputs = {"_node": node_id, "_seed": f"{self._seed}:{node_id}"}
            inputs |= {"_values": dict(store or {})}
            _fed(worker, "_own = _define(_node, _seed, _values)", inputs=inputs)
            for part, source in (("transform", transform), ("flush", flush)):
                if source is not None:
                    _fed(worker, as_maker(_MAKER, exact_source(source)))
                    made = f"{_MAKER}(_own[0], _own[1], _own[2], _own[3], _shared)"
                    _fed(worker, f"_scripts[_node + '/{part}'] = {made}")
        self._names[node_id] = name
        if flush is not None:
            self._flushes.add(node_id)

    def check_syntax(self, source: str) -> list[SyntaxFault]:
        """Return where `source` is not a script; nothing of it is run."""
        from pydantic_monty import MontyRuntimeError, MontySyntaxError

        try:
            source.encode()
        except UnicodeEncodeError:
            return [SyntaxFault(1, 1, "the script holds text that is not Unicode")]
        with self._limited(Place("", "", "checked")) as worker:
            try:
                _fed(worker, as_maker(_MAKER, source))
            except MontySyntaxError as error:
                return [_fault(error, error.traceback())]
            except MontyRuntimeError as error:
                # What the sandbox's Python does not have is known before anything runs.
                if isinstance(error.exception(), NotImplementedError):
                    return [_fault(error, error.traceback())]
                raise
        return []

    def transform(
        self,
        node_id: str,
        records: Sequence[dict[str, Any]],
        metas: Sequence[dict[str, Any]] | None = None,
    ) -> list[ScriptOutcome]:
        """Run the transform script of a node over `records`; one outcome each, in their order."""
        outcomes: list[ScriptOutcome] = []
        while len(outcomes) < len(records):
            start = len(outcomes)
            end = min(start + _SLICE_RECORDS, len(records))
            given = [None] * (end - start) if metas is None else list(metas[start:end])
            outcomes += self._run(node_id, "transform", list(records[start:end]), given)
        return outcomes

    def flush(self, node_id: str, meta: Mapping[str, Any]) -> ScriptOutcome:
        """Run the flush script of a node; a node without one pushes nothing."""
        if node_id not in self._flushes:
            return ScriptOutcome()
        return self._run(node_id, "flush", [None], [dict(meta)])[0]

    def effects(self) -> ScriptEffects:
        """Return what the scripts changed and logged since the last call."""
        if self._worker is None and not self._closed:
            return ScriptEffects(stores={}, shared={}, audit={}, log=(), log_dropped=0)
        with self._limited(Place("", "", "running")) as worker:
            stores, shared, audit, dropped = _fed(worker, "_effects()")
        log, self._lines = tuple(self._lines), []
        return ScriptEffects(
            stores={id: _changes(changed) for id, changed in stores.items() if changed},
            shared=_changes(shared),
            audit={id: _exact(values) for id, values in audit.items() if values},
            log=log,
            log_dropped=dropped,
        )

    def close(self) -> None:
        """End the worker. Closing twice does no harm; any other use after it is refused."""
        self._closed = True
        self._worker = None
        try:
            self._open.close()
        except RuntimeError:
            pass  # The worker has ended itself at a limit; the pool is closed all the same.

    def _run(
        self, node_id: str, part: str, items: list[Any], metas: list[Any]
    ) -> list[ScriptOutcome]:
        """Run a script for some items; what fails spoils its own item only."""
        from pydantic_monty import MontyRuntimeError

        place = Place(node_id, self._names[node_id], part)
        outcomes: list[ScriptOutcome] = []
        with self._limited(place) as worker:
            while items:
                inputs = {"_node": node_id, "_part": part, "_items": items, "_metas": metas}
                error = None
                try:
                    taken = _fed(worker, "_run(_node, _part, _items, _metas)", inputs=inputs)
                except MontyRuntimeError as fault:
                    if _limit(fault) is not None:
                        raise
                    error = _said(fault)
                    taken = _fed(worker, "_after_failure(_node)")
                done, lines = taken
                self._lines += [LogLine(*line) for line in lines]
                outcomes += [ScriptOutcome(tuple(map(_exact, pushed))) for pushed in done]
                past = len(done)
                if error is not None:
                    outcomes.append(ScriptOutcome(error=error))
                    past += 1
                items, metas = items[past:], metas[past:]
        return outcomes

    @contextmanager
    def _limited(self, place: Place) -> Iterator[MontySession]:
        """Give the worker, started if need be, and say where it was if it reaches a limit."""
        if self._closed:
            raise ScriptSessionClosed("the session with the scripts of this run is closed")
        if self._worker is None:
            self._worker = self._started()
        from pydantic_monty import MontyCrashedError, MontyDisconnectError, MontyRuntimeError

        try:
            yield self._worker
        except MontyCrashedError as error:
            self.close()
            raise exceeded(self._limits, "time" if error.timed_out else "memory", place) from error
        except MontyDisconnectError as error:
            self.close()
            raise ScriptWorkerLost(f"the process that runs the scripts is gone: {error}") from error
        except MontyRuntimeError as error:
            limit = _limit(error)
            self.close()
            if limit is None:
                raise
            raise exceeded(self._limits, limit, place) from error
        except MeterhouseError:
            raise
        except BaseException:
            self.close()
            raise

    def _started(self) -> MontySession:
        try:
            from pydantic_monty import Monty
        except ImportError:
            hint = "pip install 'meterhouse[python]'"
            raise PythonMissing("Scripts in Python need the extra `python`", hint=hint) from None
        seconds = self._limits.batch_seconds
        pool = Monty(max_processes=1, feed_duration_limit_grace=_GRACE_SECONDS)
        self._open.enter_context(pool)
        session = pool.checkout(
            script_name="script.py",
            limits={
                "max_feed_duration_secs": seconds,
                "max_memory": self._limits.memory_bytes,
            },
            os_policy={
                "datetime": self._at,
                "sleep": "zero",
                "random_start": {"seed": self._seed},
            },
        )
        worker = self._open.enter_context(session)
        prelude = resources.files(_PACKAGE).joinpath("prelude.monty").read_text()
        _fed(worker, prelude)
        values = {"_shared_values": self._shared}
        _fed(worker, "_stream = {}\n_shared = _Store(_shared_values)", inputs=values)
        return worker


def _fed(worker: MontySession, code: str, *, inputs: dict[str, Any] | None = None) -> Any:
    """Run code in the worker; what it prints goes nowhere: scripts have `log`."""
    return worker.feed_run(code, inputs=inputs, print_callback=_unprinted)


def _unprinted(_stream: str, _text: str) -> None:
    return None


def _limit(error: MontyRuntimeError) -> str | None:
    """Which limit was reached, if it was one."""
    text = str(error.exception())
    return next((limit for begin, limit in _LIMITS.items() if text.startswith(begin)), None)


def _said(error: MontyRuntimeError) -> str:
    """What went wrong, and in which line of the script."""
    cause = error.exception()
    text = f"{type(cause).__name__}: {cause}"
    lines = [f.line for f in error.traceback() if f.function_name == _SCRIPT]
    return f"{text}, at line {max(1, lines[-1] - LINES_BEFORE)}" if lines else text


def _fault(error: MontyError, frames: Sequence[Any]) -> SyntaxFault:
    line, column = (frames[-1].line, frames[-1].column) if frames else (LINES_BEFORE + 1, 1)
    message = str(error.exception())
    return SyntaxFault(max(1, line - LINES_BEFORE), column_of(column), message)


def _changes(changed: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {key: _exact(cell[0]) if cell else DELETED for key, cell in changed.items()}


def _exact(value: Any) -> Any:
    """Return a JSON value without floats: each becomes the shortest decimal that reads as it."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return value
