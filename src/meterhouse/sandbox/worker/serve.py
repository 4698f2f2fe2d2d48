"""The worker's life: start V8, give up what is not needed, answer messages until they end.

A message or an answer is one byte that says its kind, eight bytes of length and the text.
The text of calls and answers passes through unread: only V8 and the other process know it.

To the worker:   C call the driver with this text; P parse this text (it never runs)
From the worker: H ready, and the walls that stand; = the answer; + a part of the answer;
                 S at work on the record with this index for a while; T out of time there;
                 M out of memory there; E the driver itself failed
"""

import ctypes
import os
import select
import sys
import time
from collections.abc import Callable

from meterhouse.sandbox.worker import confine
from meterhouse.sandbox.worker.engine import Engine, EngineError

HEADER = 9
REQUESTS, ANSWERS = 0, 3
PRELUDE = ("world", "values", "api", "session", "run")

# One thread, so that the memory limit is one heap's; no clock of its own; no asm.js, which
# would compile to WebAssembly; and hash seeds that are the same in each run.
FLAGS = "--single-threaded --no-harmony-temporal --no-validate-asm --random-seed=1"

# Time is time of the processor, so that a busy machine does not stop a script that is well. A
# script has nothing to wait for, but to be sure it may not wait much longer either.
STALL_FACTOR = 4

_TICK = 0.02
_IDLE_MILLISECONDS = 1000


class Worker:
    """Answers messages with one V8 context; ends the process when a limit is reached."""

    def __init__(
        self,
        *,
        library: str,
        icu: str,
        seconds: float,
        requests: int,
        answers: int,
        leave: Callable[[int], object],
    ) -> None:
        # Starting up takes its time on a busy machine; only scripts are watched.
        self._seconds: float | None = None
        self._requests = requests
        self._answers = answers
        self._leave = leave
        self._parent = os.getppid()
        self._progress = (ctypes.c_int32 * 2)()
        self.engine = Engine(library=library, icu=icu, flags=FLAGS, wait=self._wait)
        prelude = self.engine.evaluate(_prelude())
        self._drive = self.engine.member(prelude, "drive")
        self._take = self.engine.member(prelude, "take")
        buffer = self.engine.member(prelude, "buffer")
        # Kept alive by the handle, which is never freed.
        self._progress = self.engine.memory(buffer, ctypes.c_int32 * 2)
        self._seconds = seconds

    def serve(self) -> None:
        """Answer messages until the other side closes its end."""
        while (message := self._receive()) is not None:
            kind, text = message
            try:
                if kind == b"C":
                    self._call(text)
                else:
                    self._parse(text)
            except EngineError as error:
                self._leave_if_full()
                self.send(b"E", str(error).encode())

    def send(self, kind: bytes, text: bytes = b"") -> None:
        """Write one answer."""
        rest = memoryview(kind + len(text).to_bytes(8, "big") + text)
        while rest:
            rest = rest[os.write(self._answers, rest) :]

    def _call(self, text: bytes) -> None:
        while True:
            self.engine.call(self._drive, text)
            answer = self.engine.call(self._take)
            self._leave_if_full()
            kind = answer[:1]
            self.send(kind, answer[1:])
            if kind == b"=":
                return
            text = b""

    def _parse(self, text: bytes) -> None:
        try:
            self.engine.evaluate(text.decode())
        except EngineError as error:
            self.send(b"=", str(error).encode())
        else:
            self.send(b"=")

    def _wait(self, done: Callable[[float], bool]) -> None:
        """Wait for V8 as long as it takes up one record after the other."""
        begun = -1
        computing = waiting = 0.0
        while not done(_TICK):
            self._leave_if_orphaned()
            if self._seconds is None:
                continue
            index, count = self._progress
            if count != begun:
                begun, computing, waiting = count, time.process_time(), time.monotonic()
                self.send(b"S", b"%d" % index)
            elif (
                time.process_time() - computing > self._seconds
                or time.monotonic() - waiting > self._seconds * STALL_FACTOR
            ):
                self.send(b"T", b"%d" % index)
                self._leave(1)
                return

    def _leave_if_full(self) -> None:
        if self.engine.heap_limit_reached():
            self.send(b"M", b"%d" % self._progress[0])
            self._leave(1)

    def _leave_if_orphaned(self) -> None:
        if os.getppid() != self._parent:
            self._leave(1)

    def _receive(self) -> tuple[bytes, bytes] | None:
        header = self._read(HEADER)
        if header is None:
            return None
        text = self._read(int.from_bytes(header[1:], "big"))
        return None if text is None else (header[:1], text)

    def _read(self, size: int) -> bytes | None:
        parts = bytearray()
        waiting = select.poll()
        waiting.register(self._requests, select.POLLIN)
        while len(parts) < size:
            # A copy of the parent that was forked may hold the pipe open after its death.
            if not waiting.poll(_IDLE_MILLISECONDS):
                self._leave_if_orphaned()
                continue
            part = os.read(self._requests, min(size - len(parts), 1 << 20))
            if not part:
                return None
            parts += part
        return bytes(parts)


def _prelude() -> str:
    # pathlib would take as long to import as all else that the worker imports.
    folder = __file__.rpartition("/")[0] + "/prelude/"
    body = ""
    for name in PRELUDE:
        with open(folder + name + ".js", encoding="utf-8") as file:  # noqa: PTH123
            body += file.read() + "\n"
    return f'(function () {{ "use strict";\n{body}\n}})()'


def main(arguments: list[str]) -> None:
    """Run the worker: library, ICU data, bytes of memory, seconds, whether to die with a thread.

    Answers leave by a descriptor of their own, because V8 writes its last words to 1 and 2.
    """
    library, icu, memory, seconds, tied = arguments
    os.dup2(1, ANSWERS)
    os.dup2(2, 1)
    os.chdir("/")
    if tied == "tied":
        confine.die_with_parent()
    worker = Worker(
        library=library,
        icu=icu,
        seconds=float(seconds),
        requests=REQUESTS,
        answers=ANSWERS,
        leave=os._exit,
    )
    heap = int(memory)
    worker.engine.limit_heap(heap)
    # Beside the heap there are array buffers, texts on their way out, and V8's own needs.
    walls = confine.confine(heap + heap // 4 + (48 << 20))
    worker.send(b"H", " ".join(walls).encode())
    worker.serve()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
