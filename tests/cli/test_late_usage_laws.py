"""Whatever is late, voided, amended, moved or corrected, all documents come to all live usage."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.cli.billing import FIELDS, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import PER_UNIT, billed, correct, drafts, issue

#: Each is a history of its own; more in the long suite.
_SEEDS = [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 40))]
#: With it no period comes to less than nothing; without it, there are credit notes.
_FEES = (100_000, 0)
_END = datetime(2027, 4, 20, tzinfo=UTC)
_MONTHS = [f"{2026 + n // 12}-{n % 12 + 1:02}" for n in range(5, 19)]


class History:
    """Usage, changes, moves, corrections and billing runs, one after the other."""

    def __init__(self, business: Business, seed: int) -> None:
        self.business = business
        self.random = Random(seed)
        self.now = datetime(2026, 11, 2, tzinfo=UTC)
        self.files = 0
        self.billed: list[str] = []
        self.fee = self.random.choice(_FEES)
        self.meter = self._begin()

    def _begin(self) -> str:
        zones = ["Etc/UTC", "Europe/Madrid"]
        by_event = {
            "periodAssignment": "event",
            "gracePeriod": self.random.choice(["P0D", "P3D", "P40D"]),
            "timezone": self.random.choice(zones),
        }
        rows = [("a", "s", "app", None, 80)]
        self.business.meter(["ES"], rows=rows, at="2026-10-15T00:00:00Z", **by_event)
        fee = {"sku": "base", "model": "flat", "amount": str(self.fee)}
        zone = {"timezone": self.random.choice(zones)}
        self.business.sell(prices=[PER_UNIT, fee], **zone)
        # Other versions with the same prices: usage is cut there, and comes to the same.
        first = datetime(2026, 10, 2, tzinfo=UTC)
        for days in sorted(self.random.sample(range(200), self.random.randrange(4))):
            day = f"{first + timedelta(days=days):%Y-%m-%d}"
            more = {"version": day, "valid": {"from": day, "to": None}, **zone}
            newer = self.business.file("newer.json", book(prices=[PER_UNIT, fee], **more))
            self.business.run.done("price-book", "create", "--file", newer)
        self.business.customer()
        self.business.customer(id="pt", users=[])
        return self.business.run.json("meter", "list")[0]["id"]

    def go_on(self) -> None:
        """Some time passes, and something happens."""
        self.now += timedelta(hours=self.random.randrange(20, 400))
        act = self.random.random()
        if act < 0.4:
            self._use()
        elif act < 0.6:
            self._change()
        elif act < 0.7:
            self._move()
        elif self.billed:
            self._correct()
        month = f"{self.now.replace(day=1) - timedelta(days=2):%Y-%m}"
        if month >= "2026-10" and self.random.random() < 0.6:
            for one in _MONTHS[_MONTHS.index("2026-10") : _MONTHS.index(month) + 1]:
                self.bill(one)

    def end(self) -> None:
        """Close all periods, and bill those that are not."""
        for day in ("2027-08-15", "2027-08-16"):
            self._run(f"{day}T00:00:00Z")
        for month in _MONTHS:
            self.bill(month)

    def bill(self, month: str) -> None:
        if month not in self.billed:
            self.business.draft(period=month)
            for draft in drafts(self.business):
                issue(self.business, draft)
                self.billed.append(month)

    def live(self) -> int:
        return sum(one["value"] for one in self._usage())

    def _usage(self) -> list[Any]:
        usage = self.business.run.json("usage", "list", self.meter)
        return [one for one in usage if one["status"] == "metered"]

    def _run(self, at: str) -> None:
        self.business.run.done("stream", "run", "Usage", "--at", at, "--quiet")

    def _instant(self, when: datetime) -> str:
        return f"{when:%Y-%m-%dT%H:%M:%SZ}"

    def _use(self) -> None:
        self.files += 1
        rows = []
        for _ in range(self.random.randrange(1, 5)):
            hours = self.random.choice([1, 100, 900, 2500]) * self.random.random()
            rows.append(
                {
                    "userId": "ES",
                    "value": self.random.randrange(1, 50),
                    "timestamp": self._instant(self.now - timedelta(hours=hours)),
                    **dict.fromkeys(FIELDS, self.random.choice("ab")),
                }
            )
        self.business.file(f"Usage {self.files}.ndjson", *rows)
        self._run(self._instant(self.now))

    def _change(self) -> None:
        usage = self._usage()
        if not usage:
            return
        which = (self.meter, self.random.choice(usage)["identity"])
        if self.random.random() < 0.5:
            self.business.run.done("usage", "void", *which)
        else:
            value = f"value={self.random.randrange(60)}"
            self.business.run.done("usage", "amend", *which, "--set", value)
        if self.random.random() < 0.5:
            self._run(self._instant(self.now))

    def _move(self) -> None:
        """Give the user to the other customer."""
        customers = ["es", "pt"]
        self.random.shuffle(customers)
        for id, users in zip(customers, ([], ["ES"]), strict=True):
            given = json.dumps({"users": users})
            self.business.run.done("customer", "update", id, "--file", "-", given=given)

    def _correct(self) -> None:
        issued = self.business.listed("--status", "issued")
        of_periods = [head for head in issued if head["corrects"] is None]
        correct(self.business, self.random.choice(of_periods))


@pytest.mark.parametrize("seed", _SEEDS)
def test_all_documents_come_to_all_live_usage(meterhouse: Meterhouse, tmp_path: Path, seed: int):
    history = History(Business(meterhouse, tmp_path), seed)
    while history.now < _END:
        history.go_on()
    history.end()
    assert billed(history.business) - history.fee * len(history.billed) == history.live()
