"""Questions to a worker and its answers, and what the end of a worker means.

The kinds of messages are those of worker/serve.py.
"""

from functools import cache
from pathlib import Path
from typing import Any

from meterhouse.sandbox.channel import Channel, WorkerGone, WorkerSilent
from meterhouse.sandbox.errors import ScriptWorkerLost
from meterhouse.sandbox.exact import decoded, encoded
from meterhouse.sandbox.limits import SandboxLimits
from meterhouse.sandbox.worker.serve import STALL_FACTOR

_START_SECONDS = 60.0
# The worker watches the time itself and knows the record; this is for one that has lost its way.
_GRACE_SECONDS = 5.0


class Stopped(Exception):
    """The worker has ended at a limit, "time" or "memory", while at the record `index`."""

    def __init__(self, limit: str, index: int) -> None:
        super().__init__(f"{limit} at {index}")
        self.limit = limit
        self.index = index


class Conversation:
    """A worker that has been told about the run, and waits for scripts."""

    def __init__(
        self, limits: SandboxLimits, *, at_us: int, seed: int, shared_store: dict[str, str]
    ) -> None:
        self._patience = limits.batch_seconds * STALL_FACTOR + _GRACE_SECONDS
        self._channel = Channel(memory=limits.memory_bytes, seconds=limits.batch_seconds)
        self._busy_with = 0
        kind, walls = self._receive(_START_SECONDS)
        if kind != b"H":
            raise self._ended(ScriptWorkerLost("the process that runs scripts did not start"))
        #: The walls around the worker that stand on this system, as confine.py calls them.
        self.walls = frozenset(walls.decode().split())
        self.ask(
            "open",
            at=at_us // 1000,
            seed=str(seed),
            outputMax=limits.output_bytes,
            logMax=limits.log_bytes,
            moment=_moment(),
            store=shared_store,
        )

    @property
    def process_id(self) -> int:
        """The id of the worker process."""
        return self._channel.process_id

    def ask(self, question: str, **details: Any) -> Any:
        """Send a question and return its answer."""
        self.send(encoded({"op": question, **details}))
        return decoded(self.answer()[0])

    def parse(self, text: bytes) -> str:
        """Have `text` parsed but not run, and return what V8 says about it."""
        self._channel.send(b"P", text)
        return self.answer()[0].decode()

    def send(self, message: bytes) -> None:
        """Send a message whose answers are then fetched with `answer`."""
        self._busy_with = 0
        self._channel.send(b"C", message)

    def answer(self) -> tuple[bytes, bool]:
        """Return the next answer, and whether it was the last one to its message."""
        while True:
            kind, text = self._receive(self._patience)
            if kind in (b"=", b"+"):
                return text, kind == b"="
            if kind == b"S":
                self._busy_with = int(text)
            elif kind in (b"T", b"M"):
                raise self._ended(Stopped("time" if kind == b"T" else "memory", int(text)))
            else:
                raise self._ended(ScriptWorkerLost(f"the script worker failed: {text.decode()}"))

    def close(self) -> None:
        """End the worker."""
        self._channel.close()

    def _receive(self, seconds: float) -> tuple[bytes, bytes]:
        try:
            return self._channel.receive(seconds)
        except WorkerSilent:
            raise self._ended(Stopped("time", self._busy_with)) from None
        except WorkerGone as gone:
            error = (
                Stopped("memory", self._busy_with)
                if gone.out_of_memory
                else ScriptWorkerLost(str(gone))
            )
            raise self._ended(error) from gone

    def _ended(self, error: Exception) -> Exception:
        self._channel.kill()
        return error


@cache
def _moment() -> str:
    return (Path(__file__).parent / "vendor" / "moment.min.js").read_text("utf-8")
