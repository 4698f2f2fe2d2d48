"""The scheduler's thread: it claims what is due and hands it to the threads of runs.

Once a second it looks. What cannot be handed on, because as many streams run as may, is handed on
when one of them has ended, and until then nothing more is claimed: another server may have room.
Runs that other processes of this host did not live to end, it ends. Now and then it forgets what is
kept for a while only.
"""

from __future__ import annotations

import traceback
from functools import partial
from threading import Event, Thread

from meterhouse.api.access import SERVER
from meterhouse.api.context import Context
from meterhouse.app.correcting import logged_action, purge
from meterhouse.app.idempotency import purge_requests
from meterhouse.app.ports import Ledger
from meterhouse.app.running import EndedRun, Means
from meterhouse.app.scheduling import Work, perform, tick
from meterhouse.app.stopping import end_dead
from meterhouse.app.stream_groups import EndedGroupRun
from meterhouse.app.usage_audit import purge_usage_audit
from meterhouse.core.instant import MINUTE, Instant, instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import MeterhouseError
from meterhouse.streams.record import StartedRun

_TICK_SECONDS = 1.0
_TIDY_EVERY: Instant = 60 * MINUTE


class Scheduler:
    """The scheduler of this server."""

    def __init__(self, context: Context, *, tick_seconds: float = _TICK_SECONDS) -> None:
        self._context = context
        self._seconds = tick_seconds
        self._ending = Event()
        self._thread = Thread(target=self._live, name="scheduler", daemon=True)
        #: Claimed, and not handed on yet.
        self._waiting: list[Work] = []
        self._tidied_at: Instant | None = None

    def start(self) -> None:
        """End what a server before did not live to end, and begin to look."""
        try:
            self._end_dead()
        except MeterhouseError as error:
            self._tell("error", "runs of dead processes could not be ended", error=str(error))
        self._thread.start()

    def stop(self) -> None:
        """Look no more. What is claimed and was not begun, the next server begins."""
        self._ending.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                self.turn()
            except MeterhouseError as error:
                self._tell("error", "the scheduler will try again", error=str(error))
            except Exception as error:
                trace = "".join(traceback.format_exception(error))
                self._tell("error", "internal error of the scheduler", trace=trace)

    def turn(self) -> None:
        """Look once."""
        self._hand_on()
        self._end_dead()
        if not self._waiting:
            self._claim()
            self._hand_on()
        self._tidy()

    def _end_dead(self) -> None:
        context = self._context
        with context.ledger() as ledger:
            ended = end_dead(ledger, at=context.clock(), beside=context.lease.process)
        if ended:
            self._tell("warning", "runs that their processes did not live to end", ended=ended)

    def _claim(self) -> None:
        context = self._context
        with context.ledger() as ledger:
            ticked = tick(
                ledger,
                means=context.means(),
                new_id=context.new_id,
                new_seed=context.new_seed,
                at=context.clock(),
            )
        self._waiting += ticked.work
        for schedule, error in ticked.failed:
            self._tell("error", "a schedule failed", schedule=schedule.id, error=str(error))
        for schedule in ticked.behind:
            said = "an instant failed: the stream's last run has a later clock"
            self._tell("error", said, schedule=schedule.id, target=schedule.target)
        for schedule in ticked.skipped:
            self._tell("warning", "an instant was skipped: it runs", schedule=schedule.id)

    def _hand_on(self) -> None:
        """Give threads what waits for one, as far as there are any."""
        context = self._context
        while self._waiting:
            work = self._waiting[0]
            act = partial(self._act, work)
            try:
                context.runs.carry(_id(work), act)
            except MeterhouseError as error:
                if error.code not in ("too_many_runs", "draining"):
                    raise
                return
            self._waiting.pop(0)

    def _act(self, work: Work, ledger: Ledger, means: Means) -> EndedRun | EndedGroupRun:
        context = self._context
        return perform(ledger, work, means=means, new_id=context.new_id, new_seed=context.new_seed)

    def _tidy(self) -> None:
        """Forget what is kept for a while only."""
        now = self._context.clock()
        if self._tidied_at is not None and now < self._tidied_at + _TIDY_EVERY:
            return
        self._tidied_at = now
        with self._context.ledger() as ledger:
            gone = {
                "auditEntries": purge_usage_audit(ledger, at=now),
                "suspendedRecords": purge(
                    ledger, action=logged_action(ledger, at=now, actor=SERVER)
                ),
                "keyedRequests": purge_requests(ledger, at=now),
                "kernelTokens": ledger.purge_kernel_tokens(at=now),
            }
        if any(gone.values()):
            self._tell("info", "what is kept for a while only was purged", **gone)

    def _tell(self, level: str, message: str, **more: JsonValue) -> None:
        line = {"time": instant_text(self._context.clock()), "level": level, "message": message}
        self._context.log(json_text({**line, **more}))


def _id(work: Work) -> str:
    return work.run.id if isinstance(work, StartedRun) else work.id
