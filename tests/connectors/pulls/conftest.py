"""Fixtures: PostgreSQL once for a process, HTTP servers, and the command line."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command import Meterhouse
from tests.connectors.http.server import Route, Server
from tests.servers.postgres import Postgres, postgres_server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Route]], Server]]:
    with ExitStack() as stack:
        yield lambda routes: stack.enter_context(Server(routes).serving())


@pytest.fixture
def meterhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meterhouse:
    """The command line on an empty data directory; servers of this machine may be reached."""
    monkeypatch.setenv("METERHOUSE_HTTP_ALLOW", "127.0.0.1")
    return Meterhouse(tmp_path / "data")
