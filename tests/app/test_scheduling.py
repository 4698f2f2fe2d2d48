"""An instant of a schedule begins one run, whatever happens to those who watch for it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterhouse import bootstrap
from meterhouse.app.running import RunInterrupted
from meterhouse.app.schedules import (
    StreamNotReady,
    enable_schedule,
    find_schedule,
    list_schedules,
    remove_schedule,
    set_schedule,
)
from meterhouse.app.stream_groups import create_group
from meterhouse.app.stream_ports import Claim, Refusal, StreamEdit
from meterhouse.app.streams import delete_stream, replace_stream
from meterhouse.bootstrap import Installation
from meterhouse.core.problem import ConflictError, DefinitionError, MeterhouseError, NotFoundError
from meterhouse.streams.record import RunOrigin, RunStatus
from tests.app.scheduled import (
    EVERY,
    FIVE,
    NOON,
    add_schedule,
    add_stream,
    by_hand,
    of_the_dead,
    performed,
    scheduled,
    ticked,
    watched,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Installation]:
    with bootstrap.open_installation(tmp_path / "data") as opened:
        add_stream(opened)
        yield opened


# ------------------------------------------------------------ setting


def test_a_schedule_shows_its_next_run(house: Installation):
    add_schedule(house, at=NOON + 1)
    body = find_schedule(house.ledger, stream="Small").to_api()
    assert list(body) == [
        *("id", "stream", "group", "interval", "every", "timezone", "enabled", "nextRunAt"),
        *("lastRunAt", "skipped", "lastSkippedAt", "createdAt", "updatedAt"),
    ]
    assert (body["stream"], body["group"]) == ("Small", None)
    assert body["nextRunAt"] == "2026-01-20T12:05:00.000Z"


def test_a_stream_has_one_schedule_and_another_takes_its_place(house: Installation):
    add_schedule(house)
    first = find_schedule(house.ledger, stream="Small")
    rule = {"interval": "cron", "expression": "0 0 * * *"}
    second = set_schedule(
        house.ledger,
        rule,
        stream="Small",
        new_id=house.new_id,
        at=NOON + 1,
        services=house.means().services,
    )
    assert (second.id, second.created_at) == (first.id, first.created_at)
    assert list(list_schedules(house.ledger)) == [second]


def test_a_disabled_schedule_runs_nothing_and_makes_up_for_nothing(house: Installation):
    add_schedule(house)
    off = enable_schedule(
        house.ledger, stream="Small", enabled=False, at=NOON + 1, services=house.means().services
    )
    assert off.next_at is None
    assert performed(house, NOON + 9 * FIVE) == []
    on = enable_schedule(
        house.ledger,
        stream="Small",
        enabled=True,
        at=NOON + 9 * FIVE,
        services=house.means().services,
    )
    assert on.next_at == NOON + 10 * FIVE
    assert (
        enable_schedule(
            house.ledger, stream="Small", enabled=True, at=NOON, services=house.means().services
        )
        == on
    )


def test_a_schedule_is_of_a_stream_or_a_group(house: Installation):
    for target in ({}, {"stream": "Small", "group": "G"}):
        with pytest.raises(DefinitionError, match="names neither or both"):
            find_schedule(house.ledger, **target)
    with pytest.raises(NotFoundError, match="Stream 'Small' has no schedule"):
        find_schedule(house.ledger, stream="Small")
    with pytest.raises(NotFoundError, match="no group 'G'"):
        find_schedule(house.ledger, group="G")


def test_a_stream_that_this_program_cannot_run_is_not_scheduled(house: Installation):
    stream = house.ledger.stream("Small")
    assert stream is not None
    newer = {**stream.document, "nodes": [{"id": "x", "type": "readers/of the future"}]}
    house.ledger.add_stream(replace(stream, id="n", name="Newer", document=newer))
    with pytest.raises(DefinitionError, match="of an unknown type"):
        set_schedule(
            house.ledger,
            EVERY,
            stream="Newer",
            new_id=house.new_id,
            at=NOON,
            services=house.means().services,
        )


def test_a_stream_without_its_secret_is_not_scheduled_nor_enabled(house: Installation):
    stream = house.ledger.stream("Small")
    assert stream is not None
    add_schedule(house)
    services = house.means().services
    enable_schedule(house.ledger, stream="Small", enabled=False, at=NOON, services=services)
    request = {"method": "GET", "uri": "https://example.org", "authType": "bearer"}
    request["secretsWalletEntry"] = {"secretId": "none", "secretType": "bearer"}
    calling = {"id": "h", "type": "transforms/http", "schemaVersion": 11, "params": request}
    nodes = stream.document["nodes"]
    first, last = nodes[0]["id"], nodes[-1]["id"]
    document = {
        **stream.document,
        "nodes": [nodes[0], calling, nodes[-1]],
        "edges": [{"from": first, "to": "h"}, {"from": "h", "to": last}],
    }
    edit = StreamEdit(NOON + 1, allow_node_removal=True)
    replace_stream(house.ledger, "Small", document, new_id=house.new_id, edit=edit)
    with pytest.raises(
        StreamNotReady, match=r"\(transforms/http, id h\).*names the secret \"none\""
    ):
        set_schedule(
            house.ledger,
            EVERY,
            stream="Small",
            new_id=house.new_id,
            at=NOON,
            services=services,
        )
    with pytest.raises(StreamNotReady):
        enable_schedule(house.ledger, stream="Small", enabled=True, at=NOON, services=services)


def test_a_removed_schedule_is_gone_and_one_goes_with_its_stream(house: Installation):
    add_schedule(house)
    remove_schedule(house.ledger, stream="Small")
    assert performed(house, NOON + FIVE) == []
    add_schedule(house)
    delete_stream(house.ledger, "Small", edit=StreamEdit(NOON))
    assert list(list_schedules(house.ledger)) == []
    assert performed(house, NOON + FIVE) == []


# ------------------------------------------------------------ ticking


def test_before_its_time_nothing_runs(house: Installation):
    add_schedule(house)
    assert performed(house, NOON + FIVE - 1) == []


def test_what_is_due_runs_once_on_the_clock_of_the_tick(house: Installation):
    add_schedule(house)
    at = NOON + FIVE + 7
    [ended] = performed(house, at)
    assert performed(house, at) == []
    [run] = scheduled(house)
    assert run == ended.run
    assert (run.at, run.cause.scheduled_for) == (at, NOON + FIVE)
    schedule = find_schedule(house.ledger, stream="Small")
    assert (schedule.next_at, schedule.last_at) == (NOON + 2 * FIVE, NOON + FIVE)
    assert schedule.claimed is None


def test_instants_that_nobody_saw_are_one_run_for_the_latest(house: Installation):
    add_schedule(house)
    performed(house, NOON + 100 * FIVE + 1)
    assert [run.cause.scheduled_for for run in scheduled(house)] == [NOON + 100 * FIVE]
    assert find_schedule(house.ledger, stream="Small").skipped == 0
    assert len(performed(house, NOON + 101 * FIVE)) == 1


def test_an_instant_that_comes_while_the_stream_runs_is_skipped_and_counted(house: Installation):
    add_schedule(house)
    skipped = []

    def look() -> None:
        skipped.extend(ticked(house, NOON + 2 * FIVE).skipped)

    performed(house, NOON + FIVE, means=watched(house, look))
    assert [schedule.target for schedule in skipped] == ["Small"]
    assert len(scheduled(house)) == 1
    schedule = find_schedule(house.ledger, stream="Small")
    assert (schedule.skipped, schedule.skipped_at) == (1, NOON + 2 * FIVE)
    assert schedule.next_at == NOON + 3 * FIVE


def test_a_run_under_way_is_left_alone(house: Installation):
    add_schedule(house)
    seen = []

    def look() -> None:
        seen.append(ticked(house, NOON + FIVE))

    performed(house, NOON + FIVE, means=watched(house, look))
    assert [(list(tick.work), list(tick.skipped)) for tick in seen] == [([], [])] * 2


def test_a_run_that_its_process_did_not_live_to_end_is_begun_again(house: Installation):
    add_schedule(house)
    [killed] = ticked(house, NOON + FIVE, means=of_the_dead(house)).work
    [again] = performed(house, NOON + FIVE + 3)
    assert (again.run.at, again.run.seed) == (killed.run.at, killed.run.seed)
    assert again.run.cause.scheduled_for == NOON + FIVE
    [interrupted] = scheduled(house, status=RunStatus.FAILED)
    assert interrupted.id == killed.run.id
    assert interrupted.error.startswith("interrupted")
    assert performed(house, NOON + FIVE + 4) == []


def test_it_is_begun_again_even_if_somebody_took_its_lease(house: Installation):
    add_schedule(house)
    [killed] = ticked(house, NOON + FIVE, means=of_the_dead(house)).work
    by_hand(house, killed.run.at)
    [again] = performed(house, NOON + FIVE + 3)
    assert again.run.at == killed.run.at


def test_where_a_later_run_has_done_its_work_it_is_counted_as_skipped(house: Installation):
    add_schedule(house)
    ticked(house, NOON + FIVE, means=of_the_dead(house))
    by_hand(house, NOON + FIVE + 2)
    assert performed(house, NOON + FIVE + 3) == []
    schedule = find_schedule(house.ledger, stream="Small")
    assert (schedule.claimed, schedule.skipped) == (None, 1)


def test_an_instant_before_the_clock_of_the_stream_fails_and_says_why(house: Installation):
    add_schedule(house)
    by_hand(house, NOON + 3 * FIVE)
    tick = ticked(house, NOON + FIVE)
    assert ([s.target for s in tick.behind], list(tick.skipped)) == (["Small"], [])
    schedule = find_schedule(house.ledger, stream="Small")
    assert (schedule.next_at, schedule.skipped, schedule.claimed) == (NOON + 2 * FIVE, 1, None)
    [failed] = scheduled(house, status=RunStatus.FAILED)
    assert failed.cause.scheduled_for == NOON + FIVE
    assert failed.ended_at is not None
    assert failed.error == (
        "The clock of the run, 2026-01-20T12:05:00.000Z, lies before that of the "
        "last run of stream 'Small', 2026-01-20T12:15:00.000Z"
    )


def test_an_interrupted_run_is_begun_again_and_a_failed_one_is_not(house: Installation):
    add_schedule(house)

    def interrupt() -> None:
        raise KeyboardInterrupt

    def fail() -> None:
        raise MeterhouseError("a fault of the world")

    [ended] = performed(house, NOON + FIVE, means=watched(house, interrupt))
    assert isinstance(ended.error, RunInterrupted)
    [ended] = performed(house, NOON + FIVE + 1, means=watched(house, fail))
    assert (ended.run.at, ended.run.error) == (NOON + FIVE, "a fault of the world")
    assert performed(house, NOON + FIVE + 2) == []


def test_a_server_that_goes_down_leaves_its_runs_to_the_next(house: Installation):
    add_schedule(house)

    def go_down() -> None:
        raise RunInterrupted("the server goes down")

    [ended] = performed(house, NOON + FIVE, means=house.means(checkpoint=go_down))
    assert ended.run.status is RunStatus.FAILED
    [again] = performed(house, NOON + FIVE + 1)
    assert (again.run.at, again.run.status) == (ended.run.at, RunStatus.COMPLETE)


def test_one_schedule_that_cannot_be_claimed_does_not_keep_the_others(
    house: Installation, monkeypatch: pytest.MonkeyPatch
):
    add_schedule(house)
    add_stream(house, "Other")
    add_schedule(house, stream="Other")
    claim_run = house.ledger.claim_run

    def claim(claim: Claim, *rest: Any) -> Any:
        if claim.schedule.target == "Small":
            raise MeterhouseError("the disk is full")
        return claim_run(claim, *rest)

    monkeypatch.setattr(house.ledger, "claim_run", claim)
    ended = ticked(house, NOON + FIVE)
    assert [work.run.stream_name for work in ended.work] == ["Other"]
    assert [(s.target, str(error)) for s, error in ended.failed] == [("Small", "the disk is full")]
    monkeypatch.undo()
    [work] = ticked(house, NOON + FIVE).work
    assert work.run.stream_name == "Small"


def test_a_claim_of_what_somebody_has_changed_is_lost(house: Installation):
    add_schedule(house)
    [seen] = house.ledger.due_schedules(NOON + FIVE)
    add_schedule(house, at=NOON + 1)
    [work] = ticked(house, NOON + FIVE, means=of_the_dead(house)).work
    claim = Claim(seen, NOON + FIVE, NOON + 2 * FIVE, NOON + FIVE)
    run = replace(work.run, id="another")
    assert house.ledger.claim_run(claim, run, house.means().lease) is Refusal.LOST
    assert house.ledger.run("another") is None


def test_a_member_of_a_group_has_no_schedule_of_its_own(house: Installation):
    add_stream(house, "Other")
    create_group(house.ledger, "G", streams=["Small"], new_id=house.new_id, at=NOON)
    with pytest.raises(ConflictError, match=r"is in the group 'G'. Give the group a schedule"):
        add_schedule(house)
    add_schedule(house, stream="Other")
    with pytest.raises(ConflictError, match=r"'Other' has a schedule of its own"):
        create_group(house.ledger, "H", streams=["Other"], new_id=house.new_id, at=NOON)
    with pytest.raises(ConflictError, match=r"'Small' is in the group 'G'"):
        create_group(house.ledger, "H", streams=["Small"], new_id=house.new_id, at=NOON)


def test_what_began_a_run_is_kept_with_it(house: Installation):
    assert by_hand(house, NOON).cause.origin is RunOrigin.MANUAL
    add_schedule(house)
    performed(house, NOON + FIVE)
    [entry, _] = house.ledger.usage_audit().items
    assert (entry.origin, entry.usage.input, entry.usage.output) == (RunOrigin.SCHEDULE, 3, 3)
