"""Numbers of invoices have no gap and no repeats, whatever races or dies."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.cli.billing import OCTOBER, WORKED, Business
from tests.cli.command import Meterhouse

USERS = [f"U{n}" for n in range(8)]
ISSUE_ALL = ("invoice", "issue", "--all", "--period", OCTOBER, "--issue-date", "2026-11-03")


@pytest.fixture
def drafted(meterhouse: Meterhouse, tmp_path: Path) -> Business:
    """Each user is a customer with a draft of October."""
    business = Business(meterhouse, tmp_path)
    business.set_up(USERS, rows=WORKED[:1])
    business.draft()
    return business


def check_all_issued(business: Business) -> None:
    """Every draft was issued once, and their numbers have no gap."""
    heads = business.listed()
    assert sorted(head["customer"] for head in heads) == sorted(user.lower() for user in USERS)
    assert {head["status"] for head in heads} == {"issued"}
    numbers = sorted(head["number"] for head in heads)
    assert numbers == [f"LICEO-2026-{n:06}" for n in range(1, len(USERS) + 1)]
    acts = [
        one for one in business.run.json("activity", "list", "--all") if one["action"] == "issue"
    ]
    assert sorted(one["detail"]["number"] for one in acts) == numbers


def test_two_processes_that_issue_at_the_same_time(drafted: Business):
    racing = [drafted.run.start(*ISSUE_ALL), drafted.run.start(*ISSUE_ALL)]
    told = [process.communicate()[1] for process in racing]
    # Each draft is issued by one of them; the other is told that it is a draft no more.
    assert all("error" not in text or "only drafts can be changed" in text for text in told), told
    check_all_issued(drafted)


def traces(data: Path) -> tuple[int, int]:
    """What changes with each commit and with each file that is made."""
    log = data / "ledger.sqlite-wal"
    commits = log.stat().st_mtime_ns if log.exists() and log.stat().st_size else 0
    return commits, sum(1 for _ in (data / "archive").rglob("*"))


def kill_until_all_is_issued(drafted: Business, *, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    killed = 0
    for _ in range(kills):
        before = traces(drafted.run.data)
        with drafted.run.start(*ISSUE_ALL) as process:
            # It dies soon after it has done something: between two numbers, or two files.
            while process.poll() is None and traces(drafted.run.data) == before:
                time.sleep(0.0005)
            time.sleep(chance.random() * chance.choice((0.003, 0.03, 0.1)))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        killed += process.returncode == -signal.SIGKILL
        issued = [head["number"] for head in drafted.listed("--status", "issued")]
        assert sorted(issued) == [f"LICEO-2026-{n + 1:06}" for n in range(len(issued))]
    assert killed, "no process lived long enough to be killed"
    left = drafted.run(*ISSUE_ALL)
    assert left.code == 0, left.err
    check_all_issued(drafted)
    # And what killed processes have left of the files is made.
    for head in drafted.listed():
        checked = drafted.run.json("invoice", "files", head["number"], "--verify")
        assert checked == [{"files": 4, "faults": []}]


def test_processes_that_are_killed_while_they_issue(drafted: Business):
    kill_until_all_is_issued(drafted, seed=4, kills=4)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_processes_that_are_killed_while_they_issue_again_and_again(drafted: Business, seed: int):
    kill_until_all_is_issued(drafted, seed=seed, kills=10)
