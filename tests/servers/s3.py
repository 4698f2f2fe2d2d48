"""An S3 server: moto's, over HTTP."""

import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import free_port, listens, running


@contextmanager
def s3_server(folder: Path, *, buckets: tuple[str, ...] = ("usage",)) -> Iterator[str]:
    """Run the server with some buckets and give its URL."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, log=folder / "s3.log", ready=lambda: listens(port)):
        url = f"http://127.0.0.1:{port}"
        for bucket in buckets:
            request = urllib.request.Request(f"{url}/{bucket}", method="PUT")
            with urllib.request.urlopen(request, timeout=30):
                pass
        yield url
