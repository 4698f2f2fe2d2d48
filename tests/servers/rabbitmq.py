"""Debian's RabbitMQ server. `.ci/run` installs it where it may; elsewhere tests skip."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.process import free_port, listens, running

#: Debian's own command wants to be root or rabbitmq; this one is what it calls.
HOMES = Path("/usr/lib/rabbitmq/lib")


def home() -> Path:
    """Where the server is installed; skips where it is not."""
    homes = sorted(HOMES.glob("rabbitmq_server-*"))
    if not homes or shutil.which("epmd") is None:
        pytest.skip("needs a RabbitMQ server (apt-get install rabbitmq-server)")
    return homes[-1]


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """The address of a server that runs until the end of the block."""
    sbin = home() / "sbin"
    port, names = free_port(), free_port()
    enabled = folder / "enabled_plugins"
    enabled.write_text("[].")
    config = folder / "rabbitmq.conf"
    config.write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nvm_memory_high_watermark.absolute = 1GB\n"
        "max_message_size = 1000000\n"
    )
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"meterhouse-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(enabled),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false "
        "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    log = folder / "rabbitmq.log"
    # The daemon of names would outlive the server if the server started it.
    epmd = [shutil.which("epmd") or "epmd", "-port", str(names), "-address", "127.0.0.1"]
    server = [sbin / "rabbitmq-server"]
    with (
        running(epmd, log=log, ready=lambda: listens(names), environment=environment),
        running(server, log=log, ready=lambda: listens(port), environment=environment),
    ):
        yield f"127.0.0.1:{port}"
