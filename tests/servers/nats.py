"""A NATS server with JetStream."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import free_port, listens, running


@contextmanager
def nats_server(folder: Path, *options: str) -> Iterator[str]:
    """The address of a server that runs until the end of the block."""
    port = free_port()
    binary = Path(sys.executable).with_name("nats-server")
    command = [
        binary if binary.exists() else shutil.which("nats-server") or binary,
        *("--jetstream", "--store_dir", folder / "nats"),
        *("--addr", "127.0.0.1", "--port", str(port), *options),
    ]
    with running(command, log=folder / "nats.log", ready=lambda: listens(port)):
        yield f"127.0.0.1:{port}"
