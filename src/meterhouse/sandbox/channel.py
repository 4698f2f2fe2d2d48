"""The worker process seen from outside: start it, send messages, wait for answers, end it.

Messages are written and answers read without ever blocking on one of the two, so that a next
message can wait in the pipe while the worker is busy with the one before.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from meterhouse.sandbox.errors import ScriptWorkerLost

_HEADER = 9
_CHUNK = 1 << 20
_LAST_WORDS = 1 << 16
_PATIENCE_AT_END = 0.5

# The worker runs without site-packages, and importing it must not import the whole product:
# the two packages above it get bare stand-ins. Its folder is the only thing it is told.
_BOOT = """
import sys
for name, path in (("meterhouse", sys.argv[1]), ("meterhouse.sandbox", sys.argv[2])):
    sys.modules[name] = type(sys)(name)
    sys.modules[name].__path__ = [path]
from meterhouse.sandbox.worker.serve import main
main(sys.argv[3:])
"""

# All that a worker knows of the world around it. Times are local times of UTC.
_ENVIRONMENT = {"TZ": "UTC", "LANG": "en_US.UTF-8"}


class WorkerGone(Exception):
    """The worker has ended; `status` is its exit status, `words` what it wrote to its errors."""

    def __init__(self, status: int, words: str) -> None:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        super().__init__(f"the process that runs scripts {how} {words}".rstrip())
        self.status = status
        self.words = words

    @property
    def out_of_memory(self) -> bool:
        """Whether V8 gave up for want of memory."""
        if "out of memory" in self.words.lower():
            return True
        # V8 traps where an allocation fails that it cannot do without, not always with a word,
        # and C++ aborts; behind the filter of calls an abort ends in a fault.
        return -self.status in (signal.SIGTRAP, signal.SIGILL, signal.SIGABRT, signal.SIGSEGV)


class WorkerSilent(Exception):
    """No answer came within the time that was given."""


class Channel:
    """A worker process and the pipes to it."""

    def __init__(self, *, memory: int, seconds: float) -> None:
        library, icu = _engine_files()
        package = Path(__file__).parent
        # Linux ends the worker when the *thread* that started it ends: right for the main
        # thread only. In other threads the worker notices the end of the process by itself.
        tied = threading.current_thread() is threading.main_thread()
        arguments = [library, icu, memory, seconds, "tied" if tied else "loose"]
        self._process = _started(
            [sys.executable, "-I", "-S", "-c", _BOOT, str(package.parent), str(package)]
            + [str(argument) for argument in arguments]
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._outgoing = bytearray()
        self._incoming = bytearray()

    @property
    def process_id(self) -> int:
        """The id of the worker process."""
        return self._process.pid

    def send(self, kind: bytes, text: bytes) -> None:
        """Queue a message, and write what the pipe takes of it."""
        self._outgoing += kind + len(text).to_bytes(8, "big") + text
        self._write()

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """Return the kind and the text of the next answer; wait `seconds` at most."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._next_answer()
            if answer is not None:
                return answer
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise WorkerSilent
            self._pump(remaining)

    def close(self) -> None:
        """End the worker, at once if it does not end by itself."""
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        process.stdin.close()
        try:
            process.wait(_PATIENCE_AT_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        self.close()

    def _next_answer(self) -> tuple[bytes, bytes] | None:
        incoming = self._incoming
        if len(incoming) < _HEADER:
            return None
        end = _HEADER + int.from_bytes(incoming[1:_HEADER], "big")
        if len(incoming) < end:
            return None
        kind, text = bytes(incoming[:1]), bytes(incoming[_HEADER:end])
        del incoming[:end]
        return kind, text

    def _pump(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._from, select.POLLIN)
        if self._outgoing:
            poll.register(self._to, select.POLLOUT)
        for ready, _ in poll.poll(seconds * 1000):
            if ready == self._from:
                self._read()
            else:
                self._write()

    def _read(self) -> None:
        try:
            part = os.read(self._from, _CHUNK)
        except BlockingIOError:
            return
        if not part:
            raise self._gone()
        self._incoming += part

    def _write(self) -> None:
        try:
            while self._outgoing:
                with memoryview(self._outgoing)[:_CHUNK] as part:
                    written = os.write(self._to, part)
                del self._outgoing[:written]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # The worker has ended. What it said last is still to be read.
            self._outgoing.clear()

    def _gone(self) -> WorkerGone:
        try:
            status = self._process.wait(_PATIENCE_AT_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        assert self._process.stderr
        words = os.read(self._process.stderr.fileno(), _LAST_WORDS)
        return WorkerGone(status, words.decode("utf-8", "replace").strip())


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            bufsize=0,
            # Ctrl-C is for the run, which then ends its worker.
            start_new_session=True,
        )
    except OSError as error:
        message = f"the process that runs scripts could not be started: {error}"
        raise ScriptWorkerLost(message) from error


def _engine_files() -> tuple[Path, Path]:
    """Return the paths of V8 and of its language data in the installed mini-racer."""
    spec = find_spec("py_mini_racer")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ScriptWorkerLost(
            "scripts need the package mini-racer, which is not installed: pip install mini-racer"
        )
    folder = Path(folders[0])
    name = "libmini_racer.dylib" if sys.platform == "darwin" else "libmini_racer.so"
    return folder / name, folder / "icudtl.dat"
