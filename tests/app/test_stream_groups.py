"""Groups run their streams one after another, and go on where a process died."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse import bootstrap
from meterhouse.app.ports import Lease
from meterhouse.app.running import RunInterrupted, RunStopped
from meterhouse.app.schedules import find_schedule
from meterhouse.app.stopping import stop_run
from meterhouse.app.stream_groups import (
    EndedGroupRun,
    GroupRunFailed,
    create_group,
    delete_group,
    find_group,
    list_groups,
    run_group,
)
from meterhouse.app.stream_ports import StreamEdit
from meterhouse.app.streams import delete_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import ConflictError, DefinitionError, MeterhouseError, NotFoundError
from meterhouse.processes import this_host
from meterhouse.streams.record import Run, RunOrigin, RunStatus
from tests.app.scheduled import (
    FIVE,
    NOON,
    add_schedule,
    add_stream,
    by_hand,
    of_the_dead,
    performed,
    ticked,
    watched,
)

NAMES = ["First", "Second", "Third"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with bootstrap.open_installation(tmp_path / "data") as opened:
        for name in reversed(NAMES):
            add_stream(opened, name)
        create_group(opened.ledger, "G", streams=NAMES, new_id=opened.new_id, at=NOON)
        yield opened


def run(house: Installation, means=None, **cause: str) -> EndedGroupRun:
    ids = {"new_id": house.new_id, "new_seed": house.new_seed}
    return run_group(house.ledger, "G", means=means or house.means(), **ids, **cause)


def runs(house: Installation) -> list[tuple[str, str]]:
    """Streams and states of all runs, oldest first."""
    listed: list[Run] = list(reversed(house.ledger.runs().items))
    return [(run.stream_name, run.status.value) for run in listed]


def breaking(house: Installation, name: str, error: BaseException):
    """Means that raise while one member runs."""

    def look() -> None:
        last = house.ledger.runs(limit=1).items[0]
        if last.stream_name == name:
            raise error

    return watched(house, look)


def test_members_run_in_their_order(house: Installation):
    ended = run(house, started_by="ann")
    assert runs(house) == [(name, "complete") for name in NAMES]
    assert ended.run.status is RunStatus.COMPLETE
    assert house.ledger.group_run(ended.run.id) == ended.run
    [member, *_] = house.ledger.runs_of_group_run(ended.run.id)
    cause = member.cause
    assert (cause.origin, cause.started_by) == (RunOrigin.GROUP, "ann")


def test_a_member_that_fails_stops_the_rest(house: Installation):
    ended = run(house, breaking(house, "Second", MeterhouseError("no disk")))
    assert runs(house) == [("First", "complete"), ("Second", "failed")]
    assert isinstance(ended.error, GroupRunFailed)
    assert ended.run.status is RunStatus.FAILED
    assert "Stream 'Second' failed" in str(ended.run.error)
    assert "no disk" in str(ended.run.error)


def test_a_member_that_runs_by_itself_stops_the_rest(house: Installation):
    stream = house.ledger.stream("Second")
    assert stream is not None
    alone = Run("alone", stream.id, "Second", RunStatus.RUNNING, NOON, 1, NOON)
    house.ledger.start_run(alone, house.means().lease, alive=frozenset())
    ended = run(house)
    assert isinstance(ended.error, ConflictError)
    assert [member.run.stream_name for member in ended.members] == ["First"]


def test_a_member_can_be_run_alone_but_not_deleted(house: Installation):
    assert by_hand(house, NOON, name="Second").status is RunStatus.COMPLETE
    with pytest.raises(ConflictError, match=r"'Second' is in the group 'G'"):
        delete_stream(house.ledger, "Second", edit=StreamEdit(NOON))


def test_a_group_that_runs_is_not_run_again_nor_deleted(house: Installation):
    refused = []

    def look() -> None:
        for attempt in (lambda: run(house), lambda: delete_group(house.ledger, "G", at=NOON)):
            with pytest.raises(ConflictError, match="The group is running") as error:
                attempt()
            refused.append(error)

    assert run(house, watched(house, look)).run.status is RunStatus.COMPLETE
    assert len(refused) >= 6


def test_ungrouped_streams_stay_and_the_schedule_goes(house: Installation):
    add_schedule(house, group="G")
    delete_group(house.ledger, "G", at=NOON)
    assert list(list_groups(house.ledger)) == []
    assert house.ledger.schedules().items == []
    add_schedule(house, stream="First")
    delete_stream(house.ledger, "First", edit=StreamEdit(NOON))
    with pytest.raises(NotFoundError, match="no group 'G'"):
        find_group(house.ledger, "G")


def test_a_schedule_runs_the_group(house: Installation):
    add_schedule(house, group="G")
    [ended] = performed(house, NOON + FIVE)
    assert isinstance(ended, EndedGroupRun)
    assert (ended.run.origin, ended.run.scheduled_for) == (RunOrigin.SCHEDULE, NOON + FIVE)
    assert runs(house) == [(name, "complete") for name in NAMES]
    assert performed(house, NOON + FIVE + 1) == []
    assert find_schedule(house.ledger, group="G").next_at == NOON + 2 * FIVE


def test_an_instant_that_comes_while_the_group_runs_is_skipped(house: Installation):
    add_schedule(house, group="G")
    [work] = ticked(house, NOON + FIVE).work
    assert [s.target for s in ticked(house, NOON + 2 * FIVE).skipped] == ["G"]
    assert ticked(house, NOON + 2 * FIVE + 1) == ticked(house, NOON)
    assert work.status is RunStatus.RUNNING


def test_a_run_of_a_group_goes_on_where_its_process_died(house: Installation):
    """The first member is complete, the second one was under way: it begins again."""
    add_schedule(house, group="G")
    dead = of_the_dead(house)
    stopper = breaking(house, "Second", SystemExit())
    killed = replace(dead, services=stopper.services)
    house.ledger.fail_run = lambda *_, **__: None  # type: ignore[method-assign]
    house.ledger.end_group_run = lambda *_, **__: True  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        performed(house, NOON + FIVE, means=killed)
    del house.ledger.fail_run, house.ledger.end_group_run
    assert runs(house) == [("First", "complete"), ("Second", "running")]
    before = house.ledger.runs(limit=1).items[0]
    [ended] = performed(house, NOON + FIVE + 1)
    assert ended.run.status is RunStatus.COMPLETE
    assert runs(house) == [
        *(("First", "complete"), ("Second", "failed"), ("Second", "complete")),
        ("Third", "complete"),
    ]
    [again, _] = [member.run for member in ended.members]
    assert (again.at, again.seed) == (before.at, before.seed)
    assert performed(house, NOON + FIVE + 2) == []


def test_an_interrupted_run_of_a_group_goes_on(house: Installation):
    add_schedule(house, group="G")
    means = breaking(house, "Second", KeyboardInterrupt())
    [ended] = performed(house, NOON + FIVE, means=means)
    assert isinstance(ended.error, RunInterrupted)
    [ended] = performed(house, NOON + FIVE + 1)
    assert [member.run.stream_name for member in ended.members] == ["Second", "Third"]
    assert house.ledger.group_run(ended.run.id).status is RunStatus.COMPLETE


def test_a_manual_run_takes_the_place_of_one_whose_process_is_gone(house: Installation):
    add_schedule(house, group="G")
    [work] = ticked(house, NOON + FIVE, means=of_the_dead(house)).work
    assert run(house).run.status is RunStatus.COMPLETE
    assert house.ledger.group_run(work.id).error == "interrupted: its process 0-0 is gone"
    assert house.ledger.running_group_run(work.group_id) is None


def test_a_group_stops_between_and_within_members(house: Installation):
    def look() -> None:
        run = house.ledger.runs(limit=1).items[0]
        if run.stream_name == "Second":
            assert stop_run(house.ledger, run.cause.group_run_id or "", at=NOON) == "G"

    ended = run(house, watched(house, look))
    assert isinstance(ended.error, RunStopped)
    assert runs(house) == [("First", "complete"), ("Second", "failed")]
    assert (ended.run.error, ended.run.status) == ("stopped by request", RunStatus.FAILED)
    with pytest.raises(ConflictError, match="of group 'G' has ended"):
        stop_run(house.ledger, ended.run.id, at=NOON)


def test_a_stopped_run_of_a_group_is_not_begun_again_by_its_schedule(house: Installation):
    add_schedule(house, group="G")
    means = breaking(house, "First", RunStopped("stopped by request"))
    performed(house, NOON + FIVE, means=means)
    assert performed(house, NOON + FIVE + 1) == []


def test_what_makes_no_group_is_listed(house: Installation):
    ids = {"new_id": house.new_id, "at": NOON}
    with pytest.raises(DefinitionError, match="has 2 problems"):
        create_group(house.ledger, "", streams=[], **ids)
    with pytest.raises(DefinitionError, match="names 'First' twice"):
        create_group(house.ledger, "H", streams=["First", "First"], **ids)
    with pytest.raises(NotFoundError, match="no stream 'x'"):
        create_group(house.ledger, "H", streams=["x"], **ids)
    add_stream(house, "Free")
    with pytest.raises(ConflictError, match="A group is named 'G'"):
        create_group(house.ledger, "G", streams=["Free"], **ids)
    assert len(list(list_groups(house.ledger))) == 1


def test_a_run_of_a_group_on_another_host_is_left_alone(house: Installation):
    add_schedule(house, group="G")
    elsewhere = replace(house.means(), lease=Lease("elsewhere", "0-0"))
    ticked(house, NOON + FIVE, means=elsewhere)
    assert performed(house, NOON + FIVE + 1) == []
    assert this_host() != "elsewhere"


def test_members_are_run_whatever_other_streams_are_named(house: Installation):
    first, _ = find_group(house.ledger, "G").members[0]
    add_stream(house, first)
    create_group(
        house.ledger,
        find_group(house.ledger, "G").id,
        streams=[add_stream(house, "Other")],
        new_id=house.new_id,
        at=NOON,
    )
    assert find_group(house.ledger, find_group(house.ledger, "G").id).name == "G"
    run(house)
    assert [name for name, _ in runs(house)] == NAMES
