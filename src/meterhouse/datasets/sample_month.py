"""A made-up month of an operating business, as its components would log it.

Made for examples, tests and the benchmark: hours and days have their shape, and a small share of
the rows is as real logs are: repeated, contradicting, late, of unknown ids, or broken. The same
seed gives the same lines; nothing else is read. Days are made one at a time, so that a month of any
size fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from meterhouse.core.country import alpha_3
from meterhouse.core.instant import DAY, SECOND, Instant, instant_text, parse_instant
from meterhouse.core.json_text import JsonValue, json_text
from meterhouse.datasets import atria_log, gateway_log, groot_log
from meterhouse.datasets.sample_configuration import (
    APPS,
    CHANNELS,
    GATEWAY,
    PRESETS,
    RAG_SERVER,
    SampleOb,
    made_up_id,
)

#: Of a hundred requests: messages, NLPaaS, models.
_SERVICES = {"message": 60, "nlpaas": 22, "ai": 18}
#: How much of a day's requests each hour (UTC) has.
_HOURS = (2, 1, 1, 1, 1, 2, 4, 8, 12, 14, 15, 15, 14, 13, 13, 13, 14, 15, 16, 15, 12, 9, 6, 4)
#: Monday to Sunday.
_WEEKDAYS = (12, 12, 12, 11, 12, 8, 7)
_DAYS_LATE_MAX = 5
_STAGES = ("retrieve", "rerank", "answer")
_UNKNOWN_APP = "00000000-0000-4000-8000-00000000abcd"
_FOREIGN = {"PT": "ES"}


@dataclass(frozen=True, slots=True)
class Rates:
    """Of ten thousand requests, how many have each flaw."""

    repeated: int = 60
    contradicting: int = 15
    unattributed: int = 40
    unknown: int = 25
    late: int = 50
    broken: int = 12
    events: int = 300


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file of a log: where it lies below the folder of its OB, its lines, and its rows."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleMonth:
    """What is made: a month, how many requests it has, and by which seed."""

    year: int
    month: int
    requests: int
    seed: int = 1
    rates: Rates = Rates()

    @property
    def days(self) -> tuple[date, ...]:
        """The days of the month."""
        first = date(self.year, self.month, 1)
        days = (first + timedelta(days=number) for number in range(31))
        return tuple(day for day in days if day.month == self.month)

    def requests_by_day(self) -> dict[date, int]:
        """Return how many requests each day has; they add up.

        >>> sum(SampleMonth(2026, 10, 1000).requests_by_day().values())
        1000
        """
        weights = {day: _WEEKDAYS[day.weekday()] for day in self.days}
        whole, past, done = sum(weights.values()), 0, 0
        counts: dict[date, int] = {}
        for day, weight in weights.items():
            past += weight
            counts[day] = self.requests * past // whole - done
            done += counts[day]
        return counts


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a log, and the day whose file it is in."""

    kind: str
    day: date
    at: Instant
    fields: Mapping[str, JsonValue]


def sample_logs(month: SampleMonth, ob: SampleOb) -> Iterator[SampleFile]:
    """Yield the files of a month: a day of a log each, the days that late rows reach included.

    Days with an even number are CSV with a header and by position in turn, others JSON lines.
    """
    held: list[_Row] = []
    counts = month.requests_by_day()
    last = month.days[-1]
    day = month.days[0]
    while day <= last or held:
        held += _day_rows(month, ob, day, counts.get(day, 0))
        due = [row for row in held if row.day <= day]
        held = [row for row in held if row.day > day]
        for kind in ("groot", "gateway", "atria"):
            rows = [row.fields for row in due if row.kind == kind]
            if rows:
                yield _file(kind, ob.code, day, rows)
        day += timedelta(days=1)


def foreign_file(month: SampleMonth, ob: SampleOb) -> SampleFile:
    """Return a log of a few requests of another country, which lies in the wrong folder."""
    chance = Random(f"{month.seed}:{ob.code}:foreign")  # noqa: S311 (made up, not secret)
    other = replace(ob, code="PT" if ob.code != "PT" else _FOREIGN["PT"])
    first = month.days[0]
    rows = [_gateway_row(chance, other, _instant(chance, first), "nlpaas") for _ in range(5)]
    return replace(
        _file("gateway", ob.code, first, rows),
        name=f"gateway/{first:%Y-%m}/{ob.code}_gateway_foreign.jsonl",
        lines=tuple(json_text(row) for row in rows),
    )


def _day_rows(month: SampleMonth, ob: SampleOb, day: date, count: int) -> Iterator[_Row]:
    chance = Random(f"{month.seed}:{ob.code}:{day.isoformat()}")  # noqa: S311 (made up, not secret)
    for _ in range(count):
        service = _pick(chance, _SERVICES)
        at = _instant(chance, day)
        late = chance.randrange(10_000) < month.rates.late
        filed = day + timedelta(days=chance.randint(1, _DAYS_LATE_MAX) if late else 0)
        made = _message(chance, ob, at) if service == "message" else _call(chance, ob, at, service)
        for kind, fields in _flawed(chance, month.rates, made):
            yield _Row(kind, filed, at, fields)


_Logged = tuple[str, dict[str, JsonValue]]


def _flawed(chance: Random, rates: Rates, made: list[_Logged]) -> list[_Logged]:
    """Return the rows of a request with the flaws that chance gives it."""
    kind, first = made[0]
    throw = chance.randrange(10_000)
    limit = 0
    for flaw in ("repeated", "contradicting", "unattributed", "unknown", "broken", "events"):
        limit += getattr(rates, flaw)
        if throw < limit:
            return _FLAWS[flaw](chance, kind, first, made)
    return made


def _repeated(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    return [*made, (kind, dict(first))]


def _contradicting(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    """Say the same request again, a second later and by another channel or app."""
    time = "MSG_DT" if kind == "groot" else "MESSAGE_TM"
    said = dict(first) | ({"CHANNEL_CD": "whatsapp"} if kind == "groot" else {"AURA_APP_ID": None})
    before = parse_instant(str(first[time]).strip())
    assert before is not None, "it was made so"
    return [*made, (kind, said | {time: instant_text(before + SECOND)})]


def _unattributed(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    first["CHANNEL_CD" if kind == "groot" else "AURA_APP_ID"] = chance.choice([None, "  "])
    return made


def _unknown(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    if kind == "groot":
        first["CHANNEL_CD"] = "test-channel"
    else:
        first["AURA_APP_ID"] = _UNKNOWN_APP
    return made


def _broken(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    time = "MSG_DT" if kind == "groot" else "MESSAGE_TM"
    country = "COUNTRY_CD" if kind == "groot" else "COUNTRY_3_ALPHA_CD"
    field, value = chance.choice([(time, "03/10/2026 9:15"), ("CORR_ID", ""), (country, "XX")])
    first[field] = value
    return made


def _events(
    chance: Random, kind: str, first: dict[str, JsonValue], made: list[_Logged]
) -> list[_Logged]:
    if kind != "groot":
        return made
    return [*made, (kind, first | {"MSG_ID": made_up_id(chance), "ACTION_CD": "event"})]


_FLAWS = {
    "repeated": _repeated,
    "contradicting": _contradicting,
    "unattributed": _unattributed,
    "unknown": _unknown,
    "broken": _broken,
    "events": _events,
}


def _pick(chance: Random, shares: Mapping[str, int]) -> str:
    return chance.choices(list(shares), list(shares.values()))[0]


def _instant(chance: Random, day: date) -> Instant:
    """Return an instant of a day, to the millisecond."""
    begin = parse_instant(day.isoformat())
    assert begin is not None, "days are instants"
    hour = chance.choices(range(24), _HOURS)[0]
    return begin + (hour * 3_600_000 + chance.randrange(3_600_000)) * 1_000


def _time(chance: Random, at: Instant) -> str:
    """Write an instant as components do: most in UTC, some with an offset or white space."""
    way = chance.randrange(20)
    if way == 0:
        return f"{instant_text(at + DAY // 12).removesuffix('Z')}+02:00"
    return f" {instant_text(at)} " if way == 1 else instant_text(at)


def _country(chance: Random, code: str) -> str:
    return code if chance.randrange(4) == 0 else alpha_3(code) or code


def _message(chance: Random, ob: SampleOb, at: Instant) -> list[_Logged]:
    """Return the rows of one exchange at aura-groot: the message, and the answer."""
    shares = {name: share for name, _, _, share in CHANNELS}
    came: dict[str, JsonValue] = {
        "USER_ID": made_up_id(chance)[:8],
        "MSG_DT": _time(chance, at),
        "MSG_ID": made_up_id(chance),
        "ACTION_CD": "receive",
        "AURA_ID": made_up_id(chance),
        "PHONE_ID": None,
        "CHANNEL_CD": _pick(chance, shares),
        "DOMAIN_CD": None,
        "CATEGORY_CD": None,
        "COUNTRY_CD": _country(chance, ob.code),
        "CORR_ID": made_up_id(chance),
        "IS_CACHED": False,
        "STATUS_CD": 200,
        "REASON": None,
        "VERSION_ID": "9.4.0",
        "LANG_CD": "en",
        "TZ_CD": "UTC",
        "DURATION_NU": chance.randint(20, 900),
        "MESSAGE": 'What is "my" bill, please?',
        "CHANNEL_CONVERSATION_CD": made_up_id(chance)[:13],
    }
    went = {
        "MSG_DT": instant_text(at + chance.randint(50, 900) * 1_000),
        "MSG_ID": made_up_id(chance),
        "ACTION_CD": "send",
        "MESSAGE": "It is 12.50",
    }
    return [("groot", came), ("groot", came | went)]


def _gateway_row(chance: Random, ob: SampleOb, at: Instant, service: str) -> dict[str, JsonValue]:
    """Return the row of one request at the gateway."""
    is_nlp = service == "nlpaas"
    shares = {name: nlp if is_nlp else model for name, _, nlp, model in APPS}
    app = _pick(chance, shares)
    offered = {name: share for name, _, _, share in PRESETS if name in _presets_of(app)}
    return {
        "MESSAGE_ID": made_up_id(chance),
        "MESSAGE_TM": _time(chance, at),
        "AURA_APP_ID": ob.apps[app],
        "COUNTRY_3_ALPHA_CD": _country(chance, ob.code),
        "CORR_ID": made_up_id(chance),
        "AURA_NLP_IND": is_nlp,
        "AURA_PRESET_NAME": None if is_nlp else _pick(chance, offered),
        "AURA_COMPONENT_HOST_ID": f"gateway-{chance.randrange(4)}",
        "AURA_COMPONENT_ID": GATEWAY,
        "AURA_VERSION_ID": "9.4.0",
        "DAY_DT": instant_text(at)[:10],
    }


def _presets_of(app: str) -> Sequence[str]:
    return next(presets for name, presets, *_ in APPS if name == app)


def _call(chance: Random, ob: SampleOb, at: Instant, service: str) -> list[_Logged]:
    """Return the rows of one request: at the gateway, and what its model took."""
    row = _gateway_row(chance, ob, at, service)
    if service == "nlpaas":
        return [("gateway", row)]
    kind = next(kind for name, kind, *_ in PRESETS if name == row["AURA_PRESET_NAME"])
    rows: list[_Logged] = [("gateway", row)]
    if kind == "rag":
        # One interaction, and two components that handle it.
        own = {"MESSAGE_ID": made_up_id(chance), "MESSAGE_TM": instant_text(at + 350_000)}
        rows.append(("gateway", row | own | {"AURA_COMPONENT_ID": RAG_SERVER}))
    return [*rows, *(("atria", one) for one in _atria_rows(chance, row, at, kind))]


def _atria_rows(
    chance: Random, row: Mapping[str, JsonValue], at: Instant, kind: str
) -> list[dict[str, JsonValue]]:
    """Return the row of a request with its tokens, and rows of stages that add up to it."""
    stages = _STAGES if kind == "rag" else ()
    prompts = [chance.randint(80, 2_500) for _ in stages or ("",)]
    answers = [0 if kind == "semantic_search" else chance.randint(10, 600) for _ in prompts]
    shared = {name: row[name] for name in ("AURA_APP_ID", "COUNTRY_3_ALPHA_CD", "CORR_ID")}
    shared |= {"AURA_PRESET_NAME": row["AURA_PRESET_NAME"], "SESSION_ID": made_up_id(chance)}
    told = [(None, sum(prompts), sum(answers)), *zip(stages, prompts, answers, strict=False)]
    return [
        {
            "MESSAGE_ID": made_up_id(chance),
            "MESSAGE_TM": instant_text(at + (350 + 100 * number) * 1_000),
            **shared,
            "STAGE_NAME": stage,
            "STAGE_EXECUTION_NUM": None if stage is None else 1,
            "STAGE_SEQUENCE_NUM": None if stage is None else number,
            "COMPLETION_TOKENS_NUM": answer,
            "PROMPTS_TOKENS_NUM": prompt,
            "INPUT_QUERY_DESC": "What is my bill?",
        }
        for number, (stage, prompt, answer) in enumerate(told)
    ]


_COLUMNS = {
    "groot": groot_log.COLUMNS,
    "gateway": gateway_log.COLUMNS,
    "atria": (*atria_log.COLUMNS, "INPUT_QUERY_DESC"),
}


def _file(kind: str, ob: str, day: date, rows: Sequence[Mapping[str, JsonValue]]) -> SampleFile:
    """Write the rows of a day in the format of that day."""
    stem = f"{kind}/{day:%Y-%m}/{ob}_{kind}_{day:%Y%m%d}"
    if day.day % 2:
        return SampleFile(f"{stem}.jsonl", tuple(json_text(row) for row in rows))
    columns = _COLUMNS[kind]
    lines = [",".join(_cell(row.get(name)) for name in columns) for row in rows]
    if day.day % 4 == 0:
        lines.insert(0, ",".join(columns))
    return SampleFile(f"{stem}.txt", tuple(lines))


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text
