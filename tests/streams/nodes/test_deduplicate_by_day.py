"""Deduplicate by day, in rows, in columns and in any cut: the same as a plain loop."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import pytest

from meterhouse.core.instant import DAY, Instant, parse_instant, read_timestamp
from meterhouse.core.json_text import Record, canonical_text, field_value
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.graph import load_graph
from meterhouse.streams.law import lawful
from meterhouse.streams.nodes import deduplicate_by_day
from meterhouse.streams.record import RunResult
from tests.streams.documents import AT, chain, counts, node, noop, passed, reader
from tests.streams.twins import Snapshot

PORTS = ("unique", "duplicate", "conflict")
FORMS = pytest.mark.parametrize("columnar", [False, True], ids=["rows", "columns"])
OUTPUTS = {"fixed": {port: {"id": port} for port in PORTS}}
COMPARED = ("at", "app", "n")


def dedup(**params: Any) -> Record:
    given = {
        "key": "${payload.id}-${payload.part}",
        "day": "day",
        "lifeTimeDays": 60,
        "multiOutput": OUTPUTS,
        "compare": list(COMPARED),
    }
    return node("dedup", "transforms/deduplicate", **given | params)


class Plain:
    """What deduplicate means, one record after the other."""

    def __init__(self, *, earliest: bool, compare: tuple[str, ...], life_days: int) -> None:
        self.earliest, self.compare, self.life_days = earliest, compare, life_days
        self.known: dict[tuple[Instant, str], tuple[str, ...]] = {}

    def run(self, records: list[Record], at: Instant) -> tuple[dict[str, list[Record]], int]:
        """Return what leaves by each port, in order of arrival, and how many were set aside."""
        self._forget(at)
        over = at - (1 + self.life_days) * DAY
        readable = [
            r for r in records if read_timestamp(r.get("day")) is not None and self._day(r) > over
        ]
        ports = [""] * len(readable)
        for stretch in self._stretches(readable):
            best = self._best(readable, stretch)
            for place in stretch:
                name = self._name(readable[place])
                if best.get(name) == place:
                    self.known[name], ports[place] = self._told(readable[place]), "unique"
            for place in stretch:
                told = self.known[self._name(readable[place])]
                same = told == self._told(readable[place])
                ports[place] = ports[place] or ("duplicate" if same else "conflict")
        left = {
            port: [r for r, p in zip(readable, ports, strict=True) if p == port] for port in PORTS
        }
        self._forget(at)
        return left, len(records) - len(readable)

    def _forget(self, at: Instant) -> None:
        life = (1 + self.life_days) * DAY
        self.known = {name: told for name, told in self.known.items() if name[0] + life > at}

    def _stretches(self, records: list[Record]) -> list[list[int]]:
        found: list[list[int]] = []
        for place in range(len(records)):
            if place and self._day(records[place]) == self._day(records[place - 1]):
                found[-1].append(place)
            else:
                found.append([place])
        return found

    def _best(self, records: list[Record], stretch: list[int]) -> dict[tuple[Instant, str], int]:
        best: dict[tuple[Instant, str], int] = {}
        for place in sorted(stretch, key=lambda place: (self._rank(records[place]), place)):
            name = self._name(records[place])
            if name not in self.known:
                best.setdefault(name, place)
        return best

    def _rank(self, record: Record) -> tuple[bool, Instant]:
        instant = read_timestamp(record.get("at")) if self.earliest else 0
        return instant is None, instant or 0

    def _day(self, record: Record) -> Instant:
        instant = read_timestamp(record.get("day"))
        assert instant is not None
        return instant - instant % DAY

    def _name(self, record: Record) -> tuple[Instant, str]:
        return self._day(record), canonical_text([record.get("id"), record.get("part")])

    def _told(self, record: Record) -> tuple[str, ...]:
        def text(name: str) -> str:
            value = field_value(record, name)
            if name == "at" and self.earliest and (instant := read_timestamp(value)) is not None:
                return f"instant {instant}"
            return canonical_text(value)

        return tuple(map(text, self.compare))


IDS: list[Any] = [str(UUID(int=n << 90 | 7 << 40)) for n in range(6)]
IDS += [IDS[0].upper(), "a", "", None, 7, "7", f'"{IDS[1]}"', IDS[2][:-1], True, {"x": IDS[0]}]
DAYS: list[Any] = ["2026-01-10", "2026-01-11", "2026-01-12", "2026-01-10T23:59:59.999Z"]
DAYS += ["2026-01-10T23:30:00-01:00", 1768089600000]
BAD_DAYS: list[Any] = [None, "", "10.1.2026", True, "2026-02-30"]
TIMES: list[Any] = ["2026-01-10T10:00:00Z", "2026-01-10T10:00:00.000Z", "2026-01-10T09:00:00+00:00"]
TIMES += ["2026-01-10T11:30:00.5Z", "noon", "later", None, ""]


def made(random: Random, count: int) -> list[Record]:
    """Records of few ids, mostly day after day."""
    simple = random.random() < 0.5
    ids = IDS[:6] if simple else IDS
    parts: list[Any] = ["web", "bot"] if simple else ["web", "bot", None, 5, "5", IDS[0]]
    days = sorted((random.choice(DAYS) for _ in range(count)), key=str)
    if random.random() < 0.4:
        random.shuffle(days)
    found = []
    for day in days:
        given = day if simple or random.random() < 0.95 else random.choice(BAD_DAYS)
        record = {"id": random.choice(ids), "part": random.choice(parts), "day": given}
        record |= {"at": random.choice(TIMES), "app": random.choice(["x", "x", "x", "y", None])}
        record |= {"n": random.choice([1, 1, 1, 2, "1"])}
        found.append({name: value for name, value in record.items() if value is not None})
    return found


def remembered(packs: dict, result: RunResult) -> None:
    """Keep what a run hands over, as the ledger does."""
    for keys in result.keys_of_days:
        before = [] if keys.replaces else packs.get((keys.node_id, keys.day), [])
        packs[keys.node_id, keys.day] = [*before, *((pack, keys.expires_at) for pack in keys.packs)]


@pytest.mark.parametrize("seed", range(60))
def test_any_cut_into_batches_and_runs_gives_what_a_plain_loop_gives(seed, monkeypatch):
    random = Random(seed)
    monkeypatch.setattr(deduplicate_by_day, "_LOOSE_MAX", random.choice([0, 5, 10_000]))
    monkeypatch.setattr(deduplicate_by_day, "_PACKS_MAX", random.choice([1, 2, 8]))
    earliest = random.random() < 0.7
    compare = random.choice([COMPARED, ("app",), ("n", "app")])
    life = random.choice([1, 3, 60])
    plain = Plain(earliest=earliest, compare=compare, life_days=life)
    params = {"compare": list(compare), "lifeTimeDays": life}
    given = dedup(**params, **({"earliest": "at"} if earliest else {}))
    packs: dict = {}
    at = AT - 3 * DAY
    for _ in range(random.randint(1, 5)):
        records = made(random, random.choice([0, 1, 5, 40, 200]))
        left, result = passed(
            given,
            records,
            *PORTS,
            snapshot=Snapshot(days=packs),
            columnar=random.random() < 0.5,
            chunk_records=random.choice([1, 2, 7, 50, 1000]),
            at=at,
        )
        expected, aside = plain.run(records, at)
        assert left == expected
        assert len(result.suspended) == aside
        assert all(map(lawful, result.nodes))
        remembered(packs, result)
        at += random.choice([0, DAY, 3 * DAY])


@FORMS
def test_the_earliest_record_of_a_day_stays_and_what_differs_is_a_conflict(columnar):
    records = [
        {"id": "a", "day": "2026-01-10", "at": "2026-01-10T10:00:00Z", "app": "x"},
        {"id": "a", "day": "2026-01-10", "at": "2026-01-10T09:00:00Z", "app": "x"},
        {"id": "a", "day": "2026-01-10", "at": "2026-01-10T09:00:00.000Z", "app": "x"},
        {"id": "a", "day": "2026-01-11", "at": "2026-01-11T09:00:00Z", "app": "x"},
    ]
    left, result = passed(dedup(earliest="at"), records, *PORTS, columnar=columnar)
    assert left == {
        "unique": [records[1], records[3]],
        "duplicate": [records[2]],
        "conflict": [records[0]],
    }
    assert counts(result, "dedup") == {
        "in": 4,
        "out": {"unique": 2, "duplicate": 1, "conflict": 1},
    }


@FORMS
def test_without_the_ports_all_that_come_again_are_counted_as_duplicates(columnar):
    records = [{"id": 1, "day": "2026-01-10", "app": app} for app in "xxy"]
    left, result = passed(dedup(multiOutput=None), records, "unique", columnar=columnar)
    assert left == {"unique": records[:1]}
    assert counts(result, "dedup") == {"in": 3, "out": {"unique": 1}, "duplicates": 2}


@FORMS
def test_a_record_without_a_day_is_suspended_with_its_reason(columnar):
    given = [{"id": 1, "day": "tomorrow"}, {"id": 1, "day": "2026-01-10"}, {"id": 2}]
    left, result = passed(dedup(), given, "unique", columnar=columnar)
    assert left["unique"] == [given[1]]
    assert [(s.reason.value, s.record) for s in result.suspended] == [
        ("timestamp_invalid", given[0]),
        ("timestamp_invalid", given[2]),
    ]
    assert [s.detail.partition(";")[0] for s in result.suspended] == [
        'day is "tomorrow"',
        "day is missing",
    ]


def test_ids_that_differ_in_crafted_ways_are_never_one():
    """The same low half, swapped parts, and ids that cancel out where parts are combined."""
    ids = [str(UUID(int=n << 64 | 5)) for n in range(200)]
    records = [{"id": i, "part": p, "day": "2026-01-10"} for i in ids for p in ids[:3]]
    left, _ = passed(dedup(), records, *PORTS, columnar=True)
    assert left == {"unique": records, "duplicate": [], "conflict": []}


@FORMS
def test_a_record_of_a_day_whose_keys_are_forgotten_never_passes_as_unique(columnar):
    """It came before: 61 days after its day, nobody knows."""
    record = {"id": 1, "day": "2026-01-10"}
    packs: dict = {}
    day = parse_instant("2026-01-10")
    for at, ports in ((day + DAY, (1, 0, 0)), (day + 61 * DAY - 1, (0, 1, 0))):
        snapshot = Snapshot(days=packs)
        left, result = passed(
            dedup(), [record], *PORTS, snapshot=snapshot, columnar=columnar, at=at
        )
        assert tuple(len(left[port]) for port in PORTS) == ports
        remembered(packs, result)
    left, result = passed(
        dedup(),
        [record],
        *PORTS,
        snapshot=Snapshot(days=packs),
        columnar=columnar,
        at=day + 61 * DAY,
    )
    assert not any(left.values())
    [aside] = result.suspended
    assert (aside.reason.value, aside.record) == ("day_forgotten", record)
    assert aside.detail.startswith("day is 2026-01-10, and keys are remembered until 60 days")


def test_keys_by_day_may_be_remembered_for_400_days():
    _, result = passed(dedup(lifeTimeDays=400), [{"id": 1, "day": "2025-01-14"}], *PORTS)
    assert len(result.keys_of_days) == 1
    for params in ({"lifeTimeDays": 401}, {"lifeTimeDays": 71, "day": None, "compare": None}):
        with pytest.raises(DefinitionError, match="lifeTimeDays"):
            load_graph(chain(reader(), dedup(**params), noop()))


def test_keys_expire_with_their_day_whatever_the_clock_said():
    _, result = passed(dedup(lifeTimeDays=2), [{"id": 1, "day": "2026-01-14"}], *PORTS)
    [kept] = result.keys_of_days
    assert kept.day == parse_instant("2026-01-14")
    assert kept.expires_at == parse_instant("2026-01-17")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"day": None}, "compare"),
        ({"day": None, "compare": None, "earliest": "at"}, "earliest"),
        ({"compare": None}, "multiOutput.fixed.conflict"),
        ({"compare": [5]}, "compare[0]"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(params, place):
    with pytest.raises(DefinitionError) as error:
        load_graph(chain(reader(), dedup(**params), noop()))
    assert any(problem.place.endswith(place) for problem in error.value.problems)
