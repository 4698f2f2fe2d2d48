"""Servers of the tests as processes of their own: a free port, patience, and an end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process from when it is ready until the end of the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            user=user,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not ready():
            assert process.poll() is None, f"{command[0]} ended: {log.read_text('utf-8')}"
            assert time.monotonic() < deadline, f"{command[0]}: {log.read_text('utf-8')}"
            time.sleep(0.05)
        yield process
    finally:
        # All that it has started, at once: nobody needs what it holds any more.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
