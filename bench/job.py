"""The benchmark's job, written down once as data.

Every program of the benchmark (the product, the hand-written queries, the plain loop and the
generator) takes the rules, the categories and the limits from here, so that they cannot drift
apart. This module computes nothing and reads no file.
"""

from __future__ import annotations

from dataclasses import dataclass

MODELS = ("haiku", "sonnet", "opus", "mini", "flash", "pro", "large", "nano")
LEVELS = ("L1", "L2", "L3")
APPS = ("assist", "search", "chat", "batch", "voice", "code")
REGIONS = ("EMEA", "AMER", "APAC", "LATAM", "ANZ")

USERS = 100_000
TOKENS_MAX = 20_000

RECORD_COLUMNS = (
    "eventId",
    "timestamp",
    "userId",
    "model",
    "level",
    "app",
    "region",
    "session",
    "stream",
    "tokens",
)


@dataclass(frozen=True, slots=True)
class Category:
    """One meter type: its category, how many users (in percent) hold a meter of it, its limit."""

    name: str
    share_percent: int
    limit: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One guiding rule: it takes a record if its conditions hold and the user has such a meter."""

    category: str
    relation: str
    conditions: tuple[tuple[str, str | bool], ...]


# About one meter in a hundred reaches its limit in the run of 10 million records.
CATEGORIES = (
    Category("assist", share_percent=50, limit=280_000),
    Category("premium", share_percent=50, limit=530_000),
    Category("regional", share_percent=30, limit=150_000),
    Category("streaming", share_percent=30, limit=530_000),
    Category("generic", share_percent=100, limit=1_140_000),
)

RULES = (
    Rule("assist", "and", (("level", "L1"), ("app", "assist"))),
    Rule("premium", "or", (("level", "L2"), ("model", "opus"))),
    Rule("regional", "and", (("region", "EMEA"), ("app", "search"))),
    Rule("streaming", "and", (("stream", True),)),
    Rule("generic", "and", ()),
)

SECTIONS = (("model", "region"), ("app", "level"))
CARRY_FIRST = ("session",)
CARRY_LAST = ("app", "session")

#: The instant at which the product runs the job: after the last record, before the month's end.
RUN_AT = "2026-10-31T00:00:00Z"

#: Columns of the four answer tables, and the columns that identify a row in each.
_CARRIES = ("carryFirstSession", "carryLastApp", "carryLastSession")
ANSWER_KEYS = {
    "meters": ("userId", "category"),
    "groups1": ("userId", "category", "model", "region"),
    "groups2": ("userId", "category", "app", "level"),
    "crossings": ("userId", "category"),
    "crossing_groups1": ("userId", "category", "model", "region"),
    "crossing_groups2": ("userId", "category", "app", "level"),
}
ANSWER_COLUMNS = {
    name: (*keys, *(("sequence",) if name == "crossings" else ()), "value", *_CARRIES)
    for name, keys in ANSWER_KEYS.items()
}
