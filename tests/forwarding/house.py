"""A house whose stream forwards what it reads, on a clock that the test moves."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from meterhouse import bootstrap
from meterhouse.app.forward_ports import Tally
from meterhouse.app.forwarding import ForwardMeans, forward_due
from meterhouse.app.ports import PendingDelivery
from meterhouse.app.running import EndedRun, run_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.instant import SECOND, Instant
from tests.acceptance.small import document, node, reader
from tests.cli.command import Meterhouse

STREAM = "Small"
#: 2026-01-10T00:00:00Z
AT: Instant = 1_768_003_200_000_000


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: Instant = AT

    def __call__(self) -> Instant:
        return self.now

    def move(self, seconds: int) -> None:
        self.now += seconds * SECOND


@dataclass
class Forwarding:
    """A stream that forwards, and its deliveries."""

    house: Installation
    usage: Path
    clock: Clock = field(default_factory=Clock)

    @property
    def means(self) -> ForwardMeans:
        return self.house.forwarding(clock=self.clock)

    def run(self, records: Iterable[dict[str, Any]], *, name: str = "1") -> EndedRun:
        """Read records in a run; nothing is delivered yet."""
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (self.usage / f"{name}.ndjson").write_text(lines)
        means = replace(self.house.means(), forwarding=None)
        ended = run_stream(
            self.house.ledger, STREAM, means=means, run_id=self.house.new_id(), seed=1, at=None
        )
        assert ended.error is None, ended.error
        return ended

    def deliver(self, **changes: Any) -> Tally:
        """Deliver what is due now."""
        return forward_due(self.house.ledger, replace(self.means, **changes))

    def deliver_all(self, *, days: int = 30) -> None:
        """Deliver, and let time pass, until nothing waits."""
        end = self.clock.now + days * 86_400 * SECOND
        while self.waiting and self.clock.now < end:
            self.deliver()
            due = self.house.ledger.next_forward_at()
            self.clock.now = max(self.clock.now, due or 0)

    @property
    def waiting(self) -> list[PendingDelivery]:
        return list(self.house.ledger.pending())


@contextmanager
def forwarding(folder: Path, writer: dict[str, Any]) -> Iterator[Forwarding]:
    """Import a stream that reads what comes and lets a writer forward it."""
    usage = folder / "usage"
    usage.mkdir()
    meterhouse = Meterhouse(folder / "data")
    stream = document(reader(usage / "*.ndjson"), writer)
    meterhouse.import_stream("-", given=json.dumps(stream))
    with bootstrap.open_installation(meterhouse.data) as house:
        yield Forwarding(house, usage)


def webhook(url: str, **params: Any) -> dict[str, Any]:
    """A writer of HTTP."""
    return node("Hook", "writers/http", uri=url, **params)


def usage(count: int, *, meters: int = 10) -> list[dict[str, Any]]:
    """Records of several meters, each numbered in the order of its meter."""
    return [{"meterId": f"m{n % meters}", "n": n} for n in range(count)]


def by_meter(records: Iterable[dict[str, Any]]) -> dict[str, list[int]]:
    """The numbers of each meter's records, in their order."""
    found: dict[str, list[int]] = {}
    for record in records:
        found.setdefault(record["meterId"], []).append(record["n"])
    return found
