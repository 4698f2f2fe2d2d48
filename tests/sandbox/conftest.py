"""Sessions for tests: small limits, a fixed clock, closed at the end."""

import itertools
from collections.abc import Iterator

import pytest

from meterhouse.sandbox import JavaScriptSandbox, SandboxLimits, ScriptSession

AT = 1_764_547_200_123_456  # 2025-12-01T00:00:00.123456Z


LIMITS = SandboxLimits(
    batch_seconds=5.0, memory_bytes=64 << 20, output_bytes=1 << 20, log_bytes=1 << 20
)

#: Names for the nodes of scripts that run in a session they share.
node_ids = (f"n{number}" for number in itertools.count())


@pytest.fixture
def session() -> Iterator[ScriptSession]:
    with JavaScriptSandbox(LIMITS).open(at_us=AT, seed=7) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_session() -> Iterator[ScriptSession]:
    with JavaScriptSandbox(LIMITS).open(at_us=AT, seed=7) as opened:
        yield opened


@pytest.fixture
def run(shared_session):
    """Return a function that runs one script over records and returns the outcomes."""

    def run_script(script: str, *records: dict, metas=None):
        node_id = next(node_ids)
        shared_session.define(node_id, name=node_id, transform=script)
        return shared_session.transform(node_id, list(records) or [{}], metas)

    return run_script


@pytest.fixture
def pushed(run):
    """Return a function that runs one script over one record and returns what it pushed."""

    def run_script(script: str, record: dict | None = None) -> tuple[dict, ...]:
        [outcome] = run(script, record or {})
        assert outcome.error is None
        return outcome.pushed

    return run_script


@pytest.fixture
def failure(run):
    """Return a function that runs one script over one record and returns its error."""

    def run_script(script: str, record: dict | None = None) -> str:
        [outcome] = run(script, record or {})
        assert outcome.pushed == ()
        assert outcome.error is not None
        return outcome.error

    return run_script
