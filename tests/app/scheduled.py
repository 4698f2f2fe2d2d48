"""Small streams with schedules, for the tests of scheduling."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from meterhouse.app.ports import Lease
from meterhouse.app.running import EndedRun, Means, run_stream
from meterhouse.app.schedules import set_schedule
from meterhouse.app.scheduling import Ticked, perform, tick
from meterhouse.app.stream_groups import EndedGroupRun
from meterhouse.app.streams import import_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.instant import MINUTE, Instant, parse_instant
from meterhouse.processes import this_host
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from tests.acceptance.small import document, node

#: 2026-01-20T12:00:00Z
NOON: Instant = parse_instant("2026-01-20T12:00:00Z") or 0
EVERY = {"interval": "minutes", "every": 5}
FIVE = 5 * MINUTE


def add_stream(house: Installation, name: str = "Small", *, count: int = 3) -> str:
    body = document(node("Count", "readers/counter", max=count), node("End", "writers/noop"))
    return import_stream(house.ledger, {**body, "name": name}, new_id=house.new_id, at=NOON).id


def add_schedule(house: Installation, *, at: Instant = NOON, **target: Any) -> None:
    set_schedule(
        house.ledger,
        EVERY,
        **(target or {"stream": "Small"}),
        new_id=house.new_id,
        at=at,
        services=house.means().services,
    )


def ticked(house: Installation, at: Instant, *, means: Means | None = None) -> Ticked:
    return tick(
        house.ledger,
        means=means or house.means(),
        new_id=house.new_id,
        new_seed=house.new_seed,
        at=at,
    )


def performed(
    house: Installation, at: Instant, *, means: Means | None = None
) -> list[EndedRun | EndedGroupRun]:
    """Tick, and carry out what was claimed."""
    means = means or house.means()
    work = ticked(house, at, means=means).work
    ids = {"new_id": house.new_id, "new_seed": house.new_seed}
    return [perform(house.ledger, item, means=means, **ids) for item in work]


def by_hand(house: Installation, at: Instant, *, name: str = "Small") -> Run:
    return run_stream(
        house.ledger, name, means=house.means(), run_id=house.new_id(), seed=1, at=at
    ).run


def of_the_dead(house: Installation) -> Means:
    """Means of a process of this host that is gone."""
    return replace(house.means(), lease=Lease(this_host(), "0-0"))


def watched(house: Installation, look: Callable[[], None]) -> Means:
    """Means with something that happens before each chunk."""
    means = house.means()
    return replace(means, services=replace(means.services, checkpoint=look))


def scheduled(house: Installation, *, status: RunStatus = RunStatus.COMPLETE) -> list[Run]:
    """Return the runs that schedules began, oldest first."""
    runs: Sequence[Run] = house.ledger.runs(status=status, limit=100_000).items
    return [run for run in reversed(runs) if run.cause.origin is RunOrigin.SCHEDULE]
