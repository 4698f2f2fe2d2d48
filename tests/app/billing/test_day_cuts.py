"""Records that know days, cut where prices change, against single usage in its order in time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from meterhouse.app.billing.day_cuts import cut_at_days
from meterhouse.core.charge import BillingPeriod, GroupedValue, MeteredUsage
from meterhouse.core.json_text import canonical_text

CHANGES = [date(2026, 10, 9), date(2026, 10, 20)]
PERIOD = BillingPeriod(0, 1, "Etc/UTC")
#: What a dimension says of an id: mostly the same all month.
NAMED = {"app": ("app_name", "brand"), "channel": ("channel_name",)}
IDS = ("app", "channel", "preset")
FIELDS = (*IDS, *(name for names in NAMED.values() for name in names))


@dataclass(frozen=True)
class Used:
    """Something that was used once, on a day; ``fields`` are texts or nothing."""

    day: date
    value: Decimal
    fields: dict[str, str | None]


def history(random: Random) -> list[Used]:
    """Usage of some days in their order; in some histories, what an id is called changes."""
    renamed = random.choice([None, None, random.randrange(1, 29)])
    ids = {name: [None, *"abc"[: random.randrange(1, 4)]] for name in IDS}
    found = []
    for day in sorted(random.choices(range(1, 29), k=random.randrange(30))):
        fields = {name: random.choice(some) for name, some in ids.items()}
        later = renamed is not None and day >= renamed and random.random() < 0.8
        for id, names in NAMED.items():
            said = fields[id] and fields[id].upper() + ("2" if later else "")
            fields |= dict.fromkeys(names, said)
        value = Decimal(random.choice([1, 3, 7, -1, 0, "0.5"]))
        found.append(Used(date(2026, 10, day), value, fields))
    return found


def metered(uses: Sequence[Used], sections: Sequence[tuple[str, ...]]) -> MeteredUsage:
    """A golden record as a meter makes it, single use by single use."""
    groups: dict[tuple[str, ...], dict[tuple[str, ...], Decimal]] = {one: {} for one in sections}
    total = Decimal(0)
    for use in uses:
        total += use.value
        said = {name: canonical_text(text) for name, text in use.fields.items()}
        said["day"] = canonical_text(use.day.isoformat())
        for names, sums in groups.items():
            key = tuple(said[name] for name in names)
            sums[key] = sums.get(key, Decimal(0)) + use.value
    breakdowns = {
        names: tuple(
            GroupedValue(dict(zip(names, key, strict=True)), value) for key, value in sums.items()
        )
        for names, sums in groups.items()
    }
    return MeteredUsage("r", "calls", "calls", "ES", "query", total, PERIOD, breakdowns)


def cut_in_time(uses: Sequence[Used]) -> list[list[Used]]:
    """The uses of each version, by their days."""
    bounds = [date.min, *CHANGES, date.max]
    return [[use for use in uses if start <= use.day < end] for start, end in pairwise(bounds)]


def plain(part: MeteredUsage, names: tuple[str, ...]) -> dict[tuple[str, ...], Decimal]:
    return {tuple(one.fields[n] for n in names): one.value for one in part.breakdowns[names]}


def sections_of(random: Random) -> Iterator[tuple[str, ...]]:
    for _ in range(random.randrange(1, 3)):
        yield ("day", *random.sample(IDS, random.randrange(len(IDS) + 1)))
    for _ in range(random.randrange(1, 3)):
        yield tuple(random.sample(FIELDS, random.randrange(1, len(FIELDS) + 1)))


def is_told(uses: Sequence[Used], names: tuple[str, ...], dated: Sequence[str]) -> bool:
    """Whether a breakdown by day says of each entry of another which versions it is of."""
    shared = [name for name in names if name in dated]
    entries: dict[tuple, set[tuple]] = {}
    versions: dict[tuple, set[int]] = {}
    for place, some in enumerate(cut_in_time(uses)):
        for use in some:
            key = tuple(use.fields[name] for name in shared)
            entries.setdefault(key, set()).add(tuple(use.fields[name] for name in names))
            versions.setdefault(key, set()).add(place)
    return all(len(entries[key]) == 1 or len(versions[key]) == 1 for key in entries)


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_those_of_single_usage_in_its_order(seed: int):
    random, cut, left = Random(seed), 0, 0
    for _ in range(300):
        uses, sections = history(random), tuple(dict.fromkeys(sections_of(random)))
        asked = frozenset(random.sample(FIELDS, random.randrange(len(FIELDS) + 1)))
        parts = cut_at_days(metered(uses, sections), CHANGES, asked=asked)
        dated = [one for one in sections if "day" in one]
        lost = [
            one
            for one in sections
            if "day" not in one and not any(is_told(uses, one, by) for by in dated)
        ]
        needed = [one for one in lost if not any(asked & set(one) <= set(by) for by in dated)]
        assert (parts is None) == bool(needed)
        if parts is None:
            left += 1
            continue
        cut += 1
        for part, some in zip(parts, cut_in_time(uses), strict=True):
            assert (part is None) == (not some)
            if part is not None:
                expected = metered(some, sections)
                assert part.value == expected.value
                assert set(part.breakdowns) == set(sections) - set(lost)
                for names in part.breakdowns:
                    assert plain(part, names) == plain(expected, names)
    assert min(cut, left) > 20


def record(**sections: list[tuple[str, int]]) -> MeteredUsage:
    """A record of 10: each section by the fields in its name, each entry with texts and value."""
    breakdowns = {}
    for text, entries in sections.items():
        names = tuple(text.split("_"))
        breakdowns[names] = tuple(
            GroupedValue(
                dict(zip(names, map(canonical_text, texts.split()), strict=True)), Decimal(value)
            )
            for texts, value in entries
        )
    total = Decimal(10)
    return MeteredUsage("r", "calls", "calls", "ES", "query", total, PERIOD, breakdowns)


BOTH = [("2026-10-01 a", 4), ("2026-10-10 a", 6)]


@pytest.mark.parametrize(
    "sections",
    [
        {"app_name": [("a A", 10)]},
        {"day_app": [("20261001 a", 4), ("2026-10-10 a", 6)], "app_name": [("a A", 10)]},
        {"day_app": [("2026-10-01 a", 4)], "app_name": [("a A", 10)]},
        {"day_app": BOTH, "app_name": [("a A", 9)]},
        {"day_app": BOTH, "app_name": [("b B", 10)]},
        {"day_app": BOTH, "app_name": [("a A", 4), ("a AA", 6)]},
    ],
    ids=["no day", "unreadable day", "days lack some", "sums differ", "unknown", "two names"],
)
def test_what_nobody_knows_is_not_cut(sections):
    assert cut_at_days(record(**sections), CHANGES, asked=frozenset(["name"])) is None


def test_what_prices_do_not_ask_for_is_left_out_where_it_cannot_be_cut():
    of_two_names = record(day_app=BOTH, app_name=[("a A", 4), ("a AA", 6)])
    parts = cut_at_days(of_two_names, CHANGES, asked=frozenset(["app"]))
    assert parts is not None
    assert [part and (part.value, list(part.breakdowns)) for part in parts] == [
        (4, [("day", "app")]),
        (6, [("day", "app")]),
        None,
    ]


def test_entries_that_lie_on_one_side_of_the_change_are_told_apart_there():
    of_two_names = record(
        day_app=[("2026-10-10 a", 7), ("2026-10-11 a", 3)], app_name=[("a A", 4), ("a AA", 6)]
    )
    parts = cut_at_days(of_two_names, CHANGES, asked=frozenset(["name"]))
    assert parts is not None
    assert [part and part.value for part in parts] == [None, 10, None]
    assert parts[1] is not None
    assert plain(parts[1], ("app", "name")) == {('"a"', '"A"'): 4, ('"a"', '"AA"'): 6}
