"""Fixtures: a receiver, a mailbox that is configured, and a house whose streams are watched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from meterhouse.config import HTTP_ALLOW_VARIABLE
from tests.forwarding.mailbox import Mailbox, serving_mail
from tests.forwarding.receiver import Receiver
from tests.notifications.told import Told, telling


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver().serving() as serving:
        monkeypatch.setenv(HTTP_ALLOW_VARIABLE, f"127.0.0.1:{serving.port}")
        yield serving


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Its address is private, and nothing but the configuration allows it."""
    with serving_mail() as box:
        monkeypatch.setenv("METERHOUSE_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("METERHOUSE_SMTP_PORT", str(box.port))
        monkeypatch.setenv("METERHOUSE_SMTP_SECURITY", "none")
        monkeypatch.setenv("METERHOUSE_SMTP_FROM", "bill@example.com")
        yield box


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with telling(tmp_path) as house:
        yield house
