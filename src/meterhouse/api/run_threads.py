"""Runs in threads of the server: started, watched, and interrupted when the server stops.

A run is asked to end first, and does so between two records. Where that takes too long, it is
stopped as Ctrl-C would stop it. Either way it ends as failed with nothing kept. A thread that does
not end even then, ends with the process, and its lease with it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from meterhouse.api.interruption import Ending, interruptible
from meterhouse.app.ports import Lease, Ledger
from meterhouse.app.running import EndedRun, Means, RunInterrupted, run_stream
from meterhouse.app.stream_groups import EndedGroupRun
from meterhouse.core.instant import Instant, instant_text
from meterhouse.core.json_text import json_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.group import GroupRun
from meterhouse.streams.record import Run, RunCause, RunStatus

#: So many streams run at a time.
RUNS_MAX = 16
#: How long a run that was asked to end may take, and then one that was made to.
_LAST_SECONDS = 10.0
#: A run that could not be marked as failed, because the disk was full, is marked as soon as it can.
_REPAIR_SECONDS = 5.0
_TICK_SECONDS = 0.1
#: Does the work of a thread, with a ledger and means of its own.
Act = Callable[[Ledger, Means], EndedRun | EndedGroupRun]
Begun = TypeVar("Begun", Run, GroupRun)
#: The same; it says itself when the ledger has its run.
StartingAct = Callable[[Ledger, Means, Callable[[Begun], None]], EndedRun | EndedGroupRun]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is asked for, and by whom; ``at`` is now where it is ``None``."""

    stream: str
    run_id: str
    seed: int
    at: Instant | None = None
    by: str | None = None


@dataclass(slots=True)
class _Thread:
    thread: Thread
    ending: Ending = field(default_factory=Ending)
    begun: Future[Any] | None = None


class RunThreads:
    """The runs of this server."""

    def __init__(
        self,
        ledger: Callable[[], AbstractContextManager[Ledger]],
        means: Callable[..., Means],
        *,
        log: Callable[[str], None] = lambda _: None,
        runs_max: int = RUNS_MAX,
    ) -> None:
        self._ledger = ledger
        self._means = means
        self._log = log
        self._runs_max = runs_max
        self._lock = Lock()
        self._running: dict[str, _Thread] = {}
        self._stopping = Event()
        self._hurry = False

    def __len__(self) -> int:
        """How many runs there are at this moment."""
        return len(self._running)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is started."""
        return self._stopping.is_set()

    def start(self, request: RunRequest) -> Run:
        """Start a run and return it as it begins; raises what refuses it."""

        def act(ledger: Ledger, means: Means, started: Callable[[Run], None]) -> EndedRun:
            return run_stream(
                ledger,
                request.stream,
                means=means,
                run_id=request.run_id,
                seed=request.seed,
                at=request.at,
                cause=RunCause(started_by=request.by),
                started=started,
            )

        return self.begin(request.run_id, act)

    def begin(self, id: str, act: StartingAct[Begun]) -> Begun:
        """Start what says itself when it has begun, and return that; raises what refuses it."""
        begun: Future[Begun] = Future()

        def watched(ledger: Ledger, means: Means) -> EndedRun | EndedGroupRun:
            return act(ledger, means, begun.set_result)

        self._launch(id, watched, begun)
        return begun.result()

    def carry(self, id: str, act: Act) -> None:
        """Carry out, in a thread, a run that the ledger has already."""
        self._launch(id, act, None)

    def _launch(self, id: str, act: Act, begun: Future[Any] | None) -> None:
        thread = Thread(target=self._run, args=(id, act), name=f"run-{id}", daemon=True)
        with self._lock:
            if self._stopping.is_set():
                hint = "Repeat it in a moment"
                raise MeterhouseError("The server is stopping", hint=hint, code="draining")
            if len(self._running) >= self._runs_max:
                message = f"{len(self._running)} streams are running, and no more may"
                hint = "Wait for one to end"
                raise MeterhouseError(message, hint=hint, code="too_many_runs")
            self._running[id] = _Thread(thread, begun=begun)
        thread.start()

    def wait(self, run_id: str, *, seconds: float) -> bool:
        """Wait for the end of a run; whether it has ended."""
        entry = self._running.get(run_id)
        if entry is not None:
            entry.thread.join(seconds)
        return run_id not in self._running

    def end(self, run_id: str, *, by_request: bool = False) -> None:
        """Let a run end, where it is one of this server."""
        entry = self._running.get(run_id)
        if entry is not None:
            entry.ending.by_request |= by_request
            entry.ending.wanted.set()

    def _force(self, run_id: str) -> None:
        """Let an exception come up in the thread of a run, wherever it is."""
        with self._lock:
            entry = self._running.get(run_id)
            if entry is not None and entry.thread.ident is not None:
                thread = ctypes.c_ulong(entry.thread.ident)
                interrupt = ctypes.py_object(KeyboardInterrupt)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, interrupt)

    def stop(self, *, grace_seconds: float) -> None:
        """Start nothing more; let runs end, and interrupt those that take longer."""
        self._stopping.set()
        if not self._wait_all(grace_seconds):
            for run_id in list(self._running):
                self.end(run_id)
            self._hurry = False
            if not self._wait_all(_LAST_SECONDS):
                for run_id in list(self._running):
                    self._force(run_id)
                self._wait_all(_LAST_SECONDS)

    def hurry(self) -> None:
        """Let a stop wait no longer. Called by a signal handler, so it takes no lock."""
        self._hurry = True

    def _wait_all(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self._running and time.monotonic() < end and not self._hurry:
            for entry in list(self._running.values()):
                entry.thread.join(_TICK_SECONDS)
        return not self._running

    def _run(self, id: str, act: Act) -> None:
        entry = self._running[id]
        begun = entry.begun
        try:
            with self._ledger() as ledger:
                ended = act(ledger, interruptible(self._means, entry.ending))
                self._repair(ledger, ended)
        except KeyboardInterrupt:
            self._tell(id, "interrupted outside of its work")
        except BaseException as error:
            if begun is not None and not begun.done():
                begun.set_exception(error)
            elif begun is None or not isinstance(error, MeterhouseError):
                self._tell(id, f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._running.pop(id, None)
            if begun is not None and not begun.done():
                begun.set_exception(MeterhouseError("The server is stopping", code="draining"))

    def _tell(self, id: str, error: str) -> None:
        at = instant_text(self._means().clock())
        line = {"time": at, "level": "error", "message": "a run failed", "run": id, "error": error}
        self._log(json_text(line))

    def _repair(self, ledger: Ledger, ended: EndedRun | EndedGroupRun) -> None:
        """Mark what failed as failed, where that was impossible: our process holds its lease."""
        while not self._stopping.is_set():
            try:
                for run in ended.members if isinstance(ended, EndedGroupRun) else [ended]:
                    _mark_run(ledger, run)
                if isinstance(ended, EndedGroupRun):
                    _mark_group(ledger, ended, self._means().lease)
                return
            except MeterhouseError:
                self._stopping.wait(_REPAIR_SECONDS)


def _mark_run(ledger: Ledger, ended: EndedRun) -> None:
    if ended.run.status is RunStatus.FAILED:
        stored = ledger.run(ended.run.id)
        if stored is not None and stored.status is RunStatus.RUNNING:
            code = "run_failed" if ended.error is None else ended.error.code
            interrupted = isinstance(ended.error, RunInterrupted)
            ledger.fail_run(ended.run, None, again=interrupted, code=code)


def _mark_group(ledger: Ledger, ended: EndedGroupRun, lease: Lease) -> None:
    stored = ledger.group_run(ended.run.id)
    if stored is not None and stored.status is RunStatus.RUNNING:
        ledger.end_group_run(ended.run, lease, again=isinstance(ended.error, RunInterrupted))
