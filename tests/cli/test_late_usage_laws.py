"""Whatever is late, voided, amended, moved or corrected, all documents come to all live usage.

Prices change, and meters and books have zones of their own. What usage costs is reckoned here from
nothing but its instant and value: a golden record is billed whole with the billing period in which
it ends, at prices of within that.
"""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cli.billing import FIELDS, Business, book
from tests.cli.command import Meterhouse
from tests.cli.late_usage import PER_UNIT, billed, correct, drafts, issue

#: Each is a history of its own; more in the long suite.
_SEEDS = [*range(2), *(pytest.param(n, marks=pytest.mark.nightly) for n in range(2, 40))]
#: With it no period comes to less than nothing; without it, there are credit notes.
_FEES = (100_000, 0)
_STREAMS = ("Usage", "Calls")
_CREATED = datetime(2026, 10, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_END = datetime(2027, 4, 20, tzinfo=UTC)
_MONTHS = [f"{2026 + n // 12}-{n % 12 + 1:02}" for n in range(5, 19)]


def _month(at: datetime, timezone: str) -> datetime:
    """The beginning of a month of a zone, as the calendar has it."""
    there = at.astimezone(ZoneInfo(timezone))
    return datetime(there.year, there.month, 1, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def _next_month(at: datetime, timezone: str) -> datetime:
    there = _month(at, timezone).astimezone(ZoneInfo(timezone))
    return _month(there + timedelta(days=32), timezone)


class History:
    """Usage, changes, moves, corrections and billing runs, one after the other."""

    def __init__(self, business: Business, seed: int) -> None:
        self.business = business
        self.random = Random(seed)
        self.now = datetime(2026, 11, 2, tzinfo=UTC)
        self.files = 0
        self.billed: list[str] = []
        self.fee = self.random.choice(_FEES)
        self.zones = {stream: self._zone() for stream in _STREAMS}
        self.meters = {stream: self._meter(stream) for stream in _STREAMS}
        self.zone = self._zone()
        self.prices = {date.min: 1}
        self._sell()

    def _zone(self) -> str:
        return self.random.choice(["Etc/UTC", "Europe/Madrid"])

    def _meter(self, stream: str) -> str:
        by_event = {
            "periodAssignment": "event",
            "gracePeriod": self.random.choice(["P0D", "P3D", "P40D"]),
            "timezone": self.zones[stream],
        }
        rows = [("a", "s", "app", None, 80)]
        at = f"{_CREATED + timedelta(days=14):%Y-%m-%dT%H:%M:%SZ}"
        self.business.meter(["ES"], rows=rows, at=at, stream=stream, **by_event)
        [meter] = self.business.run.json("meter", "list", "--meter-type", stream)
        return meter["id"]

    def _sell(self) -> None:
        fee = {"sku": "base", "model": "flat", "amount": str(self.fee)}
        zone = {"timezone": self.zone}
        self.business.sell(prices=[PER_UNIT, fee], **zone)
        for days in sorted(self.random.sample(range(200), self.random.randrange(6))):
            # Some begin with a month.
            day = (_CREATED + timedelta(days=1 + days)).date()
            day = day.replace(day=1) if day.day in (2, 3, 4) else day
            if day in self.prices:
                continue
            self.prices[day] = self.random.randrange(1, 6)
            prices = [PER_UNIT | {"price": str(self.prices[day])}, fee]
            more = {"version": str(day), "valid": {"from": str(day), "to": None}, **zone}
            newer = self.business.file("newer.json", book(prices=prices, **more))
            self.business.run.done("price-book", "create", "--file", newer)
        self.business.customer()
        self.business.customer(id="pt", users=[])

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
        """What all live usage costs."""
        return sum(
            one["value"] * self._price(stream, datetime.fromisoformat(one["timestamp"]))
            for stream in _STREAMS
            for one in self._usage(stream)
        )

    def _price(self, stream: str, at: datetime) -> int:
        end = _next_month(at, self.zones[stream])
        # A meter's creation is the end of what was before it.
        end = _CREATED if at < _CREATED < end else end
        period_end = _next_month(end - _TICK, self.zone)
        period_start = _month(period_end - _TICK, self.zone)
        priced = min(max(at, period_start), period_end - _TICK)
        day = priced.astimezone(ZoneInfo(self.zone)).date()
        return self.prices[max(one for one in self.prices if one <= day)]

    def _usage(self, stream: str) -> list[Any]:
        usage = self.business.run.json("usage", "list", self.meters[stream], "--all")
        return [one for one in usage if one["status"] == "metered"]

    def _run(self, at: str) -> None:
        for stream in _STREAMS:
            self.business.run.done("stream", "run", stream, "--at", at, "--quiet")

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
        stream = self.random.choice(_STREAMS)
        self.business.file(f"{stream} {self.files}.ndjson", *rows)
        self._run(self._instant(self.now))

    def _change(self) -> None:
        stream = self.random.choice(_STREAMS)
        usage = self._usage(stream)
        if not usage:
            return
        which = (self.meters[stream], self.random.choice(usage)["identity"])
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
