"""Fixtures: receivers that end with the test, and streams that forward to them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from meterhouse.config import HTTP_ALLOW_VARIABLE
from tests.forwarding.house import Forwarding, forwarding
from tests.forwarding.mailbox import Mailbox, serving_mail
from tests.forwarding.receiver import Receiver
from tests.forwarding.receiving import RECEIVERS


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HTTP_ALLOW_VARIABLE, "127.0.0.0/8")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().serving() as serving:
        yield serving


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving_mail() as box:
        yield box


@pytest.fixture
def forwarding_to(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Forwarding]]:
    """Make a house whose stream forwards by a writer."""
    with ExitStack() as stack:
        yield lambda writer: stack.enter_context(forwarding(tmp_path, writer))


@pytest.fixture(scope="session")
def start_receiving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Starts the receiver of a kind once."""
    started: dict[str, Any] = {}
    with ExitStack() as stack:

        def start(kind: str) -> Any:
            if kind not in started:
                folder = tmp_path_factory.mktemp(kind)
                started[kind] = stack.enter_context(RECEIVERS[kind](folder))
            return started[kind]

        yield start
