"""The deliverer's thread: it claims outputs that are due and forwards each in a thread of its own.

Once a second it looks. A receiver that hangs holds up its own channel and no other. When the server
stops, nothing more is sent; what was sent is noted first.

Now and then it makes the files of invoices that a killed process has left, as any command does.
"""

from __future__ import annotations

import traceback
from threading import Event, Thread

from meterhouse.api.context import Context
from meterhouse.app.billing.files import finish_files
from meterhouse.app.forward_ports import Channel, Claim
from meterhouse.app.forwarding import claim_next, forward_channel
from meterhouse.core.instant import instant_text
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.core.problem import MeterhouseError

#: So many channels are delivered at a time, each with its lanes.
CHANNELS_MAX = 16
_TICK_SECONDS = 1.0
#: So often it looks whether files of invoices are to be made.
_FILES_SECONDS = 30.0
_ACTOR = "deliverer"


class Deliverer:
    """The deliverer of this server."""

    def __init__(
        self,
        context: Context,
        *,
        tick_seconds: float = _TICK_SECONDS,
        files_seconds: float = _FILES_SECONDS,
    ) -> None:
        self._context = context
        self._files_seconds = files_seconds
        self._files = Thread(target=self._live_of_files, name="invoice-files", daemon=True)
        self._seconds = tick_seconds
        self._ending = Event()
        self._thread = Thread(target=self._live, name="deliverer", daemon=True)
        self._working: dict[int, Thread] = {}

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()
        self._files.start()

    def stop(self) -> None:
        """Look no more, and send nothing more. The next server goes on from there."""
        self._ending.set()
        self._thread.join()
        self._files.join()
        for thread in self._working.values():
            thread.join()

    def _live(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                self.turn()
            except MeterhouseError as error:
                self._tell("error", "the deliverer will try again", error=str(error))
            except Exception as error:
                trace = "".join(traceback.format_exception(error))
                self._tell("error", "internal error of the deliverer", trace=trace)

    def _live_of_files(self) -> None:
        """Make files in a thread of its own: a large workbook must not hold up deliveries."""
        told: frozenset[str] = frozenset()
        while not self._ending.wait(self._files_seconds):
            try:
                with self._context.ledger() as ledger:
                    finished = finish_files(ledger, self._context.file_means(_ACTOR))
                faults = {f"{one.invoice.number}: {one.error}" for one in finished if one.error}
            except MeterhouseError as error:
                faults = {str(error)}
            except Exception as error:
                faults = {"".join(traceback.format_exception(error))}
            # What stays wrong is told once, not twice a minute.
            for fault in sorted(faults - told):
                self._tell("error", "files of an invoice could not be made", error=fault)
            told = frozenset(faults)

    def turn(self) -> None:
        """Look once."""
        self._working = {no: thread for no, thread in self._working.items() if thread.is_alive()}
        while len(self._working) < CHANNELS_MAX:
            with self._context.ledger() as ledger:
                claimed = claim_next(ledger, self._context.forwarding, passed=self._working)
            if claimed is None:
                return
            channel, claim = claimed
            thread = Thread(
                target=self._deliver,
                args=(channel, claim),
                name=f"channel-{channel.no}",
                daemon=True,
            )
            self._working[channel.no] = thread
            thread.start()

    def _deliver(self, channel: Channel, claim: Claim) -> None:
        context = self._context
        try:
            with context.ledger() as ledger:
                tally = forward_channel(
                    ledger,
                    channel,
                    claim,
                    means=context.forwarding,
                    stopping=self._ending.is_set,
                )
            for reason in tally.held.values() if tally.failed else ():
                self._tell("error", "an output could not be forwarded", error=reason)
        except MeterhouseError as error:
            self._tell("error", "an output could not be forwarded", error=str(error))
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            self._tell("error", "internal error of the deliverer", trace=trace)

    def _tell(self, level: str, message: str, **more: JsonValue) -> None:
        line = {"time": instant_text(self._context.clock()), "level": level, "message": message}
        self._context.log(json_text({**line, **more}))
