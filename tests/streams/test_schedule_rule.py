"""What people choose becomes instants; what cannot be understood is listed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.core.instant import DAY, from_datetime, instant_text, parse_instant
from meterhouse.core.problem import DefinitionError
from meterhouse.streams.schedule import read_schedule
from meterhouse.streams.schedule_rule import HOURS, MINUTES, ScheduleRule, read_rule

START = "2026-01-30T10:07:00Z"


def following(body: dict[str, Any], *, count: int = 4, after: str = START) -> list[str]:
    rule = ScheduleRule.from_api(body)
    instant = parse_instant(after)
    texts = []
    for _ in range(count):
        instant = rule.next_after(instant)
        texts.append(instant_text(instant)[:16])
    return texts


def faults(body: Any) -> list[str]:
    rule, problems = read_rule(body)
    assert rule is None
    return [str(problem) for problem in problems]


@pytest.mark.parametrize("every", MINUTES)
def test_every_few_minutes_divides_the_hour(every: int):
    found = following({"interval": "minutes", "every": every}, count=60 // every)
    minutes = sorted(int(text[14:]) for text in found)
    assert minutes == list(range(0, 60, every))


@pytest.mark.parametrize("every", HOURS)
def test_every_few_hours_divides_the_day(every: int):
    found = following({"interval": "hours", "every": every}, count=24 // every)
    assert sorted(int(text[11:13]) for text in found) == list(range(0, 24, every))
    assert {text[14:] for text in found} == {"00"}


def test_times_of_the_day_are_not_multiplied():
    # As one cron line, minutes 15 and 45 of hours 6 and 18 would be four times.
    assert following({"interval": "day", "times": ["06:15", "18:45"]}) == [
        *("2026-01-30T18:45", "2026-01-31T06:15", "2026-01-31T18:45", "2026-02-01T06:15"),
    ]


def test_days_of_the_week():
    body = {"interval": "week", "weekdays": ["monday", "sunday"], "times": ["00:00"]}
    assert following(body, count=3) == ["2026-02-01T00:00", "2026-02-02T00:00", "2026-02-08T00:00"]


def test_days_of_the_month_and_its_last():
    body = {"interval": "month", "days": [31, "last"], "times": ["12:00"]}
    assert following(body, count=3) == ["2026-01-31T12:00", "2026-02-28T12:00", "2026-03-31T12:00"]


def test_a_cron_expression_is_taken_as_it_is():
    body = {"interval": "cron", "expression": "7 4 * * 1-5"}
    assert following(body, count=2) == ["2026-02-02T04:07", "2026-02-03T04:07"]


def test_the_time_zone_is_utc_unless_given():
    body = {"interval": "day", "times": ["06:00"]}
    assert ScheduleRule.from_api(body).timezone == "Etc/UTC"
    berlin = {**body, "timezone": "Europe/Berlin"}
    assert following(berlin, count=2, after="2026-03-28T00:00Z") == [
        *("2026-03-28T05:00", "2026-03-29T04:00"),
    ]


def test_a_time_that_a_gap_leaves_out_fires_after_it_and_one_in_a_fold_once():
    body = {"interval": "day", "times": ["02:30"], "timezone": "Europe/Berlin"}
    assert following(body, count=1, after="2026-03-28T12:00Z") == ["2026-03-29T01:00"]
    assert following(body, count=2, after="2026-10-24T12:00Z") == [
        *("2026-10-25T00:30", "2026-10-26T01:30"),
    ]


def test_two_times_inside_one_gap_are_one_instant():
    body = {"interval": "day", "times": ["02:15", "02:30"], "timezone": "Europe/Berlin"}
    assert following(body, count=2, after="2026-03-28T12:00Z") == [
        *("2026-03-29T01:00", "2026-03-30T00:15"),
    ]


def test_a_rule_comes_back_as_it_was_written():
    for body in (
        {"interval": "minutes", "every": 15, "timezone": "Asia/Tokyo"},
        {"interval": "month", "days": ["last", 1], "times": ["06:00"], "timezone": "Etc/UTC"},
    ):
        assert ScheduleRule.from_api(body).to_api() == body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "interval: is missing (use one of minutes, hours, day, week, month, cron)"),
        ({"interval": "minutes", "every": 7}, "every: is 7 (use 5, 15, 20, 30 minutes"),
        ({"interval": "hours"}, "every: is missing (use 1, 2, 3, 4, 6, 12 hours"),
        ({"interval": "hours", "every": True}, "every: is true"),
        ({"interval": "day", "times": ["6:00"]}, 'times[0]: is "6:00" (use texts such as'),
        ({"interval": "day", "times": ["06:10"]}, 'times[0]: is "06:10"'),
        ({"interval": "day", "times": []}, "times: is empty"),
        ({"interval": "week", "weekdays": ["Montag"], "times": ["06:00"]}, "weekdays[0]: is"),
        ({"interval": "month", "days": [32], "times": ["06:00"]}, "days[0]: is 32"),
        ({"interval": "cron", "expression": "* * *"}, "which has 3 fields (give five"),
        ({"interval": "cron", "expression": "61 * * * *"}, "expression.minute: '61'"),
        ({"interval": "cron", "expression": "0 0 30 2 *"}, "never fires"),
        ({"interval": "minutes", "every": 5, "timezone": "Berlin"}, "timezone: is"),
        ({"interval": "minutes", "every": 5, "times": ["06:00"]}, "times: is not a known field"),
    ],
)
def test_what_is_not_understood_says_what_to_write(body: dict[str, Any], expected: str):
    [fault] = faults(body)
    assert expected in fault


def test_all_problems_are_listed():
    body = {"interval": "week", "weekdays": ["x", 3], "times": ["25:00"], "timezone": "Nowhere"}
    assert len(faults(body)) == 4


def test_the_body_of_a_schedule_says_whether_it_is_enabled():
    body = {"interval": "minutes", "every": 5}
    assert read_schedule(body)[1] is True
    assert read_schedule({**body, "enabled": False})[1] is False
    with pytest.raises(DefinitionError, match=r"enabled: is 1 .use true or false"):
        read_schedule({**body, "enabled": 1})
    with pytest.raises(DefinitionError, match="enable: is not a known field"):
        read_schedule({**body, "enable": True})


def test_what_meterhouse_wrote_of_a_schedule_is_read_again():
    shown = {"id": "x", "stream": "Small", "nextRunAt": None, "interval": "minutes", "every": 5}
    assert read_schedule(shown)[0].to_api()["every"] == 5


RULES = [
    {"interval": "minutes", "every": 5},
    {"interval": "hours", "every": 12, "timezone": "America/New_York"},
    {"interval": "month", "days": ["last"], "times": ["02:30"], "timezone": "Europe/Berlin"},
    {"interval": "cron", "expression": "*/1 3 29 2 *"},
]


@pytest.mark.parametrize("body", RULES, ids=str)
@given(late=st.integers(0, 12 * DAY))
def test_the_latest_instant_is_the_one_that_walking_finds(body: dict[str, Any], late: int):
    rule = ScheduleRule.from_api(body)
    since = rule.next_after(from_datetime(datetime(2023, 10, 24, tzinfo=UTC)))
    walked = since
    while (later := rule.next_after(walked)) <= since + late:
        walked = later
    assert rule.latest_until(since + late, since=since) == walked


def test_the_latest_instant_of_years_is_found_at_once():
    rule = ScheduleRule.from_api({"interval": "cron", "expression": "0 0 29 2 *"})
    since, now = parse_instant("2004-02-29T00:00Z"), parse_instant("2027-06-01T00:00Z")
    assert instant_text(rule.latest_until(now, since=since))[:10] == "2024-02-29"
    assert rule.latest_until(since, since=since) == since
