"""A process that runs a stream over and over until it is killed, by others or by itself.

The product is as it is; around its collectors is a witness that counts messages and, where the plan
says so, kills the process at one point of a run.
"""

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meterhouse.app.running import run_stream
from meterhouse.bootstrap import open_installation
from meterhouse.core.instant import parse_instant
from meterhouse.streams.ports import Collected, Collecting, Collector
from tests.acceptance import small

#: The points of a run at which it may end.
POINTS = ("read", "read to the end", "committed", "told")


@dataclass(frozen=True)
class Plan:
    """The process ends itself when it comes to ``point`` for the nth time."""

    point: str = ""
    nth: int = 1


class Witness:
    """The collectors of the product, seen."""

    def __init__(self, tally: Path, plan: Plan) -> None:
        self.inner: Any = None
        self._tally = tally
        self._plan = plan
        self._left = plan.nth

    def open(self, kind: str, settings: Any, credentials: Any) -> "WitnessedCollector":
        return WitnessedCollector(self.inner.open(kind, settings, credentials), self)

    def saw(self, messages: int) -> None:
        with self._tally.open("a") as out:
            out.write(f"{messages}\n")

    def comes_to(self, point: str) -> None:
        if point == self._plan.point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class WitnessedCollector:
    def __init__(self, inner: Collector, witness: Witness) -> None:
        self._inner = inner
        self._witness = witness

    def chunks(self, wanted: Collecting) -> Iterator[Collected]:
        for collected in self._inner.chunks(wanted):
            if collected.chunk is not None:
                self._witness.saw(len(collected.chunk.batch) + len(collected.chunk.unreadable))
            self._witness.comes_to("read")
            yield collected
        self._witness.comes_to("read to the end")

    def acknowledge(self) -> Mapping[str, Any]:
        self._witness.comes_to("committed")
        settled = self._inner.acknowledge()
        self._witness.comes_to("told")
        return settled

    def close(self) -> None:
        self._inner.close()


def consume(data: Path, tally: Path, plan: Plan) -> None:
    """Run the stream until the process ends."""
    os.environ["METERHOUSE_HTTP_ALLOW"] = "127.0.0.1"
    witness = Witness(tally, plan)
    with open_installation(data) as house:
        while True:
            means = house.means()
            witness.inner = means.services.collectors
            services = replace(means.services, collectors=witness)
            run_stream(
                house.ledger,
                small.STREAM,
                means=replace(means, services=services),
                run_id=house.new_id(),
                seed=1,
                at=parse_instant(small.JANUARY),
            )
