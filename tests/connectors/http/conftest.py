"""Fixtures: a server of each test's own, and a client that may call it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from meterhouse.connectors.http import AllowList, Guard, HttpClient, Limits
from tests.connectors.http.server import Canary, Route, Server


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Route]], Server]]:
    """Serve routes until the test ends."""
    with ExitStack() as stack:
        yield lambda routes, **options: stack.enter_context(Server(routes, **options).serving())


@pytest.fixture
def calling() -> Iterator[Callable[..., HttpClient]]:
    """Make a client that may call what is allowed; the loopback network, unless told."""
    made: list[HttpClient] = []

    def make(allow: str = "127.0.0.0/8", **limits: float) -> HttpClient:
        client = HttpClient(Guard(AllowList.parse(allow)), limits=Limits(**limits))
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    listener = Canary()
    yield listener
    listener.count()
