"""Schedules: setting, finding, enabling and removing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from meterhouse.app.listing import found, take
from meterhouse.app.ports import Ledger
from meterhouse.app.stream_groups import find_group
from meterhouse.app.streams import find_stream
from meterhouse.core.instant import Instant
from meterhouse.core.problem import ConflictError, DefinitionError, NotFoundError, Problem
from meterhouse.streams.graph import StreamGraph, load_graph
from meterhouse.streams.run import obstacles
from meterhouse.streams.schedule import Schedule, read_schedule
from meterhouse.streams.world import Services


class StreamNotReady(ConflictError):
    """A stream that lacks something cannot run, and so not be scheduled."""

    code = "stream_not_ready"


def set_schedule(
    ledger: Ledger,
    body: object,
    *,
    stream: str | None = None,
    group: str | None = None,
    new_id: Callable[[], str],
    at: Instant,
    services: Services,
    expected_revision: str | None = None,
) -> Schedule:
    """Give a stream or a group a schedule, or another one; exactly one of the two is named.

    ``services`` are what its runs will have. Raises ``DefinitionError`` where the body or a stream
    is not valid, ``StreamNotReady`` where one lacks something, ``ConflictError`` for a stream in a
    group, ``StaleRevision`` where the present schedule is another than expected.
    """
    stream_id, group_id = _target(ledger, stream, group)
    rule, enabled = read_schedule(body)
    for member in _members(ledger, stream_id, group_id):
        _refuse_unready(load_graph(find_stream(ledger, member).document), services)
    schedule = Schedule(new_id(), rule, enabled, at, at, stream_id, group_id=group_id)
    return ledger.put_schedule(_timed(schedule, at), expected_revision=expected_revision)


def enable_schedule(
    ledger: Ledger,
    *,
    stream: str | None = None,
    group: str | None = None,
    enabled: bool,
    at: Instant,
    services: Services,
) -> Schedule:
    """Enable or disable a schedule. Instants that passed meanwhile are not made up for."""
    schedule = find_schedule(ledger, stream=stream, group=group)
    if schedule.enabled == enabled:
        return schedule
    for member in _members(ledger, schedule.stream_id, schedule.group_id) if enabled else ():
        _refuse_unready(load_graph(find_stream(ledger, member).document), services)
    return ledger.put_schedule(_timed(replace(schedule, enabled=enabled, updated_at=at), at))


def find_schedule(
    ledger: Ledger, *, stream: str | None = None, group: str | None = None
) -> Schedule:
    """Return the schedule of a stream or of a group."""
    stream_id, group_id = _target(ledger, stream, group)
    return found(
        ledger.schedule_of(stream_id=stream_id, group_id=group_id),
        or_raise=lambda: NotFoundError(
            f"{_named(stream, group)} has no schedule",
            hint="`meterhouse schedule list` shows those that exist",
        ),
    )


def has_schedule(ledger: Ledger, *, stream: str | None = None, group: str | None = None) -> bool:
    """Whether a stream or a group has a schedule."""
    stream_id, group_id = _target(ledger, stream, group)
    return ledger.schedule_of(stream_id=stream_id, group_id=group_id) is not None


def remove_schedule(
    ledger: Ledger,
    *,
    stream: str | None = None,
    group: str | None = None,
    expected_revision: str | None = None,
) -> Schedule:
    """Remove a schedule; returns what it was. A run that it has begun goes on."""
    schedule = find_schedule(ledger, stream=stream, group=group)
    ledger.delete_schedule(schedule.id, expected_revision=expected_revision)
    return schedule


def list_schedules(ledger: Ledger, *, limit: int | None = None) -> Iterator[Schedule]:
    """Yield schedules in the order in which they were made."""
    return take(ledger.schedules, limit=limit)


def _refuse_unready(graph: StreamGraph, services: Services) -> None:
    if problems := obstacles(graph, services):
        listed = "; ".join(map(str, problems))
        hint = "Mend that first; a run by hand would fail as well"
        raise StreamNotReady(f"Stream {graph.name!r} cannot run: {listed}", hint=hint)


def _timed(schedule: Schedule, at: Instant) -> Schedule:
    return replace(schedule, next_at=schedule.rule.next_after(at) if schedule.enabled else None)


def _target(ledger: Ledger, stream: str | None, group: str | None) -> tuple[str | None, str | None]:
    if (stream is None) == (group is None):
        problem = Problem("", "names neither or both", "name a stream, or a group")
        raise DefinitionError([problem], what="The schedule")
    if stream is not None:
        return find_stream(ledger, stream).id, None
    assert group is not None
    return None, find_group(ledger, group).id


def _members(ledger: Ledger, stream_id: str | None, group_id: str | None) -> list[str]:
    if stream_id is not None:
        return [stream_id]
    assert group_id is not None
    return [id for id, _ in find_group(ledger, group_id).members]


def _named(stream: str | None, group: str | None) -> str:
    return f"Stream {stream!r}" if group is None else f"Group {group!r}"
